package service

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/platform/config"
	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/platform/telemetry"
)

func TestProbe(t *testing.T) {
	tel := telemetry.New("test", io.Discard, slog.LevelInfo, true)
	ctx, cancel := context.WithCancel(t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- tel.Serve(ctx, "127.0.0.1:0", func() { close(ready) }) }()
	<-ready
	if err := Probe(t.Context(), config.Metrics{Listen: tel.Addr()}); err != nil {
		t.Errorf("a service that is ready: %v", err)
	}
	tel.Health.Set("nats", io.ErrClosedPipe)
	if err := Probe(t.Context(), config.Metrics{Listen: tel.Addr()}); err == nil || !strings.Contains(err.Error(), "nats") {
		t.Errorf("a service that is not ready: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), config.Metrics{Listen: tel.Addr()}); err == nil {
		t.Error("nobody listens, and it is ready")
	}
	if err := Probe(t.Context(), config.Metrics{Listen: "off"}); err == nil {
		t.Error("off is ready")
	}
}

func TestNATSOptions(t *testing.T) {
	dir := t.TempDir()
	junk := filepath.Join(dir, "junk.pem")
	if err := os.WriteFile(junk, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		c    config.NATS
		says string
	}{
		"credentials that are missing": {config.NATS{CredsFile: filepath.Join(dir, "none")}, "nats.creds_file"},
		"an authority that is missing": {config.NATS{TLS: config.TLS{CA: filepath.Join(dir, "none")}}, "nats.tls"},
		"an authority that is none":    {config.NATS{TLS: config.TLS{CA: junk}}, "no certificate"},
		"a certificate without key":    {config.NATS{TLS: config.TLS{Cert: junk}}, "cert and key together"},
	} {
		if _, err := NATSOptions(tc.c); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if opts, err := NATSOptions(config.NATS{}); err != nil || len(opts) != 0 {
		t.Errorf("nothing configured: %d options, %v", len(opts), err)
	}
}

// A service comes up against a real broker, is asked as its image asks it, and
// drains.
func TestRun(t *testing.T) {
	broker, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	l.Close()
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	if err := os.WriteFile(file, []byte("nats: {url: \""+broker.URL()+"\"}\nmetrics: {listen: \""+listen+"\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	probed := make(chan error, 1)
	err = run(ctx, "test", options{file: file, log: io.Discard}, func(env *Env) ([]lifecycle.Part, error) {
		return []lifecycle.Part{{Name: "work", Run: func(ctx context.Context, ready func()) error {
			if env.Bus.Positions == nil {
				t.Error("the part started before the bus was ready")
			}
			ready()
			probed <- run(ctx, "test", options{file: file, probe: true}, nil)
			cancel()
			<-ctx.Done()
			return nil
		}}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-probed; err != nil {
		t.Errorf("probe: %v", err)
	}
	if err := run(t.Context(), "test", options{file: file + ".none"}, nil); err == nil {
		t.Error("no configuration, no error")
	}
}

// A process is not ready before all its parts serve.
func TestNotReadyBeforeItsPartsServe(t *testing.T) {
	tel := telemetry.New("test", io.Discard, slog.LevelInfo, true)
	ctx, cancel := context.WithCancel(t.Context())
	serve, running := make(chan struct{}), make(chan struct{})
	slow := lifecycle.Part{Name: "slow", Run: func(ctx context.Context, ready func()) error {
		close(running)
		<-serve
		ready()
		<-ctx.Done()
		return nil
	}}
	done, last := make(chan error, 1), StartedPart(tel.Health)
	serving := make(chan struct{})
	go func() {
		done <- lifecycle.Run(ctx, slow, last, lifecycle.Part{Name: "behind", Run: func(ctx context.Context, ready func()) error {
			close(serving)
			ready()
			<-ctx.Done()
			return nil
		}})
	}()
	<-running
	if tel.Health.Ready() == nil {
		t.Error("ready before a part serves")
	}
	close(serve)
	<-serving
	if err := tel.Health.Ready(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
