package sink_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"trunkline.internal/engine"
)

// shared is the one engine that a process can have; each test has a database of
// its own in it.
var shared *engine.Engine

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sink-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if shared, err = engine.Open(engine.Config{DataDir: dir, Listen: "127.0.0.1:0"}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- shared.Run(ctx) }()
	code := m.Run()
	cancel()
	if err := <-ran; err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if err := shared.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}
