package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// Every PBX that is simulated beside those of TestModels, in its bad weather, on
// sockets, behind its API and in folders: each ticket comes out once, of `calls` with every field right, or of other_tickets.
func TestDialogues(t *testing.T) {
	t.Parallel()
	now := time.Now()
	common := pbxsim.Options{
		Seed: 43, Burst: true, Count: 300, Odd: 0.05, From: now.Add(-15 * 24 * time.Hour), To: now.Add(-24 * time.Hour), Zone: paris,
	}
	layout := filepath.Join(t.TempDir(), "hotel.yaml")
	if err := os.WriteFile(layout, []byte(pbxsim.AHLLayout("lrc")), 0o600); err != nil {
		t.Fatal(err)
	}
	api := func(o *pbxsim.Options) {
		o.Listen, o.Password, o.TLS, o.FailEvery, o.Life = "127.0.0.1:0", db.Password(), true, 3, 5*time.Second
	}
	posts, pushes := freePort(t), freeUDP(t)
	const login = `user: cdr, password_env: CDR_PASSWORD, pin: {pin}, every: 300ms`
	pbxs := []*pbx{
		{model: "alcatel-oxe", link: "oxe", wire: `oxe: {dial: ["{addr}", "{standby}"]}`},
		{model: "alcatel-oxe", link: "oxe-drops", wire: `oxe: {dial: ["{addr}"]}`},
		{model: "alcatel-oxe-ahl", link: "ahl", wire: fmt.Sprintf(`parse: {layout: %q}, ahl: {dial: "{addr}"}`, layout)},
		{model: "wazo", link: "wazo", wire: `http: {url: "https://{addr}", ` + login + `, settle: 300ms}`},
		{model: "grandstream-ucm", link: "ucm-old", wire: `http: {url: "https://{addr}/cdrapi", ` + login + `}`},
		{model: "grandstream-ucm", link: "ucm-new", wire: `http: {url: "https://{addr}", ` + login + `}`},
		{model: "grandstream-ucm", link: "ucm-json", wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "grandstream-ucm", link: "ucm-csv", wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "grandstream-ucm", link: "ucm-post", wire: fmt.Sprintf(`http_server: {listen: %q}`, posts)},
		{model: "3cx", link: "cx-active", wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "3cx", link: "cx-passive", wire: `tcp: {dial: "{addr}"}`},
		{model: "3cx", link: "cx-each", wire: `files: {dir: {dir}, every: 200ms, settle: 300ms}`},
		{model: "3cx", link: "cx-grows", wire: `files: {dir: {dir}, pattern: cdr.log, grows: true, every: 200ms, settle: 300ms}`},
		{model: "alcatel-oxe", link: "oxe-files", wire: `files: {dir: {dir}, every: 200ms, settle: 300ms}`},
		{model: "alcatel-oxo", link: "oxo", wire: `files: {dir: {dir}, every: 200ms, settle: 300ms}`},
		{model: "asterisk", link: "master", wire: fmt.Sprintf(`parse: {inside: {lengths: [%d]}, trunks: {names: [%s]}}, files: {dir: {dir}, every: 200ms}`,
			pbxsim.ExtensionLength, strings.Join(pbxsim.AsteriskTrunks, ", "))},
		{model: "mitel-a400-pc5", link: "a400", wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "shoretel", link: "shoretel", wire: `tcp: {dial: "{addr}"}`},
		{model: "shoretel", link: "shoretel-logs", wire: `files: {dir: {dir}, every: 200ms}`},
		{model: "unify-hipath", link: "hipath", wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "unify-hipath", link: "hipath-push", wire: fmt.Sprintf("tftp: {listen: %q}", pushes)},
		{model: "unify-hipath", link: "hipath-files", wire: `files: {dir: {dir}, every: 200ms, settle: 300ms}`},
	}
	sims := make([]pbxsim.Simulator, len(pbxs))
	links := make([]string, len(pbxs))
	for i, p := range pbxs {
		o := common
		o.Sent = p.sent.add
		switch {
		case strings.HasPrefix(p.wire, "files"), p.link == "master":
			o.Dir, o.Slowly, o.Grows = t.TempDir(), p.link != "oxo", p.link == "cx-grows"
			p.wire = strings.ReplaceAll(p.wire, "{dir}", fmt.Sprintf("%q", o.Dir))
		case p.link == "oxe-drops":
			o.Listen, o.Faults = "127.0.0.1:0", pbxsim.Faults{DropEvery: 150}
		case p.model == "alcatel-oxe":
			o.Listen, o.Standby, o.KeepAlive = "127.0.0.1:0", "127.0.0.1:0", 500*time.Millisecond
			o.Faults = pbxsim.Faults{Split: true, PauseEvery: 100, Pause: 300 * time.Millisecond}
		case p.model == "alcatel-oxe-ahl":
			o.Listen = "127.0.0.1:0"
			o.Faults = pbxsim.Faults{SpoilEvery: 40, DeafEvery: 50, DropEvery: 170}
		case strings.Contains(p.wire, "{pin}"):
			api(&o)
		case strings.HasPrefix(p.wire, "tcp: {dial"):
			o.Listen, o.Faults = "127.0.0.1:0", pbxsim.Faults{Split: true, DropEvery: 110}
		case strings.HasPrefix(p.wire, "tcp"):
			o.Retry, o.Faults.Split = 200*time.Millisecond, true
			if p.link == "ucm-csv" {
				o.Variant = "csv"
			}
			if p.model != "grandstream-ucm" {
				o.Faults.DropEvery = 110
			}
		}
		p.options = o
		if o.Listen != "" || o.Dir != "" {
			sims[i] = simulated(t, p)
		}
		links[i] = fmt.Sprintf("{id: %s, model: %s, %s}", p.link, p.model, pointed(p.wire, sims[i]))
	}
	in := kit.Start(t, binary, kit.Config(t.TempDir(), site(links...)))
	for i, p := range pbxs {
		if sims[i] == nil {
			switch p.link {
			case "ucm-post":
				p.options.URL = fmt.Sprintf("http://%s/lyon/%s", posts, p.link)
			case "hipath-push":
				p.options.URL = "tftp://" + pushes
			default:
				p.options.Addr = in.Listens["lyon/"+p.link]
			}
			sims[i] = simulated(t, p)
		}
	}
	// All at once: each of them mostly waits.
	var all sync.WaitGroup
	for i, p := range pbxs {
		all.Go(func() {
			t.Run(p.link, func(t *testing.T) { deliver(t, in.For(t), p, sims[i]) })
		})
	}
	all.Wait()
}

// deliver runs a simulated PBX to its end, and compares.
func deliver(t *testing.T, in *kit.Instance, p *pbx, sim pbxsim.Simulator) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	over := make(chan error, 1)
	go func() { over <- sim.Run(ctx) }()
	if p.options.TLS { // which answers as long as it is asked
		n := generated(t, p)
		kit.Await(t, "all calls are given", func() bool { return len(p.sent.all()) >= n }, func() string { return fmt.Sprint(len(p.sent.all())) })
	} else if err := <-over; err != nil {
		t.Fatal(err)
	}
	check(t, in, p)
}

// generated counts the tickets that the PBX has.
func generated(t *testing.T, p *pbx) (n int) {
	t.Helper()
	o := pbxsim.Options{Seed: p.options.Seed, Count: p.options.Count, Odd: p.options.Odd, From: p.options.From, To: p.options.To, Zone: paris}
	if p.model == "grandstream-ucm" {
		o.Variant = "cdrapi"
	}
	tickets, err := pbxsim.Tickets(p.model, o)
	if err != nil {
		t.Fatal(err)
	}
	for range tickets {
		n++
	}
	return n
}

func simulated(t *testing.T, p *pbx) pbxsim.Simulator {
	t.Helper()
	sim, err := pbxsim.New(p.model, p.options)
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// pointed fills in where the simulated PBX is, and by what it is known.
func pointed(wire string, sim pbxsim.Simulator) string {
	if sim == nil {
		return wire
	}
	standby, pin := "", ""
	if two, ok := sim.(interface{ Standby() string }); ok {
		standby = two.Standby()
	}
	if tls, ok := sim.(interface{ Pin() string }); ok {
		pin = tls.Pin()
	}
	return strings.NewReplacer("{addr}", sim.Addr(), "{standby}", standby, "{pin}", pin).Replace(wire)
}
