package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
)

func initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "credentials and configuration of a hub and its sites",
		Long: "Makes who may do what, in a folder DIR that the operator keeps safe: whoever has it may do everything.\n" +
			"A site's credentials are signed there; the hub takes them without being told. docs/security.md says more.",
	}
	cmd.AddCommand(initHubCommand(), initTLSCommand(), initSiteCommand(), initRevokeCommand(), initPushCommand(), initClickHouseCommand())
	return cmd
}

// Where things stand on a hub's servers.
const (
	hubStore = "/var/lib/nats"
	hubEtc   = "/etc/nats"
)

func initHubCommand() *cobra.Command {
	var h access.Hub
	cmd := &cobra.Command{
		Use:   "hub DIR",
		Short: "the operator's side: keys, the NATS server's configuration, credentials of the services",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := access.Create(args[0], h)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "%s has all that signs: keep it safe, and a copy of it.\n\n", folder)
			t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintf(t, "  %s\tto %s on each of the hub's servers; `trunkline run` takes it as nats.auth\n", folder.Server(), h.Etc)
			for _, r := range access.Roles {
				if r.Name != access.SiteRole {
					fmt.Fprintf(t, "  %s\t%s; nats.inbox_prefix: %s\n", folder.Creds(r.Name), r.Who, access.InboxPrefix(r.Name))
				}
			}
			fmt.Fprintf(t, "  %s\ttrunkline init: changes the account\n\n", folder.Creds(access.SystemName))
			t.Flush() //nolint:errcheck // a pager that quits
			fmt.Fprintf(out, "Next: `trunkline init tls NAME %[1]s` for a certificate, `trunkline init site ID --hub tls://NAME:4222 %[1]s` for each site.\n", folder)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&h.Store, "store", hubStore, "folder of streams and accounts on the hub's servers")
	fl.StringVar(&h.Etc, "etc", hubEtc, "where the folder server is put there")
	return cmd
}

func initTLSCommand() *cobra.Command {
	var etc, name string
	var renew bool
	cmd := &cobra.Command{
		Use:   "tls HOST… DIR",
		Short: "a certificate for the hub under these names and addresses, and an authority of our own",
		Long: "For those without an authority: makes one, and a certificate for the hub's NATS server, which sites get the\n" +
			"authority of. With --name another one, such as for metrics or SQL. With an authority of yours, write tls.conf yourself.",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, hosts := access.Folder(args[len(args)-1]), args[:len(args)-1]
			cert, _, err := folder.Certificate(name, hosts, renew)
			if err != nil {
				return err
			}
			if name == natsCertificate {
				if err := folder.UseTLS(name, etc); err != nil {
					return err
				}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s for %s, of the authority %s\n", cert, strings.Join(hosts, ", "), folder.CA())
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&name, "name", natsCertificate, "name of the files")
	fl.StringVar(&etc, "etc", hubEtc, "where the folder server is put on the hub's servers")
	fl.BoolVar(&renew, "renew", false, "replace a certificate that is there")
	return cmd
}

const natsCertificate = "nats"

func initRevokeCommand() *cobra.Command {
	var hub string
	var old bool
	cmd := &cobra.Command{
		Use:   "revoke NAME --hub URL DIR",
		Short: "take credentials of a site or a service back; their connections end at once",
		Long: "Takes back all credentials that were issued to NAME, or with --old all but the newest, and tells the hub.\n" +
			"When the hub cannot be reached it is run again, or `trunkline init push`.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := access.Folder(args[1])
			n, err := folder.Revoke(args[0], old)
			if err != nil {
				return err
			}
			if err := push(cmd, folder, hub); err != nil {
				return fmt.Errorf("revoked in %s, but the hub does not know yet: %w: try `trunkline init push`", folder, err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %d revoked\n", args[0], n)
			return nil
		},
	}
	cmd.Flags().StringVar(&hub, "hub", "", "the hub's NATS server")
	cmd.Flags().BoolVar(&old, "old", false, "all but the newest credentials")
	_ = cmd.MarkFlagRequired("hub")
	return cmd
}

func initPushCommand() *cobra.Command {
	var hub string
	cmd := &cobra.Command{
		Use:   "push --hub URL DIR",
		Short: "give all roles this version's permissions, and tell the hub",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := access.Folder(args[0])
			if err := folder.Refresh(); err != nil {
				return err
			}
			return push(cmd, folder, hub)
		},
	}
	cmd.Flags().StringVar(&hub, "hub", "", "the hub's NATS server")
	_ = cmd.MarkFlagRequired("hub")
	return cmd
}

// push tells the hub what the folder's account is now.
func push(cmd *cobra.Command, folder access.Folder, hub string) error {
	var opts []nats.Option
	if ca := folder.CA(); ca != "" {
		var err error
		if opts, err = service.NATSOptions(config.NATS{TLS: config.TLS{CA: ca}}); err != nil {
			return err
		}
		if !strings.HasPrefix(hub, "tls://") {
			opts = nil
		}
	}
	if err := folder.Push(cmd.Context(), hub, opts...); err != nil {
		return fmt.Errorf("nats at %s: %w", config.HideURLs(hub), err)
	}
	return nil
}

// writeNew writes a file for its owner only, and no file over another.
func writeNew(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
