// Package e2e tests the whole on real parts: the real program, an embedded NATS
// server, the ClickHouse engine, a MariaDB, and simulated PBXs on their wires.
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
	"trunkline.internal/pbxsim/mariadb"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

var (
	binary string
	db     *mariadb.Server
)

func TestMain(m *testing.M) {
	part.Play(nil)
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var clean func()
	var err error
	if binary, clean, err = kit.Binary(); err != nil {
		return 0, err
	}
	defer clean()
	dir, err := os.MkdirTemp("", "trunkline-mariadb-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	if db, err = mariadb.Start(context.Background(), dir); err != nil {
		return 0, err
	}
	defer db.Stop()
	if err := os.Setenv("CDR_PASSWORD", db.Password()); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

var paris = func() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return z
}()

// site is the configuration of a site in Lyon with the given links.
func site(links ...string) string {
	return "sites:\n  - id: lyon\n    timezone: Europe/Paris\n    country: " + pbxsim.Country + "\n    outside_prefix: \"" +
		pbxsim.OutsidePrefix + "\"\n    links:\n      - " + strings.Join(links, "\n      - ") + "\n"
}

// sent gathers what a simulated PBX has handed over.
type sent struct {
	mu      sync.Mutex
	tickets []pbxsim.Ticket
	at      []time.Time
}

func (s *sent) add(t pbxsim.Ticket, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(t.Bytes) == 0 {
		return // an empty line is no ticket
	}
	s.tickets = append(s.tickets, t)
	s.at = append(s.at, at)
}

func (s *sent) all() []pbxsim.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]pbxsim.Ticket(nil), s.tickets...)
}

// between lists what was handed over in a span of time.
func (s *sent) between(from, to time.Time) []pbxsim.Ticket {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []pbxsim.Ticket
	for i, t := range s.tickets {
		if s.at[i].After(from) && s.at[i].Before(to) {
			out = append(out, t)
		}
	}
	return out
}

// pbx is a simulated PBX and the link that collects from it.
type pbx struct {
	model, link string
	// wire is the link's YAML behind the model; {addr} is where the PBX listens.
	wire    string
	options pbxsim.Options
	sent    sent
}

// fetched tells a PBX whose tickets can be read again.
func (p *pbx) fetched() bool { return p.options.Dir != "" || p.options.DSN != "" }

func (p *pbx) yaml(t *testing.T) (pbxsim.Simulator, string) {
	t.Helper()
	p.options.Zone = paris
	p.options.Sent = p.sent.add
	listens := p.model == "mitel-3300" || p.model == "panasonic-kx"
	var sim pbxsim.Simulator
	addr := ""
	if listens {
		p.options.Listen = "127.0.0.1:0"
		var err error
		if sim, err = pbxsim.New(p.model, p.options); err != nil {
			t.Fatal(err)
		}
		addr = sim.Addr()
	}
	return sim, fmt.Sprintf("{id: %s, model: %s, %s}", p.link, p.model, strings.ReplaceAll(p.wire, "{addr}", addr))
}

// five are the five models on their wires.
func five(t *testing.T, database string, common pbxsim.Options) []*pbx {
	cdrs := filepath.Join(t.TempDir(), "cdr")
	if err := os.Mkdir(cdrs, 0o755); err != nil {
		t.Fatal(err)
	}
	avaya, mitel, kx, cucm, asterisk := common, common, common, common, common
	avaya.Retry = 200 * time.Millisecond
	kx.DateOrder = "dmy"
	cucm.Dir, cucm.FileEvery = cdrs, 500*time.Millisecond
	asterisk.DSN, asterisk.CreateTable = db.DSN(database), true
	return []*pbx{
		{model: "avaya-ipoffice", link: "front-desk", options: avaya, wire: `tcp: {listen: "127.0.0.1:0"}`},
		{model: "mitel-3300", link: "warehouse", options: mitel, wire: `tcp: {dial: "{addr}"}`},
		{model: "panasonic-kx", link: "plant", options: kx, wire: `parse: {date_order: dmy}, tcp: {dial: "{addr}"}`},
		{model: "cisco-cucm", link: "cucm", options: cucm, wire: fmt.Sprintf(
			`parse: {inside: {devices: [%s]}, trunks: {devices: [%s]}}, files: {dir: %q, every: 200ms, settle: 300ms}`,
			pbxsim.CUCMVoicemail, strings.Join(pbxsim.CUCMGateways, ", "), cdrs)},
		{model: "asterisk", link: "hotline", options: asterisk, wire: fmt.Sprintf(
			`parse: {inside: {lengths: [%d]}, trunks: {names: [%s]}}, mysql: {addr: %q, database: %s, user: %s, password_env: CDR_PASSWORD, every: 200ms}`,
			pbxsim.ExtensionLength, strings.Join(pbxsim.AsteriskTrunks, ", "), db.Addr(), database, db.User())},
	}
}

// start runs the program with the PBXs' links, and gives each PBX that does not
// listen its simulator.
func start(t *testing.T, pbxs []*pbx) (*kit.Instance, []pbxsim.Simulator) {
	t.Helper()
	sims := make([]pbxsim.Simulator, len(pbxs))
	links := make([]string, len(pbxs))
	for i, p := range pbxs {
		sims[i], links[i] = p.yaml(t)
		if p.model == "asterisk" { // the table is there before it is asked
			var err error
			if sims[i], err = pbxsim.New(p.model, p.options); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := kit.Start(t, binary, kit.Config(t.TempDir(), site(links...)))
	for i, p := range pbxs {
		if sims[i] == nil {
			if p.model == "avaya-ipoffice" {
				p.options.Addr = in.Listens["lyon/"+p.link]
			}
			var err error
			if sims[i], err = pbxsim.New(p.model, p.options); err != nil {
				t.Fatal(err)
			}
		}
	}
	return in, sims
}
