package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// all is every ticket that is kept, call or not.
const all = "SELECT link, ticket_id, hex(raw) FROM calls UNION ALL SELECT link, ticket_id, hex(raw) FROM other_tickets FINAL FORMAT TSV"

// keptTickets has the bytes of each kept ticket of a link by its id, and fails where an
// id has two.
func keptTickets(t *testing.T, in *kit.Instance, link string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for line := range strings.Lines(in.MustQuery(all)) {
		w := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if w[0] != link {
			continue
		}
		if _, ok := out[w[1]]; ok {
			t.Errorf("ticket %s is there twice", w[1])
		}
		out[w[1]] = unhex(w[2])
	}
	return out
}

// A backup is taken in full flow, the machine is lost, and a new one goes on from
// the backup: every ticket that was kept when it began is there once, and so is
// every ticket of the folder, since its files are read again where they must be.
func TestBackup(t *testing.T) {
	t.Parallel()
	now := time.Now()
	pbxs := five(t, "", pbxsim.Options{
		Seed: 41, Burst: true, Count: 1 << 20, From: now.Add(-20 * 24 * time.Hour), To: now.Add(-24 * time.Hour),
		Faults: pbxsim.Faults{PauseEvery: 10, Pause: 20 * time.Millisecond},
	})
	avaya, cucm := pbxs[0], pbxs[3]
	desk := freePort(t)
	avaya.options.Addr, avaya.wire = desk, fmt.Sprintf(`tcp: {listen: %q}`, desk)
	cucm.options.Faults, cucm.options.Count = pbxsim.Faults{}, 2000
	cucm.options.To = now.Add(-10 * 24 * time.Hour)
	var links []string
	for _, p := range []*pbx{avaya, cucm} {
		_, link := p.yaml(t)
		links = append(links, link)
	}
	o := newOperator(t, site(links...))
	o.edit(`sql: {listen: "127.0.0.1:0"}`, fmt.Sprintf(`sql: {listen: %q}`, freePort(t)))
	in := kit.StartFile(t, binary, o.file)

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	begin := func(p *pbx) {
		sim, err := pbxsim.New(p.model, p.options)
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() {
			if err := sim.Run(ctx); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", p.model, err)
			}
		})
	}
	begin(avaya)
	begin(cucm)
	kit.Await(t, "tickets flow", func() bool {
		return in.Count("SELECT count() FROM calls WHERE link = 'front-desk'") > 300 && in.Count("SELECT count() FROM calls WHERE link = 'cucm'") > 300
	}, func() string { return "none" })
	before := map[string]map[string]string{"front-desk": keptTickets(t, in, "front-desk"), "cucm": keptTickets(t, in, "cucm")}
	backup := filepath.Join(t.TempDir(), "backup")
	contains(t, o.must("backup", backup), "is whole", "stream TICKETS", "table cdrs", "bucket positions")
	inOrder(t, filepath.Join(backup, "manifest.json"), `"files.tar"`, `"bucket-positions.jsonl"`, `"stream-TICKETS.snapshot"`, `"stream-CDRS.snapshot"`, `"table-00-receipts.tar"`, `-cdrs.tar"`)
	if out, err := o.try("backup", backup); err == nil || !strings.Contains(out, "is there already") {
		t.Errorf("a second backup over the first: %v\n%s", err, out)
	}
	kit.Await(t, "the audit tells", func() bool { return in.Count("SELECT count() FROM audit FINAL WHERE what = 'backup'") == 1 }, in.Log)
	in.Kill()
	// Calls go on while the machine is away.
	more := cucm.options
	more.Seed, more.From, more.To = 42, now.Add(-9*24*time.Hour), now.Add(-24*time.Hour)
	already := len(cucm.sent.all())
	begin(&pbx{model: cucm.model, options: more})
	if left, _ := filepath.Glob(filepath.Join(o.data, "clickhouse/shadow/*/store")); len(left) > 0 {
		t.Errorf("the backup left %v", left)
	}
	t.Run("damaged", func(t *testing.T) { damaged(t, backup) })
	if out, err := restore(t, backup, o.data); err == nil || !strings.Contains(out, "holds real tickets already, and nothing was touched") {
		t.Errorf("a restore over tickets: %v\n%s", err, out)
	}
	if err := os.RemoveAll(o.data); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.MkdirAll(filepath.Join(cut, "nats"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(cut, "kind"), "restoring", 0o600)
	old := o.data
	o.edit(fmt.Sprintf("data: %q", old), fmt.Sprintf("data: %q", cut))
	if out, err := o.try("run"); err == nil || !strings.Contains(out, "run that again") {
		t.Errorf("a run on half a restore: %v\n%s", err, out)
	}
	out, err := restore(t, backup, cut) // where another was cut
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	contains(t, out, "table cdrs", "stream CDRS", "real calls")

	in = kit.StartFile(t, binary, o.file)
	flowed := len(avaya.sent.all())
	kit.Await(t, "the PBXs go on", func() bool {
		return len(cucm.sent.all()) >= already+more.Count && len(avaya.sent.all()) > flowed+300
	}, func() string { return fmt.Sprint(len(cucm.sent.all()), " ", len(avaya.sent.all())-flowed) })
	stop()
	running.Wait()
	sent := make(map[string]int)
	for _, x := range cucm.sent.all() {
		sent[key(x)]++
	}
	var kept map[string]int
	kit.Await(t, "every ticket of the folder is there", func() bool {
		kept = make(map[string]int)
		for _, raw := range keptTickets(t, in, "cucm") {
			kept[keyOf(raw)]++
		}
		return len(kept) >= len(sent)
	}, func() string { return fmt.Sprintf("%d of %d", len(kept), len(sent)) })
	for k, n := range sent {
		if kept[k] != n {
			t.Errorf("a ticket of the folder is there %d times, not %d: %q", kept[k], n, k)
		}
	}
	for link, tickets := range before {
		after, lost := keptTickets(t, in, link), 0
		for id, raw := range tickets {
			if after[id] != raw {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%s: %d of %d tickets of before the backup are lost, or are not what they were", link, lost, len(tickets))
		}
	}
	kit.Await(t, "the audit tells the restore", func() bool { return in.Count("SELECT count() FROM audit FINAL WHERE what = 'restore'") == 1 }, in.Log)
	kit.Await(t, "receipts and rows agree", func() bool {
		return in.MustQuery("SELECT sum(cdr_count) = (SELECT count() FROM calls) AND sum(ignored_count + dead_count) = (SELECT count() FROM other_tickets FINAL) FROM (SELECT * FROM receipts FINAL)") == "1"
	}, in.Log)
	t.Logf("%d and %d tickets before the backup", len(before["front-desk"]), len(before["cucm"]))
}

// inOrder fails where texts do not stand in a file in this order: what is older is
// harmless beside what is newer, and not the other way round.
func inOrder(t *testing.T, file string, texts ...string) {
	t.Helper()
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rest := string(have)
	for _, text := range texts {
		_, after, ok := strings.Cut(rest, text)
		if !ok {
			t.Fatalf("%s is not where it should be in %s", text, have)
		}
		rest = after
	}
}

// edit changes the configuration.
func (o *operator) edit(from, to string) {
	o.t.Helper()
	text, err := os.ReadFile(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	if !strings.Contains(string(text), from) {
		o.t.Fatalf("no %q in %s", from, text)
	}
	writeFile(o.t, o.file, strings.Replace(string(text), from, to, 1), 0o600)
}

func restore(t *testing.T, backup, data string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "restore", "--data", data, backup).CombinedOutput()
	return string(out), err
}

// damaged tries what is no backup. Nothing is made of it.
func damaged(t *testing.T, backup string) {
	flip := func(name string) func(dir string) error {
		return func(dir string) error {
			file := filepath.Join(dir, name)
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			b[len(b)/2] ^= 1
			return os.WriteFile(file, b, 0o600)
		}
	}
	for name, c := range map[string]struct {
		do   func(dir string) error
		says string
	}{
		"a byte of the tickets": {flip("stream-TICKETS.snapshot"), "is damaged, and nothing was touched: stream-TICKETS.snapshot"},
		"a byte of a table":     {flip("table-00-receipts.tar"), "is damaged, and nothing was touched: table-00-receipts.tar (table receipts)"},
		"a byte of the list":    {flip("manifest.json"), "is damaged, and nothing was touched: manifest.json"},
		"a part is missing": {
			func(dir string) error { return os.Remove(filepath.Join(dir, "bucket-positions.jsonl")) },
			"is not whole, and nothing was touched: bucket positions is missing",
		},
		"a part is cut": {
			func(dir string) error { return os.Truncate(filepath.Join(dir, "stream-CDRS.snapshot"), 100) },
			"is damaged, and nothing was touched: stream-CDRS.snapshot",
		},
		"cut": {func(dir string) error { return os.Remove(filepath.Join(dir, "manifest.json")) }, "is no whole backup"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "copy")
			if err := os.CopyFS(dir, os.DirFS(backup)); err != nil {
				t.Fatal(err)
			}
			if err := c.do(dir); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(t.TempDir(), "data")
			out, err := restore(t, dir, data)
			if err == nil || !strings.Contains(out, c.says) {
				t.Errorf("it says %v\n%s", err, out)
			}
			if _, err := os.Stat(data); err == nil {
				t.Error("the data folder was made")
			}
		})
	}
}
