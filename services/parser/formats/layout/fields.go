package layoutformat

import (
	"strings"

	"trunkline.internal/pbx/layout"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

type cdr = trunklinev1.Cdr

// texts, seconds and counts are the fields that a layout can fill, under the
// names of the call detail record. The outside number and the amount are set on
// their own.
var (
	texts = map[string]func(*cdr) *string{
		"calling_number":   func(c *cdr) *string { return &c.CallingNumber },
		"calling_name":     func(c *cdr) *string { return &c.CallingName },
		"called_number":    func(c *cdr) *string { return &c.CalledNumber },
		"called_name":      func(c *cdr) *string { return &c.CalledName },
		"dialed_number":    func(c *cdr) *string { return &c.DialedNumber },
		"did":              func(c *cdr) *string { return &c.Did },
		"extension":        func(c *cdr) *string { return &c.Extension },
		"extension_name":   func(c *cdr) *string { return &c.ExtensionName },
		"group_number":     func(c *cdr) *string { return &c.GroupNumber },
		"group_name":       func(c *cdr) *string { return &c.GroupName },
		"external_number":  func(c *cdr) *string { return &c.ExternalNumber },
		"trunk":            func(c *cdr) *string { return &c.Trunk },
		"trunk_group":      func(c *cdr) *string { return &c.TrunkGroup },
		"trunk_out":        func(c *cdr) *string { return &c.TrunkOut },
		"account_code":     func(c *cdr) *string { return &c.AccountCode },
		"charged_to":       func(c *cdr) *string { return &c.ChargedTo },
		"cost_center":      func(c *cdr) *string { return &c.CostCenter },
		"department":       func(c *cdr) *string { return &c.Department },
		"subsidiary":       func(c *cdr) *string { return &c.Subsidiary },
		"node":             func(c *cdr) *string { return &c.Node },
		"call_id":          func(c *cdr) *string { return &c.CallId },
		"leg_id":           func(c *cdr) *string { return &c.LegId },
		"sequence":         func(c *cdr) *string { return &c.Sequence },
		"transferred_from": func(c *cdr) *string { return &c.TransferredFrom },
		"transferred_to":   func(c *cdr) *string { return &c.TransferredTo },
		"redirected_from":  func(c *cdr) *string { return &c.RedirectedFrom },
		"charge_amount":    func(c *cdr) *string { return &c.ChargeAmount },
		"charge_currency":  func(c *cdr) *string { return &c.ChargeCurrency },
	}
	numbers = map[string]func(*cdr) *uint32{
		"ring_seconds":  func(c *cdr) *uint32 { return &c.RingSeconds },
		"talk_seconds":  func(c *cdr) *uint32 { return &c.TalkSeconds },
		"line_seconds":  func(c *cdr) *uint32 { return &c.LineSeconds },
		"hold_seconds":  func(c *cdr) *uint32 { return &c.HoldSeconds },
		"queue_seconds": func(c *cdr) *uint32 { return &c.QueueSeconds },
		"charge_units":  func(c *cdr) *uint32 { return &c.ChargeUnits },
		"hangup_cause":  func(c *cdr) *uint32 { return &c.HangupCause },
	}
)

// setter fills one field.
type setter struct {
	*layout.Field
	text   func(*cdr) *string
	number func(*cdr) *uint32
}

func newSetters(fields []layout.Field) []setter {
	out := make([]setter, len(fields))
	for i := range fields {
		f := &fields[i]
		out[i] = setter{f, texts[f.Name], numbers[f.Name]}
	}
	return out
}

// value is the text of the first source that applies and is not empty.
func (p *parser) value(k *kind, f *layout.Field) (source *layout.Source, text string, hidden bool) {
	for i := range f.Sources {
		s := &f.Sources[i]
		if s.Constant == "" && k.values[s.Column] == "" || !s.When.Holds(k.values, p) {
			continue
		}
		if text = s.Constant; text == "" {
			text, hidden = s.Take(k.values[s.Column])
		}
		if text != "" {
			return s, text, hidden
		}
	}
	return nil, "", false
}

// fields fills the fields of the call's direction. overflow tells a duration
// that its column cannot hold.
func (p *parser) fields(k *kind, c *cdr) (overflow bool, f *fault) {
	for i := range k.setters[c.Direction] {
		f := &k.setters[c.Direction][i]
		s, text, hidden := p.value(k, f.Field)
		if s == nil {
			continue
		}
		ok := true
		switch f.Type {
		case layout.Seconds:
			var full bool
			*f.number(c), full, ok = s.As.Seconds(text)
			if overflow = overflow || full; !ok {
				return false, p.fault("", s.Line, "%s is %s; expected %s", k.where(s.Column), kit.Quote(text), s.As.Text)
			}
		case layout.Count:
			var n uint32
			if n, ok = kit.Uint(text); ok && (f.Name != "hangup_cause" || n <= 127) {
				*f.number(c) = n
			} else {
				ok = false
			}
		case layout.Amount:
			c.ChargeAmount, ok = amount(text, p.scale)
		default:
			*f.text(c) = text
			if hidden {
				c.Masked = true
				kit.Warn(c, trunklinev1.Warning_WARNING_MASKED)
			}
		}
		if !ok {
			kit.Attribute(c, f.Name, text)
			kit.Warn(c, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
	}
	p.outside(c)
	if c.ChargeAmount != "" && c.ChargeCurrency == "" {
		c.ChargeCurrency = p.link.Parse.Currency
	}
	for i := range k.Attributes {
		if _, text, _ := p.value(k, &k.Attributes[i]); text != "" {
			kit.Attribute(c, k.Attributes[i].Name, text)
		}
	}
	return overflow, nil
}

// outside brings the outside number into its forms.
func (p *parser) outside(c *cdr) {
	number := c.ExternalNumber
	c.ExternalNumber = ""
	if number == "" || c.Direction == trunklinev1.Direction_DIRECTION_INTERNAL {
		return
	}
	dialed := c.Direction != trunklinev1.Direction_DIRECTION_INBOUND
	if strings.IndexByte(number, '?') < 0 {
		p.link.SetExternal(c, number, dialed)
		return
	}
	// Whether the prefix of an outside line is printed is decided by the number's
	// length, hidden digits included.
	p.link.SetExternal(c, strings.ReplaceAll(number, "?", "1"), dialed)
	c.ExternalNumber, c.ExternalE164 = number[len(number)-len(c.ExternalNumber):], ""
}

// amount is a decimal without needless zeros before it, with a point, and
// shifted by so many digits.
func amount(s string, shift int) (string, bool) {
	point := strings.IndexAny(s, ".,")
	whole, fraction := s, ""
	if point >= 0 {
		whole, fraction = s[:point], s[point+1:]
	}
	if whole == "" && fraction == "" || !kit.Digits("0"+whole) || !kit.Digits("0"+fraction) {
		return "", false
	}
	if shift > 0 {
		whole = strings.Repeat("0", max(0, shift+1-len(whole))) + whole
		whole, fraction = whole[:len(whole)-shift], whole[len(whole)-shift:]+fraction
	}
	for len(whole) > 1 && whole[0] == '0' {
		whole = whole[1:]
	}
	switch {
	case whole == "":
		whole = "0"
	case shift == 0 && point == len(whole) && s[point] == '.' && fraction != "":
		return s, true
	}
	if fraction == "" {
		return whole, true
	}
	return whole + "." + fraction, true
}

// callKey names the call by the columns that the layout says, unless one of them
// is empty or nothing but zeros: that is no call's name.
func (k *kind) callKey(c *cdr) {
	if len(k.CallKey) == 0 {
		return
	}
	var b [96]byte
	key := b[:0]
	for i, column := range k.CallKey {
		if i > 0 {
			key = append(key, '@')
		}
		if strings.Trim(k.values[column], "0") == "" {
			return
		}
		key = append(key, k.values[column]...)
	}
	if c.CallKey = k.values[k.CallKey[0]]; len(k.CallKey) > 1 {
		c.CallKey = string(key)
	}
}
