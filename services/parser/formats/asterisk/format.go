// Package asterisk reads the call detail records of Asterisk and of what is
// built on it: FreePBX, Issabel, Elastix.
//
// A ticket has one of two forms, told apart by itself. A JSON object is a row of
// the table `cdr` (or a line of a cdr_custom that writes JSON): columns are
// known by name, in any order, in any number; case does not matter, `calldate`
// is `start`. Anything else is a line of Master.csv: 16 to 21 columns in
// cdr_csv's order, 16 to 19 in that of cdr_custom's sample, told apart by where
// the first date stands; `parse.fields` replaces both.
//
// # Whose call
//
// Stock Asterisk prints no direction. Each end is outside or inside by the first
// rule that knows:
//
//  1. a column `direction`, `call_direction` or `call_type`, or `userfield`,
//     that holds a plain word such as inbound, outgoing or internal;
//  2. parse.trunks.names on the peer of the channel (`SIP/peer-0000001a`), parse.trunks.devices and
//     parse.inside.devices on the head of the whole channel;
//  3. parse.trunks.contexts and parse.inside.contexts on dcontext, for the
//     caller's end;
//  4. a GSM channel is outside, and so is the end that Dial reached by a number
//     behind a peer (`SIP/trunk/0199001122`, `PJSIP/0199001122@trunk`), unless
//     parse.trunks lists the trunks;
//  5. usual contexts: from-trunk, from-pstn, from-did-direct, … arrive,
//     from-internal, … are the site's (an outside number on no phone's channel
//     stays outside there: a menu or a transfer sent it), outbound routes leave;
//  6. numbers: parse.inside.lengths and numbers; without them up to five digits
//     are inside, seven and more or a plus are outside, six only where the
//     country has such numbers. A phone's own peer name goes before the number
//     it presents;
//  7. parse.amaflags;
//  8. nothing: a call to `s` without caller is from outside, all else is inside.
//
// A tie line to another PBX looks like a phone until parse.trunks.names has it,
// and a proxy that holds the phones looks like a trunk until parse.inside.devices
// has it (`SIP/proxy`). The network is PRIVATE where a number of the inside by
// parse.inside is outside, unspecified for up to five digits without settings.
//
// # What a record is
//
// Since Asterisk 12 a record is a pair of channels, and linkedid joins the pairs
// of a call: with a linkedid the role is LEG, without CALL. A record from a Local
// channel repeats its caller's, and is a COPY unless it is the one that left
// through a trunk; so is one of a phone to a Local channel with an outside number,
// and one cut off by ForkCDR. A member of a queue or group that did not answer
// has NO_ANSWER: whether another did is in other tickets.
//
// ANSWERED means that Asterisk's channel was. With VoiceMail last it is VOICEMAIL;
// where no second channel ever was: ABANDONED in a queue, menu or failed Dial,
// AUTO with an announcement or on the way to an outside number, and else what is
// billed with the warning auto_answer. That warning is also on calls to inside
// that were answered at once or billed for nothing. Seconds billed for a call that
// nobody answered are the attribute billsec.
//
// Numeric dispositions are those since 1.4 (8 is ANSWERED, 4 BUSY, 2 FAILED);
// those of 1.2 cannot be told from them and are not supported.
//
// # Clock
//
// parse.timezone says what clock start is on (UTC with usegmtime). uniqueid
// holds when the channel was made, in UTC. That decides the doubled hour, shows
// a UTC clock, and overrules a zone in which the record would begin a quarter of
// an hour or more before its channel; each with the warning zone_from_id.
// parse.time_is: end is for old cdr_mysql, whose calldate is when the row was
// posted.
//
// Digits of other scripts (Persian, Arabic) stay as printed in the number, count
// as digits for its length, and have no +country form. `anonymous` and the like
// stay as the calling number and are no external number.
//
// Secrets are left out: lastdata of Authenticate and DISA, MeetMe's PIN,
// passwords in dial strings, columns named pin, password and the like. A PIN set
// that writes its PIN to accountcode cannot be told from an account.
//
// Dead: not_a_row, open_quote, too_few_columns, too_many_columns,
// unknown_layout, missing_columns, other_model, no_start, bad_start,
// no_duration, bad_duration, bad_billsec. Ignored: blank, header.
//
// Warnings: masked, extra_columns, auto_answer, zone_from_id, hour_ambiguous,
// hour_skipped, charset, odd_value (also where a line's columns are not in their
// places), short_ticket (a line that ends in a separator). A line that was cut
// between the columns behind amaflags looks like one of another layout, unless
// parse.fields says how many there are.
//
// Sources: Asterisk's cdr backends, configuration samples and CDR specification,
// the schemas of FreePBX and Issabel.
package asterisk

import (
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	text    *kit.Charset
	mapping *Mapping
	fields  []string

	columns Columns
	csv     kit.CSV
	split   []string
	// odd: a column holds what another one would; short: the last is missing.
	odd, short bool
	field      func(row.Field) bool
	// escaped: the row holds bytes that were no UTF-8.
	escaped, replaced bool
}

// New makes the parser of a link. The error names the key of parse that cannot
// be.
func New(link *kit.Link) (formats.Parser, error) {
	m, err := NewMapping(link)
	if err != nil {
		return nil, err
	}
	if err := checkFields(link.Parse.Fields); err != nil {
		return nil, err
	}
	p := &parser{text: link.Text, mapping: m, fields: link.Parse.Fields}
	p.field = p.addField
	return p, nil
}

// Parse implements formats.Parser.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	p.columns.Reset()
	p.replaced, p.odd, p.short = false, false, false
	var result formats.Result
	if isObject(t.Raw) {
		result = p.row(t.Raw)
	} else {
		result = p.line(t.Raw)
	}
	if result.Outcome != formats.CDR {
		return result
	}
	if p.replaced {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	if p.columns.extraColumns {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_EXTRA_COLUMNS)
	}
	if p.odd {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	if p.short {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	return p.mapping.Fill(&p.columns, t.Near, cdr)
}

func isObject(raw []byte) bool {
	for _, b := range raw {
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return b == '{'
		}
	}
	return false
}

func (p *parser) row(raw []byte) formats.Result {
	var text string
	if utf8.Valid(raw) { // rows are UTF-8, whatever the charset of the table
		text = string(raw)
	} else {
		text = p.decode(raw)
	}
	p.escaped = strings.Contains(text, `\ud`) || strings.Contains(text, `\uD`)
	if err := row.Scan(text, p.field); err != nil {
		return formats.Die("not_a_row", "no row: "+err.Error())
	}
	if p.columns.foreign == grandstream {
		return formats.Die("other_model", "columns channel_ext and dstchannel_ext are those of a Grandstream UCM: the link's model should be grandstream-ucm")
	}
	return formats.Result{}
}

func (p *parser) addField(f row.Field) bool {
	if p.escaped && !utf8.ValidString(f.Value) {
		f.Value = p.decode([]byte(f.Value))
	}
	if p.escaped && !utf8.ValidString(f.Name) {
		f.Name = p.decode([]byte(f.Name))
	}
	p.columns.Set(f.Name, f.Value)
	return true
}

func (p *parser) decode(raw []byte) string {
	text, ok := p.text.Decode(raw)
	p.replaced = p.replaced || !ok
	return text
}
