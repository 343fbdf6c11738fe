package ingesttcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/watch"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

const defaultMaxConnections = 64

// link is one link of the configuration, over all its connections.
type link struct {
	config.LinkOf
	*Service
	wire      pbx.Wire
	addr      string // where we listen or dial
	model     *pbx.Model
	cutting   pbx.Cutting
	allow     []netip.Prefix
	max       int
	way       way           // how it is dialled; nil: it listens
	announced chan struct{} // closed when the parser can know the settings
	listener  *listener     // of a link that listens
	told      config.LinkOf // as it is configured now; what connects is as in LinkOf

	ctx     context.Context // while it is collected
	cancel  context.CancelFunc
	running sync.WaitGroup

	connections, lastSeen   prometheus.Gauge
	ticketsN, bytesN, lostN prometheus.Counter

	mu         sync.Mutex
	settings   pbx.Settings
	edition    int                    // of the settings
	announcing bool                   // somebody does
	peers      map[*session]time.Time // since when
	standby    bool                   // somebody else has the lease
	refusals   []*trunklinev1.Refusal // newest first
	head       []byte                 // of the newest session that brought anything
	received   uint64
	receivedAt time.Time
	stuck      int // connections with messages that NATS refuses
	last       time.Time
	tickets    uint64
	bytes      uint64
	incomplete uint64
	err        error
}

func (s *Service) newLink(of config.LinkOf) (*link, error) {
	model, ok := pbx.Lookup(of.Model)
	if !ok {
		return nil, fmt.Errorf("no model %q: see trunkline models", of.Model)
	}
	cutting, err := of.Settings().Cutting()
	if err != nil {
		return nil, err
	}
	l := &link{
		LinkOf: of, Service: s, model: model, cutting: cutting, max: 1,
		announced: make(chan struct{}), told: of, ctx: context.Background(), peers: make(map[*session]time.Time), settings: of.Settings(),
	}
	if !pbx.ValidID(of.Site.ID) || !pbx.ValidID(of.ID) {
		return nil, errors.New("ids are letters a-z, digits and hyphens, at most 63")
	}
	switch {
	case of.OXE != nil:
		err = l.oxe()
	case of.AHL != nil:
		err = l.ahl()
	default:
		err = l.tcp()
	}
	if err != nil {
		return nil, err
	}
	l.connections = s.metrics.connections.WithLabelValues(of.Site.ID, of.ID)
	l.lastSeen = s.metrics.last.WithLabelValues(of.Site.ID, of.ID)
	l.ticketsN = s.metrics.tickets.WithLabelValues(of.Site.ID, of.ID, of.Model)
	l.bytesN = s.metrics.bytes.WithLabelValues(of.Site.ID, of.ID)
	l.lostN = s.metrics.lost.WithLabelValues(of.Site.ID, of.ID)
	return l, nil
}

// tcp completes a link with a wire of plain TCP.
func (l *link) tcp() error {
	tcp := l.TCP
	if l.max = tcp.MaxConnections; l.max == 0 {
		l.max = defaultMaxConnections
	}
	for _, p := range tcp.Allow {
		// A peer's address is unmapped; so must be what it is compared with.
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		l.allow = append(l.allow, p.Masked())
	}
	switch {
	case (tcp.Listen == "") == (tcp.Dial == ""):
		return errors.New("tcp: give listen or dial")
	case l.max < 0:
		return fmt.Errorf("tcp: max_connections %d: give 1 or more", l.max)
	case tcp.Dial != "" && l.needsPassword() && !tcp.Secret.Set() && l.model.DefaultPassword == "":
		return errors.New("tcp: this model wants a password: give password_env or password_file")
	}
	l.wire, l.addr = pbx.TCPListen, tcp.Listen
	if tcp.Dial != "" {
		l.wire, l.addr, l.way = pbx.TCPDial, tcp.Dial, &tcpWay{link: l}
	}
	if _, _, err := net.SplitHostPort(l.addr); err != nil {
		return fmt.Errorf("tcp: %q is no host:port", l.addr)
	}
	return nil
}

func (l *link) needsPassword() bool {
	return slices.ContainsFunc(l.model.Login, func(s pbx.Step) bool { return strings.Contains(s.Send, "{password}") })
}

func (l *link) String() string { return l.Site.ID + "/" + l.ID }

func (l *link) address() wire.Address {
	return wire.Address{Model: l.Model, Site: l.Site.ID, Link: l.ID}
}

// count counts a connection's begin or end.
func (l *link) count(result string) {
	l.metrics.connected.WithLabelValues(l.Site.ID, l.ID, result).Inc()
}

// allows tells whether a peer belongs to the link.
func (l *link) allows(peer netip.Addr) bool {
	return len(l.allow) == 0 || slices.ContainsFunc(l.allow, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// announce publishes the link's settings, without which no parser touches its
// tickets, until there are no newer ones.
func (l *link) announce(ctx context.Context) {
	var back bus.Backoff
	for l.deps.Bus.Ready(ctx) == nil {
		l.mu.Lock()
		settings, edition := l.settings, l.edition
		l.mu.Unlock()
		put, cancel := context.WithTimeout(ctx, l.timing.putTimeout)
		err := l.deps.Bus.Links.Put(put, settings)
		cancel()
		if err != nil {
			if back.Wait(ctx) != nil {
				return
			}
			l.warn.warn(l, "the link's settings cannot be published, its tickets wait", "error", err)
			continue
		}
		back.Reset()
		if l.isTold(edition) {
			return
		}
	}
}

// isTold tells whether an edition of the settings, which is published now, is the
// newest.
func (l *link) isTold(edition int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.announced:
	default:
		close(l.announced)
	}
	l.announcing = l.edition != edition
	return !l.announcing
}

// stand tells whether somebody else has the lease.
func (l *link) stand(by bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.standby = by
}

// tell gives the parser the settings.
func (l *link) tell(settings pbx.Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settings = settings
	l.edition++
	if l.announcing || l.ctx.Err() != nil {
		return
	}
	l.announcing = true
	l.running.Go(func() { l.announce(l.ctx) })
}

// known waits until the link's settings are published; false when ctx ended
// first. Nothing is read before.
func (l *link) known(ctx context.Context) bool {
	select {
	case <-l.announced:
		return true
	case <-ctx.Done():
		return false
	}
}

// refusedStopped is why a link that is being stopped takes in no session.
const refusedStopped = "refused_stopped"

// enter takes a session in until it leaves, or says why not.
func (l *link) enter(s *session) (refused string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ctx.Err() != nil:
		return refusedStopped
	case l.stuck > 0:
		return "refused_by_nats"
	case len(l.peers) >= l.max:
		return "refused_limit"
	}
	l.running.Add(1)
	l.peers[s] = time.Now()
	l.connections.Set(float64(len(l.peers)))
	return ""
}

func (l *link) leave(s *session) {
	l.mu.Lock()
	delete(l.peers, s)
	l.connections.Set(float64(len(l.peers)))
	l.mu.Unlock()
	l.running.Done()
}

// end ends the link: its sessions publish what they have.
func (l *link) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel()
}

// Reconnect ends the connections; whoever wants to comes again, and whom we dial
// is dialled.
func (l *link) Reconnect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.peers {
		if s.drop != nil {
			s.drop()
		}
	}
}

// maxRefusals is how many connections that were turned away are remembered.
const maxRefusals = 5

// refuse remembers a connection that was turned away.
func (l *link) refuse(peer, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals = slices.Insert(l.refusals, 0, &trunklinev1.Refusal{Address: peer, Time: timestamppb.Now(), Reason: reason})
	l.refusals = l.refusals[:min(len(l.refusals), maxRefusals)]
}

// saw counts what came, tickets or not.
func (s *session) saw(data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == 0 {
		s.head = s.head[:0]
	}
	if room := watch.MaxHead - s.seen; room > 0 {
		data := data[:min(room, len(data))]
		s.seen += len(data)
		s.head = append(s.head, data...)
	}
	s.received += uint64(len(data))
	s.receivedAt = time.Now()
}

// jam tells that one more (1) or one less (-1) connection holds messages that
// NATS refuses.
func (l *link) jam(n int, err error) {
	l.mu.Lock()
	l.stuck += n
	jammed := l.stuck > 0
	l.mu.Unlock()
	if !jammed {
		err = nil
	}
	l.setErr(err)
	l.deps.SetHealth("ingest-tcp link "+l.String(), err)
}

func (l *link) setErr(err error) {
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
}

// done counts what was acknowledged.
func (l *link) done(tickets, bytes, incomplete int, came time.Time) {
	l.ticketsN.Add(float64(tickets))
	l.bytesN.Add(float64(bytes))
	l.lastSeen.Set(float64(came.UnixMilli()) / 1000)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickets += uint64(tickets)
	l.bytes += uint64(bytes)
	l.incomplete += uint64(incomplete)
	if came.After(l.last) {
		l.last = came
	}
	if tickets > incomplete && l.stuck == 0 {
		l.err = nil
	}
}

func (l *link) state() LinkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := LinkState{
		Site: l.Site.ID, Link: l.ID, Model: l.Model, Wire: l.wire, Addr: l.addr,
		LastTicket: l.last, Tickets: l.tickets, Bytes: l.bytes, Incomplete: l.incomplete, Err: l.err,
	}
	for s := range l.peers {
		st.Peers = append(st.Peers, s.name)
	}
	slices.Sort(st.Peers)
	return st
}

// State tells of the link to who watches it.
func (l *link) State(head bool) *trunklinev1.LinkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := &trunklinev1.LinkState{
		Site: l.Site.ID, Link: l.ID, Model: l.Model, Wire: string(l.wire), Place: l.addr,
		Tickets: l.tickets, Bytes: l.bytes, Incomplete: l.incomplete, ReceivedBytes: l.received,
		Refusals: slices.Clone(l.refusals),
	}
	if l.listener != nil {
		if a := l.listener.addr(); a != nil {
			out.Place = a.String()
		}
	}
	if l.standby {
		out.Status = trunklinev1.LinkStatus_LINK_STATUS_STANDBY
	}
	if l.err != nil {
		out.Problem = l.err.Error()
	}
	if !l.last.IsZero() {
		out.LastTicketTime = timestamppb.New(l.last)
	}
	if !l.receivedAt.IsZero() {
		out.LastReceivedTime = timestamppb.New(l.receivedAt)
	}
	if head {
		out.Head = bytes.Clone(l.head)
	}
	for s, since := range l.peers {
		out.Peers = append(out.Peers, &trunklinev1.Peer{Address: s.name, Since: timestamppb.New(since)})
	}
	slices.SortFunc(out.Peers, func(a, b *trunklinev1.Peer) int { return strings.Compare(a.Address, b.Address) })
	return out
}
