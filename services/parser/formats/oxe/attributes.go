package oxe

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// snakes are the columns' names as attributes.
var snakes = func() (names [columns]string) {
	for c := range names {
		names[c] = snake(ed52[c].name)
	}
	return names
}()

// charges sets what the call cost, and who is to pay.
func (p *parser) charges(cdr *trunklinev1.Cdr) {
	if units := p.col[chargeUnits]; units != "" && units != "0" {
		var ok bool
		if cdr.ChargeUnits, ok = kit.Uint(units); !ok {
			p.odd(cdr, chargeUnits)
		} else if units == "99999" {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_OVERFLOW)
		}
	}
	if info := p.col[costInfo]; strings.Trim(info, "0") != "" {
		if p.decimals >= 0 {
			cdr.ChargeAmount, cdr.ChargeCurrency = scaled(info, p.decimals), p.link.Parse.Currency
		} else {
			kit.Attribute(cdr, snakes[costInfo], info)
		}
	}
	switch p.col[personalOrBusiness] {
	case "0":
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_PRIVATE
	case "1":
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_BUSINESS
		cdr.AccountCode = p.col[accessCode]
	case "2", "":
	case "3":
		cdr.ChargeClass = trunklinev1.ChargeClass_CHARGE_CLASS_GUEST
	default:
		p.odd(cdr, personalOrBusiness)
	}
	if c := p.col[costCenter]; strings.Trim(c, "*") != "" {
		cdr.CostCenter = c
	}
	cdr.Subsidiary = p.col[company]
	cdr.Node = node(p.col[partyNode])
}

// scaled puts the point into a whole number.
func scaled(s string, decimals int) string {
	s = strings.TrimLeft(s, "0")
	if decimals == 0 {
		return s
	}
	if len(s) <= decimals {
		s = strings.Repeat("0", decimals+1-len(s)) + s
	}
	return s[:len(s)-decimals] + "." + s[len(s)-decimals:]
}

// attributes keeps what has no place of its own.
func (p *parser) attributes(cdr *trunklinev1.Cdr) {
	for _, a := range [...]struct {
		column column
		usual  string // tells nothing, as zeros do
	}{
		{subaddress, ""},
		{costType, "2"}, // ISDN
		{specificChargeInfo, ""},
		{bearerCapability, "2"}, // speech
		{highLevelComp, "1"},    // telephony
		{dataVolume, ""},
		{userToUserVolume, ""},
		{callReference, ""},
		{segmentsRate1, ""},
		{segmentsRate2, ""},
		{segmentsRate3, ""},
		{comType, "1"}, // voice
		{x25In, ""},
		{x25Out, ""},
		{carrier, ""},
		{transitTrunkGroup, "32767"},
		{nodeTimeOffset, ""},
		{timeDelta, ""},
	} {
		if v := p.col[a.column]; v != a.usual && !nothing(v) {
			kit.Attribute(cdr, snakes[a.column], v)
		}
	}
	for _, c := range [...]column{trunkNode, calledNode, callingNode, initialDialledNode, actingNode} {
		if n := node(p.col[c]); n != cdr.Node {
			kit.Attribute(cdr, snakes[c], n)
		}
	}
	if p.col[redirected] == "1" && cdr.RedirectedFrom == "" {
		kit.Attribute(cdr, snakes[redirected], "1")
	}
	kit.Attribute(cdr, snakes[externFacilities], p.facilities(p.col[externFacilities]))
	kit.Attribute(cdr, snakes[internFacilities], p.facilities(p.col[internFacilities]))
	for _, x := range p.extra {
		if !nothing(x.value) && !secret(x.name) {
			kit.Attribute(cdr, x.name, x.value)
		}
	}
}

// nothing tells a value that is empty or nothing but zeros.
func nothing(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}
