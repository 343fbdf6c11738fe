// Package wazo reads the call logs of Wazo Platform 20 to 26, as the API
// call-logd 1.0 gives them: a JSON object each, or a line of CSV behind a line of
// column names. columns.go says which columns there are and where each goes.
//
// A ticket is a whole call, CALL: Wazo puts a call's legs together, so a transfer
// shows only as somebody else having answered than was rung first. That one is
// redirected_from.
//
//   - An incoming call that was forwarded to an outside number stays `inbound`;
//     called_number is then where it went.
//   - talk_seconds is duration, which is end less answer; ring_seconds is answer,
//     else end, less start.
//   - call_status tells voicemail and blocked calls. Versions before 25.05 have
//     none, and versions before 26.08 say `answered` of voicemail; a call that
//     nobody is named to have answered has the warning auto_answer.
//   - Trunks and account codes are not told.
//
// # Key
//
// Wazo can make a call's log anew, under another id: `wazo-call-logs generate`.
// The key is tenant_uuid and conversation_id. Where there is no conversation_id
// (before 24.09, and in CSV) it is tenant_uuid, start, source_extension and
// requested_extension; start in UTC, so that it is the same when the server's zone
// is another.
//
// Dead: not_a_cdr, open_quote, no_column_names, wrong_columns, bad_start, bad_time,
// bad_duration, bad_direction, bad_answered. Ignored: blank, header.
//
// Warnings: auto_answer, odd_value, charset.
package wazo

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	link *kit.Link
	rec  record
	key  [4]string

	preamble []byte
	names    []string // of the preamble
	split    []string
}

// New makes the parser of a link. The error names the key of parse that cannot
// be.
func New(link *kit.Link) (formats.Parser, error) {
	if is := link.Parse.TimeIs; is != "" && is != "start" {
		return nil, fmt.Errorf("parse.time_is %q: Wazo gives when a call started, and when it ended: leave it out", is)
	}
	return &parser{link: link}, nil
}

// Parse implements formats.Parser.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	p.rec.reset()
	text := strings.Trim(p.link.Decode(cdr, t.Raw), " \t\r\n\x00\f")
	if text == "" {
		return formats.Ignore("blank")
	}
	var result formats.Result
	if text[0] == '{' {
		result = p.object(text)
	} else {
		result = p.line(t.Preamble, text)
	}
	if result.Outcome != formats.CDR {
		return result
	}
	return p.fill(cdr)
}

func (p *parser) object(text string) formats.Result {
	if err := row.Scan(text, func(f row.Field) bool {
		if !utf8.ValidString(f.Value) { // bytes of another charset, as package row writes them
			f.Value, _ = p.link.Text.Decode([]byte(f.Value))
		}
		p.rec.set(f.Name, f.Value)
		return true
	}); err != nil {
		return formats.Die("not_a_cdr", "no JSON object: "+err.Error())
	}
	return formats.Result{}
}

func (p *parser) line(preamble []byte, text string) formats.Result {
	if !bytes.Equal(preamble, p.preamble) {
		p.preamble, p.names = bytes.Clone(preamble), names(string(preamble))
	}
	var ok bool
	if p.split, ok = kit.SplitCSV(p.split[:0], text, ','); !ok {
		return formats.Die("open_quote", fmt.Sprintf("column %d: a quote without its end: the line was cut", len(p.split)))
	}
	switch {
	case len(p.split) > 0 && p.split[0] == columnNames[id] && names(text) != nil:
		return formats.Ignore("header")
	case p.names == nil:
		return formats.Die("no_column_names", "neither a JSON object nor a line behind the column names that Wazo begins a CSV with")
	case len(p.split) != len(p.names):
		return formats.Die("wrong_columns", fmt.Sprintf("%d columns, and %d names of columns", len(p.split), len(p.names)))
	}
	for i, name := range p.names {
		p.rec.set(name, p.split[i])
	}
	return formats.Result{}
}

func (p *parser) bad(reason string, c column, expected string) formats.Result {
	return formats.Die(reason, fmt.Sprintf("%s is %s; expected %s", columnNames[c], kit.Quote(p.rec.value[c]), expected))
}
