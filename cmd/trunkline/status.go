package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/platform/watch"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

func statusCommand() *cobra.Command {
	var file, date string
	var asJSON bool
	var r reconcileFlags
	cmd := &cobra.Command{
		Use:   "status [SITE[/LINK]]",
		Short: "each link, stream and consumer: state, last ticket, lag, and whether counts in equal counts out",
		Long: "Each link, stream and consumer as it is. --reconcile holds the receipts of days against the rows in ClickHouse instead, ticket by\n" +
			"ticket, and fails where in and out differ; with --month it is the month's statement for an auditor: docs/reconcile.md.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			if _, err := time.Parse(time.DateOnly, cmp.Or(date, "2000-01-01")); err != nil {
				return fmt.Errorf("--date %q: give YYYY-MM-DD", date)
			}
			var only wire.Address
			if len(args) == 1 {
				only.Site, only.Link, _ = strings.Cut(args[0], "/")
			}
			only.Site, only.Link = cmp.Or(r.site, only.Site), cmp.Or(r.link, only.Link)
			if err := whose(only); err != nil {
				return err
			}
			if r.reconcile || r.month != "" {
				return r.run(cmd.Context(), cmd.OutOrStdout(), cfg, only, asJSON)
			}
			nc, err := connect(cfg, "status")
			if err != nil {
				return err
			}
			defer nc.Close()
			s, err := askStatus(cmd.Context(), nc, cfg, only, date)
			if err != nil {
				return err
			}
			if asJSON {
				return s.json(cmd.OutOrStdout())
			}
			s.print(cmd.OutOrStdout(), time.Now())
			return nil
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&file, "config", "c", "", "configuration; it says where NATS is, and which links there should be")
	fl.StringVar(&date, "date", "", "count the tickets that came on this UTC day, YYYY-MM-DD; empty: today")
	fl.BoolVar(&asJSON, "json", false, "one JSON object")
	r.flags(cmd)
	return cmd
}

// status is everything that is known at a moment.
type status struct {
	processes []*trunklinev1.ProcessState
	counts    *trunklinev1.Counts // nil: no sink answered
	streams   []stream
	links     []linkStatus
}

// linkStatus is a link as its processes tell, and what became of its tickets.
type linkStatus struct {
	*trunklinev1.LinkState
	process *trunklinev1.Process // nil: nobody has it
	counts  *trunklinev1.LinkCounts
}

type stream struct {
	Name      string     `json:"name"`
	Messages  uint64     `json:"messages"`
	Bytes     uint64     `json:"bytes"`
	MaxBytes  int64      `json:"max_bytes"`
	Oldest    time.Time  `json:"oldest,omitzero"`
	Consumers []consumer `json:"consumers"`
}

type consumer struct {
	Name        string `json:"name"`
	Waiting     uint64 `json:"waiting"`
	Unanswered  int    `json:"unanswered"`
	Redelivered int    `json:"redelivered"`
}

func askStatus(ctx context.Context, nc *nats.Conn, cfg *config.Config, only wire.Address, date string) (*status, error) {
	s := &status{}
	var err error
	if s.processes, err = askLinks(ctx, nc, only.Site, only.Link); err != nil {
		return nil, err
	}
	if s.counts, err = askCounts(ctx, nc, date, only.Site, only.Link); err != nil {
		return nil, err
	}
	if s.streams, err = streams(ctx, nc); err != nil {
		return nil, err
	}
	if s.gather(cfg, only); len(s.links) == 0 && only.Site != "" {
		return nil, fmt.Errorf("no link of %s: neither the configuration nor a running service has one, and no ticket of it came on this day; give SITE or SITE/LINK", strings.TrimSuffix(only.Site+"/"+only.Link, "/"))
	}
	return s, nil
}

// gather puts together what is known of each link: who collects it speaks for it,
// and a link that nobody has is told too.
func (s *status) gather(cfg *config.Config, only wire.Address) {
	of := make(map[string]*linkStatus)
	for _, p := range s.processes {
		for _, l := range p.Links {
			key := l.Site + "/" + l.Link
			have := of[key]
			if have == nil || have.Status == trunklinev1.LinkStatus_LINK_STATUS_STANDBY {
				of[key] = &linkStatus{LinkState: l, process: p.Process}
			}
		}
	}
	for _, l := range cfg.Links() {
		key := l.Site.ID + "/" + l.ID
		if of[key] == nil && (only.Site == "" || only.Site == l.Site.ID) && (only.Link == "" || only.Link == l.ID) {
			of[key] = &linkStatus{LinkState: &trunklinev1.LinkState{Site: l.Site.ID, Link: l.ID, Model: l.Model}}
		}
	}
	for _, c := range s.counts.GetLinks() {
		// At a hub a site's configuration is not ours: its tickets tell that there is such a link.
		key := c.Site + "/" + c.Link
		if of[key] == nil {
			of[key] = &linkStatus{LinkState: &trunklinev1.LinkState{Site: c.Site, Link: c.Link, Model: "-"}}
		}
		of[key].counts = c
	}
	for _, l := range of {
		s.links = append(s.links, *l)
	}
	slices.SortFunc(s.links, func(a, b linkStatus) int { return cmp.Or(cmp.Compare(a.Site, b.Site), cmp.Compare(a.Link, b.Link)) })
}

func streams(ctx context.Context, nc *nats.Conn) ([]stream, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	var out []stream
	for _, name := range []string{wire.StreamTickets, wire.StreamCdrs} {
		st, err := js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("stream %s: %w", name, err)
		}
		info := st.CachedInfo()
		one := stream{Name: name, Messages: info.State.Msgs, Bytes: info.State.Bytes, MaxBytes: info.Config.MaxBytes, Oldest: info.State.FirstTime}
		consumers := st.ListConsumers(ctx)
		for c := range consumers.Info() {
			if c.Config.Durable == "" {
				continue // somebody's `trunkline tail`
			}
			one.Consumers = append(one.Consumers, consumer{c.Name, c.NumPending, c.NumAckPending, c.NumRedelivered})
		}
		if err := consumers.Err(); err != nil {
			return nil, fmt.Errorf("stream %s: consumers: %w", name, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func (s *status) json(w io.Writer) error {
	marshal := func(m proto.Message) json.RawMessage {
		b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
		if err != nil {
			return json.RawMessage("null")
		}
		return b
	}
	type link struct {
		Name     string          `json:"name"`
		Status   string          `json:"status"`
		Known    string          `json:"known,omitempty"`
		Balanced bool            `json:"balanced"`
		State    json.RawMessage `json:"state"`
		Counts   json.RawMessage `json:"counts,omitempty"`
	}
	out := struct {
		Processes []json.RawMessage `json:"processes"`
		Spools    []json.RawMessage `json:"spools,omitempty"`
		Links     []link            `json:"links"`
		Streams   []stream          `json:"streams"`
	}{Streams: s.streams}
	for _, p := range s.processes {
		out.Processes = append(out.Processes, marshal(p.Process))
		if p.SpoolMaxBytes > 0 {
			spool := proto.CloneOf(p)
			spool.Links, spool.ConfigProblem = nil, ""
			out.Spools = append(out.Spools, marshal(spool))
		}
	}
	for _, l := range s.links {
		one := link{Name: l.Site + "/" + l.Link, Status: l.word(), Known: l.known(), Balanced: l.counts == nil || balanced(l.counts), State: marshal(l.LinkState)}
		if l.counts != nil {
			one.Counts = marshal(l.counts)
		}
		out.Links = append(out.Links, one)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// word is the link's state in one word.
func (l linkStatus) word() string {
	if l.process == nil {
		return "absent"
	}
	return watch.StatusName(l.Status)
}

// balanced tells whether each ticket that came has become something.
func balanced(c *trunklinev1.LinkCounts) bool { return c.Tickets == c.Cdrs+c.Ignored+c.Dead }
