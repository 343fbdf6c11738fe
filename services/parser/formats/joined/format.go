// Package joined reads the records of PBXs that are built on Asterisk and keep
// their users in tables beside its cdr: ITNéo, TelNowEdge and Fonisk. A ticket
// is a row of cdr joined with the user it belongs to, as one JSON object:
//
//	C.*                      Asterisk's columns, and id_cdr, id_user, id_user_group, id_subsidiary
//	firstname, lastname      of the user: extension_name
//	number                   of the user: extension
//	usergroup, subsidiary    names: department and subsidiary
//
// This is what the query selects that Fonisk's integrators were given; nobody
// has published the tables. A call of no user has NULL in all five, and is read
// as Asterisk's own. Asterisk's part is read as package asterisk does.
//
// Dead: not_a_row, missing_columns, no_start, bad_start, no_duration,
// bad_duration, bad_billsec. Warnings: those of package asterisk.
package joined

import (
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/asterisk"
	"trunkline.internal/services/parser/formats/kit"
)

type parser struct {
	text     *kit.Charset
	mapping  *asterisk.Mapping
	columns  asterisk.Columns
	user     user
	replaced bool
	field    func(row.Field) bool
}

// user is whom the call belongs to.
type user struct{ first, last, number, group, subsidiary string }

// New makes the parser of a link. The error names the key of parse that cannot
// be.
func New(link *kit.Link) (formats.Parser, error) {
	m, err := asterisk.NewMapping(link)
	if err != nil {
		return nil, err
	}
	p := &parser{text: link.Text, mapping: m}
	p.field = p.addField
	return p, nil
}

// Parse implements formats.Parser.
func (p *parser) Parse(t *formats.Ticket, cdr *trunklinev1.Cdr) formats.Result {
	p.columns.Reset()
	p.user, p.replaced = user{}, false
	text := string(t.Raw)
	if !utf8.Valid(t.Raw) {
		text = p.decode(text)
	}
	if err := row.Scan(text, p.field); err != nil {
		return formats.Die("not_a_row", "no row: "+err.Error())
	}
	if p.replaced {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_CHARSET)
	}
	kit.ExpectAttributes(cdr, 14)
	if result := p.mapping.Fill(&p.columns, t.Near, cdr); result.Outcome != formats.CDR {
		return result
	}
	p.user.fill(cdr)
	return formats.Result{}
}

func (p *parser) addField(f row.Field) bool {
	name, value := f.Name, f.Value
	if !utf8.ValidString(value) {
		value = p.decode(value)
	}
	if !utf8.ValidString(name) {
		name = p.decode(name)
	}
	switch {
	case strings.EqualFold(name, "firstname"):
		p.user.first = value
	case strings.EqualFold(name, "lastname"):
		p.user.last = value
	case strings.EqualFold(name, "number"):
		p.user.number = value
	case strings.EqualFold(name, "usergroup"):
		p.user.group = value
	case strings.EqualFold(name, "subsidiary"):
		p.user.subsidiary = value
	default:
		p.columns.Set(name, value)
	}
	return true
}

func (p *parser) decode(s string) string {
	text, ok := p.text.Decode([]byte(s))
	p.replaced = p.replaced || !ok
	return text
}

// fill tells whose call it was, over what the channels tell.
func (u *user) fill(cdr *trunklinev1.Cdr) {
	cdr.Department, cdr.Subsidiary = u.group, u.subsidiary
	name := strings.TrimSpace(u.first + " " + u.last)
	number := strings.TrimSpace(u.number)
	if number != "" {
		if cdr.Extension != number {
			kit.Attribute(cdr, "channel_extension", cdr.Extension)
		}
		cdr.Extension = number
	}
	if name == "" {
		return
	}
	cdr.ExtensionName = name
	switch number {
	case "":
	case cdr.CallingNumber:
		cdr.CallingName = name
	case cdr.CalledNumber:
		cdr.CalledName = name
	}
}
