package oxe

import "strings"

// Facilities by their place in ExternFacilities and InternFacilities, as in the
// OmniVista 8770 accounting manual; the O2G SDK lists them in the same order.
const (
	forwardAlways = 5
	forwardBusy   = 6
	forwardNoRing = 7
	transfer      = 8
	basicCall     = 23
	operator      = 24
	substitution  = 25
	voiceMail     = 31
	disa          = 37
)

var facilityNames = [...]string{
	"clip", "colp", "clir", "colr", "malicious_call", "cfu", "cfb", "cfnr", "transfer", "aoc_s", "aoc_d", "aoc_e",
	"cug", "call_waiting", "uus", "uuf", "portability", "interception", "booking", "camp_on", "conference", "mini_message",
	"subaddress", "basic_call", "operator", "substitution", "priority_incoming", "transit", "overflow_to_public", "rerouting", "fax_server",
	"voice_mail", "central_abbreviated", "individual_abbreviated", "isvpn", "overflow_vpn", "ars", "disa",
}

// used tells whether a facility was used.
func used(facilities string, which int) bool {
	return which < len(facilities) && facilities[which] == '1'
}

// facilities names those that were used, but for the basic call that most have.
// Few combinations occur, so they are kept.
func (p *parser) facilities(bits string) string {
	if strings.IndexByte(bits, '1') < 0 {
		return ""
	}
	if names, ok := p.named[bits]; ok {
		return names
	}
	var list []string
	for i, name := range facilityNames {
		if i != basicCall && used(bits, i) {
			list = append(list, name)
		}
	}
	for i := len(facilityNames); i < len(bits); i++ {
		if used(bits, i) {
			list = append(list, "facility_"+string(rune('0'+i/10))+string(rune('0'+i%10)))
		}
	}
	names := strings.Join(list, " ")
	if len(p.named) < mostNamed {
		p.named[strings.Clone(bits)] = names
	}
	return names
}

// mostNamed bounds the combinations that are kept.
const mostNamed = 512
