package mitela400

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// parties sets both ends, the line between them and who pays.
func (c *call) parties() {
	cdr := c.cdr
	user := c.user()
	id1, id2 := c.number(c.id1, "id1"), c.number(c.id2, "id2")
	ddi := c.number(c.ddi, "ddi")
	sent, dialed := c.destination(c.sent, "dest1"), c.destination(c.dialed, "dest2")

	line := c.get(c.exchange)
	if line != "" && line[0] != '0' && len(line) == c.exchange.n {
		cdr.TrunkGroup = line[:1] // primary channel group
	}
	if c.transit() && !c.incoming {
		cdr.TrunkOut = line
	} else {
		cdr.Trunk = line
	}

	switch {
	case c.incoming && c.narrow:
		kit.Attribute(cdr, "dest1", sent)
		kit.Attribute(cdr, "dest2", dialed)
		cdr.DialedNumber, cdr.Did = ddi, ddi
	case c.incoming:
		kit.Attribute(cdr, "dest1", sent)
		cdr.CallingNumber = first(id1, id2)
		cdr.DialedNumber, cdr.Did = dialed, dialed
	default:
		kit.Attribute(cdr, "ddi", ddi)
		cdr.CallingNumber = first(user, first(id1, id2))
		cdr.CalledNumber, cdr.DialedNumber = first(sent, dialed), dialed
	}
	if id2 != cdr.CallingNumber {
		kit.Attribute(cdr, "id2", id2)
	}
	if id1 != cdr.CallingNumber {
		kit.Attribute(cdr, "id1", id1)
	}

	switch {
	case c.transit() && c.incoming:
		kit.Attribute(cdr, "no", user)
		cdr.CalledNumber, cdr.Did = dialed, ""
		c.link.SetExternal(cdr, dialed, false)
	case c.transit():
		c.called(sent, dialed)
	case c.incoming:
		cdr.CalledNumber = user
		if c.isGroup(user) {
			cdr.GroupNumber = user
		} else {
			cdr.Extension = user
		}
		c.link.SetExternal(cdr, cdr.CallingNumber, false)
	default:
		cdr.Extension = user
		c.called(sent, dialed)
	}
	if c.full(c.id1) || c.full(c.id2) || c.full(c.sent) || c.full(c.dialed) || !c.narrow && c.full(c.layout.user) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
	}
}

// user reads NO and the cost centre. PC1 has one field for both: it holds the
// cost centre where the call was dialled with one.
func (c *call) user() string {
	user := c.number(c.layout.user, "no")
	if c.center.n == 0 && (c.y == '6' || c.y == '7') {
		c.cdr.CostCenter = user
		return ""
	}
	c.cdr.CostCenter = c.get(c.center)
	return user
}

// isGroup tells whether the number to which an unanswered call was given is a
// group's, not a user's.
func (c *call) isGroup(number string) bool {
	if c.z != '2' && c.z != '9' {
		return false
	}
	if inside, decided := c.link.Extension(number); decided {
		return !inside
	}
	return c.y == '3'
}

// called sets the outside party of a call that leaves: what was sent to the
// network, unless only what the user dialled is a number that can be told. Least
// cost routing may put a carrier's code before it.
func (c *call) called(sent, dialed string) {
	cdr, number := c.cdr, first(sent, dialed)
	known := c.known(number)
	if !known && dialed != number && c.known(dialed) {
		number, known = dialed, true
	}
	// A short or incomplete number keeps a first digit that is like the prefix.
	c.link.SetExternal(cdr, number, known)
	if c.narrow && c.link.Parse.MaskedDigits > 0 && number != "" {
		c.mask()
	}
	if cdr.Masked {
		cdr.ExternalE164 = ""
	}
}

// known tells whether a dialled number has a +country form.
func (c *call) known(number string) bool {
	return c.link.Numbers.E164(c.link.Numbers.Dialed(number)) != ""
}

func (c *call) mask() {
	c.cdr.Masked = true
	kit.Warn(c.cdr, trunklinev1.Warning_WARNING_MASKED)
}

// number reads a field that holds a number or nothing.
func (c *call) number(s span, name string) string {
	v := c.get(s)
	if v == "" || kit.Dialable(v) {
		return v
	}
	kit.Warn(c.cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(c.cdr, name, v)
	return ""
}

// destination reads the field of a number dialled, with `?` for each digit that
// the PBX hid: blanks behind the number in a field that is justified to the
// right, or dots.
func (c *call) destination(s span, name string) string {
	number := c.get(s)
	visible := strings.TrimRight(number, ".")
	hidden := len(number) - len(visible)
	if field := c.field(s); !c.incoming && !c.narrow && field[0] == ' ' {
		hidden += len(field) - len(strings.TrimRight(field, " "))
	}
	switch {
	case number == "":
		return ""
	case !kit.Dialable(visible):
		return c.number(s, name)
	case hidden == 0:
		return number
	}
	c.mask()
	return visible + strings.Repeat("?", hidden)
}

// full tells a field without a blank: what it holds may have been cut.
func (c *call) full(s span) bool {
	return s.n > 0 && c.line[s.at] != ' ' && c.line[s.at+s.n-1] != ' '
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
