package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
)

func healthCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "ask the running process whether it is ready, and exit 0 or 1",
		Long:  "Asks /readyz at metrics.listen on this machine: for the probe of an image, and for scripts. Without a configuration it asks where the demo is.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := service.LoadConfig(file)
			if file == "" && os.Getenv("TRUNKLINE_CONFIG") == "" && errors.Is(err, fs.ErrNotExist) {
				cfg, err = config.Load(os.DevNull) // trunkline run --demo has no file, and heeds the environment
			}
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
