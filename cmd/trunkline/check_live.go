package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/probe"
	"trunkline.internal/platform/service"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
)

// checkLive examines a link whose reading takes what is there: tcp in both roles,
// oxe, ahl, tftp and http_server. A second session would cost tickets, so it asks
// the service that has the link. Where none runs it takes the service's place, with
// the service's own code: what comes is published.
func checkLive(ctx context.Context, cfg *config.Config, of config.LinkOf, f *checkFlags, say func(ingestpoll.Step)) (*ingestpoll.Newest, error) {
	l := &live{cfg: cfg, of: of, say: say}
	nc, err := connect(cfg, "check")
	if err == nil {
		defer nc.Close()
		processes, err := askLinks(ctx, nc, of.Site.ID, of.ID)
		if err != nil {
			return nil, err
		}
		if state, process := owner(processes); state != nil {
			l.service(process)
			l.state(ctx, nc, state)
			return l.newest(ctx, nc)
		}
		l.step("service", ingestpoll.StepNote, many(len(processes), "ingest service answers, and has not the link: this takes its place|ingest services answer, and none has the link: this takes their place")+" for a while", "")
		opts, err := service.NATSOptions(cfg.NATS)
		if err != nil {
			return nil, err
		}
		return l.takePlace(ctx, f, cfg.NATS.URL, opts, false)
	}
	if !loopback(cfg.NATS.URL) {
		l.step("NATS", ingestpoll.StepFailed, err.Error(), "without it nobody could keep what the PBX sends: mend that first")
		return nil, nil
	}
	l.step("service", ingestpoll.StepNote, "none runs, so this takes its place for a while; what comes is kept in "+cfg.Data, "")
	return l.alone(ctx, f)
}

// live is the examination of one such link.
type live struct {
	cfg *config.Config
	of  config.LinkOf
	say func(ingestpoll.Step)
}

func (l *live) step(what string, result ingestpoll.StepResult, detail, remedy string) {
	l.say(ingestpoll.Step{What: what, Result: result, Detail: detail, Remedy: remedy})
}

// owner is who collects the link, or waits for the lease; nil: nobody.
func owner(processes []*trunklinev1.ProcessState) (state *trunklinev1.LinkState, process *trunklinev1.Process) {
	for _, p := range processes {
		for _, s := range p.Links {
			if state == nil || state.Status == trunklinev1.LinkStatus_LINK_STATUS_STANDBY {
				state, process = s, p.Process
			}
		}
	}
	return state, process
}

// loopback tells a NATS that could be the one of `trunkline run` on this machine.
func loopback(natsURL string) bool {
	u, err := url.Parse(natsURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func (l *live) service(p *trunklinev1.Process) {
	l.step("service", ingestpoll.StepOK, fmt.Sprintf("%s on %s, pid %d, version %s, since %s", p.Service, p.Host, p.Pid, p.Version, clockTime(p.Started.AsTime())), "")
}

// state tells what a service knows of the link.
func (l *live) state(ctx context.Context, nc *nats.Conn, s *trunklinev1.LinkState) {
	l.place(s)
	for _, p := range s.Peers {
		l.step("connected", ingestpoll.StepOK, fmt.Sprintf("%s since %s", p.Address, clockTime(p.Since.AsTime())), "")
	}
	for _, r := range s.Refusals {
		remedy := ""
		if strings.Contains(r.Reason, "allow") {
			remedy = "if that is the PBX, add its address to allow"
		}
		l.step("turned away", ingestpoll.StepWarning, fmt.Sprintf("%s at %s: %s", r.Address, clockTime(r.Time.AsTime()), r.Reason), remedy)
	}
	if s.Problem != "" {
		l.step("problem", ingestpoll.StepFailed, s.Problem, l.remedyOf(s.Problem))
	}
	if len(s.Head) > 0 {
		detail := fmt.Sprintf("%d in all, the last at %s; the newest connection began with\n%s", s.ReceivedBytes, clockTime(s.LastReceivedTime.AsTime()), strings.TrimSpace(probe.Dump(s.Head)))
		result, remedy := ingestpoll.StepOK, ""
		if guess := probe.Guess(s.Head); guess != "" && s.Tickets == 0 {
			result, remedy = ingestpoll.StepWarning, fmt.Sprintf("it looks like %s: is the address the PBX's, and the port the one of its tickets?", guess)
		}
		l.step("bytes", result, detail, remedy)
	} else if s.ReceivedBytes > 0 {
		l.step("bytes", ingestpoll.StepOK, fmt.Sprintf("%d in all, the last at %s", s.ReceivedBytes, clockTime(s.LastReceivedTime.AsTime())), "")
	}
	switch {
	case s.Tickets > 0:
		l.step("tickets", ingestpoll.StepOK, fmt.Sprintf("%d cut and published since the service began, the last at %s", s.Tickets, clockTime(s.LastTicketTime.AsTime())), "")
	case s.LastTicketTime != nil:
		l.step("tickets", ingestpoll.StepNote, fmt.Sprintf("none since the service began, the last before at %s", clockTime(s.LastTicketTime.AsTime())), "")
	default:
		one := linkStatus{LinkState: s}
		l.step("tickets", ingestpoll.StepWarning, "it has never delivered: "+one.waiting(), l.remedy())
	}
	if s.Silence != "" {
		l.step("silence", ingestpoll.StepFailed, s.Silence, l.remedy())
	}
	if nc == nil {
		return
	}
	counts, err := askCounts(ctx, nc, "", s.Site, s.Link)
	switch {
	case err != nil || counts == nil || counts.Error != "":
		l.step("calls", ingestpoll.StepNote, "what became of the tickets is not known: no sink answers", "")
	case len(counts.Links) == 1:
		c := counts.Links[0]
		result := ingestpoll.StepOK
		if c.Dead > 0 {
			result = ingestpoll.StepWarning
		}
		detail := fmt.Sprintf("today (UTC) %s: %s, %d ignored, %d dead", many(c.Tickets, "ticket"), many(c.Cdrs, "call"), c.Ignored, c.Dead)
		if c.Dead > 0 {
			detail += ", the newest for " + c.DeadReason
		}
		l.step("calls", result, detail, "")
	}
}

// place tells where the link listens or dials, and who holds the port if not we.
func (l *live) place(s *trunklinev1.LinkState) {
	where := fmt.Sprintf("%s %s", s.Wire, s.Place)
	if !l.listens() {
		l.step("address", ingestpoll.StepOK, where, "")
		return
	}
	network, port := l.port(s.Place)
	if !strings.Contains(s.Problem, "cannot listen") && !strings.Contains(s.Problem, "cannot be listened on") {
		remedy := ""
		if open := probe.Firewall(network, port); open != "" {
			remedy = "the firewall here must let the PBX in: " + open
		}
		l.step("address", ingestpoll.StepOK, where, remedy)
		return
	}
	holder := "it is not known who holds the port"
	if all, err := probe.Holders(network, port); err == nil && len(all) > 0 {
		var names []string
		for _, h := range all {
			names = append(names, h.String())
		}
		holder = "the port is held by " + strings.Join(names, ", ")
	}
	l.step("address", ingestpoll.StepFailed, where+": "+holder, "end that program, or give the link another port, here and in the PBX")
}

func (l *live) listens() bool {
	return l.of.TCP != nil && l.of.TCP.Listen != "" || l.of.HTTPServer != nil || l.of.TFTP != nil && l.of.TFTP.Listen != ""
}

func (l *live) port(addr string) (network string, port int) {
	network = "tcp"
	if l.of.TFTP != nil {
		network = "udp"
	}
	_, text, _ := net.SplitHostPort(addr)
	port, _ = strconv.Atoi(text)
	return network, port
}

// remedyOf says what to do against a problem that a service tells.
func (l *live) remedyOf(problem string) string {
	switch {
	case strings.Contains(problem, "password_env: ") || strings.Contains(problem, "password_file: "):
		return "give it to the service: a variable counts from its next start, a file from the next log-in"
	case strings.Contains(problem, "cannot reach the PBX"):
		return "is the address right, does the PBX listen there, and does each firewall between let us through? " + l.remedy()
	}
	return l.remedy()
}

// remedy says what to do at the PBX.
func (l *live) remedy() string {
	return fmt.Sprintf("`trunkline models %s` says what the PBX must be set to", l.of.Model)
}

// newest is the link's newest ticket, as it stands in the stream.
func (l *live) newest(ctx context.Context, nc *nats.Conn) (*ingestpoll.Newest, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, wire.StreamTickets)
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", wire.StreamTickets, err)
	}
	msg, err := stream.GetLastMsgForSubject(ctx, wire.Address{Model: l.of.Model, Site: l.of.Site.ID, Link: l.of.ID}.TicketSubject())
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the newest ticket: %w", err)
	}
	m, err := bus.ReadTicketMessage(msg.Subject, msg.Header, msg.Data)
	if err != nil {
		return nil, fmt.Errorf("the newest ticket: %w", err)
	}
	cutting, err := l.of.Settings().Cutting()
	if err != nil {
		return nil, err
	}
	last := lastTicket(cutting, m.Payload)
	return &ingestpoll.Newest{Name: m.Name, Raw: last, Preamble: m.Preamble, Written: cmp.Or(m.Written, m.Received), Live: m.Written.IsZero()}, nil
}

// lastTicket is the last one of joined tickets.
func lastTicket(cutting pbx.Cutting, payload []byte) []byte {
	last := payload
	for rest := payload; len(rest) > 0; {
		n, ticket, err := cutting.Split(rest, true)
		if err != nil || n <= 0 {
			break
		}
		if len(ticket) > 0 {
			last = rest[:n]
		}
		rest = rest[n:]
	}
	return last
}

func clockTime(t time.Time) string { return t.Local().Format(time.DateTime) }
