package hipath

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

const model = "unify-hipath"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

// brief prints a call without its parties.
func brief(c *trunklinev1.Cdr) string {
	return fmt.Sprintf("%s %s to %s ring %d talk %d", formatstest.Words(c.RecordRole, c.Direction, c.Disposition),
		c.StartTime.AsTime().Format("02T15:04:05"), c.EndTime.AsTime().Format("15:04:05"), c.RingSeconds, c.TalkSeconds)
}

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := brief(c) + fmt.Sprintf(" %s>%s ext %s trunk %s", c.CallingNumber, c.CalledNumber, c.Extension, c.Trunk)
	return formatstest.Condensed(c, r, head,
		"dialed", c.DialedNumber,
		"did", c.Did,
		"outside", c.ExternalNumber,
		"e164", c.ExternalE164,
		"from", c.RedirectedFrom,
		"account", c.AccountCode,
		"node", c.Node,
		"amount", c.ChargeAmount+c.ChargeCurrency,
		"element", c.Attributes["information_element"],
		"units", formatstest.Count(c.ChargeUnits),
	)
}

func parse(t testing.TB, p formats.Parser, line string, near time.Time) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(line), Near: near})
}

const (
	incoming112 = "20.11.2613:11:35201 3338800:0200:00:070199001234                           1                                    "
	outgoing112 = "20.11.2613:25:01201 33388     00:03:2000441632960123                    12 24711                      0 3       "
	hicom80     = "20.11.2613:25:01 3   21     00:03:2000441632960123               12 24711       "
	account109  = "20.11.2614:15:00201 10 33388  27400:04:3400441632960123                    1224711                      0   3"
	printed79   = "20.11.26 13:25:01 201  33388       00:03:20 00441632960123              1.45  2"
)

func TestFields(t *testing.T) {
	const (
		in  = "CALL INBOUND ANSWERED 20T12:11:26 to 12:11:35 ring 2 talk 7 0199001234>33388 ext 33388 trunk 201"
		out = "CALL OUTBOUND ANSWERED 20T12:21:41 to 12:25:01 ring 0 talk 200 33388>00441632960123 ext 33388 trunk 201 dialed 00441632960123 outside 00441632960123 e164 +441632960123"
	)
	for _, tc := range []struct{ name, line, want string }{
		{"112, in", incoming112, in + " outside 0199001234 e164 +33199001234"},
		{"112, out", outgoing112, out + " account 4711 units 12"},
		{"112, trimmed", strings.TrimRight(outgoing112, " "), out + " account 4711 units 12 SHORT_TICKET"},
		{"112, a number behind", outgoing112 + "10330441632960123", strings.Replace(out, ">00441632960123", ">10330441632960123", 1) + " account 4711 units 12 EXTRA_COLUMNS"},
		{"112, words behind", outgoing112 + " Zoe", "dead misaligned_columns"},
		{"Hicom 100", hicom80, strings.ReplaceAll(strings.Replace(out, "trunk 201", "trunk 3", 1), "33388", "21") + " account 4711 units 12"},
		{
			"Hicom 100, an MSN behind", strings.Replace(hicom80, "12 2", "   1", 1) + " 0199005500",
			"CALL INBOUND ANSWERED 20T12:21:41 to 12:25:01 ring 0 talk 200 00441632960123>21 ext 21 trunk 3 dialed 0199005500 did 0199005500 outside 00441632960123 e164 +441632960123 account 4711 EXTRA_COLUMNS START_ASSUMED",
		},
		{
			"GetAccount", account109,
			"CALL OUTBOUND ANSWERED 20T13:10:26 to 13:15:00 ring 0 talk 274 33388>00441632960123 ext 33388 trunk 201 dialed 00441632960123 outside 00441632960123 e164 +441632960123 account 4711 node 10 units 12",
		},
		{"printer", printed79, out + " amount 1.45"},
		{"13 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||0|3|", out + " account 4711 units 12"},
		{"14 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||0|3|00441632960124|", strings.Replace(out, ">00441632960123", ">00441632960124", 1) + " account 4711 units 12"},
		{"16 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||9||12|3|288|", out + " account 4711 units 12"},
		{"17 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||9||12|3|288|00441632960124|", strings.Replace(out, ">00441632960123", ">00441632960124", 1) + " account 4711 units 12"},
		{"16 others", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||9||x|123456|secret|", out + " account 4711 units 12 EXTRA_COLUMNS"},
		{"20 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711|||||||||x|x|", out + " account 4711 units 12 EXTRA_COLUMNS"},
		{"21 fields", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||||||||||x|x|", "dead field_count"},
		{"9 fields without titles", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|", out + " units 12 SHORT_TICKET"},
		{"no `|` at the end", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711||0|3", out + " account 4711 units 12 SHORT_TICKET"},
		{"a number too short to be one", "20.11.26|13:25:01|201|33388||00:03:20|00441632960123|12|2|4711|4711|0|3|", out + " account 4711 units 12 ODD_VALUE"},
		{
			"busy", "20.11.26|13:27:01|201|33390|00:00|00:00:00|0199001234||1|||||33390|",
			"CALL INBOUND BUSY 20T12:27:01 to 12:27:01 ring 0 talk 0 0199001234>33390 ext 33390 trunk 201 dialed 33390 did 33390 outside 0199001234 e164 +33199001234",
		},
		{
			"nothing told", "20.11.26|13:27:01|201|33390|||0199001234||1|||||",
			"CALL INBOUND UNSPECIFIED 20T12:27:01 to 12:27:01 ring 0 talk 0 0199001234>33390 ext 33390 trunk 201 outside 0199001234 e164 +33199001234 START_ASSUMED",
		},
		{
			"forwarded", "20.11.26|13:27:01|201|33390||00:02:00|0699000123|5|9|||||",
			"LEG OUTBOUND ANSWERED 20T12:25:01 to 12:27:01 ring 0 talk 120 >0699000123 ext 33390 trunk 201 dialed 0699000123 outside 0699000123 e164 +33699000123 from 33390 element 9 units 5",
		},
		{
			"midnight and hidden digits", "20.11.26|00:01:10|203|33391||01:04:59|019900????|85|6|||||",
			"LEG OUTBOUND ANSWERED 19T21:56:11 to 23:01:10 ring 0 talk 3899 33391>019900???? ext 33391 trunk 203 dialed 019900???? outside 019900???? element 6 units 85 MASKED",
		},
		{"announced", "20.11.26|09:00:00|204|33388|||0145454545||0||||||", "ignored ringing_notice"},
		{"year before 2000", "31.12.99|23:59:59|204|33388|00:01|00:00:09|0199001234||1|||||", "CALL INBOUND ANSWERED 31T22:59:49 to 22:59:59 ring 1 talk 9 0199001234>33388 ext 33388 trunk 204 outside 0199001234 e164 +33199001234"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(parse(t, formatstest.New(t, model, New), tc.line, formatstest.Near)); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The sums over CALL and LEG of a call that was transferred are what the
// manual's two records add up to.
func TestSegmentsAddUp(t *testing.T) {
	p := formatstest.New(t, model, New)
	var talk, units uint32
	for _, line := range []string{
		"20.11.26|10:10:30|201|33388||00:00:30|0199006666|2|2|||0||",
		"20.11.26|10:15:30|201|33390||00:05:00|0199006666|9|6|||0||",
	} {
		c, _ := parse(t, p, line, formatstest.Near)
		if c.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY {
			t.Errorf("%s is a copy", line)
		}
		talk, units = talk+c.TalkSeconds, units+c.ChargeUnits
	}
	if talk != 330 || units != 11 {
		t.Errorf("talk %d, units %d", talk, units)
	}
}

func TestSettings(t *testing.T) {
	const line = "20.11.26|13:25:01|201|33388||00:03:20|01990012?|145|2|||||"
	with := func(change func(*pbx.Settings)) string {
		return show(parse(t, formatstest.New(t, model, New, change), line, formatstest.Near))
	}
	if got := with(func(s *pbx.Settings) { s.Parse.MaskedDigits = 4 }); !strings.Contains(got, "outside 01990012???? units 145 MASKED") {
		t.Error(got)
	}
	if got := with(func(s *pbx.Settings) { s.Parse.Currency, s.Parse.ChargeScale = "EUR", 100 }); !strings.Contains(got, "amount 1.45EUR MASKED") {
		t.Error(got)
	}
	if got := with(func(s *pbx.Settings) { s.Parse.ChargeScale = 10_000 }); !strings.Contains(got, "amount 0.0145 MASKED") {
		t.Error(got)
	}
	if got := with(func(s *pbx.Settings) { s.Parse.DateOrder = "mdy" }); got != "dead bad_date" {
		t.Error(got)
	}
	p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Inside.Lengths = []int{4} })
	if c, _ := parse(t, p, "20.11.26|13:25:01|201|33388||00:03:20|7700||2|||||", formatstest.Near); c.Network != trunklinev1.Network_NETWORK_PRIVATE || c.ExternalE164 != "" {
		t.Error(c)
	}
	p = formatstest.New(t, model, New, func(s *pbx.Settings) {
		s.Parse.Fields = strings.Split("-,time,date,information,number,duration", ",")
	})
	if c, r := parse(t, p, "x|13:25:01|20.11.26|2|0199001234|00:03:20|", formatstest.Near); c.TalkSeconds != 200 || c.CalledNumber != "0199001234" {
		t.Error(c, r)
	}

	for _, tc := range []struct {
		parse pbx.Parse
		want  string
	}{
		{pbx.Parse{TimeIs: "start"}, "parse.time_is"},
		{pbx.Parse{Clock: 12}, "parse.clock"},
		{pbx.Parse{DateOrder: "ymd"}, "parse.date_order"},
		{pbx.Parse{ChargeScale: 60}, "parse.charge_scale"},
		{pbx.Parse{ChargeScale: 100_000_000}, "parse.charge_scale"},
		{pbx.Parse{MaskedDigits: 26}, "parse.masked_digits"},
		{pbx.Parse{Fields: []string{"date", "hour"}}, "entry 2"},
		{pbx.Parse{Fields: []string{"date", "time", "time"}}, "twice"},
		{pbx.Parse{Fields: []string{"date", "time"}}, "missing information"},
	} {
		formatstest.Refuses(t, model, New, tc.parse, tc.want)
	}
}

func TestDoubledHour(t *testing.T) {
	p := formatstest.New(t, model, New)
	const line = "25.10.26|02:30:00|201|33388|00:05|00:20:00|0199001234||1|||||"
	for near, want := range map[string]string{
		"2026-10-25T00:30:05Z": "25T00:09:55 to 00:30:00",
		"2026-10-25T01:30:05Z": "25T01:09:55 to 01:30:00",
	} {
		at, err := time.Parse(time.RFC3339, near)
		if err != nil {
			t.Fatal(err)
		}
		if got := show(parse(t, p, line, at)); !strings.Contains(got, want) || strings.Contains(got, "HOUR") {
			t.Errorf("told at %s: %s", near, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, New, func(t testing.TB, c *trunklinev1.Cdr) {
		if got := c.EndTime.AsTime().Sub(c.StartTime.AsTime()); got != time.Duration(c.RingSeconds+c.TalkSeconds)*time.Second {
			t.Fatalf("%s from start to end, ring %d, talk %d", got, c.RingSeconds, c.TalkSeconds)
		}
		if c.Masked != strings.Contains(c.ExternalNumber, "?") || c.Masked && c.ExternalE164 != "" {
			t.Fatalf("masked %v: %s %s", c.Masked, c.ExternalNumber, c.ExternalE164)
		}
		if c.ChargeUnits > 0 && c.ChargeAmount != "" {
			t.Fatalf("%d pulses and %s", c.ChargeUnits, c.ChargeAmount)
		}
	})
}

func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, "unify-hipath")
	p := formatstest.New(t, model, New)
	for file, want := range map[string][]string{
		"pipe-constructed.txt": {
			"CALL OUTBOUND ANSWERED 20T11:21:41 to 11:25:01 ring 0 talk 200",
			"CALL INBOUND NO_ANSWER 20T11:26:09 to 11:26:40 ring 31 talk 0",
			"LEG OUTBOUND ANSWERED 20T20:56:11 to 22:01:10 ring 0 talk 3899 MASKED",
			"ignored ringing_notice",
			"LEG OUTBOUND ANSWERED 21T07:05:00 to 07:10:00 ring 0 talk 300",
		},
		"fixed112-constructed.txt": {
			"CALL INBOUND ANSWERED 20T11:11:26 to 11:11:35 ring 2 talk 7",
			"CALL OUTBOUND ANSWERED 20T11:21:41 to 11:25:01 ring 0 talk 200",
			"CALL INBOUND NO_ANSWER 20T11:26:09 to 11:26:40 ring 31 talk 0",
			"LEG OUTBOUND ANSWERED 20T20:56:11 to 22:01:10 ring 0 talk 3899 MASKED",
			"LEG INBOUND ANSWERED 20T05:00:02 to 06:00:00 ring 3599 talk 86399 OVERFLOW START_ASSUMED",
			"ignored ringing_notice",
			"LEG OUTBOUND ANSWERED 21T07:05:00 to 07:10:00 ring 0 talk 300",
		},
	} {
		formatstest.Sample(t, filepath.Join(dir, file), cut.Lines, func(raw []byte) string {
			c, r := parse(t, p, string(raw), formatstest.Near)
			return formatstest.Condensed(c, r, brief(c))
		}, want...)
	}
}
