package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"trunkline.internal/platform/service"
)

func healthCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "ask the running process whether it is ready, and exit 0 or 1",
		Long:  "Asks /readyz at metrics.listen on this machine: for the probe of an image, and for scripts.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			if err := service.Probe(cmd.Context(), cfg.Metrics); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration of that process; $TRUNKLINE_CONFIG, or "+service.DefaultConfig)
	return cmd
}
