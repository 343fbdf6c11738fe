package bus

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// TicketMessage is a message of the stream TICKETS: whole tickets, byte for byte
// as the PBX gave them, and where they came from.
type TicketMessage struct {
	wire.Address
	// ID is the Nats-Msg-Id, a hash of the other identifying fields; Msg sets it.
	ID string
	// Received is when the first byte was received.
	Received time.Time
	// Written is the file's modification or the row's insertion time; zero where
	// there is none.
	Written time.Time
	// Origin and Offset say where the bytes came from: see package identity.
	Origin, Offset string
	// Name is for people: a file name or a peer address.
	Name string
	// Preamble is the head of the file.
	Preamble []byte
	// Incomplete says why the payload is no whole ticket.
	Incomplete string
	Payload    []byte
	// Act is told in place of tickets: see NewAct.
	Act *trunklinev1.Act
}

// Msg encodes the message for publishing.
func (m *TicketMessage) Msg() *nats.Msg {
	m.ID = identity.Message(m.Site, m.Link, m.Origin, m.Offset, m.Payload)
	// The values of every day share their memory.
	v := &[...]string{m.ID, m.Received.UTC().Format(time.RFC3339Nano), m.Origin, m.Offset, escapeName(m.Name)}
	h := nats.Header{
		jetstream.MsgIDHeader: v[0:1:1],
		wire.HeaderReceived:   v[1:2:2],
		wire.HeaderOrigin:     v[2:3:3],
		wire.HeaderOffset:     v[3:4:4],
	}
	if m.Name != "" {
		h[wire.HeaderName] = v[4:5:5]
	}
	if !m.Written.IsZero() {
		h[wire.HeaderWritten] = []string{m.Written.UTC().Format(time.RFC3339Nano)}
	}
	if len(m.Preamble) > 0 {
		h[wire.HeaderPreamble] = []string{base64.StdEncoding.EncodeToString(m.Preamble)}
	}
	if m.Incomplete != "" {
		h[wire.HeaderIncomplete] = []string{m.Incomplete}
	}
	if m.Act != nil {
		h[wire.HeaderAct] = []string{encodeAct(m.Act)}
	}
	return &nats.Msg{Subject: m.TicketSubject(), Header: h, Data: m.Payload}
}

// ReadTicketMessage decodes a message of the stream. A message whose headers
// were lost still has its bytes: the error says what is missing, the result
// holds the rest.
func ReadTicketMessage(subject string, h nats.Header, data []byte) (*TicketMessage, error) {
	m := &TicketMessage{
		ID:         h.Get(jetstream.MsgIDHeader),
		Origin:     h.Get(wire.HeaderOrigin),
		Offset:     h.Get(wire.HeaderOffset),
		Name:       unescapeName(h.Get(wire.HeaderName)),
		Incomplete: h.Get(wire.HeaderIncomplete),
		Payload:    data,
	}
	a, ok := wire.ParseSubject(subject)
	if !ok || !pbx.ValidID(a.Model) || !pbx.ValidID(a.Site) || !pbx.ValidID(a.Link) {
		return m, fmt.Errorf("subject %q is no ticket subject", subject)
	}
	m.Address = a
	var err error
	if m.Received, err = time.Parse(time.RFC3339Nano, h.Get(wire.HeaderReceived)); err != nil {
		return m, fmt.Errorf("header %s: %w", wire.HeaderReceived, err)
	}
	if w := h.Get(wire.HeaderWritten); w != "" {
		if m.Written, err = time.Parse(time.RFC3339Nano, w); err != nil {
			return m, fmt.Errorf("header %s: %w", wire.HeaderWritten, err)
		}
	}
	if p := h.Get(wire.HeaderPreamble); p != "" {
		if m.Preamble, err = base64.StdEncoding.DecodeString(p); err != nil {
			return m, fmt.Errorf("header %s: %w", wire.HeaderPreamble, err)
		}
	}
	if act := h.Get(wire.HeaderAct); act != "" {
		if m.Act, err = decodeAct(act); err == nil && len(data) > 0 {
			err = errActWithTickets
		}
		if err != nil {
			m.Act = nil
			return m, fmt.Errorf("header %s: %w", wire.HeaderAct, err)
		}
		// The subject is what its publisher may say.
		if m.Act.Site = a.Site; m.Act.Link != "" {
			m.Act.Link = a.Link
		}
	}
	if m.Origin == "" || m.Offset == "" {
		return m, fmt.Errorf("header %s or %s is missing", wire.HeaderOrigin, wire.HeaderOffset)
	}
	return m, nil
}

// Near is the moment near which the tickets were written, equal at every
// re-read: the file's or row's own time, on TCP the receipt, else zero.
func (m *TicketMessage) Near() time.Time {
	if !m.Written.IsZero() {
		return m.Written
	}
	if strings.HasPrefix(m.Origin, "tcp:") || strings.HasPrefix(m.Origin, "post:") {
		return m.Received
	}
	return time.Time{}
}

// Position is where in the origin a ticket begins that stands at the given byte
// of the payload: the byte, or the row's key.
func (m *TicketMessage) Position(at int, ticket []byte) (string, error) {
	if column, _, ok := strings.Cut(m.Offset, "="); ok {
		key, found, err := row.Get(string(ticket), column)
		if err != nil {
			return "", fmt.Errorf("row: %w", err)
		}
		if !found {
			return "", fmt.Errorf("row without column %s", column)
		}
		return identity.RowPosition(column, key), nil
	}
	base, err := strconv.ParseInt(m.Offset, 10, 64)
	if err != nil {
		return "", fmt.Errorf("header %s: %q is neither a byte nor a row key", wire.HeaderOffset, m.Offset)
	}
	return identity.Position(base + int64(at)), nil
}

// TicketID is the id of a ticket that stands at the given byte of the payload
// and prints no key of its own.
func (m *TicketMessage) TicketID(position string) string {
	return identity.AtPlace(m.Site, m.Link, m.Origin, position)
}

const hexUpper = "0123456789ABCDEF"

// escapeName percent-encodes what a header cannot carry.
func escapeName(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '%' }) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != '%' {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexUpper[c>>4], hexUpper[c&15]})
		}
	}
	return b.String()
}

func unescapeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexUpper, s[i+1]), strings.IndexByte(hexUpper, s[i+2])
			if hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
