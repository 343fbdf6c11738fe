package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
)

func modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "models [WORD]",
		Short: "what can be connected, how, and how sure we are",
		Long: "Lists the PBX models. With a word, those whose id, vendor, product or ComTrafic name holds it;\n" +
			"when it is one model, all about it: PBX settings, firewall line and YAML to paste.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			word := ""
			if len(args) == 1 {
				word = args[0]
			}
			return listModels(cmd.OutOrStdout(), word)
		},
	}
}

func listModels(w io.Writer, word string) error {
	if m, ok := pbx.Lookup(word); ok {
		describeModel(w, m)
		return nil
	}
	var found []*pbx.Model
	for _, m := range pbx.Models() {
		text := strings.ToLower(strings.Join([]string{m.ID, m.Vendor, m.Product, m.ComTraficLabel, m.ComTraficFile}, "\n"))
		if strings.Contains(text, strings.ToLower(word)) {
			found = append(found, m)
		}
	}
	switch len(found) {
	case 0:
		return fmt.Errorf("no model with %q: `trunkline models` lists all", word)
	case 1:
		describeModel(w, found[0])
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MODEL\tVENDOR\tPRODUCT\tWIRES\tTICKETS")
	for _, m := range found {
		state := "not yet"
		if wires := m.WorkingWires(); len(wires) > 0 {
			state = wireNames(wires)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.ID, m.Vendor, m.Product, state, m.Variants[0].Sure)
	}
	return t.Flush()
}

func wireNames(wires []pbx.Wire) string {
	names := make([]string, len(wires))
	for i, w := range wires {
		names[i] = string(w)
	}
	return strings.Join(names, ", ")
}

// title names a model for people; some products bear their vendor's name.
func title(m *pbx.Model) string {
	if strings.HasPrefix(m.Product, m.Vendor) {
		return m.Product
	}
	return m.Vendor + " " + m.Product
}

func describeModel(w io.Writer, m *pbx.Model) {
	fmt.Fprintf(w, "%s: %s\n", m.ID, title(m))
	if m.ComTraficLabel != "" {
		fmt.Fprintf(w, "in ComTrafic: %s (%s)\n", m.ComTraficLabel, m.ComTraficFile)
	}
	clock := "the site's local time"
	if m.Clock.UTC {
		clock = "UTC"
	}
	what := "start"
	if m.Clock.End {
		what = "end"
	}
	fmt.Fprintf(w, "its tickets print the %s of the call, in %s", what, clock)
	if m.Clock.NoYear {
		fmt.Fprint(w, ", without a year")
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, "\nticket variants:")
	for _, v := range m.Variants {
		fmt.Fprintf(w, "  %s: %s\n", v.Name, v.Sure)
	}
	fmt.Fprintln(w, "\nwires:")
	for _, o := range m.Offers {
		state := ""
		if !m.Works(o.Wire) {
			state = " (not in this version)"
		}
		fmt.Fprintf(w, "  %s: %s%s", o.Wire, o.Sure, state)
		if o.Port != 0 {
			fmt.Fprintf(w, ", port %d", o.Port)
		}
		if o.Note != "" {
			fmt.Fprintf(w, ", %s", o.Note)
		}
		fmt.Fprintln(w)
	}
	if len(m.Setup) > 0 {
		fmt.Fprintln(w, "\non the PBX:")
		for _, s := range m.Setup {
			fmt.Fprintf(w, "  %s\n", s)
		}
	}
	working := m.WorkingWires()
	if len(working) == 0 {
		return
	}
	o, _ := m.Offer(working[0])
	o.Port = cmp.Or(o.Port, anyPort)
	if line := firewall(o); line != "" {
		fmt.Fprintf(w, "\nfirewall:\n  %s\n", line)
	}
	fmt.Fprintf(w, "\nin the site's links:\n  %s\n", paste(m, o))
}

func firewall(o pbx.Offer) string {
	switch o.Wire {
	case pbx.TCPListen, pbx.FTPServer, pbx.SFTPServer, pbx.HTTPServer:
		return fmt.Sprintf("from the PBX to us, TCP port %d", o.Port)
	case pbx.TFTP:
		return fmt.Sprintf("from the PBX to us, UDP port %d and what it answers from", o.Port)
	case pbx.TCPDial, pbx.MySQL, pbx.OXEDial, pbx.AHLDial, pbx.FTP, pbx.SFTP, pbx.HTTP:
		return fmt.Sprintf("from us to the PBX, TCP port %d", o.Port)
	}
	return ""
}

// anyPort stands where a model has no usual port.
const anyPort = 4000

// paste is a link's YAML for the model's usual wire.
func paste(m *pbx.Model, o pbx.Offer) string {
	wire, more := "", ""
	if m.ByLayout {
		more = ", parse: {layout: tickets.yaml}"
	}
	switch o.Wire {
	case pbx.TCPListen:
		wire = fmt.Sprintf(`tcp: {listen: ":%d", allow: [192.0.2.10/32]}`, o.Port)
	case pbx.TCPDial:
		wire = fmt.Sprintf(`tcp: {dial: "192.0.2.10:%d"}`, o.Port)
		if m.Login != nil {
			wire = fmt.Sprintf(`tcp: {dial: "192.0.2.10:%d", password_env: PBX_PASSWORD}`, o.Port)
		}
	case pbx.Files:
		wire = `files: {dir: /srv/tickets}`
	case pbx.OXEDial:
		wire = fmt.Sprintf(`oxe: {dial: ["192.0.2.10:%d"]}`, o.Port)
	case pbx.AHLDial:
		wire = fmt.Sprintf(`ahl: {dial: "192.0.2.10:%d"}`, o.Port)
	case pbx.FTP, pbx.SFTP:
		wire = fmt.Sprintf(`%s: {addr: "192.0.2.10:%d", user: trunkline, password_env: PBX_PASSWORD}`, o.Wire, o.Port)
	case pbx.HTTP:
		wire = fmt.Sprintf(`http: {url: "https://192.0.2.10:%d", user: trunkline, password_env: PBX_PASSWORD}`, o.Port)
	case pbx.FTPServer, pbx.SFTPServer:
		wire = fmt.Sprintf(`%s: {listen: ":%d", allow: [192.0.2.10/32], user: pbx, password_env: PBX_PASSWORD}`, o.Wire, o.Port)
	case pbx.HTTPServer:
		wire = fmt.Sprintf(`http_server: {listen: ":%d", allow: [192.0.2.10/32]}`, o.Port)
	case pbx.TFTP:
		wire = fmt.Sprintf(`tftp: {listen: ":%d", allow: [192.0.2.10/32]}`, o.Port)
	case pbx.MySQL:
		wire = fmt.Sprintf(`mysql: {addr: "192.0.2.10:%d", database: asteriskcdrdb, user: trunkline, password_env: PBX_PASSWORD}`, o.Port)
	}
	return fmt.Sprintf("- {id: main, model: %s, %s%s}", m.ID, wire, more)
}
