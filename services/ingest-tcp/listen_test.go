package ingesttcp

import (
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-tcp/internal/window"
)

func TestTicketsOfAllLineEnds(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	r.run(s)
	rnd := rand.New(rand.NewPCG(1, 1))
	ends := []string{"\n", "\r\n", "\r", "\r\n\x00", "\f", "\r\n\r\n"}
	want, _ := numbered(0, 400)
	c := connect(t, s, "a")
	var stream strings.Builder
	for _, line := range want {
		stream.WriteString(line + ends[rnd.IntN(len(ends))])
	}
	for rest := stream.String(); rest != ""; {
		n := min(len(rest), 1+rnd.IntN(200))
		send(t, c, rest[:n])
		rest = rest[n:]
	}
	same(t, r.awaitLines(len(want)), want)
	for _, m := range r.messages() {
		if m.Site != "lyon" || m.Link != "a" || m.Model != "avaya-ipoffice" || m.Name != c.LocalAddr().String() || time.Since(m.Received) > time.Minute {
			t.Fatalf("message %+v", m)
		}
	}
	await(t, "count", func() bool { return s.Links()[0].Tickets == uint64(len(want)) })
	st := s.Links()[0]
	if st.Wire != pbx.TCPListen || len(st.Peers) != 1 || st.LastTicket.IsZero() || st.Incomplete != 0 || st.Err != nil {
		t.Errorf("state %+v", st)
	}
	if r.log.String() != "" {
		t.Errorf("a normal day logs:\n%s", r.log)
	}
	if err := r.log.unhealthy(); err != nil {
		t.Errorf("unhealthy: %v", err)
	}
	kv, err := r.bus.JS.KeyValue(t.Context(), wire.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), "lyon.a"); err != nil {
		t.Errorf("settings: %v", err)
	}
}

func TestHalfALineIsMarked(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	send(t, c, "whole\r\nhal")
	r.awaitLines(1)
	c.Close()
	await(t, "the end", func() bool { return s.results(t, "closed_eof") == 1 && len(s.Links()[0].Peers) == 0 })
	whole, cutOff := r.lines()
	same(t, whole, []string{"whole"})
	same(t, cutOff, []string{"cut-off hal"})
}

func TestBinaryNoiseAndTelnetOnAListeningLink(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	send(t, c, "\xff\xfb\x01one\xff\xf1\r\n\x01\x02\x80\xfe\xff\xffx\r\n\xff\xfd\x03two\r\n")
	same(t, r.awaitLines(3), []string{"one", "\x01\x02\x80\xfe\xffx", "two"})
	c.CloseWrite()
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		t.Errorf("a listening link answers: %d, %v", n, err)
	}
}

func TestAllowList(t *testing.T) {
	r := newRig(t, false)
	s := r.service(
		newLink("far", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0", Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}),
		newLink("near", "avaya-ipoffice", config.TCP{Listen: "[::]:0", Allow: []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}}),
	)
	r.run(s)
	c := connect(t, s, "far")
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a foreign address is served")
	}
	await(t, "refusal", func() bool { return s.results(t, "refused_not_allowed") == 1 })
	if !strings.Contains(r.log.String(), "peer=127.0.0.1") {
		t.Errorf("log:\n%s", r.log)
	}
	_, port, _ := net.SplitHostPort(s.Addr("lyon", "near").String())
	near, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	send(t, near, "one\r\n")
	same(t, r.awaitLines(1), []string{"one"})
}

func TestLinksShareAPort(t *testing.T) {
	r := newRig(t, false)
	prefix := func(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }
	a := newLink("a", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:7", Allow: prefix("127.0.0.1/32")})
	b := newLink("b", "mitel-3300", config.TCP{Listen: "127.0.0.1:7", Allow: prefix("127.0.0.2/32")})
	s := r.service(a, b)
	if len(s.listeners) != 1 {
		t.Fatalf("%d listeners for one port", len(s.listeners))
	}
	s.listeners[0].listen = "127.0.0.1:0" // any free one instead of 7
	r.run(s)
	for _, from := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", s.Addr("lyon", "b").String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("from " + from + "\r\n"))
	}
	r.awaitLines(2)
	for _, m := range r.messages() {
		want := map[string]string{"a": "from 127.0.0.1\r\n", "b": "from 127.0.0.2\r\n"}[m.Link]
		if string(m.Payload) != want {
			t.Errorf("link %s got %q", m.Link, m.Payload)
		}
	}
	await(t, "refusal", func() bool { return s.results(t, "refused_not_allowed") == 1 })
}

func TestNewRefuses(t *testing.T) {
	r := newRig(t, false)
	prefix := func(p string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(p)} }
	for name, c := range map[string]struct {
		links []config.LinkOf
		want  string
	}{
		"no wire":        {[]config.LinkOf{newLink("a", "mitel-3300", config.TCP{})}, "listen or dial"},
		"both wires":     {[]config.LinkOf{newLink("a", "mitel-3300", config.TCP{Listen: ":1", Dial: "a:1"})}, "listen or dial"},
		"unknown model":  {[]config.LinkOf{newLink("a", "mittel", config.TCP{Listen: ":1"})}, "mittel"},
		"no port":        {[]config.LinkOf{newLink("a", "mitel-3300", config.TCP{Dial: "10.0.0.1"})}, "host:port"},
		"bad id":         {[]config.LinkOf{newLink("A b", "mitel-3300", config.TCP{Dial: "10.0.0.1:1"})}, "ids"},
		"one port twice": {[]config.LinkOf{newLink("a", "mitel-3300", config.TCP{Listen: ":1"}), newLink("b", "mitel-3300", config.TCP{Listen: "0.0.0.0:1", Allow: prefix("10.0.0.0/8")})}, "lyon/a and lyon/b"},
		"overlap":        {[]config.LinkOf{newLink("a", "mitel-3300", config.TCP{Listen: ":1", Allow: prefix("10.1.0.0/16")}), newLink("b", "mitel-3300", config.TCP{Listen: ":1", Allow: prefix("10.0.0.0/8")})}, "overlap"},
	} {
		_, err := New(c.links, Deps{Bus: r.bus, Tickets: r.commit, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := New([]config.LinkOf{{Link: &config.Link{ID: "f", Model: "mitel-3300", Files: &config.Files{}}, Site: &config.Site{ID: "lyon"}}}, Deps{Bus: r.bus, Tickets: r.commit, Log: slog.New(slog.DiscardHandler)})
	if err != nil || len(s.links) != 0 {
		t.Errorf("links of other wires: %v", err)
	}
}

func TestConnectionLimit(t *testing.T) {
	r := newRig(t, false)
	s := r.service(newLink("a", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0", MaxConnections: 2}))
	r.run(s)
	one, two := connect(t, s, "a"), connect(t, s, "a")
	send(t, one, "one\n")
	send(t, two, "two\n")
	r.awaitLines(2)
	if _, err := connect(t, s, "a").Read(make([]byte, 1)); err == nil {
		t.Error("a third connection is served")
	}
	await(t, "refusal", func() bool { return s.results(t, "refused_limit") == 1 })
	one.Close()
	await(t, "leaving", func() bool { return len(s.Links()[0].Peers) == 1 })
	send(t, connect(t, s, "a"), "three\n")
	r.awaitLines(3)
}

func TestEndlessLine(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("a"))
	r.run(s)
	c := connect(t, s, "a")
	block := []byte(strings.Repeat("x", 64<<10))
	written := 0
	for written < 1<<30 {
		n, err := c.Write(block)
		written += n
		if err != nil {
			break
		}
	}
	if written > 8<<20 {
		t.Errorf("%d bytes of one line were taken", written)
	}
	await(t, "the end", func() bool { return s.results(t, "closed_line_too_long") == 1 && len(s.Links()[0].Peers) == 0 })
	total := 0
	for _, m := range r.messages() {
		if m.Incomplete != wire.IncompleteTooLong || len(m.Payload) > wire.MaxTicket {
			t.Errorf("%d bytes marked %q", len(m.Payload), m.Incomplete)
		}
		total += len(m.Payload)
	}
	if total < window.MaxLine || total > window.MaxLine+window.MaxBytes {
		t.Errorf("%d bytes were published", total)
	}
	if !strings.Contains(r.log.String(), "no line end in 1 MiB") {
		t.Errorf("log:\n%s", r.log)
	}
}

func TestIdle(t *testing.T) {
	r := newRig(t, false)
	s := r.service(newLink("a", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0", Idle: config.Duration(30 * time.Millisecond)}))
	r.run(s)
	c := connect(t, s, "a")
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("an idle connection stays")
	}
	await(t, "the end", func() bool { return s.results(t, "closed_idle") == 1 })
}

func TestAPortInUseIsBoundLater(t *testing.T) {
	r := newRig(t, false)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := r.service(newLink("a", "avaya-ipoffice", config.TCP{Listen: taken.Addr().String()}), listening("b"))
	r.run(s)
	send(t, connect(t, s, "b"), "one\n")
	r.awaitLines(1)
	if err := r.log.unhealthy(); err == nil || !strings.Contains(err.Error(), "lyon/a") {
		t.Errorf("health: %v", err)
	}
	taken.Close()
	send(t, connect(t, s, "a"), "two\n")
	r.awaitLines(2)
}

// Why a connection was closed is told until a ticket comes.
func TestEndlessLineIsTold(t *testing.T) {
	r := newRig(t, false)
	s := r.service(listening("pbx"))
	r.run(s)
	c := connect(t, s, "pbx")
	go func() { // until the other side has seen enough
		for block := strings.Repeat("9", 64<<10); ; {
			if _, err := io.WriteString(c, block); err != nil {
				return
			}
		}
	}()
	await(t, "the reason", func() bool {
		err := s.Links()[0].Err
		return err != nil && strings.Contains(err.Error(), "lyon/pbx") && strings.Contains(err.Error(), "no line end in 1 MiB")
	})
	send(t, connect(t, s, "pbx"), "a ticket\r\n")
	await(t, "the end of it", func() bool { return s.Links()[0].Err == nil })
}
