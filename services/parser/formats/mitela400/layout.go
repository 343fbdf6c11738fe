package mitela400

import "trunkline.internal/services/parser/formats/kit"

// span is a field's place: the offset of its first byte and its length, as in
// the vendor's tables. The tabulator that begins a record is offset 0.
type span struct{ at, n int }

// layout is where the fields of a record stand. Each other byte is a blank.
type layout struct {
	name string
	// length of the record from its tabulator to its serial number.
	length int
	// narrow tells the printouts PC1 to PC4: a sort character of two digits,
	// without the one for network and direction, and numbers justified to the left.
	narrow bool

	user, center, sort        span // NO, CC, SC
	date, time, duration      span
	charges, pulses, exchange span // CHARGES, METPUL, EXCH
	id1, id2, ddi             span
	sent, dialed              span // DEST1, DEST2
	answer, sequence, serial  span // TTA, SEQ.NO., SERIAL NO.
	gaps                      []int
}

// layouts as in the manuals of Aastra 400 (R3.0), Ascotel IntelliGate A150 (I7.9)
// and 2025/2045/2065, which agree. PC1 prints a user or a cost centre in one
// field, of 5 or 9 digits, as long as the longest cost centre. The offset of the
// sort character in PC1 is a misprint there (17); the figures show 7. PC3, which
// no manual shows, is missing.
var layouts = [...]*layout{
	newLayout(layout{
		name: "PC5", user: span{1, 12}, center: span{14, 9}, sort: span{24, 3},
		date: span{28, 6}, time: span{35, 5}, duration: span{41, 8},
		charges: span{50, 10}, pulses: span{61, 5}, exchange: span{67, 5},
		id1: span{73, 20}, id2: span{94, 20}, sent: span{115, 40}, dialed: span{156, 40},
		answer: span{197, 3}, sequence: span{201, 3}, serial: span{205, 4},
	}),
	newLayout(layout{
		name: "PC4", narrow: true, user: span{1, 5}, center: span{7, 9}, sort: span{17, 2},
		date: span{20, 6}, time: span{27, 5}, duration: span{33, 8},
		exchange: span{42, 5}, ddi: span{48, 11}, pulses: span{60, 5}, sent: span{66, 40}, dialed: span{107, 20},
		answer: span{128, 3}, sequence: span{132, 3}, serial: span{136, 4},
	}),
	newLayout(layout{
		name: "PC2", narrow: true, user: span{1, 5}, center: span{7, 9}, sort: span{17, 2},
		date: span{20, 6}, time: span{27, 5}, duration: span{33, 8},
		exchange: span{42, 5}, ddi: span{48, 11}, pulses: span{60, 5}, dialed: span{66, 20}, serial: span{87, 4},
	}),
	newLayout(layout{
		name: "PC1", narrow: true, user: span{1, 5}, sort: span{7, 2},
		date: span{10, 6}, time: span{17, 5}, duration: span{23, 8},
		exchange: span{32, 5}, pulses: span{38, 5}, dialed: span{44, 20}, serial: span{65, 4},
	}),
	newLayout(layout{
		name: "PC1", narrow: true, user: span{1, 9}, sort: span{11, 2},
		date: span{14, 6}, time: span{21, 5}, duration: span{27, 8},
		exchange: span{36, 5}, pulses: span{42, 5}, dialed: span{48, 20}, serial: span{69, 4},
	}),
}

func newLayout(l layout) *layout {
	l.length = l.serial.at + l.serial.n
	filled := make([]bool, l.length)
	for _, s := range [...]span{
		{0, 1},
		l.user, l.center, l.sort, l.date, l.time, l.duration, l.charges, l.pulses, l.exchange,
		l.id1, l.id2, l.ddi, l.sent, l.dialed, l.answer, l.sequence, l.serial,
	} {
		for i := range s.n {
			filled[s.at+i] = true
		}
	}
	for at, f := range filled {
		if !f {
			l.gaps = append(l.gaps, at)
		}
	}
	return &l
}

// layoutOf finds a record's layout by its length; nil: none has it.
func layoutOf(line string) *layout {
	for _, l := range layouts {
		if l.length == len(line) {
			return l
		}
	}
	return nil
}

// shaped compares a text with a pattern of its length, in which 0 is any digit
// and a capital letter stands for the small one as well.
func shaped(s, pattern string) bool {
	if len(s) != len(pattern) {
		return false
	}
	for i := range len(s) {
		switch c, p := s[i], pattern[i]; {
		case p == '0':
			if c < '0' || c > '9' {
				return false
			}
		case c != p && (p < 'A' || p > 'Z' || c != p+'a'-'A'):
			return false
		}
	}
	return true
}

// two reads two digits that are known to be there.
func two(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }

// isAmount tells a decimal such as 12.40.
func isAmount(s string) bool {
	n := len(s) - 3
	return n > 0 && s[n] == '.' && kit.Digits(s[:n]) && kit.Digits(s[n+1:])
}
