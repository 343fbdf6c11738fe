package panasonic_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/panasonic"
)

const (
	answeredIn  = "20/11/26 17:18     201 01 <I>DUPONT0199001234       0'05 00:01'05            TR "
	chargedOut  = "20/11/26 17:18    401 01 0199002002           00:00'40 EU00200.50 123456        "
	intercom    = "20/11/26 14:53    402    EXT401"
	maskedOut   = "20/11/26 10:18    1200 01 019900XXXX                     00:12'05"
	datedAt     = "%s 17:18    401 01 0199002002           00:00'40 EU00000.00"
	doubledHour = "25/10/26 02:30    401 01 0199002002           00:00'40 EU00000.00"
)

func TestTickets(t *testing.T) { formatstest.Run(t, panasonic.New) }

func dmy(s *pbx.Settings) { s.Parse.DateOrder = "dmy" }

func newParser(t testing.TB, change ...func(*pbx.Settings)) formats.Parser {
	return formatstest.New(t, "panasonic-kx", panasonic.New, change...)
}

func parse(t testing.TB, p formats.Parser, raw string, near time.Time) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(raw), Near: near})
}

func utc(t testing.TB, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestFields(t *testing.T) {
	type want struct {
		start, end      string
		ring, talk      uint32
		direction, role string
		disposition     string
		calling, called string
		external, ext   string
		trunk, amount   string
		currency, e164  string
		account         string
		masked          bool
		warnings        string
	}
	for raw, w := range map[string]want{
		answeredIn: {
			"2026-11-20 16:16:50", "2026-11-20 16:18:00", 5, 65, "INBOUND", "LEG", "ANSWERED",
			"0199001234", "201", "0199001234", "201", "01", "", "", "+33199001234", "", false, "[]",
		},
		chargedOut: {
			"2026-11-20 16:17:20", "2026-11-20 16:18:00", 0, 40, "OUTBOUND", "CALL", "ANSWERED",
			"401", "0199002002", "0199002002", "401", "01", "200.50", "EUR", "+33199002002", "123456", false, "[]",
		},
		intercom: {
			"2026-11-20 13:53:00", "2026-11-20 13:53:00", 0, 0, "INTERNAL", "CALL", "UNSPECIFIED",
			"402", "401", "", "402", "", "", "", "", "", false, "[WARNING_START_ASSUMED]",
		},
		maskedOut: {
			"2026-11-20 09:05:55", "2026-11-20 09:18:00", 0, 725, "OUTBOUND", "CALL", "ANSWERED",
			"1200", "019900????", "019900????", "1200", "01", "", "", "", "", true, "[WARNING_MASKED]",
		},
	} {
		c, result := parse(t, newParser(t, dmy), raw, formatstest.Near)
		if result.Outcome != formats.CDR {
			t.Fatalf("%s: %+v", raw, result)
		}
		got := want{
			c.StartTime.AsTime().Format(time.DateTime), c.EndTime.AsTime().Format(time.DateTime), c.RingSeconds, c.TalkSeconds,
			formatstest.Words(c.Direction), formatstest.Words(c.RecordRole),
			formatstest.Words(c.Disposition),
			c.CallingNumber, c.CalledNumber, c.ExternalNumber, c.Extension, c.Trunk, c.ChargeAmount, c.ChargeCurrency, c.ExternalE164,
			c.AccountCode, c.Masked, fmt.Sprint(c.Warnings),
		}
		if got != w {
			t.Errorf("%s\n got %+v\nwant %+v", raw, got, w)
		}
		if c.TimePrecisionSeconds != 60 || c.UtcOffsetSeconds != 3600 || c.CallKey != "" {
			t.Errorf("%s: precision %d, offset %d, key %q", raw, c.TimePrecisionSeconds, c.UtcOffsetSeconds, c.CallKey)
		}
	}
}

func TestDateOrder(t *testing.T) {
	near := utc(t, "2026-11-20 16:20:00")
	for _, tc := range []struct {
		order, date string
		near        time.Time
		want        string // day of the end, or reason
	}{
		{"dmy", "05/11/26", near, "2026-11-05"},
		{"mdy", "05/11/26", near, "2026-05-11"},
		{"ymd", "26/05/11", near, "2026-05-11"},
		{"ydm", "26/05/11", near, "2026-11-05"},
		{"mdy", "20/11/26", near, "bad_date"},
		{"dmy", "29/02/26", near, "bad_date"},
		{"", "20/11/26", near, "2026-11-20"}, // 26 November 2020 is old
		{"", "11/20/26", near, "2026-11-20"},
		{"", "26/11/20", near, "2026-11-20"},
		{"", "26/20/11", near, "2026-11-20"},
		{"", "05/25/26", time.Time{}, "2026-05-25"}, // one order only
		{"", "05/11/26", near, "date_ambiguous"},    // both are long ago
		{"", "05/11/26", utc(t, "2026-11-05 16:20:00"), "2026-11-05"},
		{"", "05/11/26", utc(t, "2026-05-11 16:20:00"), "2026-05-11"}, // November is still to come
		{"", "05/11/26", utc(t, "2026-11-09 16:20:00"), "date_ambiguous"},
		{"", "11/11/26", near, "date_ambiguous"}, // 11 November, or the 26th of 2011
		{"", "20/11/26", time.Time{}, "date_ambiguous"},
		{"", "20/11/26", utc(t, "2031-01-01 00:00:00"), "date_ambiguous"},
		{"", "25/12/99", near, "bad_date"},
		{"", "40/40/40", near, "bad_date"},
	} {
		p := newParser(t, func(s *pbx.Settings) { s.Parse.DateOrder = tc.order })
		c, result := parse(t, p, fmt.Sprintf(datedAt, tc.date), tc.near)
		got := result.Reason
		if result.Outcome == formats.CDR {
			got = c.EndTime.AsTime().Format(time.DateOnly)
		}
		if got != tc.want {
			t.Errorf("%q %s near %s: %s, want %s", tc.order, tc.date, tc.near.Format(time.DateOnly), got, tc.want)
		}
		if tc.want == "date_ambiguous" && !strings.Contains(result.Error, "parse.date_order") {
			t.Errorf("%q names no remedy", result.Error)
		}
	}
}

func TestStartPrinted(t *testing.T) {
	p := newParser(t, dmy, func(s *pbx.Settings) { s.Parse.TimeIs = "start" })
	c, _ := parse(t, p, answeredIn, formatstest.Near)
	if got := c.StartTime.AsTime(); !got.Equal(utc(t, "2026-11-20 16:18:00")) {
		t.Errorf("start %s", got)
	}
	if got := c.EndTime.AsTime(); !got.Equal(utc(t, "2026-11-20 16:19:10")) {
		t.Errorf("end %s", got)
	}
	c, _ = parse(t, p, intercom, formatstest.Near)
	if c.EndTime != nil || len(c.Warnings) != 0 {
		t.Errorf("intercom: end %v, %v", c.EndTime, c.Warnings)
	}
}

// The end is made an instant, and the start counted back from it.
func TestDoubledHour(t *testing.T) {
	for near, want := range map[string]string{
		"2026-10-25 00:31:00": "2026-10-25 00:29:20 []",
		"2026-10-25 01:31:00": "2026-10-25 01:29:20 []",
		"2026-10-25 09:00:00": "2026-10-25 00:29:20 [WARNING_HOUR_AMBIGUOUS]",
	} {
		c, _ := parse(t, newParser(t, dmy), doubledHour, utc(t, near))
		if got := c.StartTime.AsTime().Format(time.DateTime) + " " + fmt.Sprint(c.Warnings); got != want {
			t.Errorf("near %s: %s, want %s", near, got, want)
		}
	}
	// A call over the change: two hours by the clock, three in truth.
	c, _ := parse(t, newParser(t, dmy), "25/10/26 03:30    401 01 0199002002           03:00'00", utc(t, "2026-10-25 02:30:05"))
	if got := c.StartTime.AsTime().Format(time.DateTime); got != "2026-10-24 23:30:00" || c.UtcOffsetSeconds != 7200 {
		t.Errorf("over the change: %s %d", got, c.UtcOffsetSeconds)
	}
}

func TestClockChanged(t *testing.T) {
	const raw = "**/**/** **:****   201 01 0199001257                     00:00'07"
	c, _ := parse(t, newParser(t, dmy), raw, formatstest.Near.Add(20*time.Second))
	if got := c.StartTime.AsTime(); !got.Equal(formatstest.Near.Add(-7 * time.Second)) {
		t.Errorf("start %s", got)
	}
	if _, result := parse(t, newParser(t, dmy), raw, time.Time{}); result.Reason != "no_time" {
		t.Errorf("nothing tells the time: %+v", result)
	}
}

func TestSettings(t *testing.T) {
	inside := newParser(t, dmy, func(s *pbx.Settings) { s.Parse.Inside.Lengths = []int{3} })
	for raw, want := range map[string]trunklinev1.Network{
		"20/11/26 11:01    401 06 234                  00:00'13":      trunklinev1.Network_NETWORK_PRIVATE,
		"20/11/26 11:01    401 06 <I>234               00:00'13":      trunklinev1.Network_NETWORK_PRIVATE,
		"20/11/26 11:01    401 06 <I>2345              00:00'13":      trunklinev1.Network_NETWORK_PUBLIC,
		"20/11/26 11:01    401 06 <I>0199002002        00:00'13":      trunklinev1.Network_NETWORK_PUBLIC,
		"20/11/26 11:01    401    EXT402               00:00'13     ": trunklinev1.Network_NETWORK_UNSPECIFIED,
	} {
		if c, result := parse(t, inside, raw, formatstest.Near); result.Outcome != formats.CDR || c.Network != want {
			t.Errorf("%s: %v %+v", raw, c.Network, result)
		}
	}
	pounds := newParser(t, dmy, func(s *pbx.Settings) { s.Parse.Currency = "GBP" })
	c, _ := parse(t, pounds, strings.Replace(chargedOut, "EU00200.50", "XX00200.50", 1), formatstest.Near)
	if c.ChargeCurrency != "GBP" || c.Attributes["cost_currency"] != "XX" {
		t.Errorf("currency %q, attributes %v", c.ChargeCurrency, c.Attributes)
	}
	for _, bad := range []pbx.Parse{{DateOrder: "xyz"}, {TimeIs: "middle"}} {
		formatstest.Refuses(t, "panasonic-kx", panasonic.New, bad, "parse.")
	}
}

// An error never shows a number.
func TestErrorsKeepNumbers(t *testing.T) {
	for _, raw := range formatstest.Load(t, "testdata/dead.txt").Tickets {
		if _, result := parse(t, newParser(t, dmy), string(raw), formatstest.Near); strings.Contains(result.Error, "0199") {
			t.Errorf("%s", result.Error)
		}
	}
}

// The samples are no part of the repository; sums were taken from them by hand.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, "panasonic-kx")
	for _, tc := range []struct {
		file, want      string
		talk            uint32
		inbound         int
		first, lastCall string
	}{
		{
			"type-a-constructed.txt", "map[absence:1 cdr:7 log_in:1 page_header:1 rule:1]", 985, 3,
			"2002-02-01 08:57 INBOUND NO_ANSWER 12345678901234567890>1200 315+0 01",
			"2002-02-01 14:50 INTERNAL UNSPECIFIED 1234>1235 0+0 ",
		},
		{
			"type-b-real.txt", "map[cdr:76 page_header:2 rule:2]", 46142, 52,
			"2020-12-04 16:17 INBOUND ANSWERED 3488756330>401 0+12 01",
			"2020-12-09 08:34 INBOUND ANSWERED 3454616089>405 0+37 01",
		},
		{
			"type-c-constructed.txt", "map[cdr:5]", 44319, 3,
			"2002-02-01 09:02 OUTBOUND ANSWERED 1230>123456789012345678901234567890 0+5 0001",
			"2024-10-15 04:26 OUTBOUND ANSWERED 301>0033123456789#12 0+43439 0101",
		},
	} {
		b, err := os.ReadFile(filepath.Join(dir, tc.file))
		if err != nil {
			t.Fatal(err)
		}
		p := newParser(t, dmy)
		counts := map[string]int{}
		var talk uint32
		var inbound int
		var calls []string
		if err := cut.Each(cut.Lines, b, func(_ int, ticket []byte) bool {
			c, result := formatstest.Check(t, p, &formats.Ticket{Raw: ticket})
			if result.Outcome != formats.CDR {
				counts[result.Reason]++
				return true
			}
			counts["cdr"]++
			talk += c.TalkSeconds
			if c.Direction == trunklinev1.Direction_DIRECTION_INBOUND {
				inbound++
			}
			calls = append(calls, fmt.Sprintf("%s %s %s %s>%s %d+%d %s", c.StartTime.AsTime().Format("2006-01-02 15:04"),
				formatstest.Words(c.Direction), formatstest.Words(c.Disposition),
				c.CallingNumber, c.CalledNumber, c.RingSeconds, c.TalkSeconds, c.Trunk))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(counts) != tc.want || talk != tc.talk || inbound != tc.inbound {
			t.Errorf("%s: %v, %d s, %d inbound; want %s, %d s, %d inbound", tc.file, counts, talk, inbound, tc.want, tc.talk, tc.inbound)
		}
		if calls[0] != tc.first || calls[len(calls)-1] != tc.lastCall {
			t.Errorf("%s: %s and %s, want %s and %s", tc.file, calls[0], calls[len(calls)-1], tc.first, tc.lastCall)
		}
	}
}

// Digits hidden before the mark of a transfer are hidden digits, and no name.
func TestMaskedAndTransferred(t *testing.T) {
	for dial, tail := range map[string]string{"019900XXXX- ": "-", "019900XXXX-2010 ": "-2010"} {
		width := strings.Repeat(" ", len(tail))
		line := strings.Replace(maskedOut, "019900XXXX"+width+" ", dial, 1)
		if len(line) != len(maskedOut) {
			t.Fatalf("%q moves the columns", line)
		}
		c, _ := parse(t, newParser(t, dmy), line, formatstest.Near)
		if !c.Masked || c.ExternalNumber != "019900????" || c.CalledName != "" {
			t.Errorf("%q: masked %v, external %q, name %q", line, c.Masked, c.ExternalNumber, c.CalledName)
		}
	}
}

// A line that was cut ends in a blank, or in or before a cost; one whose blanks
// were trimmed does not.
func TestShort(t *testing.T) {
	for line, short := range map[string]bool{
		chargedOut:                                    false,
		strings.TrimRight(chargedOut, " "):            false,
		chargedOut[:len(chargedOut)-1]:                true,
		chargedOut[:strings.Index(chargedOut, " EU")]: true,
		chargedOut[:strings.Index(chargedOut, ".50")]: true,
		answeredIn[:len(answeredIn)-1]:                false,
		answeredIn[:strings.Index(answeredIn, "TR")]:  true,
		intercom:       false,
		intercom + " ": true,
	} {
		c, result := parse(t, newParser(t, dmy), line, formatstest.Near)
		if result.Outcome != formats.CDR || slices.Contains(c.Warnings, trunklinev1.Warning_WARNING_SHORT_TICKET) != short {
			t.Errorf("%q: %v %+v, want %v", line, c.Warnings, result, short)
		}
	}
}

// An intercom of type A that a serial box trimmed. It is no golden ticket: less a
// byte of its extension it is one of type B, which nothing can tell.
func TestTrimmedIntercom(t *testing.T) {
	c, r := parse(t, newParser(t, dmy), "20/11/26 15:50     201    EXT202", formatstest.Near)
	if r.Outcome != formats.CDR || c.CallingNumber != "201" || c.CalledNumber != "202" || c.Direction != trunklinev1.Direction_DIRECTION_INTERNAL {
		t.Errorf("%v %v", r, c)
	}
}
