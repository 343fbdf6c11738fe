package ingesttcp

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
)

// reload takes other links over.
func reload(t *testing.T, s *Service, links ...config.LinkOf) config.Changes {
	t.Helper()
	apply, err := s.Prepare(links)
	if err != nil {
		t.Fatal(err)
	}
	done := apply()
	done.Sort()
	return done
}

func names(c config.Changes) string {
	return fmt.Sprint("added", c.Added, " removed", c.Removed, " restarted", c.Restarted, " retold", c.Retold)
}

func TestReload(t *testing.T) {
	r := newRig(t, false)
	p := newServer(t, func(c net.Conn, n int) {
		io.WriteString(c, fmt.Sprintf("dialled %d\r\n", n))
		untilClosed(c)
	})
	listening := func(id string) config.LinkOf {
		return newLink(id, "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0"})
	}
	kept, moved, gone := listening("kept"), listening("moved"), listening("gone")
	dialled := newLink("dialled", "mitel-3300", config.TCP{Dial: p.Addr().String()})
	s := r.service(kept, moved, gone, dialled)
	r.run(s)
	r.awaitLines(1)
	conns := make(map[string]net.Conn)
	for _, id := range []string{"kept", "moved", "gone"} {
		c, err := net.Dial("tcp", s.Addr("lyon", id).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		send(t, c, id+" 1\r\n")
		conns[id] = c
	}
	r.awaitLines(4)

	// The same again changes nothing.
	if c := reload(t, s, kept, moved, gone, dialled); !c.Empty() {
		t.Errorf("the same configuration changed %s", names(c))
	}
	// One moved, one removed, one added; of one the parser is told more.
	site := *kept.Site
	site.Timezone = "Europe/London"
	told := config.LinkOf{Link: kept.Link, Site: &site}
	moved = newLink("moved", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0", Idle: config.Duration(time.Hour)})
	c := reload(t, s, told, moved, dialled, listening("added"))
	if got, want := names(c), "added[lyon/added] removed[lyon/gone] restarted[lyon/moved] retold[lyon/kept]"; got != want {
		t.Errorf("it changed %s, want %s", got, want)
	}
	// What the PBX had sent to the links that were stopped is not lost, and they are
	// told that nobody reads any more.
	for _, id := range []string{"moved", "gone"} {
		conns[id].SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conns[id].Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s is not told: %v", id, err)
		}
	}
	if s.Addr("lyon", "gone") != nil {
		t.Error("the removed link still listens")
	}
	// The kept connection is the same one, and so is the dialled.
	send(t, conns["kept"], "kept 2\r\n")
	for _, id := range []string{"moved", "added"} {
		var n net.Conn
		await(t, id+" listens", func() bool {
			a := s.Addr("lyon", id)
			if a == nil {
				return false
			}
			var err error
			n, err = net.Dial("tcp", a.String())
			return err == nil
		})
		t.Cleanup(func() { n.Close() })
		send(t, n, id+" new\r\n")
	}
	lines := r.awaitLines(7)
	slices.Sort(lines)
	same(t, lines, []string{"added new", "dialled 1", "gone 1", "kept 1", "kept 2", "moved 1", "moved new"})
	if n := p.conns.Load(); n != 1 {
		t.Errorf("the dialled PBX was dialled %d times", n)
	}
	await(t, "the parser is told", func() bool {
		settings := r.settings("lyon", "kept")
		return settings.Timezone == "Europe/London"
	})
}

// A configuration that cannot be changes nothing.
func TestReloadRefuses(t *testing.T) {
	r := newRig(t, false)
	kept := newLink("kept", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0"})
	s := r.service(kept)
	r.run(s)
	if _, err := s.Prepare([]config.LinkOf{newLink("bad", "avaya-ipoffice", config.TCP{})}); err == nil {
		t.Error("a link without a wire is taken over")
	}
	if s.Addr("lyon", "kept") == nil {
		t.Error("the link is gone")
	}
}

// A port that another link has left is free at once.
func TestReloadSwapsPorts(t *testing.T) {
	r := newRig(t, false)
	a := newLink("a", "avaya-ipoffice", config.TCP{Listen: "127.0.0.1:0"})
	s := r.service(a)
	r.run(s)
	addr := s.Addr("lyon", "a").String()
	b := newLink("b", "avaya-ipoffice", config.TCP{Listen: addr})
	reload(t, s, a, b) // in use
	await(t, "the trouble of b", func() bool {
		return slices.ContainsFunc(s.Links(), func(l LinkState) bool { return l.Link == "b" && l.Err != nil })
	})
	reload(t, s, b)
	await(t, "b listens", func() bool { return s.Addr("lyon", "b") != nil && s.Addr("lyon", "b").String() == addr })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send(t, c, "to b\r\n")
	same(t, r.awaitLines(1), []string{"to b"})
}
