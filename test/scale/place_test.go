package scale

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"trunkline.internal/test/kit"
)

// place is where a site's machine stands: a network namespace of its own, or where
// that is not allowed an address of loopback. It goes when its test ends.
type place struct {
	addr   string // the site's
	hub    string // by which it reaches the hub
	holder *kit.Process
}

// places makes n of them. own says that they are namespaces.
func places(t *testing.T, n int) (all []*place, own bool) {
	t.Helper()
	for i := range n {
		p, err := newPlace(t, i)
		if err != nil && i == 0 {
			t.Logf("no network namespaces, sites are told apart by addresses of loopback: %v", err)
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for i := len(all); i < n; i++ {
		pid := os.Getpid()
		all = append(all, &place{addr: fmt.Sprintf("127.%d.%d.%d", 1+pid%250, pid/250%250, 1+i), hub: "127.0.0.1"})
	}
	return all, all[0].holder != nil
}

// newPlace makes a namespace with a line to ours. Of its net, out of 198.18.0.0/15
// which is for measurements, we have two addresses: PBXs are seen to come from the
// first, and the hub is at the other, so that it can be away for itself.
func newPlace(t *testing.T, i int) (*place, error) {
	at := (os.Getpid()*41 + i) % (1 << 14) * 8
	addr := func(n int) string { return fmt.Sprintf("198.%d.%d.%d", 18+at>>16, at>>8&255, at&255+n) }
	probe := exec.Command("true")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := probe.Run(); err != nil {
		return nil, fmt.Errorf("a new network namespace: %w", err)
	}
	p := &place{addr: addr(2), hub: addr(3)}
	p.holder = kit.NewProcess(t, "namespace", func() *exec.Cmd {
		cmd := exec.Command("sleep", "infinity")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		return cmd
	})
	dev := fmt.Sprintf("site%d-%d", i, os.Getpid()%100_000)
	for _, args := range [][]string{
		{"link", "add", dev, "type", "veth", "peer", "name", "line", "netns", strconv.Itoa(p.holder.Pid())},
		{"addr", "add", p.addrOf(addr(1)), "dev", dev},
		{"addr", "add", p.addrOf(p.hub), "dev", dev},
		{"link", "set", dev, "up"},
	} {
		if err := said(exec.Command("ip", args...)); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{{"addr", "add", p.addrOf(p.addr), "dev", "line"}, {"link", "set", "line", "up"}, {"link", "set", "lo", "up"}} {
		if err := said(p.inside("ip", args...)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *place) addrOf(ip string) string { return ip + "/29" }

// inside is a command that runs there.
func (p *place) inside(name string, args ...string) *exec.Cmd {
	if p.holder == nil {
		return exec.Command(name, args...)
	}
	return exec.Command("nsenter", append([]string{"--net=/proc/" + strconv.Itoa(p.holder.Pid()) + "/ns/net", name}, args...)...)
}

func said(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return nil
}

// away lets nothing pass between a site and the hub, until back.
func (s *site) away() error {
	if s.holder != nil {
		return said(s.inside("ip", "route", "add", "blackhole", s.hub+"/32"))
	}
	return s.reach(nobody)
}

func (s *site) back() error {
	if s.holder != nil {
		return said(s.inside("ip", "route", "del", "blackhole", s.hub+"/32"))
	}
	return s.reach(s.port)
}

// nobody is a port at which no hub is.
const nobody = "9"

// reach lets the site's process look for the hub at another port, from its next
// start on.
func (s *site) reach(port string) error {
	if err := os.WriteFile(s.config, []byte(s.yaml(port)), 0o600); err != nil {
		return err
	}
	if err := s.Restart(); err != nil {
		return err
	}
	s.AwaitReady()
	return nil
}

// site is a site's ingest with a spool.
type site struct {
	*place
	*kit.Process
	id, port, config string
	links            []*link
	yaml             func(port string) string
}

// newSite starts a site of links that come to it, or of logs.
func (h *hub) newSite(p *place, i, links int, logs bool) *site {
	t := h.t
	s := &site{place: p, id: siteID(i), port: h.port}
	dir := filepath.Join(h.dir, s.id)
	kind, rest := "ingest-tcp", ""
	if logs {
		kind = "ingest-poll"
	}
	for n := range links {
		id := fmt.Sprintf("pbx-%d", n)
		if logs {
			b, text := h.ledger.book(s.id, id, filepath.Join(dir, id))
			h.ways, s.links = append(h.ways, b), append(s.links, b.link)
			rest += "      - " + text
			continue
		}
		listen := fmt.Sprintf("%s:%d", p.addr, 10_800+n)
		l := h.ledger.link(s.id, id, speaks)
		h.ways, s.links = append(h.ways, &socket{link: l, to: listen}), append(s.links, l)
		rest += fmt.Sprintf("      - {id: %s, model: %s, tcp: {listen: %q}}\n", id, speaks, listen)
	}
	metrics := p.addr + ":9090"
	s.yaml = func(port string) string {
		return fmt.Sprintf("data: %q\nnats: {url: \"tls://%s:%s\", %s, spool: {max_bytes: 1GiB}}\nmetrics: {listen: %q}\nsites:\n  - id: %s\n    timezone: %s\n    country: GB\n    links:\n%s",
			dir, p.hub, port, h.user(h.creds(s.id), s.id), metrics, s.id, zone, rest)
	}
	s.config = write(t, dir, "trunkline.yaml", s.yaml(h.port))
	s.Process = kit.NewProcess(t, s.id+" "+kind, func() *exec.Cmd { return p.inside(filepath.Join(binaries, kind), "-c", s.config) })
	s.Metrics = metrics
	return s
}

func siteID(i int) string { return fmt.Sprintf("site-%04d", i) }
