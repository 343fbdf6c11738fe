// Package scale runs the services as an operator does who has more than one of
// each: replicas that are restarted one after the other on a cluster of NATS, and
// a hub with a thousand sites.
package scale

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// binaries is the folder of the real programs.
var binaries string

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

// natsOf is a NATS server of a configuration file.
const natsOf = "nats of a file"

func TestMain(m *testing.M) {
	parts := map[string]part.Part{natsOf: func(ctx context.Context, file, _ string) error {
		opts, err := server.ProcessConfigFile(file)
		if err != nil {
			return err
		}
		return part.ServeNATS(ctx, opts)
	}}
	part.Main(m, parts, func(dir string) error {
		binaries = dir
		return kit.BuildServices(dir, kit.AllServices)
	})
}

// program is the command of a service.
func program(name, config string) func() *exec.Cmd {
	return kit.Command(filepath.Join(binaries, name), "-c", config)
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
