// Package parser understands tickets: it reads the stream TICKETS, turns each
// message into a receipt and publishes it to the stream CDRS, and only then
// acknowledges the message. It keeps nothing: any number of parsers share the
// work, and one may be killed at any time.
package parser

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// Deps are what a parser works with.
type Deps struct {
	Bus *bus.Bus
	// Cdrs commits to the stream CDRS.
	Cdrs      *bus.Committer
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	SetHealth func(part string, err error)
	// AtOnce is how many messages are parsed at once; 0: one a processor.
	AtOnce int
}

// Service is a running parser.
type Service struct {
	Deps
	metrics *metrics
	grace   time.Duration
	// begun is the last message that a process which is gone may have begun.
	begun atomic.Uint64
	// turns are those who parse. All who could would fill the processors' queues,
	// and who takes tickets in the same process would stand behind them.
	turns chan struct{}

	mu     sync.Mutex
	links  map[string]*link
	warned map[string]bool
}

// link is a link's settings and its readers.
type link struct {
	settings pbx.Settings
	err      error
	idle     chan *Reader // as many as take turns: none is made twice
}

// New makes a parser.
func New(d Deps) (*Service, error) {
	if d.Bus == nil || d.Cdrs == nil || d.Log == nil {
		return nil, errors.New("parser: bus, committer and logger are needed")
	}
	if d.SetHealth == nil {
		d.SetHealth = func(string, error) {}
	}
	if d.AtOnce == 0 {
		d.AtOnce = runtime.GOMAXPROCS(0)
	}
	return &Service{turns: make(chan struct{}, d.AtOnce), Deps: d, metrics: newMetrics(d.Metrics), grace: grace, links: make(map[string]*link), warned: make(map[string]bool)}, nil
}

const (
	// maxAckPending also counts what waits for its link's settings. Where it is
	// reached nobody's tickets are delivered any more, so it is large.
	maxAckPending = 100_000
	pullMessages  = 1000
	// inFlight bounds the messages that wait for their receipts' commit, and
	// inFlightBytes their bytes: enough that a commit gathers a full batch.
	inFlight      = 1000
	inFlightBytes = 8 << 20
	// grace is how long answers may take after the end was asked for.
	grace = 20 * time.Second
	// attempts is how often a message may be begun without an answer.
	attempts = 5
)

// Run parses until ctx is done. What was begun is answered before it returns.
func (s *Service) Run(ctx context.Context, ready func()) error {
	if s.Bus.Ready(ctx) != nil {
		return nil
	}
	watching, stopWatching := context.WithCancel(ctx)
	defer stopWatching()
	s.watchLinks(watching)
	// What was begun is answered behind ctx's end, as far as NATS lets it.
	answering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(s.grace, cancel) })()
	in := &bus.Intake{
		Bus: s.Bus, Stream: wire.StreamTickets, Consumer: wire.ConsumerParser, Description: "tickets on their way to CDRs",
		Pull: pullMessages, MaxAckPending: maxAckPending,
	}
	work := make(chan jetstream.Msg)
	room := semaphore.NewWeighted(inFlightBytes)
	var workers sync.WaitGroup
	for range inFlight {
		workers.Go(func() {
			for msg := range work {
				weight := min(int64(len(msg.Data())), inFlightBytes)
				if room.Acquire(context.WithoutCancel(ctx), weight) == nil { // which does not end
					s.answer(answering, msg)
					room.Release(weight)
				}
				in.Done(msg)
			}
		})
	}
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() { defer close(kept); in.Keep(keeping) }()
	defer func() {
		close(work)
		workers.Wait()
		stopKeeping()
		<-kept
	}()
	ready = sync.OnceFunc(ready)
	back := bus.Backoff{Max: 10 * time.Second}
	for ctx.Err() == nil {
		err := in.Run(ctx, work, func(c jetstream.Consumer) {
			s.begun.Store(bus.Begun(c))
			back.Reset()
			ready()
			s.SetHealth("parser", nil)
		})
		if ctx.Err() != nil {
			break
		}
		s.metrics.pullErrors.Inc()
		s.SetHealth("parser", err)
		s.Bus.Wait(ctx, &back)
	}
	return nil
}

// watchLinks returns when the settings of all known links are there, and goes
// on taking changes until ctx is done.
func (s *Service) watchLinks(ctx context.Context) {
	synced := make(chan struct{})
	go func() {
		first := true
		back := bus.Backoff{Max: 10 * time.Second}
		for ctx.Err() == nil {
			err := s.Bus.Links.Watch(ctx, s.setLink, func() {
				if first {
					first = false
					close(synced)
				}
				back.Reset()
			})
			if err != nil && first {
				s.SetHealth("parser", err)
			}
			back.Wait(ctx)
		}
	}()
	select {
	case <-synced:
	case <-ctx.Done():
	}
}

func (s *Service) setLink(settings pbx.Settings) {
	l := &link{settings: settings, idle: make(chan *Reader, s.AtOnce)}
	r, err := NewReader(settings)
	if err != nil {
		l.err = err
		s.Log.Error("the settings of a link cannot be used: its tickets wait", "site", settings.Site, "link", settings.Link, "error", err)
	} else {
		l.idle <- r
	}
	s.mu.Lock()
	s.links[wire.LinkKey(settings.Site, settings.Link)] = l
	s.mu.Unlock()
}

func (s *Service) link(a wire.Address) *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links[wire.LinkKey(a.Site, a.Link)]
}

// nobody has sent what stands under a subject that names no link.
var nobody = wire.Address{Model: "unknown", Site: "unknown", Link: "unknown"}

// answer gives one message its receipt, or leaves it for later.
func (s *Service) answer(ctx context.Context, msg jetstream.Msg) {
	began := time.Now()
	m, headerErr := bus.ReadTicketMessage(msg.Subject(), msg.Headers(), msg.Data())
	meta, err := msg.Metadata()
	if err != nil {
		s.metrics.pullErrors.Inc()
		return // no JetStream message: there is nobody to answer
	}
	if m.ID == "" {
		m.ID = wire.StreamTickets + "-" + strconv.FormatUint(meta.Sequence.Stream, 10)
	}
	if m.Act != nil && headerErr == nil {
		s.tell(ctx, msg, m)
		return
	}
	link := s.link(m.Address)
	if headerErr == nil && (link == nil || link.err != nil) {
		s.wait(msg, m, link, meta.NumDelivered)
		return
	}
	buried, attempt, err := s.begin(ctx, m, headerErr, meta)
	var batch *trunklinev1.CdrBatch
	var receipt []*nats.Msg
	if err == nil {
		s.turns <- struct{}{}
		if batch = buried; batch == nil {
			batch, err = link.read(m)
		}
		if err == nil {
			batch.StreamSequence = meta.Sequence.Stream
			receipt, err = Encode(m, batch)
		}
		<-s.turns
	}
	if err == nil {
		if attempt != "" {
			// Forgotten before it is published: to wait for room in the stream is
			// nothing that a message can be blamed for.
			if err := s.Bus.Attempts.Done(ctx, attempt); err != nil {
				s.metrics.failures.Inc() // forgotten by itself after a day
			}
		}
		err = s.Cdrs.Publish(ctx, receipt...)
	}
	if err != nil {
		// Not answered: it comes again soon.
		s.metrics.failures.Inc()
		s.Log.Warn("receipt not published", "site", m.Site, "link", m.Link, "error", err)
		return
	}
	if err := msg.Ack(); err != nil {
		s.metrics.failures.Inc() // comes again, gives the same receipt
	}
	s.count(m, batch)
	s.metrics.seconds.Observe(time.Since(began).Seconds())
}

// begin buries what cannot be read, or was begun too often. An attempt that is
// counted has a name.
func (s *Service) begin(ctx context.Context, m *bus.TicketMessage, headerErr error, meta *jetstream.MsgMetadata) (buried *trunklinev1.CdrBatch, attempt string, err error) {
	if headerErr != nil {
		if m.Address == (wire.Address{}) {
			m.Address = nobody
		}
		if m.Received.IsZero() {
			m.Received = meta.Timestamp
		}
		if m.Origin == "" || m.Offset == "" {
			m.Origin, m.Offset = "stream:"+wire.StreamTickets, strconv.FormatUint(meta.Sequence.Stream, 10)
		}
		return Bury(m, ReasonHeaders, headerErr.Error(), time.Now()), "", nil
	}
	if meta.NumDelivered == 1 && meta.Sequence.Stream > s.begun.Load() {
		return nil, "", nil
	}
	attempt = wire.StreamTickets + "." + strconv.FormatUint(meta.Sequence.Stream, 10)
	n, err := s.Bus.Attempts.Begin(ctx, attempt)
	if err == nil && n > attempts {
		buried = Bury(m, ReasonPoison, fmt.Sprintf("begun %d times and never answered: the parser died of it, or ran out of time", n-1), time.Now())
	}
	return buried, attempt, err
}

func (l *link) read(m *bus.TicketMessage) (*trunklinev1.CdrBatch, error) {
	var r *Reader
	select {
	case r = <-l.idle:
	default:
		var err error
		if r, err = NewReader(l.settings); err != nil {
			return nil, err
		}
	}
	defer func() { l.idle <- r }()
	return r.Read(m), nil
}

// tell passes an act on: it needs no settings, and is no ticket.
func (s *Service) tell(ctx context.Context, msg jetstream.Msg, m *bus.TicketMessage) {
	receipt, err := EncodeAct(m)
	if err == nil {
		err = s.Cdrs.Publish(ctx, receipt)
	}
	if err != nil {
		// Not answered: it comes again soon.
		s.metrics.failures.Inc()
		s.Log.Warn("act not published", "site", m.Site, "link", m.Link, "error", err)
		return
	}
	if err := msg.Ack(); err != nil {
		s.metrics.failures.Inc() // comes again, gives the same receipt
	}
}

// EncodeAct makes the message that brings an act to the sink.
func EncodeAct(m *bus.TicketMessage) (*nats.Msg, error) {
	data, err := proto.Marshal(&trunklinev1.CdrBatch{Act: m.Act})
	if err != nil {
		return nil, fmt.Errorf("act %s: %w", m.Act.Id, err)
	}
	return &nats.Msg{Subject: m.CdrSubject(), Header: nats.Header{jetstream.MsgIDHeader: []string{m.ID + ".act"}}, Data: data}, nil
}

// wait leaves a message of a link that is not known: it is never parsed by
// guess.
func (s *Service) wait(msg jetstream.Msg, m *bus.TicketMessage, l *link, delivered uint64) {
	s.metrics.waiting.WithLabelValues(m.Site, m.Link).Inc()
	why := "no settings of the link: does its ingest run?"
	if l != nil {
		why = l.err.Error()
	}
	// The settings of a new link come beside its first ticket, and may come later.
	if delivered > 1 {
		s.once("wait/"+m.Site+"/"+m.Link+"/"+why, func() {
			s.Log.Warn("tickets wait", "site", m.Site, "link", m.Link, "model", m.Model, "reason", why)
		})
	}
	delay := min(time.Second<<min(delivered, 6), time.Minute)
	if err := msg.NakWithDelay(delay); err != nil {
		s.metrics.failures.Inc() // comes again soon
	}
}

// Encode makes the messages of a receipt.
func Encode(m *bus.TicketMessage, batch *trunklinev1.CdrBatch) ([]*nats.Msg, error) {
	parts, err := Split(batch)
	if err != nil {
		return nil, err
	}
	msgs := make([]*nats.Msg, len(parts))
	for i, data := range parts {
		msgs[i] = &nats.Msg{
			Subject: m.CdrSubject(),
			Header:  nats.Header{jetstream.MsgIDHeader: []string{fmt.Sprintf("%s.%d.%d", m.ID, batch.Revision, i)}},
			Data:    data,
		}
	}
	return msgs, nil
}

func (s *Service) count(m *bus.TicketMessage, b *trunklinev1.CdrBatch) {
	if n := len(b.Cdrs); n > 0 {
		s.metrics.tickets.WithLabelValues(m.Model, m.Site, m.Link, "cdr", "").Add(float64(n))
	}
	for _, o := range b.Others {
		outcome := "ignored"
		if o.Outcome == trunklinev1.Outcome_OUTCOME_DEAD {
			outcome = "dead"
			s.once("dead/"+m.Site+"/"+m.Link+"/"+o.Reason, func() {
				s.Log.Warn("the first dead ticket of its kind: see other_tickets", "site", m.Site, "link", m.Link, "model", m.Model,
					"reason", o.Reason, "error", o.Error, "position", o.Position)
			})
		}
		s.metrics.tickets.WithLabelValues(m.Model, m.Site, m.Link, outcome, o.Reason).Inc()
	}
}

// once calls tell the first time a thing happens; so many things are remembered.
func (s *Service) once(what string, tell func()) {
	s.mu.Lock()
	told := s.warned[what] || len(s.warned) > 10000
	s.warned[what] = true
	s.mu.Unlock()
	if !told {
		tell()
	}
}
