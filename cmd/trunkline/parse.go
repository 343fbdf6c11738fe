package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser"
)

type parseFlags struct {
	settings   pbx.Settings
	receivedAt string
	dateOrder  string
	set        []string
	strict     bool
}

func parseCommand() *cobra.Command {
	var f parseFlags
	cmd := &cobra.Command{
		Use:   "parse --model ID [FILE…]",
		Short: "understand tickets offline: one JSON object a ticket",
		Long: "Reads tickets from files, or from standard input, and prints for each what became of it:\n" +
			`{"outcome":"cdr","cdr":{…}}, {"outcome":"ignored","reason":…,"raw":…} or {"outcome":"dead","reason":…,"error":…,"raw":…}.` + "\n" +
			"Where a ticket's bytes are no UTF-8, raw_base64 has them. The same tickets print the same lines: parsed_time is left\n" +
			"out, and ticket ids are those of no site.",
		RunE: func(cmd *cobra.Command, files []string) error {
			return f.run(cmd.InOrStdin(), cmd.OutOrStdout(), files)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.settings.Model, "model", "", "PBX model: see trunkline models")
	fl.StringVar(&f.settings.Timezone, "timezone", "UTC", "IANA zone of the PBX's clock")
	fl.StringVar(&f.receivedAt, "received-at", "", "when the tickets were received, RFC 3339; the file's modification time, or now")
	fl.StringVar(&f.dateOrder, "date-order", "", "dmy, mdy, ymd or ydm: for --set date_order=")
	fl.StringArrayVar(&f.set, "set", nil, "another setting, key=value: country, outside_prefix, or a key of parse:")
	fl.BoolVar(&f.strict, "strict", false, "fail when a ticket is dead")
	_ = cmd.MarkFlagRequired("model")
	return cmd
}

func (f *parseFlags) run(in io.Reader, out io.Writer, files []string) error {
	f.settings.Site, f.settings.Link = "offline", "parse"
	model, ok := pbx.Lookup(f.settings.Model)
	if !ok {
		hint := ":"
		if near := pbx.Nearest(f.settings.Model); near != "" {
			hint = fmt.Sprintf(": is it %q?", near)
		}
		return fmt.Errorf("no model %q%s `trunkline models` lists them", f.settings.Model, hint)
	}
	set := f.set
	if f.dateOrder != "" {
		set = append(set, "date_order="+f.dateOrder)
	}
	for _, s := range set {
		if err := f.settings.Set(s); err != nil {
			return fmt.Errorf("--set %w", err)
		}
	}
	reader, err := parser.NewReader(f.settings)
	if err != nil {
		return err
	}
	var at time.Time
	if f.receivedAt != "" {
		if at, err = time.Parse(time.RFC3339, f.receivedAt); err != nil {
			return fmt.Errorf("--received-at %q: give one such as 2026-11-22T19:00:00Z", f.receivedAt)
		}
	}
	w := bufio.NewWriter(out)
	cutting, err := f.settings.Cutting()
	if err != nil {
		return err
	}
	p := printer{reader: reader, model: model, cutting: cutting, settings: f.settings, out: w}
	if len(files) == 0 {
		if at.IsZero() {
			at = time.Now()
		}
		err = p.stream("-", in, at)
	}
	for _, name := range files {
		if err = p.file(name, at); err != nil {
			break
		}
	}
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if f.strict && p.dead > 0 {
		return fmt.Errorf("%d of %s %s dead", p.dead, many(p.tickets, "ticket"), plural(p.dead, "is|are"))
	}
	return nil
}

// printer understands tickets and prints what became of them.
type printer struct {
	reader        *parser.Reader
	model         *pbx.Model
	cutting       pbx.Cutting
	settings      pbx.Settings
	out           *bufio.Writer
	tickets, dead int
}

func (p *printer) file(name string, at time.Time) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if at.IsZero() {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		at = info.ModTime()
	}
	return p.stream(name, f, at)
}

func (p *printer) stream(name string, in io.Reader, at time.Time) error {
	// A file of tickets is small; what is not goes through ingest.
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	head := p.head(text)
	m := &bus.TicketMessage{
		Address:  wire.Address{Model: p.model.ID, Site: p.settings.Site, Link: p.settings.Link},
		Received: at, Written: at, Preamble: text[:head], Name: name,
		Origin: identity.WholeFile(filepath.Base(name), sha256.Sum256(text)), Offset: identity.Position(int64(head)),
	}
	var failed error
	err = cut.Each(p.cutting.Split, text[head:], func(offset int, ticket []byte) bool {
		one := *m
		end := offset + len(ticket)
		if cut.Terminated(text[head:], end) {
			end++
		}
		one.Payload, one.Offset = text[head+offset:head+end], identity.Position(int64(head+offset))
		failed = p.print(p.reader.Read(&one))
		return failed == nil
	})
	return errors.Join(err, failed)
}

// head is the length of the lines at the start that describe the file.
func (p *printer) head(text []byte) int {
	if p.cutting.Head == nil {
		return 0
	}
	at := 0
	for at < len(text) {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			end = len(text) - at - 1
		}
		if !p.cutting.Head(bytes.TrimRight(text[at:at+end+1], "\r\n")) {
			break
		}
		at += end + 1
	}
	return at
}

func (p *printer) print(b *trunklinev1.CdrBatch) error {
	for _, c := range b.Cdrs {
		c.ParsedTime = nil
	}
	for _, o := range outcomes(b) {
		p.tickets++
		if o.Outcome == "dead" {
			p.dead++
		}
		if err := o.print(p.out); err != nil {
			return err
		}
	}
	return nil
}
