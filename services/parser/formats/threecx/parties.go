package threecx

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// kind of a party.
type kind uint8

const (
	unknown      kind = iota
	extension         // a set or user, a fax
	line              // outside, over a trunk
	node              // another PBX, over a bridge
	queue             // answers by itself, then looks for an agent
	ringGroup         // is answered when one of its members does
	menu              // a digital receptionist or script, which answers by itself
	announcement      // a farewell, a feature code: nobody ever speaks there
	voicemail
	place // a conference or a parking orbit: people meet, the PBX answers
	pickup
)

// kinds by the words in from-type, to-type and final-type, without case and `_`:
// versions 16 to 18 print `RingGroup`, version 20 `ring_group_ring_all`.
var kinds = map[string]kind{
	"extension": extension, "fax": extension, "faxextension": extension,
	"line": line, "externalline": line, "provider": line, "gateway": line, "outboundrule": line,
	"bridge":    node,
	"queue":     queue,
	"ringgroup": ringGroup, "ringgroupringall": ringGroup, "ringgrouphunt": ringGroup, "paginggroup": ringGroup,
	"ivr": menu, "script": menu, "routepoint": menu, "inboundrouting": menu,
	"endcall": announcement, "playfile": announcement, "servicecall": announcement,
	"echotest": announcement, "callbacktest": announcement,
	"voicemail": voicemail, "vmail": voicemail, "vmailconsole": voicemail, "specialmenu": voicemail,
	"confplace": place, "conference": place, "parking": place, "parkingorbit": place, "sharedparking": place, "parkextension": place,
}

func kindOf(word string) kind {
	var b [24]byte
	return kinds[string(fold(b[:0], word))]
}

// fold appends a word without case and without `_`; nothing where it is longer
// than any that is known.
func fold(dst []byte, word string) []byte {
	for i := range len(word) {
		c := word[i]
		if c == '_' {
			continue
		}
		if len(dst) == cap(dst) {
			return nil
		}
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

// What stands in from-no, to-no and final-number for the PBX itself.
const (
	endCall  = "EndCall"  // the farewell
	makeCall = "MakeCall" // a call that a program makes
	playFile = "PlayFile" // an announcement
)

// party is one of the ends: who called, who was called, where the call ended.
type party struct {
	kind kind
	// number without decorations; empty for a service such as EndCall.
	number, name string
	// trunk over which a party outside was reached.
	trunk string
	// typed tells that the ticket prints what the party is.
	typed bool
}

func (x *party) outside() bool { return x.kind == line || x.kind == node }

func (x *party) group() bool { return x.kind == queue || x.kind == ringGroup }

// party reads the fields of one end. no is the number with its decoration: `Ext.`
// for everything that lives on the PBX, `PickupExt.` for an extension or queue at
// which a call is picked up, none for a number outside; MakeCall, PlayFile and
// EndCall are the PBX itself. dn is the extension, or for an outside party the
// trunk's.
func (p *parser) party(no, dn, name, word string) party {
	x := party{number: no, name: name, kind: kindOf(word)}
	x.typed = x.kind != unknown
	own, isOwn := strings.CutPrefix(no, "Ext.")
	switch {
	case isOwn:
		x.number = own
		if !x.typed {
			x.kind = extension
		}
		switch {
		case own != "" && (own[0] == '*' || own[0] == '#'):
			x.kind = announcement
		case nines(own) && (!x.typed || own != dn):
			// Voicemail stands in for the extension in dn.
			x.kind = voicemail
			if kit.Digits(dn) {
				x.number = dn
			}
		}
	case strings.HasPrefix(no, "PickupExt."):
		x.kind, x.number = pickup, no[len("PickupExt."):]
	case no == endCall, no == playFile:
		x.kind, x.number = announcement, ""
	case dn == endCall && !x.typed:
		// What was dialled has no route: nobody was reached.
		if x.kind = extension; p.public(no) {
			x.kind = line
		}
	case no == makeCall:
		x.number = ""
		if kit.Digits(dn) {
			x.kind, x.number = extension, dn
		} else if !x.typed {
			x.kind = menu
		}
	case !x.typed:
		x.kind = line
		if inside, _ := p.link.Extension(no); inside {
			x.kind = extension
		}
	}
	if x.outside() && kit.Digits(dn) && dn != no && dn != p.col[dialNo] {
		x.trunk = dn
	}
	if x.name == no || x.name == x.number {
		x.name = ""
	}
	return x
}

// nines tells 3CX's voicemail: 999 where extensions have three digits, 9999 where
// they have four.
func nines(s string) bool {
	return len(s) >= 3 && len(s) <= longestInside && strings.Trim(s, "9") == ""
}

// longestInside is how many digits an extension has at most: 3CX allows five.
const longestInside = 5

// public tells whether what was dialled and reached nobody was a number outside.
func (p *parser) public(number string) bool {
	if inside, decided := p.link.Extension(number); decided {
		return !inside
	}
	return len(number) > longestInside && kit.Dialable(number)
}
