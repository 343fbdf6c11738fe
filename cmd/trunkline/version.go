package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"trunkline.internal/platform/telemetry"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "trunkline %s %s %s/%s\n", telemetry.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}
