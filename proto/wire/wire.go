// Package wire names what travels over NATS: streams, subjects, headers and
// key-value buckets. The messages' bodies are in trunkline/v1.
package wire

import "strings"

// Streams.
const (
	// StreamTickets holds the raw tickets as the PBXs gave them.
	StreamTickets = "TICKETS"
	// StreamCdrs holds one receipt (trunkline.v1.CdrBatch) or more for each
	// ticket message.
	StreamCdrs = "CDRS"
	// StreamSpool holds, at a site, the tickets that the hub has not got yet.
	StreamSpool = "SPOOL"
)

// Consumers, one durable for each service.
const (
	ConsumerParser = "parser"
	ConsumerSink   = "sink"
)

// Key-value buckets.
const (
	// BucketLinks holds each link's settings under LinkKey.
	BucketLinks = "links"
	// BucketPositions holds how far each link's sources were read.
	BucketPositions = "positions"
	// BucketAttempts counts how often a message was begun and not answered.
	BucketAttempts = "attempts"
	// BucketLeases holds who owns a link that dials or polls.
	BucketLeases = "leases"
	// BucketUsual holds what is usual on each link, under LinkKey.
	BucketUsual = "usual"
	// BucketReplays holds the number of the last replay.
	BucketReplays = "replays"
)

// Subjects of questions that services answer, and of what they tell unasked. The
// bodies are in trunkline/v1/status.proto.
const (
	// AskLinks is answered by every process that has links.
	AskLinks = "ask.v1.links"
	// AskCounts is answered by one sink.
	AskCounts = "ask.v1.counts"
	// AskReload is answered by every process that can read its configuration again.
	AskReload = "ask.v1.reload"

	eventsPrefix = "events.v1"
)

// Event is the subject that tells that a link's status changed to what follows
// in lower case: `events.v1.lyon.front-desk.silent`. Its body is the JSON of
// trunkline.v1.LinkState.
func Event(site, link, status string) string {
	return eventsPrefix + "." + orAny(site) + "." + orAny(link) + "." + orAny(status)
}

// Headers of a ticket message. Values are ASCII; docs/ticket-message.md gives
// their grammar.
const (
	HeaderReceived   = "Trunkline-Received"
	HeaderWritten    = "Trunkline-Written"
	HeaderOrigin     = "Trunkline-Origin"
	HeaderOffset     = "Trunkline-Offset"
	HeaderName       = "Trunkline-Name"
	HeaderPreamble   = "Trunkline-Preamble"
	HeaderIncomplete = "Trunkline-Incomplete"
	// HeaderAct marks a message that tells of an act, and has no tickets.
	HeaderAct = "Trunkline-Act"
)

// Values of HeaderIncomplete.
const (
	// IncompleteCutOff marks a last ticket without its end: the connection or
	// the file stopped inside it.
	IncompleteCutOff = "cut-off"
	// IncompleteTooLong marks a piece of a ticket of more than MaxTicket bytes.
	IncompleteTooLong = "too-long"
)

// Limits of a ticket message, in bytes and tickets.
const (
	MaxTicket         = 64 << 10
	MaxMessage        = 256 << 10
	MaxMessageTickets = 512
	MaxPreamble       = 16 << 10
	// MaxAct bounds an act, encoded.
	MaxAct = 16 << 10
	// MaxReceipt bounds one part of a receipt.
	MaxReceipt = 512 << 10
)

const (
	ticketsPrefix = "tickets.v1"
	cdrsPrefix    = "cdrs.v1"

	// TicketSubjects and CdrSubjects match every subject of their stream.
	TicketSubjects = ticketsPrefix + ".>"
	CdrSubjects    = cdrsPrefix + ".>"
)

// ModelAudit stands for the model in the subjects of acts, so that the last message
// of a link's own subject has tickets.
const ModelAudit = "audit"

// Address is what a subject names: whose tickets these are.
type Address struct {
	Model, Site, Link string
}

// TicketSubject is the subject of a link's ticket messages. An empty part
// matches any, for subscriptions.
func (a Address) TicketSubject() string { return a.subject(ticketsPrefix) }

// CdrSubject is the subject of a link's receipts. An empty part matches any,
// for subscriptions.
func (a Address) CdrSubject() string { return a.subject(cdrsPrefix) }

func (a Address) subject(prefix string) string {
	return prefix + "." + orAny(a.Model) + "." + orAny(a.Site) + "." + orAny(a.Link)
}

func orAny(s string) string {
	if s == "" {
		return "*"
	}
	return s
}

// ParseSubject reads the address out of a ticket or receipt subject; ok is
// false for any other subject.
func ParseSubject(subject string) (a Address, ok bool) {
	rest, ok := strings.CutPrefix(subject, ticketsPrefix+".")
	if !ok {
		if rest, ok = strings.CutPrefix(subject, cdrsPrefix+"."); !ok {
			return a, false
		}
	}
	a.Model, rest, _ = strings.Cut(rest, ".")
	a.Site, a.Link, _ = strings.Cut(rest, ".")
	if a.Model == "" || a.Site == "" || a.Link == "" || strings.Contains(a.Link, ".") {
		return Address{}, false
	}
	return a, true
}

// LinkKey is the key of a link in the buckets links and leases, and the prefix
// of its keys in positions.
func LinkKey(site, link string) string { return site + "." + link }
