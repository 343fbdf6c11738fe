// Package part makes a test's own binary the servers that have no program of
// their own, each in a process that can be killed.
package part

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/engine"
	"trunkline.internal/platform/natsd"
)

// Part is a server that runs until ctx is done. at is its folder, or the file that
// describes it.
type Part func(ctx context.Context, at, listen string) error

// Those that every package can start.
const (
	NATS       = "nats"       // as the services embed it
	ClickHouse = "clickhouse" // the engine, which Token lets write
)

// Token lets sinks write to the part ClickHouse.
const Token = "token-of-the-tests-only"

const (
	envPart   = "TRUNKLINE_TEST_PART"
	envAt     = "TRUNKLINE_TEST_AT"
	envListen = "TRUNKLINE_TEST_LISTEN"
)

// Command is what makes the command of a part; tool is a command in front, or none.
func Command(name, at, listen string, tool ...string) func() *exec.Cmd {
	return func() *exec.Cmd {
		args := append(tool[:len(tool):len(tool)], os.Args[0])
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), envPart+"="+name, envAt+"="+at, envListen+"="+listen)
		return cmd
	}
}

// Main is the TestMain of a package with parts, its own in more. build makes its
// programs once, in a folder that goes when the tests end; it may be nil.
func Main(m *testing.M, more map[string]Part, build func(dir string) error) {
	Play(more)
	flag.Parse()
	os.Exit(func() int {
		if build == nil {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "trunkline-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = build(dir)
		}
		if err != nil {
			return code(err)
		}
		return m.Run()
	}())
}

// Play is for a TestMain of a package's own: in a process that was started as a part
// it is that, and ends with it.
func Play(more map[string]Part) {
	if name := os.Getenv(envPart); name != "" {
		os.Exit(code(play(name, more)))
	}
}

func code(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func play(name string, more map[string]Part) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	at, listen := os.Getenv(envAt), os.Getenv(envListen)
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	switch name {
	case NATS:
		s, err := natsd.New(natsd.Config{Dir: at, Listen: listen, Log: log})
		if err != nil {
			return err
		}
		return s.Run(ctx, func() {})
	case ClickHouse:
		e, err := engine.Open(engine.Config{DataDir: at, Listen: listen, Token: Token, Logger: log})
		if err != nil {
			return err
		}
		return errors.Join(e.Run(ctx), e.Close())
	}
	if play := more[name]; play != nil {
		return play(ctx, at, listen)
	}
	return fmt.Errorf("no part %q", name)
}

// ServeNATS runs a NATS server with options of its own, until ctx is done.
func ServeNATS(ctx context.Context, opts *server.Options) error {
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
}
