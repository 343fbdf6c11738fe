// Package scale runs the services as an operator does who has more than one of
// each: replicas that are restarted one after the other on a cluster of NATS, and
// a hub with a thousand sites.
package scale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/engine"
)

// binaries is the folder of the real programs.
var binaries string

// The test's own binary is also what has no program of its own here.
const (
	envRole   = "TRUNKLINE_SCALE_ROLE"
	envFile   = "TRUNKLINE_SCALE_FILE" // NATS: its configuration; engine: its folder
	envListen = "TRUNKLINE_SCALE_LISTEN"

	roleNATS   = "nats"
	roleEngine = "engine"

	// token lets the sinks write.
	token = "scale-writes-with-this-token"
)

// What a run is given: the long forms, and another time than theirs.
const (
	envFull = "TRUNKLINE_SCALE"
	envFor  = "TRUNKLINE_SCALE_FOR"
)

func full() bool { return os.Getenv(envFull) != "" }

func lasting(t *testing.T, otherwise time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(envFor)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("%s: %v", envFor, err)
	}
	return d
}

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := play(role, os.Getenv(envFile), os.Getenv(envListen)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trunkline-scale-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-o", dir+"/",
			"trunkline.internal/services/ingest-tcp/cmd/ingest-tcp", "trunkline.internal/services/ingest-poll/cmd/ingest-poll",
			"trunkline.internal/services/parser/cmd/parser", "trunkline.internal/services/sink/cmd/sink")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building the services: %v\n%s", err, out)
			return 1
		}
		binaries = dir
		return m.Run()
	}())
}

// play is a server until somebody stops it.
func play(role, file, listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch role {
	case roleNATS:
		opts, err := server.ProcessConfigFile(file)
		if err != nil {
			return err
		}
		opts.NoSigs = true
		s, err := server.NewServer(opts)
		if err != nil {
			return err
		}
		s.ConfigureLogger()
		s.Start()
		if !s.ReadyForConnections(time.Minute) {
			return errors.New("the server does not start")
		}
		<-ctx.Done()
		s.Shutdown()
		s.WaitForShutdown()
		return nil
	case roleEngine:
		e, err := engine.Open(engine.Config{
			DataDir: file, Listen: listen, Token: token, Logger: slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		})
		if err != nil {
			return err
		}
		return errors.Join(e.Run(ctx), e.Close())
	}
	return fmt.Errorf("no role %q", role)
}

// itself is the command of a role of this binary.
func itself(role, file, listen string) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envRole+"="+role, envFile+"="+file, envListen+"="+listen)
		return cmd
	}
}

// program is the command of a service.
func program(name, config string) func() *exec.Cmd {
	return func() *exec.Cmd { return exec.Command(filepath.Join(binaries, name), "-c", config) }
}

// write writes a file and returns its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
