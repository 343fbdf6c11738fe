package natsd

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/disk"
)

func TestOneProcessAFolder(t *testing.T) {
	dir := t.TempDir()
	s, err := Start(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("a second server on the folder: %v", err)
	}
	s.Stop()
	s.Stop() // harmless
	if s, err = Start(Config{Dir: dir}); err != nil {
		t.Fatalf("the folder is not free again: %v", err)
	}
	s.Stop()
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Start(Config{Dir: t.TempDir(), Listen: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "nats.listen") {
		t.Errorf("a taken port: %v", err)
	}
}

func TestStreamsSurvive(t *testing.T) {
	dir := t.TempDir()
	for run := range 2 {
		s, err := Start(Config{Dir: dir, Listen: "127.0.0.1:0"})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]func() (*nats.Conn, error){
			"in process": func() (*nats.Conn, error) { return nats.Connect("nats://embedded", s.Option()) },
			"socket":     func() (*nats.Conn, error) { return nats.Connect(s.URL()) },
		} {
			nc, err := c()
			if err != nil {
				t.Fatal(name, err)
			}
			js, _ := jetstream.New(nc)
			st, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}})
			if err != nil {
				t.Fatal(name, err)
			}
			if _, err := js.Publish(t.Context(), "s", []byte(name)); err != nil {
				t.Fatal(name, err)
			}
			info, _ := st.Info(t.Context())
			if want := uint64(2*run) + 1; info.State.Msgs < want {
				t.Errorf("run %d: %d messages", run, info.State.Msgs)
			}
			nc.Close()
		}
		s.Stop()
	}
}

// A disk that is full at the start, be it of the streams themselves, leaves them
// their size.
func TestFreeDiskIsNoBound(t *testing.T) {
	free, _, err := disk.Space(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	nc, err := nats.Connect("nats://x", s.Option())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, MaxBytes: int64(free) + 1<<30}); err != nil {
		t.Error(err)
	}
}

// What a full disk does: JetStream switches itself off.
func TestSwitchedOff(t *testing.T) {
	s, err := New(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.Run(ctx, func() { close(ready) }) }()
	<-ready
	nc, err := nats.Connect("nats://x", s.Option(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "s", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := s.running.Load().ShutdownJetStream(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; {
		ack, err := js.Publish(t.Context(), "s", []byte("two"), jetstream.WithRetryAttempts(0))
		if err == nil {
			if ack.Sequence != 2 {
				t.Errorf("sequence %d: what was stored before is gone", ack.Sequence)
			}
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
