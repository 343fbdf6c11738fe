// Package chaos breaks everything that stands between PBXs and ClickHouse, at
// random and from a seed, and counts: the tickets that the sources handed over
// against those in `calls`, each once, byte for byte.
package chaos

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"trunkline.internal/engine"
	"trunkline.internal/platform/natsd"
)

// binaries is the folder of the real programs.
var binaries string

// The test's own binary is also the NATS server and the ClickHouse front, as
// processes that can be killed.
const (
	envPart   = "TRUNKLINE_CHAOS_PART"
	envDir    = "TRUNKLINE_CHAOS_DIR"
	envListen = "TRUNKLINE_CHAOS_LISTEN"

	partNATS       = "nats"
	partClickHouse = "clickhouse"

	// token lets the sinks write.
	token = "chaos-writes-with-this-token"
)

func TestMain(m *testing.M) {
	if part := os.Getenv(envPart); part != "" {
		if err := be(part, os.Getenv(envDir), os.Getenv(envListen)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trunkline-chaos-")
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

// be runs a server until somebody stops it.
func be(part, dir, listen string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	switch part {
	case partNATS:
		s, err := natsd.New(natsd.Config{Dir: dir, Listen: listen, Log: log})
		if err != nil {
			return err
		}
		return s.Run(ctx, func() {})
	case partClickHouse:
		e, err := engine.Open(engine.Config{DataDir: dir, Listen: listen, Token: token, Logger: log})
		if err != nil {
			return err
		}
		defer e.Close()
		return e.Run(ctx)
	}
	return fmt.Errorf("no part %q", part)
}

// program is the command of a service.
func program(name, config string) func() *exec.Cmd {
	return func() *exec.Cmd { return exec.Command(filepath.Join(binaries, name), "-c", config) }
}

// itself is the command of a part of this binary.
func itself(part, dir, listen string) func() *exec.Cmd {
	return func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), envPart+"="+part, envDir+"="+dir, envListen+"="+listen)
		return cmd
	}
}
