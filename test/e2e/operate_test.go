package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
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

// operator is the person at the command line.
type operator struct {
	t    *testing.T
	file string // the configuration
	data string
}

// newOperator writes a configuration whose NATS listens, so that commands reach it.
func newOperator(t *testing.T, sites string) *operator {
	t.Helper()
	dir := t.TempDir()
	o := &operator{t: t, file: filepath.Join(dir, "trunkline.yaml"), data: filepath.Join(dir, "data")}
	nats := freePort(t)
	writeFile(t, o.file, strings.Replace(kit.Config(o.data, sites), `nats: {listen: "off"}`, fmt.Sprintf(`nats: {listen: %q, url: "nats://%s"}`, nats, nats), 1), 0o600)
	return o
}

// sites writes a file beside the configuration, at once.
func (o *operator) sites(name, text string) {
	o.t.Helper()
	dir := filepath.Join(filepath.Dir(o.file), "sites.d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		o.t.Fatal(err)
	}
	writeFile(o.t, filepath.Join(dir, "."+name), text, 0o600)
	if err := os.Rename(filepath.Join(dir, "."+name), filepath.Join(dir, name)); err != nil {
		o.t.Fatal(err)
	}
}

// try runs a command and returns all that it prints.
func (o *operator) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(o.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "-c", o.file)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs a command that must not fail.
func (o *operator) must(args ...string) string {
	o.t.Helper()
	out, err := o.try(args...)
	if err != nil {
		o.t.Fatalf("trunkline %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// contains fails for each text that is not there.
func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("nothing says %q:\n%s", w, text)
		}
	}
}

const avayaTicket = "2026/11/20 09:%02d:%02d,00:01:05,4,01990012%02d,I,201,201,,0,1000%03d,0,E201,Extn201,T9001,Line 1.1,0,0,,,,,,,,,,,,,\r\n"

// TestStatus shows each link's state and what became of its tickets.
func TestStatus(t *testing.T) {
	t.Parallel()
	nobody := freePort(t)
	folder := t.TempDir()
	o := newOperator(t, site(
		`{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: mute, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: quiet, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: strange, model: unify-hipath, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: away, model: mitel-3300, tcp: {dial: "`+nobody+`"}}`,
		`{id: folder, model: avaya-ipoffice, files: {dir: "`+folder+`"}}`,
	))
	if out, err := o.try("status"); err == nil || !strings.Contains(out, "does trunkline run") {
		t.Errorf("status of nothing: %v\n%s", err, out)
	}
	in := kit.StartFile(t, binary, o.file)
	talk := func(link, text string) net.Conn {
		c, err := net.Dial("tcp", in.Listens["lyon/"+link])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		return c
	}
	var ten strings.Builder
	for i := range 10 {
		fmt.Fprintf(&ten, avayaTicket, i, i, i, i)
	}
	talk("desk", ten.String()+"a line of something else\r\n")
	talk("mute", "")
	talk("quiet", strings.Repeat("x", 812))
	talk("strange", ten.String())
	in.Await("SELECT sum(ticket_count) FROM receipts FINAL", 21)
	kit.Await(t, "the dial is refused", func() bool {
		return in.Metric("trunkline_tcp_dial_attempts_total", `result="refused"`) > 0
	}, in.Log)
	out := o.must("status")
	contains(t, out,
		"lyon/desk", "collecting", "1 dead ticket, the newest for too_few_columns",
		"lyon/mute: 127.0.0.1:", "has sent 0 bytes",
		"lyon/quiet: 812 bytes came, and no ticket's end",
		"10 tickets, and none parses (",
		"lyon/away: nothing has come from "+nobody+" yet; link lyon/away: cannot reach the PBX at "+nobody,
		"lyon/folder: nothing to collect at "+folder+" yet",
		"TICKETS", "parser", "CDRS", "sink",
		"21 tickets = 10 calls + 0 ignored + 11 dead; 21 rows",
	)
	var all struct {
		Links []struct {
			Name, Status string
			Balanced     bool
		}
	}
	if err := json.Unmarshal([]byte(o.must("status", "lyon/desk", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Links) != 1 || all.Links[0].Name != "lyon/desk" || all.Links[0].Status != "collecting" || !all.Links[0].Balanced {
		t.Errorf("%+v", all.Links)
	}
	if got := in.Metric("trunkline_link_status", `status="waiting"`); got != 4 {
		t.Errorf("%v links wait by the metric", got)
	}
}

// flow is a PBX that sends a ticket every now and then, over one connection, and
// knows whether that was closed.
type flow struct {
	conn   net.Conn
	closed chan struct{}
	sent   int
}

// 200 links are in flow. One port changes, a site is added, one is removed, a
// broken file is dropped in: no other connection closes, and no ticket is lost.
func TestReloadTouchesNothingElse(t *testing.T) {
	t.Parallel()
	const n = 200
	one := func(site string, listen string) string {
		return fmt.Sprintf("sites:\n  - id: %s\n    timezone: Europe/Paris\n    country: FR\n    links:\n      - {id: desk, model: avaya-ipoffice, tcp: {listen: %q}}\n", site, listen)
	}
	o := newOperator(t, "sites: []\n")
	ports := make([]string, n)
	for i := range n {
		ports[i] = freePort(t)
		o.sites(fmt.Sprintf("s%03d.yaml", i), one(fmt.Sprintf("s%03d", i), ports[i]))
	}
	in := kit.StartFile(t, binary, o.file)
	flows := make([]*flow, n)
	for i := range flows {
		c, err := net.Dial("tcp", ports[i])
		if err != nil {
			t.Fatal(err)
		}
		f := &flow{conn: c, closed: make(chan struct{})}
		defer c.Close()
		go func() {
			defer close(f.closed)
			io.Copy(io.Discard, c)
		}()
		flows[i] = f
	}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	for i, f := range flows {
		sending.Go(func() {
			for {
				text := fmt.Sprintf(avayaTicket, f.sent/60%60, f.sent%60, i%100, f.sent%1000)
				if _, err := io.WriteString(f.conn, text); err != nil {
					return
				}
				f.sent++
				select {
				case <-stop:
					return
				case <-f.closed:
					return
				case <-time.After(50 * time.Millisecond):
				}
			}
		})
	}
	in.Await("SELECT count() >= 2000 FROM calls", 1)

	// A broken file changes nothing, and says why.
	o.sites("broken.yaml", "sites:\n  - id: broken\n    timezone: Mars/Olympus\n    links: []\n")
	kit.Await(t, "the broken file is told", func() bool { return strings.Contains(in.Log(), "Mars/Olympus") }, in.Log)
	if out, err := o.try("reload"); err == nil || !strings.Contains(out, "broken.yaml:3") {
		t.Errorf("a broken file is taken over: %v\n%s", err, out)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(o.file), "sites.d", "broken.yaml")); err != nil {
		t.Fatal(err)
	}
	moved, added := freePort(t), freePort(t)
	o.sites("s007.yaml", one("s007", moved))
	if err := os.Remove(filepath.Join(filepath.Dir(o.file), "sites.d", "s011.yaml")); err != nil {
		t.Fatal(err)
	}
	o.sites("new.yaml", one("new", added))
	kit.Await(t, "the changes are taken over", func() bool {
		out, err := o.try("reload")
		return err == nil && strings.Contains(out, "no link differs")
	}, in.Log)
	contains(t, in.Log(), "added=[new/desk]", "removed=[s011/desk]", "restarted=[s007/desk]")

	for _, to := range []string{moved, added} {
		c, err := net.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, avayaTicket, 1, 2, 3, 4)
	}
	<-flows[7].closed
	<-flows[11].closed
	close(stop)
	sending.Wait()
	sent := 2
	for i, f := range flows {
		select {
		case <-f.closed:
			if i != 7 && i != 11 {
				t.Errorf("the connection of s%03d was closed", i)
			}
		default:
		}
		sent += f.sent
	}
	// What a PBX wrote behind the end of its link nobody has read: at most the
	// ticket that it was writing.
	in.Await(fmt.Sprintf("SELECT count() BETWEEN %d AND %d FROM calls", sent-2, sent), 1)
	for i, f := range flows {
		if i != 7 && i != 11 {
			in.Await(fmt.Sprintf("SELECT count() FROM calls WHERE site = 's%03d'", i), f.sent)
		}
	}
}

// A PBX whose buffer empties when it is read is checked a hundred times, with and
// without a running service: every ticket is in `calls`.
func TestCheckCostsNoTicket(t *testing.T) {
	t.Parallel()
	p := &pbx{model: "mitel-3300", link: "plant"}
	p.options = pbxsim.Options{Listen: "127.0.0.1:0", Seed: 5, Rate: 3000, Zone: paris, Sent: p.sent.add}
	sim, err := pbxsim.New(p.model, p.options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx) }()
	o := newOperator(t, site(fmt.Sprintf(`{id: plant, model: mitel-3300, tcp: {dial: %q}}`, sim.Addr())))

	// Without a service it takes the place of one.
	for i := range 20 {
		out := o.must("check", "--wait", "400ms", "lyon/plant")
		if i == 0 {
			contains(t, out, "none runs, so this takes its place", "the newest connection began with", "cut and published", "call")
		}
	}
	in := kit.StartFile(t, binary, o.file)
	in.Await("SELECT count() > 0 FROM calls", 1)
	for i := range 80 {
		out := o.must("check", "lyon/plant")
		if i == 79 {
			contains(t, out, "trunkline on", "the newest connection began with", "cut and published", "connected")
		}
	}
	hangUp()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	tickets := p.sent.all()
	if len(tickets) < 100 {
		t.Fatalf("%d tickets", len(tickets))
	}
	in.Await("SELECT sum(ticket_count) FROM receipts FINAL", len(tickets))
	in.Await("SELECT uniqExact(ticket_id) FROM (SELECT ticket_id FROM calls UNION ALL SELECT ticket_id FROM other_tickets FINAL)", len(tickets))
}
