package usual

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// state is what is kept of a link, in this order. Times are Unix seconds, 0 is
// never.
type state struct {
	Mark  int64 // until when the link was watched
	Last  int64 // the last ticket
	Start int64 // of the running hour
	Week  int32 // of the running hour, counted from Monday 1969-12-29

	Watched uint16              // seconds of the running hour
	Bins    [binsHour / 8]uint8 // of the running hour, a bit each

	// Facts by week and hour, see code; the running week is at Week % weeks.
	Facts [weeks][weekHours]uint8
	// Longest quiet time of each week, in evidence.
	Longest [weeks]float32
	// Tickets and moments of each week, for their ratio.
	Tickets, Moments [weeks]uint32

	// Had and Due are the moments of the last hours, as they were and as they
	// are usual up to the last ticket, fading. Recent is due since then.
	Had, Due, Recent float32

	// Since the last ticket:
	Usual    float32 // moments
	Evidence float32 // the same, by the level of the last hours, with a cap
	Open     int64   // watched seconds of open hours
	Silent   bool
}

// version of the encoding. A change of what the numbers mean needs a new one.
const version = 1

// maxTime is the year 4147.
const maxTime = 1 << 36

// Encode gives the profile in about 1,600 bytes, to be kept over a restart.
func (p *Profile) Encode() []byte {
	zone := p.cal.loc.String()
	b := append([]byte{version, byte(len(zone))}, zone...)
	b, err := binary.Append(b, binary.LittleEndian, &p.s)
	if err != nil {
		panic(err) // a fixed layout
	}
	return b
}

// Decode reads a profile again. One of another zone or a later version is an
// error; a new profile takes its place.
func Decode(cal *Calendar, b []byte) (*Profile, error) {
	p, err := New(cal)
	if err != nil {
		return nil, err
	}
	if len(b) < 2 || b[0] != version {
		return nil, errors.New("profile: not of this version: the link learns anew")
	}
	zone, rest := b[2:], b[2:]
	if n := int(b[1]); n <= len(rest) {
		zone, rest = rest[:n], rest[n:]
	}
	if string(zone) != cal.loc.String() {
		return nil, fmt.Errorf("profile: not of the zone %s: the link learns anew", cal.loc)
	}
	r := bytes.NewReader(rest)
	if err := binary.Read(r, binary.LittleEndian, &p.s); err != nil || r.Len() > 0 {
		return nil, fmt.Errorf("profile: %d bytes are not its length: the link learns anew", len(b))
	}
	if !p.s.valid() {
		return nil, errors.New("profile: damaged: the link learns anew")
	}
	if p.s.Start != 0 {
		p.enter()
	}
	return p, nil
}

func (s *state) valid() bool {
	ok := s.Week >= 0 && s.Week < maxTime/86400/7+2 && s.Watched <= 3600 && s.Start <= max(s.Mark, s.Last)+2*gap
	for _, t := range []int64{s.Mark, s.Last, s.Start, s.Open} {
		ok = ok && t >= 0 && t < maxTime
	}
	for _, f := range append(s.Longest[:], s.Had, s.Due, s.Recent, s.Usual, s.Evidence) {
		ok = ok && f >= 0 && f <= math.MaxFloat32
	}
	for _, week := range s.Facts {
		for _, f := range week {
			ok = ok && f <= maxCode
		}
	}
	return ok
}
