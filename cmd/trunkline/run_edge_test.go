//go:build !linux || !amd64 || edge

package main

import (
	"io"
	"strings"
	"testing"
)

// The program without the engine says so, whatever flags `run` is given.
func TestRunWithoutEngine(t *testing.T) {
	for _, args := range [][]string{{"run"}, {"run", "--demo"}, {"run", "-c", "trunkline.yaml", "--calls"}} {
		cmd := command()
		cmd.SetArgs(args)
		cmd.SetOut(io.Discard)
		err := cmd.Execute()
		if err == nil || !strings.Contains(err.Error(), "Linux on x86-64 with glibc") || !strings.Contains(err.Error(), "ingest-poll") {
			t.Errorf("%v: %v", args, err)
		}
	}
}
