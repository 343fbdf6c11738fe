// Command trunkline is every service in one process, on an embedded NATS server
// and an embedded ClickHouse engine, and the operator's commands.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "trunkline:", err)
		stop()
		os.Exit(1)
	}
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "trunkline",
		Short:         "collects the call tickets of office phone systems and keeps them in ClickHouse",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(runCommand(), modelsCommand(), parseCommand(), tailCommand(), statusCommand(), reloadCommand(), checkCommand(), importCommand(), asideCommand(), replayCommand(), simulateCommand(), backupCommand(), restoreCommand(), healthCommand(), initCommand(), versionCommand())
	tellUsage(root)
	return root
}

// tellUsage makes each command say how it is called, where its arguments are wrong.
func tellUsage(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return fmt.Errorf("%w: %s", err, cmd.UseLine())
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		tellUsage(c)
	}
}
