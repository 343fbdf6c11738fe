//go:build !linux || !amd64 || edge

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// runCommand of a program without the ClickHouse engine says what to run in its
// place.
func runCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "run",
		Short:              "everything in one process: not in this program, see run --help",
		Long:               "Not in this program: it is the one for a site's own machine, without the ClickHouse engine.",
		Args:               cobra.ArbitraryArgs,
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("run needs the ClickHouse engine, which is not in this program for %s/%s: "+
				"`trunkline run` wants Linux on x86-64 with glibc, and the trunkline of `make build` or its image. "+
				"On this machine run ingest-tcp and ingest-poll; they send to the NATS server at nats.url (docs/edge.md)", runtime.GOOS, runtime.GOARCH)
		},
	}
}
