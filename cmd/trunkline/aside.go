package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/platform/service"
	"trunkline.internal/services/sink"
)

func asideCommand() *cobra.Command {
	var file, site, link, from, to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "aside",
		Short: "tickets that are no calls, by link and reason, with an example of each",
		Long: "Groups the tickets that were ignored (understood, and no calls) or are dead (not understood). `trunkline replay --aside`\n" +
			"sends them through the parser again. --from and --to are times of receipt, as there.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			selection, err := keptSelection(site, link, "", from, to, true)
			if err != nil {
				return err
			}
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			store, err := openKept(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			defer store.Close()
			groups, err := store.Aside(cmd.Context(), selection)
			if err != nil {
				return err
			}
			if asJSON {
				return printAsideJSON(cmd.OutOrStdout(), groups)
			}
			printAside(cmd.OutOrStdout(), groups)
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&file, "config", "c", "", "configuration; it says where ClickHouse is")
	fl.StringVar(&site, "site", "", "only this site")
	fl.StringVar(&link, "link", "", "only this link")
	fl.StringVar(&from, "from", "", "received at or after: a UTC day or a moment")
	fl.StringVar(&to, "to", "", "received on or before this UTC day, or before this moment")
	fl.BoolVar(&asJSON, "json", false, "one JSON object a group")
	return cmd
}

func printAside(w io.Writer, groups []sink.AsideGroup) {
	if len(groups) == 0 {
		fmt.Fprintln(w, "no ticket is set aside")
		return
	}
	of := ""
	for _, g := range groups {
		if name := g.Site + "/" + g.Link; name != of {
			of = name
			fmt.Fprintf(w, "%s, %s\n", name, g.Model)
		}
		fmt.Fprintf(w, "  %12s  %-7s  %s, received %s", number(int64(g.Count)), g.Outcome, g.Reason, g.First.Format(time.DateTime))
		if g.Count > 1 {
			fmt.Fprintf(w, " to %s", g.Last.Format(time.DateTime))
		}
		fmt.Fprintf(w, " UTC, parser %s\n", g.ParserVersion)
		if g.Error != "" {
			fmt.Fprintf(w, "%16s%s\n", "", oneLine([]byte(g.Error)))
		}
		fmt.Fprintf(w, "%16s%s\n", "", oneLine(g.Example))
	}
}

func printAsideJSON(w io.Writer, groups []sink.AsideGroup) error {
	enc := json.NewEncoder(w)
	for _, g := range groups {
		err := enc.Encode(struct {
			Site          string    `json:"site"`
			Link          string    `json:"link"`
			Model         string    `json:"model"`
			Outcome       string    `json:"outcome"`
			Reason        string    `json:"reason"`
			Count         uint64    `json:"count"`
			First         time.Time `json:"first_received"`
			Last          time.Time `json:"last_received"`
			ParserVersion string    `json:"parser_version"`
			Error         string    `json:"error,omitempty"`
			Example       string    `json:"example"`
		}{g.Site, g.Link, g.Model, g.Outcome, g.Reason, g.Count, g.First, g.Last, g.ParserVersion, g.Error, oneLine(g.Example)})
		if err != nil {
			return err
		}
	}
	return nil
}

// oneLine shows bytes on one line of a terminal.
func oneLine(b []byte) string {
	quoted := strconv.Quote(string(b))
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}
