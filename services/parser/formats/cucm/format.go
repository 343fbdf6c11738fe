// Package cucm reads the call detail records of Cisco Unified Communications
// Manager: CSV files with a line of column names and a line of column types
// before the records, times in UTC. Call management records (cmr files) are told
// apart and ignored.
//
// Facts are from the Call Reporting and Billing Administration Guides of the
// releases 10 to 15 and from files of real systems.
//
//   - Columns are found by name, whatever the release. A file without names is
//     read by position where a line has the 129 or 133 columns of the releases 9
//     to 15, or more, and its pkid is where it should be.
//   - There is no direction in a record: it is decided by the two devices.
//     `parse.trunks` and `parse.inside` (devices) come first; then the names that
//     phones, clients, CTI devices and the manager's own media devices always
//     have; any other device is a gateway or a SIP trunk. A side without device
//     was not reached: there the number decides (`parse.inside`, the country and
//     outside prefix).
//   - After a transfer, conference or retrieval the manager says who is the
//     calling party of what follows, not who had called whom: direction and
//     parties of such a LEG are the record's; `call_key` and the leg identifiers
//     join it to the first one.
//   - Recorder, supervisor and agent greeting legs are INTERNAL COPYs.
//   - A call whose last redirection was into a queue was answered by the queue
//     only: ABANDONED. One whose wait is longer than what passed before the
//     connection was answered by the queue first: AUTO_ANSWER.
//   - `hangup_cause` is the Q.850 cause, also that inside a SIP answer's code;
//     the codes themselves are attributes, as are all columns that tell more
//     than their default. Authorization codes are never kept.
//
// Ignored: cmr, start_record, head_line, blank, off_hook (a phone was taken off
// hook and nothing dialled).
//
// Dead: no_head (no names, and not the columns of a known release), bad_head,
// record_type, columns, open_quote, bad_time, no_call_id.
//
// Warnings: AUTO_ANSWER, EXTRA_COLUMNS, START_ASSUMED (no origination time),
// ODD_VALUE (a number that is none, a quote inside a column, times that run
// backwards), CHARSET.
package cucm

import (
	"fmt"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// heads is how many different file heads are kept: a cluster has two, and gets
// another with an upgrade.
const heads = 16

type parser struct {
	link *kit.Link
	// layouts by head; last is the one used last.
	layouts  map[string]*layout
	lastHead string
	last     *layout
	zone     kit.Zone
	csv      kit.CSV
	kept     []keptValue
}

// New makes the parser of a link.
func New(link *kit.Link) (formats.Parser, error) {
	return &parser{link: link, layouts: make(map[string]*layout), zone: kit.NewZone(link.Zone)}, nil
}

// layout is that of a file's head.
func (p *parser) layout(head []byte) *layout {
	if p.last != nil && string(head) == p.lastHead {
		return p.last
	}
	l, ok := p.layouts[string(head)]
	if !ok {
		if len(p.layouts) >= heads {
			clear(p.layouts)
		}
		text, _ := p.link.Text.Decode(head)
		l = newLayout(text)
		p.layouts[string(head)] = l
	}
	p.lastHead, p.last = string(head), l
	return l
}

// Parse understands one record.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	text, clean := p.link.Text.Decode(t.Raw)
	if text == "" || text[0] <= ' ' && strings.Trim(text, " \t") == "" {
		return formats.Ignore("blank")
	}
	if isHead(text) {
		return formats.Ignore("head_line")
	}
	l := p.layout(t.Preamble)
	p.csv.Split(text, ',')
	r := record{parser: p, layout: l, cdr: cdr, columns: p.csv.Columns}
	if r.management() {
		return formats.Ignore("cmr")
	}
	if p.csv.Open {
		return formats.Die("open_quote", "a column in quotes has no closing quote: the line was cut, or a text holds a line end")
	}
	if dead := r.check(); dead.Outcome == formats.Dead {
		return dead
	}
	switch r.get(recordType) {
	case "1":
	case "0":
		return formats.Ignore("start_record")
	default:
		return formats.Die("record_type", fmt.Sprintf("column %d (cdrRecordType): expected 1, a call record, or 2, a management record", l.at[recordType]+1))
	}
	if !clean {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	kit.ExpectAttributes(cdr, 14)
	r.numbers()
	return r.read()
}
