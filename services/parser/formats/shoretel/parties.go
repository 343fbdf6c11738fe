package shoretel

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// partyFields are the columns of table `connect` of each line of Parties.
const (
	partyID = iota // of the row
	partyType
	partyConnectReason
	partyDisconnectReason
	partyTrunkDirection
	partyConnectTime
	partyDisconnectTime
	partyRingTime
	partyTalkTime
	partyHoldTime
	partyNumber // PartyID
	partyName   // PartyIDName
	partyLastName
	partyPortName
	partyGroupName
	partyFields
)

const (
	originate = "19" // ConnectReason of a party that made the call
	arrived   = "2"  // TrunkDirection of a trunk on which it came
)

// kind of a party, as far as it matters who answered.
type kind uint8

const (
	unknown kind = iota
	person
	trunk
	group   // workgroup, hunt group, route point
	automat // menu
	mailbox
	paging // also the night bell
)

// kinds by PartyType, as the guide's appendix numbers them: 1 station, 2 trunk,
// 3 virtual, 4 workgroup, 5 auto attendant, 6 forwarded to a mailbox, 7 log-in to
// a mailbox, 8 backup auto attendant, 9 anonymous phone, 10 night bell, 11 paging,
// 12 workgroup agent, 14 route point, 15 contact center, 16 hunt group, 17 group
// paging.
var kinds = [...]kind{
	1: person, 2: trunk, 3: person, 4: group, 5: automat, 6: mailbox, 7: mailbox, 8: automat, 9: person,
	10: paging, 11: paging, 12: person, 14: group, 15: group, 16: group, 17: paging,
}

// party is one that took part in a call.
type party struct {
	kind             kind
	origin           bool // made the call, or is the trunk on which it arrived
	connected        kit.Wall
	gone             kit.Wall
	ring, talk, hold uint32
	number, name     string
	port, group      string
}

// answered is what the party was on the line after its answer.
func (p *party) answered() uint32 {
	if p.talk == 0 {
		return 0
	}
	return p.talk + p.hold
}

// readParties takes the column apart; wrong names what is not as it should be.
func (r *rows) readParties(text string) (wrong string) {
	for text != "" {
		line, rest, _ := strings.Cut(text, "\n")
		text = rest
		var f [partyFields]string
		n := 0
		for more := true; more; n++ {
			if n == partyFields {
				return "more fields than the query has"
			}
			f[n], line, more = strings.Cut(line, "\t")
		}
		if n != partyFields {
			return "fewer fields than the query has"
		}
		p := party{
			origin: f[partyConnectReason] == originate || f[partyTrunkDirection] == arrived,
			number: plain(f[partyNumber]), name: join(f[partyName], f[partyLastName]), port: f[partyPortName], group: f[partyGroupName],
		}
		code, ok := kit.Uint(f[partyType])
		if !ok {
			return "PartyType"
		}
		if int(code) < len(kinds) {
			p.kind = kinds[code]
		}
		if p.connected, ok = readTime(f[partyConnectTime]); !ok {
			return "ConnectTime"
		}
		if p.gone, ok = readTime(f[partyDisconnectTime]); !ok {
			return "DisconnectTime"
		}
		if p.ring, ok = readSpan(f[partyRingTime]); !ok {
			return "RingTime"
		}
		if p.talk, ok = readSpan(f[partyTalkTime]); !ok {
			return "TalkTime"
		}
		if p.hold, ok = readSpan(f[partyHoldTime]); !ok {
			return "HoldTime"
		}
		r.parties = append(r.parties, p)
	}
	return ""
}

func join(first, last string) string {
	if first == "" || last == "" {
		return first + last
	}
	return first + " " + last
}

// find is the first party with the number.
func (r *rows) find(number string) *party {
	for i := range r.parties {
		if number != "" && r.parties[i].number == number {
			return &r.parties[i]
		}
	}
	return nil
}

// readTime reads `2026-11-20 10:15:00`, with a fraction perhaps. A time that there
// is not is zero.
func readTime(s string) (w kit.Wall, ok bool) {
	if s == "" || strings.HasPrefix(s, "0000-00-00") {
		return kit.Wall{}, true
	}
	const shape = "0000-00-00 00:00:00"
	if len(s) < len(shape) || !shaped(s[:len(shape)], shape) || len(s) > len(shape) && (s[len(shape)] != '.' || !kit.Digits(s[len(shape)+1:])) {
		return kit.Wall{}, false
	}
	w = kit.Wall{
		Year: number(s[:4]), Month: number(s[5:7]), Day: number(s[8:10]),
		Hour: number(s[11:13]), Minute: number(s[14:16]), Second: number(s[17:19]),
	}
	return w, w.Year > 0 && w.Valid()
}

// readSpan reads a length of time in seconds: a time on or behind 30 December
// 1899, as the database keeps it, `hh:mm:ss`, or seconds.
func readSpan(s string) (seconds uint32, ok bool) {
	if s == "" {
		return 0, true
	}
	if n, ok := kit.Uint(s); ok {
		return n, true
	}
	if n, ok := kit.Clock(s); ok {
		return n, true
	}
	w, ok := readTime(s)
	if !ok || w == (kit.Wall{}) {
		return 0, ok
	}
	const longest = 366 * 24 * 3600
	since := between(kit.Wall{Year: 1899, Month: 12, Day: 30}, w)
	return uint32(since), since >= 0 && since < longest
}
