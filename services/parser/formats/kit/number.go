package kit

import (
	"fmt"
	"strings"
)

// Numbering is a country's public numbering plan as far as it decides the
// +country form of a number.
type Numbering struct {
	plan
	outside string
	known   bool
}

// plan: calling code, international and national prefix, and how many digits a
// national number has without the prefix.
type plan struct {
	code, international, national string
	shortest, longest             int
}

// Numbering plans by ISO 3166 code, from ITU-T's national numbering plans
// (E.164 annex to the Operational Bulletin, E.129 presentations). Where a
// country has no national prefix, local and national form are the same.
var plans = map[string]plan{
	"AE": {"971", "00", "0", 8, 9}, "AR": {"54", "00", "0", 10, 10}, "AT": {"43", "00", "0", 4, 13},
	"AU": {"61", "0011", "0", 9, 9}, "BE": {"32", "00", "0", 8, 9}, "BG": {"359", "00", "0", 7, 9},
	"BR": {"55", "", "0", 10, 11}, "CA": {"1", "011", "1", 10, 10}, "CH": {"41", "00", "0", 9, 9},
	"CI": {"225", "00", "", 10, 10}, "CN": {"86", "00", "0", 9, 11}, "CY": {"357", "00", "", 8, 8},
	"CZ": {"420", "00", "", 9, 9}, "DE": {"49", "00", "0", 5, 13}, "DK": {"45", "00", "", 8, 8},
	"DZ": {"213", "00", "0", 8, 9}, "EE": {"372", "00", "", 7, 8}, "EG": {"20", "00", "0", 8, 10},
	"ES": {"34", "00", "", 9, 9}, "FI": {"358", "00", "0", 5, 12}, "FR": {"33", "00", "0", 9, 9},
	"GB": {"44", "00", "0", 9, 10}, "GF": {"594", "00", "0", 9, 9}, "GP": {"590", "00", "0", 9, 9},
	"GR": {"30", "00", "", 10, 10}, "HR": {"385", "00", "0", 8, 9}, "HU": {"36", "00", "06", 8, 9},
	"IE": {"353", "00", "0", 7, 9}, "IL": {"972", "00", "0", 8, 9}, "IN": {"91", "00", "0", 10, 10},
	"IR": {"98", "00", "0", 10, 10}, "IS": {"354", "00", "", 7, 7}, "IT": {"39", "00", "", 6, 11},
	"JP": {"81", "010", "0", 9, 10}, "LU": {"352", "00", "", 5, 11}, "LV": {"371", "00", "", 8, 8},
	"MA": {"212", "00", "0", 9, 9}, "MC": {"377", "00", "", 8, 9}, "MQ": {"596", "00", "0", 9, 9},
	"MT": {"356", "00", "", 8, 8}, "MX": {"52", "00", "", 10, 10}, "NC": {"687", "00", "", 6, 6},
	"NL": {"31", "00", "0", 9, 9}, "NO": {"47", "00", "", 8, 8}, "NZ": {"64", "00", "0", 8, 10},
	"PF": {"689", "00", "", 8, 8}, "PL": {"48", "00", "", 9, 9}, "PT": {"351", "00", "", 9, 9},
	"RE": {"262", "00", "0", 9, 9}, "RO": {"40", "00", "0", 9, 9}, "RS": {"381", "00", "0", 8, 10},
	"SA": {"966", "00", "0", 8, 9}, "SE": {"46", "00", "0", 7, 10}, "SG": {"65", "000", "", 8, 8},
	"SI": {"386", "00", "0", 8, 8}, "SK": {"421", "00", "0", 9, 9}, "SN": {"221", "00", "", 9, 9},
	"TN": {"216", "00", "", 8, 8}, "TR": {"90", "00", "0", 10, 10}, "UA": {"380", "00", "0", 9, 9},
	"US": {"1", "011", "1", 10, 10}, "ZA": {"27", "00", "0", 9, 9},
}

// NewNumbering takes an ISO 3166 code and what people dial for an outside line;
// both may be empty. A country that is not in the table is like none: only
// numbers with `+` are decidable then.
func NewNumbering(country, outside string) (Numbering, error) {
	if country != "" && (len(country) != 2 || strings.ToUpper(country) != country) {
		return Numbering{}, fmt.Errorf("country %q: give an ISO 3166 code such as FR", country)
	}
	p, known := plans[country]
	return Numbering{plan: p, outside: outside, known: known}, nil
}

// Dialed is the number that went to the network of what was dialled inside: the
// outside prefix taken off, where it stands before something that is a number
// without it.
func (n Numbering) Dialed(digits string) string {
	rest, ok := strings.CutPrefix(digits, n.outside)
	if n.outside == "" || !ok || rest == "" {
		return digits
	}
	if n.E164(shown(digits)) != "" && n.E164(shown(rest)) == "" {
		return digits // the prefix was not printed: `0` is also how a national number begins
	}
	return rest
}

// shown is what a number would be if no digit of it were hidden, without the keys
// that were pressed behind it.
func shown(number string) string {
	i := 0
	for i < len(number) && number[i] >= '0' && number[i] <= '9' {
		i++
	}
	if i == len(number) || number[i] != '?' {
		return number[:i]
	}
	return strings.ReplaceAll(number, "?", "5")
}

// E164 is the +country form, digits only behind the plus; empty where it is not
// decidable: an internal or short number, a local one, masked digits.
func (n Numbering) E164(number string) string {
	if rest, ok := strings.CutPrefix(number, "+"); ok {
		if Digits(rest) && len(rest) >= 7 && len(rest) <= 15 && rest[0] != '0' {
			return number
		}
		return ""
	}
	if !n.known || !Digits(number) {
		return ""
	}
	if rest, ok := strings.CutPrefix(number, n.international); ok && n.international != "" && abroad(rest) {
		return "+" + rest
	}
	rest, ok := strings.CutPrefix(number, n.national)
	if !ok || len(rest) < n.shortest || len(rest) > n.longest {
		if n.national == "1" && len(number) == n.longest && number[0] >= '2' { // North America prints ten digits as often
			return "+" + n.code + number
		}
		return ""
	}
	if n.national != "" && strings.HasPrefix(rest, "0") {
		return ""
	}
	return "+" + n.code + rest
}

// abroad tells whether digits behind an international prefix are a number: no
// country code begins with 0, and where the country's plan is known it fits.
func abroad(digits string) bool {
	if len(digits) < 7 || len(digits) > 15 || digits[0] == '0' {
		return false
	}
	for n := 1; n <= 3; n++ {
		if p, ok := byCode[digits[:n]]; ok {
			return len(digits)-n >= p.shortest && len(digits)-n <= p.longest
		}
	}
	return true
}

// byCode has the widest plan of each country code.
var byCode = func() map[string]plan {
	m := make(map[string]plan, len(plans))
	for _, p := range plans {
		if have, ok := m[p.code]; ok {
			p.shortest, p.longest = min(p.shortest, have.shortest), max(p.longest, have.longest)
		}
		m[p.code] = p
	}
	return m
}()
