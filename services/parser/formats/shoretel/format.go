// Package shoretel reads the call records of ShoreTel (ShoreWare Director, later
// MiVoice Connect) in two forms, told apart by themselves. A line is a record of
// the daily text file, or of the COM port, with the fixed columns of release 6.1
// or 7.5. A JSON object is a row of the table `call` of database shorewarecdr,
// with the call's parties of table `connect` in one column, see [columnNames].
//
// What is worth knowing:
//
//   - The clock is the headquarters server's, to the second. A text record and a
//     row print when the trunk was seized (incoming) or dialling was complete
//     (outgoing).
//   - A text record has one duration, of ringing, talk and holds together, and does
//     not tell whether anybody answered: no disposition. Outgoing it is
//     talk_seconds, as a billing program would count it; incoming as well, with the
//     warning auto_answer; incoming without an extension it is line_seconds: nobody
//     but a voicemail or a menu can have answered.
//   - A tandem call has two text records of equal length, one for each trunk. The
//     one of the trunk out, which somebody pays, is the call; that of the trunk in
//     is its COPY.
//   - A row tells who answered by its parties' talk: a person ANSWERED, else a
//     mailbox VOICEMAIL, else a menu, workgroup or hunt group ABANDONED, else paging
//     AUTO. talk_seconds is talk and hold of those who answered, in a conference no
//     more than passed since the first of them did. A row without parties is read as
//     a text record.
//   - The call id is unique while the call lasts; call_key is the call id with the
//     start.
//   - A caller `blocked` or `unavailable` stays the calling number, and is no
//     external number. The network is PRIVATE where parse.inside has the outside
//     number, and unspecified for one of up to five digits without parse.inside.
//
// Ignored: blank.
//
// Dead: (text) not_a_record, too_long, too_short, misaligned_columns, bad_call_id,
// bad_start, bad_duration, bad_trunk. Dead: (rows) not_a_row, missing_columns,
// call_not_over, bad_start, bad_call_type, bad_parties, parties_missing.
//
// Warnings: auto_answer, charset, hour_ambiguous, hour_skipped, odd_value,
// overflow, short_ticket.
package shoretel

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	rows rows
}

// New makes the parser of one link. It fails where the settings name a date
// order, a clock or a time that the records cannot have.
func New(link *kit.Link) (formats.Parser, error) {
	switch set := &link.Parse; {
	case set.DateOrder != "" && set.DateOrder != "mdy":
		return nil, fmt.Errorf("parse.date_order %q: ShoreTel prints mm/dd/yyyy: leave it out, or give mdy", set.DateOrder)
	case set.TimeIs != "" && set.TimeIs != "start":
		return nil, fmt.Errorf("parse.time_is %q: ShoreTel prints when a call started: leave it out, or give start", set.TimeIs)
	case set.Clock != 0 && set.Clock != 24:
		return nil, fmt.Errorf("parse.clock %d: ShoreTel has a clock of 24 hours: leave it out, or give 24", set.Clock)
	}
	p := &parser{link: link}
	p.rows.add = p.rows.addField
	return p, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	line := string(t.Raw)
	switch trimmed := strings.TrimLeft(line, " \t"); {
	case trimmed == "":
		return formats.Ignore("blank")
	case trimmed[0] == '{':
		return p.row(t, cdr, line)
	}
	return p.text(t, cdr, line)
}

func (p *parser) begin(cdr *trunklinev1.Cdr, start time.Time) {
	kit.SetStart(cdr, start, p.link.Zone)
	cdr.TimePrecisionSeconds = 1
}

func (p *parser) end(cdr *trunklinev1.Cdr, end time.Time) { cdr.EndTime = timestamppb.New(end) }

// callKey makes a call id unique in time: 65539@2026-11-20T08:59:58.
func callKey(id string, w kit.Wall) string {
	if id == "" {
		return ""
	}
	var key [48]byte
	start := time.Date(w.Year, time.Month(w.Month), w.Day, w.Hour, w.Minute, w.Second, 0, time.UTC)
	return string(start.AppendFormat(append(append(key[:0], id...), '@'), "2006-01-02T15:04:05"))
}

// arriving sets the ends of an incoming call.
func (p *parser) arriving(cdr *trunklinev1.Cdr, caller, reached string) {
	cdr.CallingNumber, cdr.CalledNumber = plain(caller), reached
	p.external(cdr, cdr.CallingNumber)
}

// leaving sets the ends of a call that leaves.
func (p *parser) leaving(cdr *trunklinev1.Cdr, caller, dialed string) {
	cdr.CallingNumber, cdr.DialedNumber = plain(caller), plain(dialed)
	cdr.CalledNumber = cdr.DialedNumber
	p.external(cdr, cdr.DialedNumber)
}

// external sets the outside party and the network. Numbers are printed without
// access code.
func (p *parser) external(cdr *trunklinev1.Cdr, number string) {
	switch {
	case number == "":
		return
	case strings.EqualFold(number, "blocked"), strings.EqualFold(number, "unavailable"):
		cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
		return
	case !kit.Dialable(number):
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		return
	}
	const longestShort = 5
	inside, decided := p.link.Extension(number)
	switch {
	case inside:
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	case decided, len(number) > longestShort:
		cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	}
	p.link.SetExternal(cdr, number, false)
}

// plain takes the decoration off a number such as +1 (555) 555-0100. What is none
// without it stays as it is.
func plain(number string) string {
	if !strings.ContainsAny(number, " ()-.") {
		return number
	}
	stripped := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" ()-.", r) {
			return -1
		}
		return r
	}, number)
	if !kit.Dialable(stripped) {
		return number
	}
	return stripped
}
