package hipath

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// isCharge tells pulses, or an amount with its decimals.
func isCharge(s string) bool {
	whole, decimals, point := cutPoint(s)
	return len(whole) <= 9 && kit.Digits(whole) && (!point || kit.Digits(decimals))
}

func cutPoint(s string) (whole, decimals string, point bool) {
	if i := strings.IndexAny(s, ".,"); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// charges sets pulses or the amount. An option of the PBX makes it print amounts;
// one without decimals is told from pulses by the layout or the settings only.
func (p *parser) charges(cdr *trunklinev1.Cdr) {
	s := p.col[charge]
	if strings.Trim(s, "0.,") == "" {
		return
	}
	whole, decimals, point := cutPoint(s)
	if !point && !p.amounts {
		cdr.ChargeUnits, _ = kit.Uint(s)
		return
	}
	cdr.ChargeAmount, cdr.ChargeCurrency = scaled(whole, decimals, p.places), p.link.Parse.Currency
}

// scaled moves the decimal point to the left.
func scaled(whole, decimals string, places int) string {
	for len(whole) <= places {
		whole = "0" + whole
	}
	cut := len(whole) - places
	decimals = whole[cut:] + decimals
	for whole = whole[:cut]; len(whole) > 1 && whole[0] == '0'; {
		whole = whole[1:]
	}
	if decimals == "" {
		return whole
	}
	return whole + "." + decimals
}
