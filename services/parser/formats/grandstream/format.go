// Package grandstream reads the call tickets of Grandstream's UCM6xxx: what it
// sends as CDR Real-Time Output (CSV with `'` around each column, JSON, XML), and
// what its cdrapi answers (JSON, XML, CSV). columns.go says which columns there
// are and where each goes.
//
// A ticket is one record:
//
//	'3030','','0199001122','331',…     the real-time CSV
//	{"AcctId":"3030",…}                a JSON object
//	"main_cdr":{"AcctId":"3030",…}     the same as it stands in a group
//	{"cdr":"main_cdr","AcctId":…}      the same, as a collector of cdrapi writes it on a line
//	<cdr><AcctId>3030</AcctId>…</cdr>  an XML element, the name of a group's too
//	62,,5300,5301,…                    cdrapi's CSV
//
// # What a record is
//
// A UCM is an Asterisk: a record is a pair of channels, and session joins those of
// a call. cdrapi answers a call of several records as a group: sub_cdr_1,
// sub_cdr_2 and so on are the records, LEG; main_cdr sums them up, COPY. So what
// tells a COPY is the name main_cdr alone, which each ticket of a group holds. A
// record outside of groups is LEG if it has a session, for others may have it too,
// and CALL without one (cdrapi of the UCM6100). Records of Local channels and of
// ForkCDR repeat others and are COPY.
//
// The key is AcctId, uniqueid and start. A main_cdr has the word main_cdr as its
// fourth part: its fields are those of one of its records, and must not replace it.
// A record has one key whether it comes alone, in real time or in a group.
//
// # Whose call
//
// An end is outside if src_trunk_name or dst_trunk_name names a trunk, or if its
// channel or extension is a trunk's (`trunk_1`). Where no end is, userfield
// decides: Inbound, Outbound, Internal or EXT. External is a call from trunk to
// trunk to the vendor, and an outgoing one to others who read these tickets: it is
// OUTBOUND where channel_ext is an extension. Where userfield says nothing either,
// the rules of package asterisk do.
//
// Each member of a ring group or queue that rang has a record. A member that did
// not answer is NO_ANSWER; ELSEWHERE if dstanswer names another. answer may be
// printed where nobody answered: disposition and billsec are believed, it is not.
//
// # Clock
//
// Times are the PBX's local clock. uniqueid holds the begin in UTC: it decides the
// doubled hour and a wrong zone, with the warning zone_from_id.
//
// Dead: not_a_record, open_quote, wrong_columns, misaligned_columns, no_start,
// bad_start, bad_duration, (and those of package asterisk). Ignored: blank, header,
// empty (an object without fields), summary (a main_cdr without start).
//
// Warnings: short_ticket (31 columns, unless parse.fields names them),
// extra_columns, name_with_separator, odd_value, charset and those of package
// asterisk.
package grandstream

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/asterisk"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link     *kit.Link
	mapping  *asterisk.Mapping
	asterisk asterisk.Columns
	order    []column // parse.fields

	rec   record
	split []string
	key   [4]string
}

// New makes the parser of a link. The error names the key of parse that cannot
// be.
func New(link *kit.Link) (formats.Parser, error) {
	if is := link.Parse.TimeIs; is != "" && is != "start" {
		return nil, fmt.Errorf("parse.time_is %q: a UCM prints when a call started: leave it out, or give start", is)
	}
	mapping, err := asterisk.NewMapping(link)
	if err != nil {
		return nil, err
	}
	p := &parser{link: link, mapping: mapping, split: make([]string, 0, numColumns)}
	if p.order, err = readOrder(link.Parse.Fields); err != nil {
		return nil, err
	}
	return p, nil
}

func readOrder(fields []string) (order []column, err error) {
	given := map[column]bool{}
	for _, f := range fields {
		c, ok := lookup(f)
		switch {
		case f == "-":
			c = numColumns
		case !ok:
			return nil, fmt.Errorf("parse.fields: a UCM has no column %q; give `-` for one to leave out", f)
		case given[c]:
			return nil, fmt.Errorf("parse.fields: %q stands there twice", f)
		}
		given[c] = true
		order = append(order, c)
	}
	if len(order) > 0 && (!given[start] || !given[duration] || !given[billSec] || !given[disposition]) {
		return nil, errors.New("parse.fields: start, duration, billsec and disposition must be there")
	}
	return order, nil
}

// Parse implements formats.Parser.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	p.rec.reset()
	text := strings.Trim(p.link.Decode(cdr, t.Raw), " \t\r\n\x00\f")
	if text == "" {
		return formats.Ignore("blank")
	}
	var result formats.Result
	name, object := cutName(text)
	switch {
	case object != "":
		p.rec.group = name
		result = p.object(object, cdr)
	case text[0] == '<':
		result = p.element(text, cdr)
	default:
		result = p.line(text, cdr)
	}
	if result.Outcome != formats.CDR {
		return result
	}
	return p.fill(t, cdr)
}

// cutName takes the name off an object that has one; object is empty where the
// text is none.
func cutName(text string) (name, object string) {
	if text[0] == '{' {
		return "", text
	}
	if text[0] != '"' {
		return "", ""
	}
	name, rest, ok := strings.Cut(text[1:], `"`)
	rest = strings.TrimLeft(rest, " \t\r\n")
	if !ok || !strings.HasPrefix(rest, ":") {
		return "", ""
	}
	if rest = strings.TrimLeft(rest[1:], " \t\r\n"); !strings.HasPrefix(rest, "{") {
		return "", ""
	}
	return name, rest
}

func (p *parser) object(text string, cdr *trunklinev1.Cdr) formats.Result {
	if err := row.Scan(text, func(f row.Field) bool {
		if !utf8.ValidString(f.Value) { // bytes of another charset, as package row writes them
			f.Value, _ = p.link.Text.Decode([]byte(f.Value))
		}
		p.rec.set(f.Name, f.Value, cdr)
		return true
	}); err != nil {
		return formats.Die("not_a_record", "no JSON object: "+err.Error())
	}
	return p.named()
}

func (p *parser) element(text string, cdr *trunklinev1.Cdr) formats.Result {
	name, err := scanXML(text, func(name, value string) { p.rec.set(name, value, cdr) })
	if err != nil {
		return formats.Die("not_a_record", "no XML element that holds a record: "+err.Error())
	}
	if isGroupName(name) {
		p.rec.group = name
	}
	return p.named()
}

// named looks whether fields that came by their names are those of a UCM.
func (p *parser) named() formats.Result {
	r := &p.rec
	switch {
	case r.fields == 0:
		return formats.Ignore("empty")
	case r.at[start] == 0 || r.at[disposition] == 0 || r.at[billSec] == 0:
		if r.group == mainCDR && r.value[start] == "" {
			break
		}
		return formats.Die("not_a_record", "start, disposition or billsec is missing: no record of a UCM")
	case r.at[acctID]+r.at[session]+r.at[channelExt]+r.at[actionType] == 0:
		return formats.Die("not_a_record", "neither AcctId, session, channel_ext nor action_type is there: no record of a UCM")
	}
	if r.group == mainCDR && r.value[start] == "" {
		return formats.Ignore("summary")
	}
	return formats.Result{}
}

func (p *parser) bad(reason string, c column, expected string) formats.Result {
	if p.rec.at[c] == 0 {
		return formats.Die(reason, fmt.Sprintf("%s is missing; expected %s", columnNames[c], expected))
	}
	return formats.Die(reason, fmt.Sprintf("column %d (%s) is %s; expected %s", p.rec.at[c], columnNames[c], kit.Quote(p.rec.value[c]), expected))
}
