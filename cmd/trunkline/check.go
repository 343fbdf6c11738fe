package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	ingestpoll "trunkline.internal/services/ingest-poll"
)

type checkFlags struct {
	file      string
	asJSON    bool
	wait      time.Duration
	loginOnly bool
	// alone is held by the one link that is served on our own streams.
	alone sync.Mutex
}

func checkCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [-c FILE] [SITE | LINK | SITE/LINK …]",
		Short: "examine links step by step; it never costs a ticket",
		Long: "Reads the configuration and names everything that is wrong in it with file and line. Then it looks at each link, or at\n" +
			"those that are named: name, port, log-in, rights, folder or table, clock, and the newest ticket with the call it becomes.\n" +
			"Nothing is collected, deleted, renamed or advanced. It fails when a link does. docs/check.md explains what it says.",
		RunE: func(cmd *cobra.Command, names []string) error {
			cfg, err := service.LoadConfig(f.file)
			if err != nil {
				return err
			}
			links, err := pickLinks(cfg.Links(), names)
			if err != nil {
				return err
			}
			return f.run(cmd.Context(), cfg, links, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration")
	fl.BoolVar(&f.asJSON, "json", false, "one JSON object a link")
	fl.DurationVar(&f.wait, "wait", time.Minute, "where no service runs and reading takes: how long to take its place")
	fl.BoolVar(&f.loginOnly, "login-only", false, "where reading takes: stop behind the log-in")
	return cmd
}

// pickLinks are the links that the names stand for; all without names.
func pickLinks(all []config.LinkOf, names []string) ([]config.LinkOf, error) {
	if len(names) == 0 {
		if len(all) == 0 {
			return nil, errors.New("the configuration has no link: give sites, each with its links")
		}
		return all, nil
	}
	var out []config.LinkOf
	for _, name := range names {
		found := false
		var known []string
		for _, of := range all {
			full := linkName(of)
			known = append(known, full, of.ID, of.Site.ID)
			if name != full && name != of.ID && name != of.Site.ID {
				continue
			}
			found = true
			if !slices.ContainsFunc(out, func(o config.LinkOf) bool { return o.Link == of.Link }) {
				out = append(out, of)
			}
		}
		if !found {
			hint := ""
			if near := pbx.NearestOf(name, known); near != "" {
				hint = fmt.Sprintf(", is it %q?", near)
			}
			return nil, fmt.Errorf("the configuration has no site or link %q%s", name, hint)
		}
	}
	return out, nil
}

func linkName(of config.LinkOf) string { return of.Site.ID + "/" + of.ID }

// checked is what was seen of one link.
type checked struct {
	Link   string                `json:"link"`
	Model  string                `json:"model"`
	Wire   pbx.Wire              `json:"wire"`
	Result ingestpoll.StepResult `json:"result"`
	Steps  []ingestpoll.Step     `json:"steps"`
	// Ticket is the newest one, and what became of it.
	Ticket *checkedTicket `json:"ticket,omitempty"`

	// steps are told as they come, and closed behind the last.
	steps chan ingestpoll.Step
}

// atOnce bounds how many links are looked at together: most of the time is waiting.
const atOnce = 8

func (f *checkFlags) run(ctx context.Context, cfg *config.Config, links []config.LinkOf, out io.Writer) error {
	// What is printed may end early; what looks must not wait for it then.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make([]*checked, len(links))
	for i, of := range links {
		all[i] = &checked{Link: linkName(of), Model: of.Model, Wire: wireOf(of.Link), Result: ingestpoll.StepNote, steps: make(chan ingestpoll.Step)}
	}
	free := make(chan struct{}, atOnce)
	go func() {
		for i, of := range links {
			free <- struct{}{}
			go func() {
				defer func() { <-free }()
				f.link(ctx, cfg, of, all[i])
			}()
		}
	}()
	failed := 0
	for _, c := range all {
		if err := c.print(out, f.asJSON); err != nil {
			return err
		}
		if c.Result == ingestpoll.StepFailed {
			failed++
		}
	}
	if !f.asJSON && len(all) > 1 {
		fmt.Fprintln(out)
		for _, c := range all {
			if _, err := fmt.Fprintf(out, "%-8s %s\n", c.Result, c.Link); err != nil {
				return err
			}
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case failed > 0:
		return fmt.Errorf("%d of %s failed", failed, many(len(all), "link"))
	}
	return nil
}

// link looks at one link.
func (f *checkFlags) link(ctx context.Context, cfg *config.Config, of config.LinkOf, c *checked) {
	defer close(c.steps)
	say := func(s ingestpoll.Step) {
		select {
		case c.steps <- s:
		case <-ctx.Done():
		}
	}
	look := func() (*ingestpoll.Newest, error) {
		return ingestpoll.Examine(ctx, of, ingestpoll.ExamineDeps{Data: cfg.Data}, say)
	}
	if !ingestpoll.Examines(of) {
		look = func() (*ingestpoll.Newest, error) { return checkLive(ctx, cfg, of, f, say) }
	}
	newest, err := look()
	if err != nil {
		say(ingestpoll.Step{What: "examination", Result: ingestpoll.StepFailed, Detail: err.Error()})
		return
	}
	if newest != nil {
		c.Ticket = understand(of.Settings(), newest, time.Now(), say)
	}
}

// print tells the steps as they come.
func (c *checked) print(out io.Writer, asJSON bool) error {
	if !asJSON {
		if _, err := fmt.Fprintf(out, "%s  %s over %s\n", c.Link, c.Model, c.Wire); err != nil {
			return err
		}
	}
	for s := range c.steps {
		c.Result = c.Result.Worse(s.Result)
		c.Steps = append(c.Steps, s)
		if asJSON {
			continue
		}
		if err := printStep(out, s); err != nil {
			return err
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return enc.Encode(c)
	}
	_, err := fmt.Fprintf(out, "%s: %s\n", c.Link, c.Result)
	return err
}

func printStep(out io.Writer, s ingestpoll.Step) error {
	const indent = "\n           "
	text := fmt.Sprintf("  %-8s %s", s.Result, printable(s.What))
	if s.Detail != "" {
		lines := strings.Split(s.Detail, "\n")
		for i := range lines {
			lines[i] = printable(lines[i])
		}
		text += ": " + strings.Join(lines, indent)
	}
	if s.Remedy != "" {
		text += indent + "→ " + printable(s.Remedy)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// wireOf is the link's wire.
func wireOf(l *config.Link) pbx.Wire {
	switch {
	case l.TCP != nil && l.TCP.Listen != "":
		return pbx.TCPListen
	case l.TCP != nil:
		return pbx.TCPDial
	case l.OXE != nil:
		return pbx.OXEDial
	case l.AHL != nil:
		return pbx.AHLDial
	case l.Files != nil:
		return pbx.Files
	case l.FTP != nil:
		return pbx.FTP
	case l.SFTP != nil:
		return pbx.SFTP
	case l.HTTP != nil:
		return pbx.HTTP
	case l.MySQL != nil:
		return pbx.MySQL
	case l.FTPServer != nil:
		return pbx.FTPServer
	case l.SFTPServer != nil:
		return pbx.SFTPServer
	case l.HTTPServer != nil:
		return pbx.HTTPServer
	}
	return pbx.TFTP
}
