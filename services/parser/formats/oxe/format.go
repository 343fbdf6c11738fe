// Package oxe reads the accounting tickets of Alcatel-Lucent OmniPCX Enterprise
// (OXE, 4400), version ED5.2: lines of 525 characters in fixed columns (files
// TAXxxxxx.DAT), the same with a comma behind each column, and messages of 772
// bytes from TCP port 2533. Layout as in the vendor's OmniVista 8770 accounting
// manual, see [ed52]; what the fields mean is told there only in part, and was
// observed on two million tickets of one real system.
//
// What is worth knowing:
//
//   - A file may begin with a line `#` that describes its columns: then that is
//     the layout, whatever the version. Without one only ED5.2 is known.
//   - Call type (see [callTypes]) decides direction and network. An outgoing call
//     that a trunk group (FSnnn, FPnnn, FCnnn), another node (SNnnn) or an outside
//     caller (DISA) made is TRANSIT.
//   - Incoming: talk_seconds is the Effective Call Duration; Duration includes
//     the wait and is line_seconds. Duration without Effective: a guide or a
//     queue answered, and the caller left: ABANDONED. Without both: NO_ANSWER,
//     and the printed start is the end, so start_time is that less the wait, with
//     the warning start_assumed. All other calls: talk_seconds is Duration.
//   - Side tickets of an attendant (incoming, no seconds at all, no set and no
//     dialled number) are COPY.
//   - A transfer gives a ticket for each charged party, and nothing joins them:
//     they are LEG. call_key is left to the ticket id.
//   - Charged Number is not always who spoke: the set of the acting extension
//     is extension, the charged one charged_to.
//   - The same call over several nodes has a ticket at each.
//   - Masked numbers are all `-` or `*`: empty, with masked and its warning.
//   - The access code is account_code on business calls; on others it may be a
//     PIN and is not kept.
//   - Charges are meter pulses; the scale of Cost Info is not documented, so it is
//     charge_amount only under `parse.charge_scale`.
//
// Ignored: blank, layout_line, keep_alive, role, empty_message, mao_message,
// voip_message, facility_activation, facility_deactivation.
//
// Dead: not_a_ticket, unknown_version, bad_layout_line, bad_length,
// wrong_column_count, misaligned_columns, bad_number, bad_call_type, bad_end,
// bad_start, unknown_message.
//
// Warnings: auto_answer (answered, but no set is named), charset,
// hour_ambiguous, hour_skipped, masked, odd_value (a call of more than a day, or
// one whose times contradict each other), overflow, start_assumed.
package oxe

import (
	"bytes"
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link  *kit.Link
	zone  kit.Zone
	col   [columns]string
	extra []extra
	spans []span
	named map[string]string
	// decimals that a printed amount has behind its point; -1: not told.
	decimals int

	preamble []byte
	layout   *layout
}

// New makes the parser of one link. It fails where the settings ask for times or
// amounts that the tickets do not print.
func New(link *kit.Link) (formats.Parser, error) {
	p := &parser{link: link, zone: kit.NewZone(link.Zone), named: map[string]string{}, layout: builtIn, decimals: -1}
	s := &link.Parse
	if s.TimeIs != "" {
		return nil, fmt.Errorf("parse.time_is %q: OXE prints both start and end: leave it out", s.TimeIs)
	}
	if s.DateOrder != "" && s.DateOrder != "ymd" {
		return nil, fmt.Errorf("parse.date_order %q: OXE prints YYYYMMDD: leave it out, or give ymd", s.DateOrder)
	}
	if s.Clock != 0 && s.Clock != 24 {
		return nil, fmt.Errorf("parse.clock %d: OXE prints 24 hours: leave it out, or give 24", s.Clock)
	}
	if s.MaskedDigits < 0 || s.MaskedDigits > 20 {
		return nil, fmt.Errorf("parse.masked_digits %d: give how many digits of a called number the PBX hides, at most 20", s.MaskedDigits)
	}
	switch s.ChargeScale {
	case 0:
	case 1, 10, 100, 1000, 10000:
		p.decimals = len(fmt.Sprint(s.ChargeScale)) - 1
	default:
		return nil, fmt.Errorf("parse.charge_scale %d: give 1, 10, 100, 1000 or 10000", s.ChargeScale)
	}
	return p, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	raw, r, done := unwrap(t.Raw)
	if done {
		return r
	}
	if isLayout(raw) {
		return formats.Ignore("layout_line")
	}
	if !bytes.Equal(p.preamble, t.Preamble) {
		p.preamble, p.layout = bytes.Clone(t.Preamble), readLayout(t.Preamble)
	}
	l := p.layout
	if l.fault != "" {
		return formats.Die("bad_layout_line", l.fault)
	}
	end := l.places[0].to
	spaced := len(raw) > 0 && raw[0] == ' '
	comma := len(raw) > end+1 && (spaced && raw[end+1] == ',' || raw[end] == ',')
	version := raw[:min(len(raw), end)]
	if comma && spaced {
		version = raw[1 : end+1]
	}
	switch {
	case !isVersion(version):
		return formats.Die("not_a_ticket", fmt.Sprintf("columns 1 to %d (TicketVersion): %s; expected a version such as %s", end, kit.Quote(string(version)), knownVersion))
	case l == builtIn && string(version) != knownVersion:
		return formats.Die("unknown_version", fmt.Sprintf("columns 1 to %d (TicketVersion): %s; expected %s, the only version whose layout is known, or a file that begins with a # line that tells its own",
			end, kit.Quote(string(version)), knownVersion))
	}
	if !comma {
		if r, ok := fit(raw, l); !ok {
			return r
		}
		raw = raw[:l.width]
	}
	if r, ok := p.fill(cdr, l, raw, comma); !ok {
		return r
	}
	live := t.Raw[0] == 1 // a message of port 2533
	return p.call(t, cdr, live)
}

// Messages of port 2533: a 16-bit little-endian 1, the type, 768 bytes.
const (
	messageLength = 772
	messageHeader = 4
	emptyMessage  = 1
	cdrMessage    = 2
	maoMessage    = 6
	voipMessage   = 7
)

// unwrap takes a ticket out of its message. done tells what is no ticket.
func unwrap(raw []byte) (ticket []byte, r formats.Result, done bool) {
	if len(raw) >= messageHeader && raw[0] == 1 && raw[1] == 0 {
		switch kind := int(raw[2]) | int(raw[3])<<8; {
		case kind == emptyMessage:
			return nil, formats.Ignore("empty_message"), true
		case kind == maoMessage:
			return nil, formats.Ignore("mao_message"), true
		case kind == voipMessage:
			return nil, formats.Ignore("voip_message"), true
		case kind != cdrMessage:
			return nil, formats.Die("unknown_message", fmt.Sprintf("bytes 3 and 4: message type %d; expected 1, 2, 6 or 7", kind)), true
		case len(raw) > messageLength:
			return nil, formats.Die("bad_length", fmt.Sprintf("a message of %d bytes; expected %d", len(raw), messageLength)), true
		}
		return raw[messageHeader:], formats.Result{}, false
	}
	switch {
	case string(raw) == "TEST_REQ", string(raw) == "TEST_RSP":
		return nil, formats.Ignore("keep_alive"), true
	case len(raw) == 2 && raw[0] == 1 && raw[1] >= 'A' && raw[1] <= 'Z':
		return nil, formats.Ignore("role"), true
	}
	if ticket = bytes.TrimRight(raw, padding); len(ticket) == 0 {
		return nil, formats.Ignore("blank"), true
	}
	return ticket, formats.Result{}, false
}

const padding = " \x00\r\n"

// fit tells whether a ticket has the layout's length. Behind it a line has
// nothing but padding, and a message its line end or padding: what follows that
// in a message may be left over from another.
func fit(ticket []byte, l *layout) (formats.Result, bool) {
	if n := len(ticket); n < l.width {
		return formats.Die("bad_length", fmt.Sprintf("%d characters; a ticket has %d", n, l.width)), false
	}
	rest := ticket[l.width:]
	if len(rest) == 0 || len(ticket) == messageLength-messageHeader && strings.IndexByte(padding, rest[0]) >= 0 || len(bytes.TrimRight(rest, padding)) == 0 {
		return formats.Result{}, true
	}
	return formats.Die("bad_length", fmt.Sprintf("%d characters, and text behind column %d, where a ticket ends", len(ticket), l.width)), false
}

// isVersion tells what a ticket version looks like: capitals, digits, a dot,
// digits, and padding.
func isVersion(b []byte) bool {
	const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	major, minor, ok := bytes.Cut(bytes.TrimRight(bytes.TrimLeft(b, capitals), " "), []byte("."))
	return ok && digits(major) && digits(minor)
}

func digits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}
