package kept

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

var from = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

func TestWhere(t *testing.T) {
	s := Selection{Site: "lyon", Link: "desk", From: from, To: from.AddDate(0, 0, 1), Aside: true, Reason: "it's", Below: 3}
	got, err := s.where(others)
	if err != nil {
		t.Fatal(err)
	}
	want := `gone = 0 AND link = 'desk' AND reason = 'it\'s' AND received_time < fromUnixTimestamp64Micro(1773532800000000, 'UTC') AND ` +
		`received_time >= fromUnixTimestamp64Micro(1773446400000000, 'UTC') AND revision < 3 AND site = 'lyon'`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, _ := (Selection{}).where(calls); got != "gone = 0" {
		t.Errorf("everything: %s", got)
	}
	if _, err := (Selection{Site: "x' OR 1"}).where(calls); err == nil {
		t.Error("a site with a quote is taken")
	}
}

// Each ticket is in one slice, and a slice is no larger than needs be.
func TestCutSlices(t *testing.T) {
	at := from.UnixMicro() / tick.Microseconds()
	var all []ticks
	for i := range int64(1000) {
		all = append(all, ticks{at: at + i, n: 100, starts: [2]int64{1000 - i, 2000 + i}, calls: true}, ticks{at: at + i, n: 1})
	}
	all = append(all, ticks{at: at + 5000, n: 2 * sliceRows})
	slices.Reverse(all)
	s := Selection{From: from.Add(30 * time.Millisecond), To: from.Add(time.Hour)}
	got := cutSlices(all, s)
	rows, last := uint64(0), int64(0)
	for i, sl := range got {
		if sl.from >= sl.to || sl.from < last {
			t.Errorf("slice %d: from %d to %d, behind %d", i, sl.from, sl.to, last)
		}
		if sl.rows > sliceRows+100+1 && i < len(got)-1 {
			t.Errorf("slice %d has %d rows", i, sl.rows)
		}
		rows, last = rows+sl.rows, sl.to
	}
	if rows != 1000*101+2*sliceRows || len(got) < 4 {
		t.Errorf("%d rows in %d slices", rows, len(got))
	}
	if got[0].from != s.From.UnixMicro() {
		t.Errorf("it begins at %d, before --from", got[0].from)
	}
	if first := got[0]; first.starts[1] <= first.starts[0] || first.starts[0] >= 1000 || first.starts[1] <= 2000 {
		t.Errorf("starts %v", first.starts)
	}
	if end := got[len(got)-1]; end.calls != 0 || end.to != (at+5001)*tick.Microseconds() {
		t.Errorf("the last slice is %+v", end)
	}
	if cutSlices(nil, s) != nil {
		t.Error("slices of nothing")
	}
}

func ticket(message, position, raw string, p *place) *Ticket {
	return &Ticket{ID: message + position, Position: position, Raw: []byte(raw), message: message, received: from.UnixMicro(), place: p}
}

// pieces shows what a message was put together to.
func pieces(m *Message) string {
	var b strings.Builder
	for _, p := range m.Pieces {
		fmt.Fprintf(&b, "%s %q %q|", p.Offset, p.Preamble, p.Payload)
	}
	return b.String()
}

func TestGather(t *testing.T) {
	tcp := func() *place { return &place{origin: "tcp:1", name: "10.0.0.1"} }
	unended := ticket("m", "10", "abc", tcp())
	unended.unterminated = true
	for name, c := range map[string]struct {
		tickets []*Ticket
		want    string
	}{
		"one":                     {[]*Ticket{ticket("m", "0", "abc", tcp())}, `0 "" "abc\n"|`},
		"without its end":         {[]*Ticket{unended}, `10 "" "abc"|`},
		"line feeds":              {[]*Ticket{ticket("m", "4", "def", tcp()), ticket("m", "0", "abc", tcp())}, `0 "" "abc\ndef\n"|`},
		"carriage returns too":    {[]*Ticket{ticket("m", "9", "abc", tcp()), ticket("m", "14", "def", tcp())}, `9 "" "abc\r\ndef\n"|`},
		"nothing between":         {[]*Ticket{ticket("m", "0", "{}", tcp()), ticket("m", "2", "{}", tcp())}, `0 "" "{}{}\n"|`},
		"a ticket is missing":     {[]*Ticket{ticket("m", "0", "abc", tcp()), ticket("m", "8", "ghi", tcp())}, `0 "" "abc\n"|8 "" "ghi\n"|`},
		"they overlap":            {[]*Ticket{ticket("m", "0", "abcdef", tcp()), ticket("m", "3", "def", tcp())}, `0 "" "abcdef\n"|3 "" "def\n"|`},
		"twice at one place":      {[]*Ticket{ticket("m", "0", "abc", tcp()), ticket("m", "0", "abc", tcp()), ticket("m", "4", "def", tcp())}, `0 "" "abc\ndef\n"|`},
		"a message buried whole":  {[]*Ticket{ticket("m", "0", "abc\r\ndef\r\n", tcp())}, `0 "" "abc\r\ndef\r\n"|`},
		"rows":                    {[]*Ticket{ticket("m", "id=5", `{"id":5}`, tcp()), ticket("m", "id=6", `{"id":6}`, tcp())}, `id=5 "" "{\"id\":5}\n{\"id\":6}\n"|`},
		"with a preamble":         {[]*Ticket{ticket("m", "90", "abc", &place{origin: "file:1", preamble: "head\n"})}, `90 "head\n" "abc\n"|`},
		"cut off where it begins": {[]*Ticket{ticket("m", "90", "ab", &place{origin: "file:1", incomplete: "cut-off"})}, `90 "" "ab"|`},
	} {
		got, left := gather(c.tickets, nil, Selection{Site: "lyon", Link: "desk"})
		if len(got) != 1 || len(left) != 0 || pieces(got[0]) != c.want {
			t.Errorf("%s: %d messages, left %v: %s, want %s", name, len(got), left, pieces(got[0]), c.want)
			continue
		}
		if m := got[0].Pieces[0]; m.Site != "lyon" || m.Link != "desk" || !m.Received.Equal(from) || m.ID != "m" || m.Origin == "" {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// What has no place of its own has that of its receipt, or is left.
func TestGatherPlaces(t *testing.T) {
	receipts := map[string]*receipt{
		"known": {place: place{origin: "file:1", preamble: "head", written: from.UnixMicro()}, revision: 2},
		"done":  {place: place{origin: "file:1"}, revision: 3},
	}
	lost := ticket("x", "7", "abc", &place{origin: "stream:TICKETS"})
	noKey := ticket("y", "id=+3", "abc", &place{origin: "table:1"})
	noKey.Reason = "row_key_missing"
	got, left := gather([]*Ticket{
		ticket("known", "40", "b", nil), ticket("known", "0", "a", nil), ticket("done", "20", "c", nil),
		ticket("unknown", "0", "d", nil), ticket("", "0", "e", nil), ticket("known", "", "f", nil), lost, noKey,
	}, receipts, Selection{Site: "lyon", Link: "desk", Below: 3})
	if left[NoPlace] != 3 || left[NoHeaders] != 2 {
		t.Errorf("left %v", left)
	}
	if len(got) != 2 || got[0].ID != "known" || got[0].Replayed || got[1].ID != "done" || !got[1].Replayed {
		t.Fatalf("messages %+v", got)
	}
	m := got[0].Pieces[0]
	if !m.Written.Equal(from) || string(m.Preamble) != "head" || m.Origin != "file:1" {
		t.Errorf("%+v", m)
	}
}
