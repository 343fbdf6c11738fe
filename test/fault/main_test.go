// Package fault breaks what stands between a PBX and the table, and counts.
package fault

import (
	"context"
	"errors"
	"flag"
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
	"trunkline.internal/platform/natsd"
	"trunkline.internal/test/kit"
)

// binaries is the folder of the real programs, and of those of another version in
// the folder `newer` of it.
var binaries string

// Versions of the programs.
const (
	versionOld = "1.0.0"
	versionNew = "1.1.0"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(envRole); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "trunkline-fault-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = buildAll(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binaries = dir
		return m.Run()
	}())
}

// buildAll builds the services, and beside them a newer parser and a newer sink
// with a migration more.
func buildAll(dir string) error {
	if err := os.Mkdir(filepath.Join(dir, "newer"), 0o755); err != nil {
		return err
	}
	if err := build(dir+"/", versionOld, "", "ingest-tcp", "ingest-poll", "parser", "sink"); err != nil {
		return err
	}
	overlay, err := kit.NewerSchema("../..", dir)
	if err != nil {
		return err
	}
	return build(filepath.Join(dir, "newer")+"/", versionNew, overlay, "parser", "sink")
}

func build(dir, version, overlay string, names ...string) error {
	args := []string{"build", "-o", dir, "-ldflags", "-s -w -X trunkline.internal/platform/telemetry.Version=" + version}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	for _, name := range names {
		args = append(args, "trunkline.internal/services/"+name+"/cmd/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("building %v: %w\n%s", names, err, out)
	}
	return nil
}

// The test binary is also the servers that have no program of their own, each in
// a process that can be killed.
const (
	envRole   = "TRUNKLINE_FAULT_ROLE"
	envDir    = "TRUNKLINE_FAULT_DIR"
	envListen = "TRUNKLINE_FAULT_LISTEN"
	envToken  = "TRUNKLINE_FAULT_TOKEN"

	roleNATS   = "nats"
	roleEngine = "engine"
	// roleForgetful is a NATS server that does not sync.
	roleForgetful = "forgetful"
)

func play(role string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	dir, listen := os.Getenv(envDir), os.Getenv(envListen)
	switch role {
	case roleNATS:
		s, err := natsd.Start(natsd.Config{Dir: dir, Listen: listen})
		if err != nil {
			return err
		}
		<-ctx.Done()
		s.Stop()
		return nil
	case roleForgetful:
		s, err := server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: portOf(listen), JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, MaxPayload: 2 << 20,
		})
		if err != nil {
			return err
		}
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
			DataDir: dir, Listen: listen, Token: os.Getenv(envToken), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		return errors.Join(e.Run(ctx), e.Close())
	}
	return fmt.Errorf("no role %q", role)
}
