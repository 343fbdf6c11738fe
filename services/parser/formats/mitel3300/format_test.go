package mitel3300

import (
	"fmt"
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
)

const model = "mitel-3300"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

// The columns as the vendor's summary of fields and independent readers print
// them; what is derived from the widths must meet them.
func TestLayouts(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  *layout
		want map[string]span
	}{
		{"standard", layouts[0][0][0], map[string]span{
			"duration": {15, 22}, "calling": {24, 27}, "answer": {29, 32}, "digits": {34, 59}, "meter": {55, 59}, "status": {60, 60}, "flag": {61, 61},
			"called": {62, 65}, "transfer": {66, 66}, "third": {68, 71}, "account": {73, 84}, "route": {85, 85}, "system": {86, 88}, "level": {89, 90},
			"ani": {92, 101}, "dnis": {103, 112}, "callID": {114, 121}, "sequence": {122, 122}, "associated": {124, 131},
		}},
		{"extended digit length", layouts[1][0][0], map[string]span{
			"duration": {15, 24}, "calling": {26, 32}, "answer": {34, 37}, "digits": {39, 64}, "meter": {60, 64}, "status": {65, 65}, "flag": {66, 66},
			"called": {67, 73}, "transfer": {74, 74}, "third": {76, 82}, "account": {84, 95}, "route": {96, 96}, "system": {97, 99}, "level": {100, 101},
			"ani": {103, 112}, "dnis": {114, 120}, "callID": {122, 129}, "sequence": {130, 130}, "associated": {132, 139},
		}},
		{"extended, level 1", layouts[1][0][1], map[string]span{
			"duration": {15, 24}, "called": {67, 73}, "listed": {74, 82}, "system": {105, 107}, "ani": {111, 130},
		}},
		{"extended, level 2", layouts[1][1][1], map[string]span{
			"duration": {18, 27}, "calling": {29, 35}, "answer": {37, 40}, "digits": {42, 67}, "status": {68, 68}, "flag": {69, 69}, "called": {70, 76},
			"listed": {77, 85}, "third": {87, 93}, "account": {95, 106}, "route": {107, 107}, "system": {108, 110}, "ani": {114, 133}, "dnis": {135, 144},
			"suite": {146, 152}, "callID": {154, 161}, "sequence": {162, 162}, "associated": {164, 171}, "twoChannel": {174, 179},
			"callingEHDU": {181, 187}, "calledEHDU": {189, 195}, "callingLocation": {197, 201}, "calledLocation": {203, 207},
		}},
	} {
		l := tc.got
		got := map[string]span{
			"duration": l.duration, "calling": l.calling, "answer": l.answer, "digits": l.digits, "meter": l.meter, "status": l.status, "flag": l.flag,
			"called": l.called, "listed": l.listed, "transfer": l.transfer, "third": l.third, "account": l.account, "route": l.route, "system": l.system,
			"level": l.level, "ani": l.ani, "dnis": l.dnis, "suite": l.suite, "callID": l.callID, "sequence": l.sequence, "associated": l.associated,
			"twoChannel": l.twoChannel, "callingEHDU": l.callingEHDU, "calledEHDU": l.calledEHDU, "callingLocation": l.callingLocation, "calledLocation": l.calledLocation,
		}
		for field, want := range tc.want {
			if got[field] != want {
				t.Errorf("%s: %s in columns %v, want %v", tc.name, field, got[field], want)
			}
		}
	}
}

const (
	outgoing = "-11/12 14:05  00:06:40 2034      00199001234               A T012       000123456789 000  "
	incoming = " 11/12 02:15P 00:00:12 T015  004 201                         201                     000  "
)

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s %s ring %d talk %d line %d %s>%s ext %s", formatstest.Words(c.RecordRole, c.Direction, c.Network, c.Disposition),
		c.StartTime.AsTime().Format(time.RFC3339), c.RingSeconds, c.TalkSeconds, c.LineSeconds, c.CallingNumber, c.CalledNumber, c.Extension)
	return formatstest.Condensed(c, r, head,
		"did", c.Did,
		"outside", c.ExternalNumber,
		"e164", c.ExternalE164,
		"trunk", c.Trunk,
		"out", c.TrunkOut,
		"from", c.TransferredFrom,
		"to", c.TransferredTo,
		"account", c.AccountCode,
		"key", c.CallKey,
		"leg", c.LegId,
		"units", formatstest.Count(c.ChargeUnits),
	)
}

func parse(t testing.TB, p formats.Parser, line string, near time.Time) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(line), Near: near})
}

func TestFields(t *testing.T) {
	for _, tc := range []struct{ name, line, want string }{
		{"outgoing", outgoing, "CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>00199001234 ext 2034 outside 0199001234 e164 +33199001234 trunk T012 account 000123456789 YEAR_INFERRED"},
		{"incoming, afternoon", incoming, "CALL INBOUND PUBLIC ANSWERED 2026-11-12T13:15:00Z ring 4 talk 12 line 0 >201 ext 201 did 201 trunk T015 YEAR_INFERRED"},
		{"first column and end trimmed", strings.TrimSpace(incoming), "CALL INBOUND PUBLIC ANSWERED 2026-11-12T13:15:00Z ring 4 talk 12 line 0 >201 ext 201 did 201 trunk T015 YEAR_INFERRED"},
		{"the year stamped", "@20240101@" + incoming, "CALL INBOUND PUBLIC ANSWERED 2023-11-12T13:15:00Z ring 4 talk 12 line 0 >201 ext 201 did 201 trunk T015"},
		{"not answered", strings.Replace(incoming, "004", "***", 1), "CALL INBOUND PUBLIC NO_ANSWER 2026-11-12T13:15:00Z ring 0 talk 0 line 12 >201 ext 201 did 201 trunk T015 YEAR_INFERRED"},
		{"busy", strings.Replace(incoming, "                 201 ", "               B 201 ", 1), "CALL INBOUND PUBLIC BUSY 2026-11-12T13:15:00Z ring 4 talk 0 line 12 >201 ext 201 did 201 trunk T015 YEAR_INFERRED"},
		{"no supervision", strings.Replace(outgoing, "A T", "  T", 1), "CALL OUTBOUND PUBLIC UNSPECIFIED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>00199001234 ext 2034 outside 0199001234 e164 +33199001234 trunk T012 account 000123456789 YEAR_INFERRED"},
		{"overflow", strings.Replace(outgoing, "00:06:40", "99:99:99", 1), "CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 360000 line 0 2034>00199001234 ext 2034 outside 0199001234 e164 +33199001234 trunk T012 account 000123456789 OVERFLOW YEAR_INFERRED"},
		{
			"meter pulses", " 01/02 10:31  00:00:55 2036      00199001234          00012AST001                    000  ",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-01-02T09:31:00Z ring 0 talk 55 line 0 2036>00199001234 ext 2036 outside 0199001234 e164 +33199001234 trunk T001 units 12 YEAR_INFERRED",
		},
		{
			"tandem, network format", " 02/04 13:34  00:00:53 T1    000 0199000785 00199001234      X3                      010   0199000786 4216       M0100376A         ",
			"CALL TRANSIT PRIVATE ANSWERED 2026-02-04T12:34:00Z ring 0 talk 53 line 0 0199000786>00199001234 ext  did 4216 outside 00199001234 trunk T1 out X3 key M0100376@2026-02-04 leg A YEAR_INFERRED",
		},
		{
			"second record of a call", " 02/04 13:41  00:03:00 T1    004 4300                        4300T 4301              010   0199008900 4216       M0100378B M0100379",
			"LEG INBOUND PUBLIC ANSWERED 2026-02-04T12:41:00Z ring 4 talk 180 line 0 0199008900>4300 ext 4301 did 4216 outside 0199008900 e164 +33199008900 trunk T1 from 4300 to 4301 key M0100378@2026-02-04 leg B YEAR_INFERRED",
		},
		{
			"internal", " 01/02 10:20  00:02:30 2036      2040                      I 2040                    000  ",
			"CALL INTERNAL UNSPECIFIED ANSWERED 2026-01-02T09:20:00Z ring 0 talk 150 line 0 2036>2040 ext 2036 YEAR_INFERRED",
		},
		{"clock malfunction", "CLOCK MALFUNCTION", "ignored clock_malfunction"},
		{"time change", " 10/25 03:00 OLD TIME NEW TIME 02:00", "ignored time_change"},
		{"data call", strings.Replace(outgoing, "11/12", "11-12", 1), "ignored data_call"},
		{"a call without a date is kept", strings.Replace(outgoing, "11/12", "--/--", 1), "dead bad_start"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, r := parse(t, formatstest.New(t, model, New), tc.line, formatstest.Near)
			if got := show(c, r); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The year is that of the moment near which the record was written.
func TestYear(t *testing.T) {
	lastDay := strings.Replace(outgoing, "11/12 14:05", "12/31 23:50", 1)
	for _, tc := range []struct {
		near time.Time
		want string
	}{
		{time.Date(2026, 12, 31, 23, 5, 0, 0, time.UTC), "2026-12-31T22:50:00Z"},
		{time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC), "2026-12-31T22:50:00Z"},
		{time.Date(2027, 12, 29, 12, 0, 0, 0, time.UTC), "2026-12-31T22:50:00Z"},
	} {
		c, _ := parse(t, formatstest.New(t, model, New), lastDay, tc.near)
		if got := c.StartTime.AsTime().Format(time.RFC3339); got != tc.want {
			t.Errorf("near %s: %s, want %s", tc.near, got, tc.want)
		}
	}
	if _, r := parse(t, formatstest.New(t, model, New), lastDay, time.Time{}); r.Reason != "year_unknown" {
		t.Errorf("nothing tells the year: %+v", r)
	}
	if c, r := parse(t, formatstest.New(t, model, New), "@20270101@"+lastDay[1:], time.Time{}); r.Outcome != formats.CDR || c.StartTime.AsTime().Year() != 2026 {
		t.Errorf("the stamp tells the year: %+v %v", r, c)
	}
}

func TestSettings(t *testing.T) {
	midnight := strings.Replace(outgoing, "14:05", "12:05", 1)
	for clock, want := range map[int]string{0: "11:05", 24: "11:05", 12: "23:05"} {
		p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Clock = clock })
		c, _ := parse(t, p, midnight, formatstest.Near)
		if got := c.StartTime.AsTime().Format("15:04"); got != want {
			t.Errorf("clock %d: 12:05 is %s UTC, want %s", clock, got, want)
		}
	}
	sip := strings.Replace(outgoing, "T012", "X999", 1)
	for _, tc := range []struct {
		names   []string
		network trunklinev1.Network
		e164    string
	}{
		{nil, trunklinev1.Network_NETWORK_PRIVATE, ""},
		{[]string{"X9*"}, trunklinev1.Network_NETWORK_PUBLIC, "+33199001234"},
	} {
		p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Trunks.Names = tc.names })
		if c, _ := parse(t, p, sip, formatstest.Near); c.Network != tc.network || c.ExternalE164 != tc.e164 {
			t.Errorf("trunks %v: %s %q", tc.names, c.Network, c.ExternalE164)
		}
	}
	for key, bad := range map[string]pbx.Parse{"parse.clock": {Clock: 13}, "parse.time_is": {TimeIs: "end"}} {
		formatstest.Refuses(t, model, New, bad, key)
	}
}

// An error shows no whole telephone number.
func TestErrorsMask(t *testing.T) {
	// A number one column to the left.
	line := strings.Replace(outgoing, "     00199001234 ", "    00199001234  ", 1)
	_, r := parse(t, formatstest.New(t, model, New), line, formatstest.Near)
	if r.Reason != "misaligned_columns" {
		t.Fatalf("%+v", r)
	}
	_, r = parse(t, formatstest.New(t, model, New), "0199001234", formatstest.Near)
	if r.Reason != "not_a_record" || strings.Contains(r.Error, "01990") {
		t.Errorf("%+v", r)
	}
}

// The sample records, where their folder is given.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	for _, tc := range []struct {
		file string
		want []string
	}{
		{"constructed-standard-90.txt", []string{
			"CALL INBOUND PUBLIC ANSWERED 2026-03-12T06:42:00Z ring 3 talk 186 line 0 >241 ext 215 trunk T162 from 241 to 215 YEAR_INFERRED",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-03-12T13:05:00Z ring 0 talk 400 line 0 2034>90145678900 ext 2034 outside 90145678900 trunk T012 account 000123456789 YEAR_INFERRED",
			"CALL OUTBOUND PUBLIC UNSPECIFIED 2025-12-31T22:50:00Z ring 0 talk 5110 line 0 2035>9003312345678901234567890 ext 2035 outside 9003312345678901234567890 trunk T013 YEAR_INFERRED",
			"CALL INBOUND PUBLIC NO_ANSWER 2025-12-31T23:02:00Z ring 0 talk 0 line 0 >2036 ext 2036 did 2036 trunk T014 YEAR_INFERRED",
			"CALL INBOUND PUBLIC FAILED 2026-01-02T13:15:00Z ring 4 talk 0 line 12 > ext  did 2099 trunk T015 YEAR_INFERRED",
			"CALL INBOUND PUBLIC BUSY 2026-01-02T09:15:00Z ring 9 talk 0 line 72 >2036 ext 2036 did 2036 trunk T016 YEAR_INFERRED",
			"CALL INTERNAL UNSPECIFIED ANSWERED 2026-01-02T09:20:00Z ring 0 talk 150 line 0 2036>2040 ext 2036 YEAR_INFERRED",
			"CALL TRANSIT PUBLIC UNSPECIFIED 2026-01-02T09:30:00Z ring 0 talk 360000 line 0 >7712034 ext  outside 7712034 trunk X120 out T001 OVERFLOW YEAR_INFERRED",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-01-02T09:31:00Z ring 0 talk 55 line 0 2036>90612345678 ext 2036 outside 90612345678 trunk T001 units 12 YEAR_INFERRED",
		}},
		{"constructed-standard-network-oli-131.txt", []string{
			"CALL TRANSIT PUBLIC ANSWERED 2026-02-04T12:34:00Z ring 0 talk 53 line 0 0284785439>4216 ext  did 4216 outside 4216 trunk T1 out T3 key M0100376@2026-02-04 leg A YEAR_INFERRED",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-02-04T12:35:00Z ring 0 talk 10 line 0 8133>8024 ext 8133 outside 8024 trunk T3 key M0100377@2026-02-04 leg A YEAR_INFERRED",
			"CALL INBOUND PUBLIC ANSWERED 2026-02-04T12:40:00Z ring 6 talk 60 line 0 0145678900>4216 ext 4300 did 4216 outside 0145678900 e164 +33145678900 trunk T1 from 4216 to 4300 key M0100378@2026-02-04 leg A YEAR_INFERRED",
			"LEG INBOUND PUBLIC ANSWERED 2026-02-04T12:41:00Z ring 4 talk 180 line 0 0145678900>4300 ext 4300 did 4216 outside 0145678900 e164 +33145678900 trunk T1 key M0100378@2026-02-04 leg B YEAR_INFERRED",
		}},
		{"constructed-extended-101.txt", []string{
			"CALL OUTBOUND PUBLIC ANSWERED 2026-02-04T12:35:00Z ring 0 talk 10 line 0 8133000>8024 ext 8133000 outside 8024 trunk T0003 YEAR_INFERRED",
			"CALL INBOUND PUBLIC ANSWERED 2026-02-04T12:40:00Z ring 12 talk 445506 line 0 >4216001 ext 4216001 did 4216 trunk T0001 account 123456789012 YEAR_INFERRED",
		}},
	} {
		p := formatstest.New(t, model, New)
		formatstest.Sample(t, filepath.Join(dir, tc.file), cut.Lines, func(raw []byte) string {
			return show(parse(t, p, string(raw), formatstest.Near))
		}, tc.want...)
	}
}

// A record that was cut ends before the called party, in the system identifier,
// or in a blank that is not its last column.
func TestShort(t *testing.T) {
	for end, short := range map[int]bool{30: true, 61: true, 65: false, 66: true, 85: true, 87: true, 88: false, 89: true, 90: false} {
		c, r := parse(t, formatstest.New(t, model, New), outgoing[:end], formatstest.Near)
		if r.Outcome != formats.CDR || slices.Contains(c.Warnings, trunklinev1.Warning_WARNING_SHORT_TICKET) != short {
			t.Errorf("%d columns: %v %+v, want %v", end, c.Warnings, r, short)
		}
	}
}

// A column too few or too many shows in the fields behind it.
func TestShifted(t *testing.T) {
	for _, line := range []string{
		strings.Replace(outgoing, "001234 ", "001234", 1), strings.Replace(outgoing, "T012 ", "T012", 1), strings.Replace(outgoing, "6789 ", "6789", 1),
		strings.Replace(outgoing, "T012 ", "T012  ", 1), strings.Replace(outgoing, " 00199", "00199", 1), outgoing + outgoing,
	} {
		if _, r := parse(t, formatstest.New(t, model, New), line, formatstest.Near); r.Reason != "misaligned_columns" {
			t.Errorf("%q: %+v", line, r)
		}
	}
}
