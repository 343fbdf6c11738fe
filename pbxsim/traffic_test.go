package pbxsim

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPeriod(t *testing.T) {
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, paris)
	to := from.AddDate(0, 0, 14)
	var calls []Call
	for c := range NewTraffic(7, paris).Period(from, to, 5000) {
		calls = append(calls, c)
	}
	if len(calls) != 5000 {
		t.Fatalf("%d calls instead of 5000", len(calls))
	}
	if !slices.IsSortedFunc(calls, func(a, b Call) int { return a.End().Compare(b.End()) }) {
		t.Error("not in the order of their end")
	}
	seen := map[string]int{}
	day, weekend := 0, 0
	for _, c := range calls {
		if c.End().Before(from.Truncate(time.Second)) || c.End().After(to) {
			t.Errorf("call ended %s, outside of the period", c.End())
		}
		if h := c.End().In(paris).Hour(); h >= 8 && h < 19 {
			day++
		}
		if d := c.End().In(paris).Weekday(); d == time.Saturday || d == time.Sunday {
			weekend++
		}
		seen[string(c.Direction)]++
		seen[string(c.Direction)+" "+string(c.Disposition)]++
		for what, is := range map[string]bool{
			"transfer": c.TransferTo != (Party{}), "hold": c.Hold > 0, "account": c.Account != "",
			"hidden": c.Direction == Inbound && c.External == (Outside{}), "group": c.Group != (Party{}),
			"abroad": strings.HasPrefix(c.External.Number, "00"), "named": c.External.Name != "",
			"long": c.Talk > time.Hour, "queue": c.Queue > 0,
		} {
			if is {
				seen[what]++
			}
		}
		if c.Hold > c.Talk || c.Queue > c.Ring || (c.Talk > 0) != (c.Disposition == Answered || c.Disposition == Voicemail) ||
			c.Start.Nanosecond() != 0 || c.Extension == c.Peer || c.Extension == c.TransferTo || c.Ring < 0 {
			t.Errorf("impossible call %+v", c)
		}
	}
	if day < 4500 || weekend > 200 {
		t.Errorf("%d of 5000 calls in working hours, %d at the weekend", day, weekend)
	}
	for _, want := range []string{
		"INBOUND ANSWERED", "INBOUND NO_ANSWER", "INBOUND VOICEMAIL", "INBOUND BUSY", "INBOUND ABANDONED", "OUTBOUND ANSWERED",
		"OUTBOUND NO_ANSWER", "OUTBOUND BUSY", "OUTBOUND FAILED", "INTERNAL ANSWERED", "INTERNAL VOICEMAIL", "TRANSIT ANSWERED",
		"TRANSIT NO_ANSWER", "transfer", "hold", "account", "hidden", "group", "abroad", "named", "long", "queue",
	} {
		if seen[want] == 0 {
			t.Errorf("never: %s", want)
		}
	}
	if seen["INBOUND"] < 2000 || seen["OUTBOUND"] < 1500 || seen["INTERNAL"] < 500 {
		t.Errorf("odd mixture: %v", seen)
	}
}

// Every number is from a range that its regulator keeps for fiction.
func TestFiction(t *testing.T) {
	ranges := []string{"+3319900", "+3326191", "+3335301", "+3346571", "+3353649", "+3363998", "+441632960", "+120255501", "+493023125", "+6125550"}
	fictional := func(n string) bool {
		return slices.ContainsFunc(ranges, func(r string) bool { return strings.HasPrefix(n, r) })
	}
	traffic := NewTraffic(3, paris)
	for range 5000 {
		c := traffic.Ending(at)
		for _, o := range []Outside{c.External, c.Forward} {
			if o.Number != "" && !fictional(o.E164) {
				t.Errorf("%s is nobody's invention", o.E164)
			}
			if local := "0" + strings.TrimPrefix(o.E164, "+33"); strings.HasPrefix(o.E164, "+33") && (o.Number != local || len(local) != 10) ||
				!strings.HasPrefix(o.E164, "+33") && o.Number != strings.Replace(o.E164, "+", "00", 1) {
				if o.Number != "" {
					t.Errorf("%s and %s are not one number", o.Number, o.E164)
				}
			}
		}
		if c.DID != "" && (!fictional("+33"+c.DID[1:]) || len(c.DID) != 10) {
			t.Errorf("DID %s", c.DID)
		}
	}
}

func options(count int) Options {
	from := time.Date(2026, 3, 9, 0, 0, 0, 0, paris)
	return Options{Seed: 5, Zone: paris, From: from, To: from.AddDate(0, 0, 7), Count: count, Burst: true, Odd: .1}
}

func everyVariant(t *testing.T, f func(t *testing.T, model string, o Options)) {
	for _, model := range Models() {
		for _, v := range Variants(model) {
			t.Run(model+"/"+v, func(t *testing.T) {
				o := options(600)
				o.Variant = v
				f(t, model, o)
			})
		}
	}
}

func TestDeterminism(t *testing.T) {
	everyVariant(t, func(t *testing.T, model string, o Options) {
		text := func(o Options) string {
			seq, err := Tickets(model, o)
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			for x := range seq {
				fmt.Fprintf(&b, "%s %s %s %v\n", x.Bytes, x.Want, x.Odd, x.Call)
			}
			return b.String()
		}
		first := text(o)
		if text(o) != first {
			t.Error("the same seed gives other tickets")
		}
		if o.Seed++; text(o) == first {
			t.Error("another seed gives the same tickets")
		}
	})
}

func TestTruth(t *testing.T) {
	odds := map[string][]Odd{
		avayaIPOffice: {OddBlank, OddGarbage, OddLong, OddComma},
		mitel3300:     {OddHead, OddBlank, OddGarbage, OddLong},
		panasonicKX:   {OddHead, OddEvent, OddBlank, OddGarbage, OddLong, OddMasked},
		ciscoCUCM:     {OddBlank, OddGarbage, OddLong},
		asterisk:      {OddComma},
		alcatelOXE:    {OddHead, OddEvent, OddBlank, OddGarbage},
		alcatelAHL:    {OddEvent, OddGarbage},
		grandstream:   {OddHead, OddGarbage},
		threeCX:       {OddHead, OddBlank, OddGarbage, OddLong, OddComma},
		mitelA400:     {OddHead, OddEvent, OddBlank, OddGarbage, OddLong, OddMasked},
		shoretel:      {OddBlank, OddGarbage, OddLong},
		unifyHiPath:   {OddEvent, OddBlank, OddGarbage, OddLong, OddMasked},
		alcatelOXO:    {OddEvent, OddGarbage, OddMasked},
	}
	everyVariant(t, func(t *testing.T, model string, o Options) {
		seq, err := Tickets(model, o)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[Odd]int{}
		calls := map[uint64]bool{}
		for x := range seq {
			seen[x.Odd]++
			if bytes.ContainsAny(x.Bytes, "\r\n") && model != alcatelAHL && model != alcatelOXO { // a check character may be one, and XML has them
				t.Errorf("a line end inside %q", x.Bytes)
			}
			switch x.Want {
			case WantCDR:
				calls[x.Call.Seq] = true
				if len(x.Bytes) == 0 || x.Role == "" || x.Precision == 0 || x.Call.Start.IsZero() || x.Odd != "" && x.Odd != OddComma && x.Odd != OddMasked {
					t.Errorf("odd truth %+v", x)
				}
				if x.Call.External.Masked != (x.Odd == OddMasked) {
					t.Errorf("masked or not: %s", x.Bytes)
				}
			case WantIgnored, WantDead:
				if x.Odd == "" || x.Call != (Call{}) {
					t.Errorf("a call in %+v", x)
				}
			default:
				t.Errorf("outcome %q", x.Want)
			}
		}
		want, trunkCalls := 600, []string{mitelA400, shoretel, unifyHiPath, alcatelOXO}
		if slices.Contains(trunkCalls, model) {
			want = 500
		}
		if len(calls) < want || len(calls) > 600 || want < 600 && len(calls) == 600 {
			t.Errorf("tickets of %d calls instead of %d", len(calls), want)
		}
		delete(seen, "")
		odd := odds[model]
		switch o.Variant {
		case ucmAsked: // who asks is given calls only
			odd = nil
		case oxeLines:
			odd = []Odd{OddGarbage}
		case cxShort: // without names
			odd = []Odd{OddHead, OddBlank, OddGarbage, OddLong}
		}
		for _, k := range odd {
			if seen[k] == 0 {
				t.Errorf("no line that is odd by %s", k)
			}
			delete(seen, k)
		}
		if len(seen) > 0 {
			t.Errorf("unexpected odd lines: %v", seen)
		}
	})
}

// The hour that comes twice is marked, and no other.
func TestAmbiguousHour(t *testing.T) {
	for utc, want := range map[string]bool{
		"2026-10-24T23:59:59Z": false, "2026-10-25T00:00:00Z": true, "2026-10-25T00:59:59Z": true,
		"2026-10-25T01:00:00Z": true, "2026-10-25T01:59:59Z": true, "2026-10-25T02:00:00Z": false,
		"2026-03-29T01:00:00Z": false,
	} {
		at, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := wall(at, paris); twice != want {
			t.Errorf("%s: ambiguous %v", utc, twice)
		}
	}
}

func BenchmarkTickets(b *testing.B) {
	for _, model := range Models() {
		b.Run(model, func(b *testing.B) {
			o := options(b.N)
			o.Odd = 0
			seq, err := Tickets(model, o)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for range seq {
				n++
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tickets/s")
		})
	}
}
