package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/service"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

func reloadCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "let the running services take their changed configuration over",
		Long: "Every running ingest service reads its own configuration again. Only links that differ are stopped and\n" +
			"started; a configuration with an error changes nothing. A changed file and SIGHUP do the same.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			nc, err := connect(cfg, "reload")
			if err != nil {
				return err
			}
			defer nc.Close()
			heard, refused := 0, 0
			err = bus.Ask(cmd.Context(), nc, wire.AskReload, &trunklinev1.AskReload{Who: bus.Who()}, patienceReload, func(answer []byte) (bool, error) {
				var one trunklinev1.Reloaded
				if err := proto.Unmarshal(answer, &one); err != nil {
					return false, fmt.Errorf("an answer of another version: %w", err)
				}
				heard++
				if one.Error != "" {
					refused++
				}
				printReloaded(cmd.OutOrStdout(), &one)
				return false, nil
			})
			switch {
			case err != nil:
				return err
			case heard == 0:
				return errors.New("no service answered: does one run, on the NATS of this configuration?")
			case refused > 0:
				return errors.New("nothing was changed where the configuration has an error")
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration; it says where NATS is")
	return cmd
}

func printReloaded(w io.Writer, r *trunklinev1.Reloaded) {
	fmt.Fprintf(w, "%s on %s, pid %d:", r.Process.Service, r.Process.Host, r.Process.Pid)
	if r.Error != "" {
		fmt.Fprintf(w, " nothing changed\n  %s\n", strings.ReplaceAll(r.Error, "\n", "\n  "))
		return
	}
	if len(r.Added)+len(r.Removed)+len(r.Restarted)+len(r.Retold)+len(r.NeedsRestart) == 0 {
		fmt.Fprint(w, " no link differs")
	}
	fmt.Fprintln(w)
	for _, what := range []struct {
		name  string
		links []string
	}{
		{"added", r.Added},
		{"removed", r.Removed},
		{"stopped and started", r.Restarted},
		{"the parser is told", r.Retold},
		{"changed, and needs a restart", r.NeedsRestart},
	} {
		if len(what.links) > 0 {
			fmt.Fprintf(w, "  %s: %s\n", what.name, strings.Join(what.links, ", "))
		}
	}
}
