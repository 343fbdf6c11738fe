package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/service"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

func tailCommand() *cobra.Command {
	var address wire.Address
	var file string
	var raw, asJSON bool
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "tickets and CDRs as they pass",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if err := whose(address); err != nil {
				return err
			}
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			nc, err := connect(cfg, "tail")
			if err != nil {
				return err
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err != nil {
				return err
			}
			if raw {
				return follow(ctx, js, wire.StreamTickets, address.TicketSubject(), printRaw(cmd.OutOrStdout()))
			}
			return follow(ctx, js, wire.StreamCdrs, address.CdrSubject(), printCalls(cmd.OutOrStdout(), asJSON))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&file, "config", "c", "", "configuration; it says where NATS is")
	fl.StringVar(&address.Site, "site", "", "only this site")
	fl.StringVar(&address.Link, "link", "", "only this link")
	fl.StringVar(&address.Model, "model", "", "only this PBX model")
	fl.BoolVar(&raw, "raw", false, "the tickets' bytes as they came, not what was understood")
	fl.BoolVar(&asJSON, "json", false, "one JSON object a ticket, as `trunkline parse` prints it")
	cmd.MarkFlagsMutuallyExclusive("raw", "json")
	return cmd
}

// whose tells names that nobody has: waiting for their tickets would never end.
func whose(a wire.Address) error {
	if _, ok := pbx.Lookup(a.Model); a.Model != "" && !ok {
		return fmt.Errorf("--model %q: `trunkline models` lists them", a.Model)
	}
	for flag, id := range map[string]string{"site": a.Site, "link": a.Link} {
		if id != "" && !pbx.ValidID(id) {
			return fmt.Errorf("--%s %q: an id has 1 to 63 of a-z, 0-9 and -", flag, id)
		}
	}
	return nil
}

// follow calls show for each message from now on, until ctx is done.
func follow(ctx context.Context, js jetstream.JetStream, stream, subject string, show func(jetstream.Msg) error) error {
	c, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{subject}, DeliverPolicy: jetstream.DeliverNewPolicy,
	})
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	messages, err := c.Messages()
	if err != nil {
		return fmt.Errorf("stream %s: %w", stream, err)
	}
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for {
		msg, err := messages.Next()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("stream %s: %w", stream, err)
		}
		if err := show(msg); err != nil {
			return err
		}
	}
}

func printRaw(w io.Writer) func(jetstream.Msg) error {
	return func(msg jetstream.Msg) error {
		m, err := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data())
		mark := ""
		switch {
		case err != nil: // the bytes are there
			mark = " (" + err.Error() + ")"
		case m.Incomplete != "":
			mark = " (" + m.Incomplete + ")"
		case m.Act != nil:
			mark = " (" + m.Act.What + ": " + m.Act.Object + ")"
		}
		_, err = fmt.Fprintf(w, "%s %s/%s %s%s\n%q\n", m.Received.Format(time.RFC3339), m.Site, m.Link, printable(m.Name), printable(mark), m.Payload)
		return err
	}
}

const callLine = "%-8s  %-24s  %-9s  %-18s  %-18s  %-11s  %6s\n"

// printCalls prints receipts: a line a call, or a JSON object a ticket.
func printCalls(w io.Writer, asJSON bool) func(jetstream.Msg) error {
	if !asJSON {
		fmt.Fprintf(w, callLine, "start", "link", "direction", "from", "to", "disposition", "talk")
	}
	return func(msg jetstream.Msg) error {
		var b trunklinev1.CdrBatch
		if err := proto.Unmarshal(msg.Data(), &b); err != nil {
			return fmt.Errorf("a receipt of %s: %w", msg.Subject(), err)
		}
		if asJSON {
			return printJSON(w, &b)
		}
		for _, c := range b.Cdrs {
			if err := printCall(w, c); err != nil {
				return err
			}
		}
		for _, o := range b.Others {
			if o.Outcome == trunklinev1.Outcome_OUTCOME_IGNORED {
				continue
			}
			if _, err := fmt.Fprintf(w, "%-8s  %-24s  %s: %s\n", short(o.Outcome.String(), "OUTCOME_"), b.Site+"/"+b.Link, o.Reason, printable(o.Error)); err != nil {
				return err
			}
		}
		return nil
	}
}

func printJSON(w io.Writer, b *trunklinev1.CdrBatch) error {
	for _, o := range outcomes(b) {
		o.Site, o.Link = b.Site, b.Link
		if err := o.print(w); err != nil {
			return err
		}
	}
	return nil
}

func printCall(w io.Writer, c *trunklinev1.Cdr) error {
	local := c.StartTime.AsTime().Add(time.Duration(c.UtcOffsetSeconds) * time.Second)
	talk := time.Duration(c.TalkSeconds) * time.Second
	_, err := fmt.Fprintf(w, callLine, local.Format("15:04:05"), c.Site+"/"+c.Link,
		short(c.Direction.String(), "DIRECTION_"), party(c.CallingNumber, c.CallingName), party(c.CalledNumber, c.CalledName),
		short(c.Disposition.String(), "DISPOSITION_"), talk)
	return err
}

func short(enum, prefix string) string {
	s := strings.ToLower(strings.TrimPrefix(enum, prefix))
	if s == "unspecified" {
		return "-"
	}
	return strings.ReplaceAll(s, "_", " ")
}

func party(number, name string) string {
	text := printable(strings.TrimSpace(number + " " + name))
	if r := []rune(text); len(r) > 18 {
		text = string(r[:17]) + "…"
	}
	if text == "" {
		return "-"
	}
	return text
}

// printable is a text without what a terminal would obey: a caller chooses his
// own name.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
