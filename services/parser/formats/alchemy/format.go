// Package alchemy reads the call log of Network Alchemy's Argent systems and of
// the first IP Office, which grew out of them: the SMDR.csv of a program beside
// the PBX, in the columns of IP Office's SMDR up to Park Time.
//
// No real file of that time is known: layout and meaning are inferred from the
// columns that later releases kept, see [avaya], which does the reading. What is
// particular here:
//
//   - 17 columns are a whole ticket. With 15 or 16 it ends before Hold or Park
//     Time, whose seconds are missing in talk_seconds then: short_ticket.
//   - More are no ticket of these systems, unless a name holds commas.
//
// Ignored: blank, header (a line of column names).
//
// Dead: too_few_columns, too_many_columns, bad_start, bad_duration,
// bad_direction, bad_flag, bad_call_id, misaligned_columns.
package alchemy

import (
	"bytes"
	"fmt"
	"slices"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/avaya"
	"trunkline.internal/services/parser/formats/kit"
)

// columns of a whole ticket: up to Park Time.
const columns = 17

type parser struct {
	ipOffice formats.Parser
	csv      kit.CSV
}

// New makes the parser of one link. It fails as that of IP Office does.
func New(link *kit.Link) (formats.Parser, error) {
	ipOffice, err := avaya.New(link)
	if err != nil {
		return nil, err
	}
	return &parser{ipOffice: ipOffice}, nil
}

// Parse reads one ticket.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	result := p.ipOffice.Parse(t, cdr)
	if result.Outcome != formats.CDR {
		return result
	}
	switch n := p.count(t.Raw); {
	case n < columns:
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	case n > columns && !slices.Contains(cdr.Warnings, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR):
		return formats.Die("too_many_columns", fmt.Sprintf("%d columns; expected %d: tickets with more are of model avaya-ipoffice", n, columns))
	}
	return result
}

// count is how many columns a ticket has; a comma at its end begins none.
func (p *parser) count(raw []byte) int {
	raw = bytes.TrimSuffix(bytes.TrimSpace(raw), []byte(","))
	if bytes.IndexByte(raw, '"') >= 0 {
		if p.csv.Split(string(raw), ','); !p.csv.Open {
			return len(p.csv.Columns)
		}
	}
	return bytes.Count(raw, []byte(",")) + 1
}
