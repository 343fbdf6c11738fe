package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/access"
	"trunkline.internal/platform/config"
)

// bundle is what a site's machine needs beside the programs: copies of what stands
// in deploy, which cannot be embedded from here.
//
//go:embed bundle
var bundle embed.FS

// machine is a kind of a site's machine.
type machine struct {
	etc, data, next string
	files           []string
}

var machines = map[string]machine{
	"systemd": {
		etc: "/etc/trunkline/", data: "/var/lib/trunkline", next: "sh install.sh, as root",
		files: []string{"install.sh", "trunkline-ingest-tcp.service", "trunkline-ingest-poll.service", "trunkline.sysusers"},
	},
	"windows": {
		etc: `C:\ProgramData\Trunkline\`, data: `C:\ProgramData\Trunkline\data`,
		next:  `copy trunkline.yaml, site.creds and ca.crt to C:\ProgramData\Trunkline, then .\install.ps1 as administrator`,
		files: []string{"install.ps1"},
	},
}

type siteFlags struct {
	hub, on, timezone, country, outside, spool string
	also                                       []string
	renew                                      bool
}

func initSiteCommand() *cobra.Command {
	var f siteFlags
	cmd := &cobra.Command{
		Use:   "site ID --hub URL DIR",
		Short: "a site's credentials and configuration, as a bundle for its machine",
		Long: "Makes in DIR/sites/ID what the site's machine needs beside the programs. With --renew only new credentials;\n" +
			"the ones before are good until `trunkline init revoke ID --old`.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return initSite(cmd.OutOrStdout(), access.Folder(args[1]), append([]string{args[0]}, f.also...), f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.hub, "hub", "", "the hub's NATS server, such as tls://hub.example:4222")
	fl.StringVar(&f.on, "for", "systemd", "the site's machine: systemd or windows")
	fl.StringSliceVar(&f.also, "also", nil, "further sites of the same machine")
	fl.StringVar(&f.timezone, "timezone", "UTC", "the site's time zone, such as Europe/Paris")
	fl.StringVar(&f.country, "country", "", "its country, two letters such as FR")
	fl.StringVar(&f.outside, "outside-prefix", "", "what people there dial for a line")
	fl.StringVar(&f.spool, "spool", "8GiB", "how much the spool may hold")
	fl.BoolVar(&f.renew, "renew", false, "new credentials for a site that is there")
	return cmd
}

func initSite(out io.Writer, folder access.Folder, sites []string, f siteFlags) error {
	for _, site := range sites {
		if !pbx.ValidID(site) {
			return fmt.Errorf("site %q: an id has 1 to 63 of a-z, 0-9 and -", site)
		}
	}
	dir := folder.Site(sites[0])
	_, err := os.Stat(dir)
	switch {
	case f.renew && err != nil:
		return fmt.Errorf("%s: there is no such site: make it first, without --renew", dir)
	case f.renew:
		return renewSite(out, folder, sites)
	case err == nil:
		return fmt.Errorf("%s is there already: what it holds is not overwritten; --renew makes new credentials", dir)
	}
	on, ok := machines[f.on]
	if !ok {
		return fmt.Errorf("--for %q: give systemd or windows", f.on)
	}
	if u, err := url.Parse(f.hub); err != nil || u.Host == "" {
		return errors.New("--hub: give the hub's NATS server, such as tls://hub.example:4222")
	} else if u.User != nil {
		return errors.New("--hub: give the address without a user: the site gets credentials of its own")
	}
	ca := folder.CA()
	text, err := siteConfig(on, sites, f, ca != "")
	if err != nil {
		return err
	}
	// All of it or nothing.
	next := dir + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.MkdirAll(next, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(next) //nolint:errcheck // nothing is left of it when all went well
	put := func(name string, content []byte) error {
		return writeNew(filepath.Join(next, name), func(w io.Writer) error { _, err := w.Write(content); return err })
	}
	if err := put("trunkline.yaml", text); err != nil {
		return err
	}
	for _, name := range on.files {
		content, err := bundle.ReadFile("bundle/" + name)
		if err != nil {
			return err
		}
		if err := put(name, content); err != nil {
			return err
		}
	}
	if ca != "" {
		content, err := os.ReadFile(ca)
		if err != nil {
			return err
		}
		if err := put("ca.crt", content); err != nil {
			return err
		}
	}
	if err := folder.SiteCreds(filepath.Join(next, "site.creds"), sites...); err != nil {
		return err
	}
	if err := os.Rename(next, dir); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: bring it to the site's machine with the programs of bin/cross, put the links into trunkline.yaml; there: %s\n", dir, on.next)
	if !strings.HasPrefix(f.hub, "tls://") {
		fmt.Fprintln(out, "The line to the hub is not encrypted: `trunkline init tls`, and tls:// for --hub.")
	}
	return nil
}

// renewSite makes new credentials beside the ones in use, which stay good: for the
// sites that those are for, and further ones.
func renewSite(out io.Writer, folder access.Folder, sites []string) error {
	before, err := folder.Sites(sites[0])
	if err != nil {
		return err
	}
	for _, s := range sites {
		if !slices.Contains(before, s) {
			before = append(before, s)
		}
	}
	sites = before
	file := filepath.Join(folder.Site(sites[0]), "site.creds")
	next := file + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := folder.SiteCreds(next, sites...); err != nil {
		return err
	}
	if err := os.Rename(next, file); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: bring it to the site's machine, in place of the one there; then `trunkline init revoke %s --old`\n", file, sites[0])
	return nil
}

// siteConfig is the site's trunkline.yaml; links are put in by hand.
func siteConfig(on machine, sites []string, f siteFlags, ca bool) ([]byte, error) {
	var b strings.Builder
	err := siteTemplate.Execute(&b, map[string]any{
		"Sites": sites, "Etc": on.etc, "Data": on.data, "Hub": f.hub, "Inbox": access.InboxPrefix(sites[0]), "CA": ca && strings.HasPrefix(f.hub, "tls://"),
		"Spool": f.spool, "Timezone": f.timezone, "Country": f.country, "Outside": f.outside,
	})
	if err != nil {
		return nil, err
	}
	// What is wrong with the flags is wrong in the file.
	cfg, err := config.Parse("trunkline.yaml", []byte(b.String()))
	if err != nil {
		return nil, err
	}
	if len(cfg.Sites) != len(slices.Compact(slices.Sorted(slices.Values(sites)))) {
		return nil, errors.New("a site is named twice")
	}
	return []byte(b.String()), nil
}

var siteTemplate = template.Must(template.New("site").Parse(`# The ingest of {{range $i, $s := .Sites}}{{if $i}}, {{end}}{{$s}}{{end}}: tickets are kept on this machine until the hub has them.
data: {{.Data}}
nats:
  url: {{.Hub}}
  creds_file: {{.Etc}}site.creds
  inbox_prefix: {{.Inbox}}
{{- if .CA}}
  tls: {ca: {{.Etc}}ca.crt}
{{- end}}
  spool: {max_bytes: {{.Spool}}}
sites:
{{- range .Sites}}
  - id: {{.}}
    timezone: {{$.Timezone}}
{{- if $.Country}}
    country: {{$.Country}}
{{- end}}
    outside_prefix: "{{$.Outside}}"
    # One line a PBX: ` + "`trunkline models MODEL`" + ` gives it.
    links: []
{{- end}}
`))
