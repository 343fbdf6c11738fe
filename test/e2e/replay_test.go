package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/test/kit"
)

// replayed is a site whose links were set up wrong at first.
type replayed struct {
	*operator
	dirs [3]string
}

// Wrong: a zone, an order of dates, a model. Right: what it should have been.
var (
	wrongLinks = []string{`parse: {timezone: America/New_York}`, `parse: {date_order: mdy}`, `3cx`}
	rightLinks = []string{`parse: {}`, `parse: {date_order: dmy}`, `cisco-cucm`}
)

func (r *replayed) site(with []string) string {
	return site(
		fmt.Sprintf(`{id: smdr, model: avaya-ipoffice, %s, files: {dir: %q, every: 200ms, settle: 200ms}}`, with[0], r.dirs[0]),
		fmt.Sprintf(`{id: kx, model: panasonic-kx, %s, files: {dir: %q, pattern: "*.txt", grows: true, every: 200ms, settle: 200ms}}`, with[1], r.dirs[1]),
		fmt.Sprintf(`{id: cucm, model: %s, files: {dir: %q, pattern: "*", every: 200ms, settle: 200ms}}`, with[2], r.dirs[2]))
}

// configure writes the configuration with the links as given.
func (r *replayed) configure(with []string) {
	r.t.Helper()
	have, err := os.ReadFile(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(have), "sites:\n")
	writeFile(r.t, r.file, head+r.site(with), 0o600)
}

const (
	replaySMDR = 15_000
	replayKX   = 700
	replayCUCM = 12
)

func newReplayed(t *testing.T) *replayed {
	r := &replayed{dirs: [3]string{t.TempDir(), t.TempDir(), t.TempDir()}}
	old := time.Now().Add(-60 * 24 * time.Hour).Truncate(time.Minute)
	written := func(path, text string) {
		writeFile(t, path, text, 0o600)
		if err := os.Chtimes(path, old.AddDate(0, 0, 59), old.AddDate(0, 0, 59)); err != nil {
			t.Fatal(err)
		}
	}
	written(filepath.Join(r.dirs[0], "SMDR.csv"), smdr(old, 0, replaySMDR))
	// Days 1 to 28 of some months: half of them are no date, or another one, when day
	// and month change places.
	var kx strings.Builder
	for i := range replayKX {
		at := time.Date(2026, time.Month(1+i%7), 1+i%28, 8+i%10, i%60, 0, 0, time.UTC)
		fmt.Fprintf(&kx, "%s    %d 01 0199002002           00:00'%02d EU00000.50\r\n", at.Format("02/01/06 15:04"), 100+i, 1+i%58)
	}
	written(filepath.Join(r.dirs[1], "smdr.txt"), kx.String())
	for i := range replayCUCM {
		written(filepath.Join(r.dirs[2], fmt.Sprintf("cdr_%d", i)), cdrFile(old.Add(time.Duration(i)*time.Hour), i))
	}
	r.operator = newOperator(t, "sites:\n")
	writeFile(t, r.file, strings.Replace(readFile(t, r.file), `sql: {listen: "127.0.0.1:0"}`, fmt.Sprintf("sql: {listen: %q}", freePort(t)), 1), 0o600)
	return r
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// standing is all that people see of the tickets.
func standing(in *kit.Instance) string {
	return in.MustQuery("SELECT link, model, ticket_id, start_time, end_time, utc_offset_seconds, call_key, calling_number, called_number, direction, talk_seconds, warnings, hex(raw) FROM calls ORDER BY link, ticket_id") +
		"\n" + in.MustQuery("SELECT link, model, ticket_id, outcome, reason, hex(raw) FROM other_tickets FINAL WHERE gone = 0 ORDER BY link, ticket_id")
}

func (r *replayed) when() []string {
	const day = 24 * time.Hour
	return []string{"--site", "lyon", "--from", time.Now().Add(-day).UTC().Format(time.DateOnly), "--to", time.Now().Add(day).UTC().Format(time.DateOnly)}
}

// purge takes away what TICKETS holds, as its age does.
func (r *replayed) purge() {
	r.t.Helper()
	url := regexp.MustCompile(`nats://[0-9.:]+`).FindString(readFile(r.t, r.file))
	nc, err := nats.Connect(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	stream, err := js.Stream(r.t.Context(), "TICKETS")
	if err == nil {
		err = stream.Purge(r.t.Context())
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// forget makes a link's rows those of a version that kept no place.
func (r *replayed) forget(in *kit.Instance, link string) {
	r.t.Helper()
	r.write(in, "ALTER TABLE trunkline.cdrs UPDATE position = '', message_id = '' WHERE link = '"+link+"' SETTINGS mutations_sync = 2")
}

// same fails where two states differ, with the first lines that do.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	t.Errorf("%s: %d lines, want %d", what, len(g), len(w))
	for i, n := 0, 0; i < min(len(g), len(w)) && n < 3; i++ {
		if g[i] != w[i] {
			n++
			t.Errorf("line %d is\n%s\nwant\n%s", i, g[i], w[i])
		}
	}
}

// TestReplay: who chose the wrong zone, order of dates or model corrects it and
// replays; then the calls are as if it had been right from the start, however often,
// and wherever the tickets are taken from.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := newReplayed(t)
	const all = replaySMDR + replayKX + replayCUCM

	// As it should be.
	fresh := &replayed{dirs: r.dirs, operator: newOperator(t, "sites:\n")}
	fresh.configure(rightLinks)
	right := kit.StartFile(t, binary, fresh.file)
	right.Await("SELECT count() FROM calls", all)
	want := standing(right)
	if err := right.Stop(); err != nil {
		t.Fatal(err)
	}

	// As it was.
	r.configure(wrongLinks)
	in := kit.StartFile(t, binary, r.file)
	in.Await("SELECT sum(ticket_count) FROM receipts FINAL", all+2*replayCUCM) // the head lines too
	in.Await("SELECT count() FROM calls WHERE link = 'smdr'", replaySMDR)
	wrong := standing(in)
	dead := in.Count("SELECT count() FROM other_tickets FINAL WHERE outcome = 'DEAD' AND link = 'kx'")
	if dead == 0 || in.Count("SELECT count() FROM calls WHERE link = 'kx'") == 0 {
		t.Fatalf("%d dead tickets with the wrong order of dates: some should be, not all", dead)
	}

	// What is aside, in words and as JSON.
	aside := r.must("aside", "--site", "lyon", "--link", "kx")
	contains(t, aside, "lyon/kx, panasonic-kx", fmt.Sprintf("%d  dead     bad_date", dead), "in the order mdy", "0199002002", "parser ")
	var group struct {
		Link, Outcome, Reason, Example string
		Count                          int
	}
	if err := json.Unmarshal([]byte(r.must("aside", "--json", "--link", "kx", "--site", "lyon")), &group); err != nil || group.Count != dead || group.Reason != "bad_date" || group.Outcome != "dead" {
		t.Errorf("aside --json: %+v, %v", group, err)
	}

	// A replay under the same settings changes nothing.
	r.must(append([]string{"replay"}, r.when()...)...)
	same(t, "replayed as it was", standing(in), wrong)

	r.configure(rightLinks)
	r.must("reload")
	dry := r.must(append([]string{"replay", "--dry-run"}, r.when()...)...)
	contains(t, dry, "become calls", "calls move in time", "nothing was changed", fmt.Sprintf("%-8s  %12d  %12d", "dead", dead+3*replayCUCM, 0),
		fmt.Sprintf("%d  are part of others, or of a file's head", 2*replayCUCM))
	same(t, "after a dry run", standing(in), wrong)

	// Only what was set aside for one reason.
	contains(t, r.must("replay", "--aside", "--reason", "bad_date", "--site", "lyon"), fmt.Sprintf("%-8s  %12d  %12d", "dead", dead, 0))
	if n := in.Count("SELECT count() FROM other_tickets FINAL WHERE gone = 0 AND link = 'kx'"); n != 0 {
		t.Errorf("%d tickets of kx are still aside", n)
	}

	// Rows of an older version, which did not keep their place: TICKETS has them.
	r.forget(in, "smdr")
	// Cut somewhere, and run again.
	cut := exec.Command(binary, append([]string{"replay", "-c", r.file}, r.when()...)...)
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	before := in.Count("SELECT max(revision) FROM receipts")
	kit.Await(t, "the replay has begun", func() bool { return in.Count("SELECT max(revision) FROM cdrs") > before }, func() string { return "" })
	_ = cut.Process.Kill()
	_ = cut.Wait()
	out := r.must(append([]string{"replay"}, r.when()...)...)
	contains(t, out, "before", "after", "calls")
	same(t, "replayed from TICKETS", standing(in), want)

	// From ClickHouse alone: wrong again, and right again.
	r.purge()
	r.configure(wrongLinks)
	r.must("reload")
	r.must(append([]string{"replay"}, r.when()...)...)
	if n := in.Count("SELECT count() FROM calls WHERE link IN ('kx', 'cucm')"); n != replayKX-dead {
		t.Errorf("%d calls of kx and cucm, with the wrong settings again; want %d", n, replayKX-dead)
	}
	r.configure(rightLinks)
	r.must("reload")
	for range 2 {
		r.must(append([]string{"replay"}, r.when()...)...)
		same(t, "replayed from ClickHouse", standing(in), want)
	}
	// Older rows that TICKETS has not either stay, and are told.
	r.forget(in, "kx")
	out = r.must(append([]string{"replay", "--link", "kx"}, r.when()...)...)
	contains(t, out, fmt.Sprintf("%d tickets stay as they are: written by a version that did not keep their place", replayKX))
	same(t, "older rows", standing(in), want)

	if n := in.Count("SELECT count() FROM audit FINAL WHERE what = 'replay' AND after != ''"); n != 7 {
		t.Errorf("%d replays in the audit", n)
	}
	if n := in.Count("SELECT count() FROM audit FINAL WHERE what = 'replay' AND after = ''"); n != 1 {
		t.Errorf("%d replays in the audit that were cut", n)
	}
}

// TestReplayRefuses what cannot be meant.
func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	o := newOperator(t, site(`{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`))
	for want, args := range map[string][]string{
		"give --site, --from and --to":   {"replay"},
		"--reason goes with --aside":     {"replay", "--site", "lyon", "--from", "2026-01-01", "--to", "2026-01-02", "--reason", "x"},
		"give a UTC day such as":         {"replay", "--site", "lyon", "--from", "yesterday", "--to", "2026-01-02"},
		"is not before":                  {"replay", "--aside", "--from", "2026-01-03", "--to", "2026-01-02"},
		"no clickhouse answers with our": {"aside"},
	} {
		if out, err := o.try(args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s\nwant %q", args, err, out, want)
		}
	}
}
