package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"trunkline.internal/services/sink"
)

func initClickHouseCommand() *cobra.Command {
	var r sink.Roles
	cmd := &cobra.Command{
		Use:   "clickhouse",
		Short: "print the SQL of ClickHouse's roles: readers, writer, migrator, row policies, limits for BI",
		Long: "Prints SQL for an administrator's clickhouse-client; it can be run again. Users get a role, and no password stands in it.\n" +
			"A reader of some sites is a role for each --reader NAME=SITE,SITE.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sql, err := r.SQL()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), sql)
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&r.Database, "database", "trunkline", "the database")
	fl.StringVar(&r.Cluster, "cluster", "", "a cluster, for ON CLUSTER and its tables")
	fl.StringArrayVar(&r.Readers, "reader", nil, "NAME=SITE,SITE…: the role trunkline_reader_NAME reads these sites only")
	return cmd
}
