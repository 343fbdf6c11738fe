package ingestpoll

import (
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// NATS goes away while a big file and a log are collected, and comes back.
func TestNATSThatRestarts(t *testing.T) {
	streams := t.TempDir()
	srv, err := natsd.Start(natsd.Config{Dir: streams, Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { srv.Stop() }()
	n := kit.Connect(t, srv)
	whole, growing := t.TempDir(), t.TempDir()
	s := newService(t, n, nil, folder("cucm", "cisco-cucm", whole), folder("smdr", "avaya-ipoffice", growing))
	stop := run(t, s)
	write(t, growing, "SMDR.csv", body(0, 1000))
	write(t, whole, "cdr_1", body(1000, 200_000))
	kit.Await(t, "collecting", func() bool { return s.Links()[0].Tickets > 0 })
	srv.Stop()
	kit.Await(t, "losing the connection", func() bool { return !n.Conn.IsConnected() })
	write(t, whole, "cdr_2", body(200_000, 200_100))
	if srv, err = natsd.Start(natsd.Config{Dir: streams, Listen: at.Host}); err != nil {
		t.Fatal(err)
	}
	kit.Await(t, "collecting the rest", func() bool {
		links := s.Links()
		return links[0].LastLook.After(links[0].LastTicket) && len(kit.Texts(n.Collected(t))) == 200_100
	})
	stop()
	expect(t, n, body(0, 200_100))
	// It was no failure of the files.
	if _, err := os.Stat(filepath.Join(whole, ".trunkline-aside")); !os.IsNotExist(err) {
		t.Errorf("aside: %v", err)
	}
}

// Whoever posts before NATS was there once is told to come again.
func TestPostsBeforeNATS(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	b, err := bus.Connect(bus.Config{URL: "nats://" + nobody.Addr().String(), Name: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	s := newService(t, &kit.NATS{Bus: b, Tickets: b.NewCommitter(wire.StreamTickets)}, nil, config.LinkOf{
		Link: &config.Link{ID: "ucm", Model: "grandstream-ucm", HTTPServer: &config.HTTPServer{Listen: "127.0.0.1:0", Path: "/a"}}, Site: site(),
	})
	run(t, s)
	await(t, "an answer", func() bool {
		res, err := http.Post("http://"+s.links[0].State(false).Place+"/a", "text/plain", strings.NewReader("{}"))
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable
	})
}
