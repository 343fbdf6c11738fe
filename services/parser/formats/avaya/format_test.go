package avaya

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

const model = "avaya-ipoffice"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

// brief prints a ticket without the numbers of outsiders.
func brief(c *trunklinev1.Cdr, r formats.Result) string {
	s, _, _ := strings.Cut(show(c, r), " hold ")
	return formatstest.Condensed(c, r, s+" ext "+c.Extension+" trunk "+c.Trunk, "end", ended(c))
}

// ended is when a call ended, where that is exact.
func ended(c *trunklinev1.Cdr) string {
	if c.EndTime == nil {
		return ""
	}
	return c.EndTime.AsTime().Format("15:04:05")
}

// show prints what the tables below assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s ring %d talk %d hold %d %s>%s ext %s(%s) ext'l %s %s", formatstest.Words(c.RecordRole, c.Direction, c.Network, c.Disposition),
		c.RingSeconds, c.TalkSeconds, c.HoldSeconds, c.CallingNumber, c.CalledNumber, c.Extension, c.ExtensionName, c.ExternalNumber, c.ExternalE164)
	return formatstest.Condensed(c, r, head,
		"end", ended(c),
	)
}

func TestFields(t *testing.T) {
	const tail = ",,,,,,,,,,,,,,"
	for _, tc := range []struct{ name, ticket, want string }{
		{
			"lost", "2026/06/28 09:28:41,00:00:00,9,01632960206,I,4324,4324,,0,1000014155,0,E4324,Jo,T9161,LINE 5.1,0,0" + tail,
			"CALL INBOUND PUBLIC NO_ANSWER ring 9 talk 0 hold 0 01632960206>4324 ext 4324(Jo) ext'l 01632960206  end 07:28:50",
		},
		{
			"talk holds hold and park", "2026/06/28 09:28:41,00:01:00,9,0199001234,I,4324,4324,,0,7,1,E4324,Jo,T9161,LINE 5.1,11,5" + tail,
			"LEG INBOUND PUBLIC ANSWERED ring 9 talk 76 hold 11 0199001234>4324 ext 4324(Jo) ext'l 0199001234 +33199001234",
		},
		{
			"parked at once", "2026/06/28 09:28:41,00:00:00,2,207,O,203,203,,1,7,0,E207,A,E203,B,0,4" + tail,
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 2 talk 4 hold 0 207>203 ext 207(A) ext'l   end 07:28:47",
		},
		{
			"voicemail behind a transfer", "2026/06/28 09:30:57,00:00:21,0,0199001234,I,299,299,,0,7,0,V9502,VM Channel 2,T9002,LINE 1.2,0,0" + tail,
			"LEG INBOUND PUBLIC VOICEMAIL ring 0 talk 21 hold 0 0199001234>299 ext () ext'l 0199001234 +33199001234",
		},
		{
			"voicemail by number only", "2026/06/28 09:30:57,00:00:21,9,0199001234,I,299,299,,0,7,0,V9502,Mailbox,T9002,LINE 1.2,0,0" + tail,
			"CALL INBOUND PUBLIC VOICEMAIL ring 9 talk 21 hold 0 0199001234>299 ext () ext'l 0199001234 +33199001234 end 07:31:27",
		},
		{
			"outgoing", "2026/06/26 10:29:44,00:10:44,14,4688,O,00199001234,00199001234,77001,0,9,0,E4688,Jo,T9005,Line 5.1,0,0" + tail,
			"CALL OUTBOUND PUBLIC ANSWERED ring 14 talk 644 hold 0 4688>00199001234 ext 4688(Jo) ext'l 0199001234 +33199001234 end 08:40:42",
		},
		{
			"conference member without caller", "2026/07/09 17:54:00,00:00:49,0,,O,71234567890,71234567890,,1,7,0,E2121,Jo,V11003,CO Channel 100.3,0,0" + tail,
			"LEG INTERNAL UNSPECIFIED ANSWERED ring 0 talk 49 hold 0 2121>71234567890 ext 2121(Jo) ext'l  ",
		},
		{
			"forwarded through two trunks", "2026/11/20 16:20:04,00:01:06,9,01632960234,I,203,390603,,0,7,0,T9001,Line 1.1,T9005,Line 5.1,0,0,,,,,,,,,,,U fu,Jo,00199009416,",
			"CALL TRANSIT PUBLIC ANSWERED ring 9 talk 66 hold 0 01632960234>00199009416 ext () ext'l 0199009416 +33199009416 end 15:21:19",
		},
		{
			"to another node", "2026/07/09 16:50:11,00:00:09,2,207,O,301,301,,1,7,0,E207,Jo,T9007,Line 7.1,0,0" + tail,
			"CALL OUTBOUND PRIVATE ANSWERED ring 2 talk 9 hold 0 207>301 ext 207(Jo) ext'l 301  end 14:50:22",
		},
		{
			"from another node", "2026/07/09 16:50:11,00:00:09,2,301,O,207,207,,1,7,0,E207,Jo,T9007,Line 7.1,0,0" + tail,
			"CALL INBOUND PRIVATE ANSWERED ring 2 talk 9 hold 0 301>207 ext 207(Jo) ext'l 301  end 14:50:22",
		},
		{
			"barred", "2026/07/09 16:46:11,00:00:00,0,207,O,0899,0899,,0,7,0,E207,Jo,V8000,Barred,0,0" + tail,
			"CALL OUTBOUND PUBLIC REJECTED ring 0 talk 0 hold 0 207>0899 ext 207(Jo) ext'l 899  end 14:46:11",
		},
		{
			"a tone", "2026/07/09 16:47:11,00:00:09,1,207,O,399,399,,1,7,0,E207,Jo,V8000,U1 0.0,0,0" + tail,
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 1 talk 9 hold 0 207>399 ext 207(Jo) ext'l   end 14:47:21 AUTO_ANSWER",
		},
		{
			"comma in both names", "2026/06/26 10:27:44,00:00:44,4,4688,O,4207,4207,,1,3,0,E4688,Bloggs, Jo,E4207,Smith, Jan, Dr,12,3" + tail,
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 4 talk 59 hold 12 4688>4207 ext 4688(Bloggs, Jo) ext'l   end 08:28:47 NAME_WITH_SEPARATOR",
		},
		{
			"no seconds: no exact end", "2026/06/26 10:27,00:00:44,4,4688,O,4207,4207,,1,3,0,E4688,Jo,E4207,Jan,0,0" + tail,
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 4 talk 44 hold 0 4688>4207 ext 4688(Jo) ext'l  ",
		},
		{"truncated", "2026/06/26 10:27:44,00:00:44,4,4688,O", "dead too_few_columns"},
		{"byte order mark before the column names", "\ufeffCall Start,Connected Time", "ignored header"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, r := formatstest.Check(t, formatstest.New(t, model, New), &formats.Ticket{Raw: []byte(tc.ticket), Near: formatstest.Near})
			if got := show(c, r); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// The segments of a call have one key, whatever the moment each was received,
// and a Call ID that begins again after a reboot makes another.
func TestCallKey(t *testing.T) {
	p := formatstest.New(t, model, New)
	key := func(ticket string, near time.Time) string {
		c, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(ticket), Near: near})
		if r.Outcome != formats.CDR {
			t.Fatalf("%+v", r)
		}
		return c.CallKey
	}
	// In the hour that autumn doubles, the later segment cannot be placed.
	early := time.Date(2026, 10, 25, 0, 35, 0, 0, time.UTC)
	first := key("2026/10/25 02:30:00,00:02:00,7,0199001234,I,299,299,,0,1000001,1,E201,Jo,T9002,Line 1.2,0,0", early)
	later := key("2026/10/25 02:30:00,01:02:00,0,0199001234,I,299,299,,0,1000001,0,E202,Jan,T9002,Line 1.2,0,0", early.Add(3*time.Hour))
	if first != later || first != "1000001@2026/10/25 02:30:00" {
		t.Errorf("keys %q and %q", first, later)
	}
	if other := key("2026/10/25 09:30:00,00:02:00,7,0199001234,I,299,299,,0,1000001,0,E201,Jo,T9002,Line 1.2,0,0", early); other == first {
		t.Errorf("after a reboot still %q", other)
	}
}

// No authorisation code leaves the format, wherever it stands.
func TestAuthCodeIsNotKept(t *testing.T) {
	for _, ticket := range []string{
		"2026/06/26 10:29:44,00:10:44,14,4688,O,00199001234,00199001234,,0,9,0,E4688,Jo,T9005,Line 5.1,0,0,1,998877,,,,,,,,,,,,",
		"2026/06/26 10:29:44,00:10:44,14,4688,O,00199001234,00199001234,,0,9,0,E4688,Bloggs, Jo,T9005,Line, 5.1,0,0,1,998877,Bloggs, Jo,0.1,,,,,,,,,,",
		"2026/06/26 10:29:44,00:10:44,14,4688,O,00199001234,00199001234,,0,9,0,E4688,Jo,Q1-2,Gate,0,0,1,998877,A, B,x,y,,,,,,,,,",
	} {
		c, r := formatstest.Check(t, formatstest.New(t, model, New), &formats.Ticket{Raw: []byte(ticket)})
		if r.Outcome != formats.CDR {
			t.Fatalf("%s: %+v", ticket, r)
		}
		if strings.Contains(c.String(), "998877") {
			t.Errorf("kept in %v", c)
		}
		if c.Attributes["auth_valid"] != "1" {
			t.Errorf("auth_valid %q", c.Attributes["auth_valid"])
		}
	}
}

// What the settings change: who is inside decides a forwarded call and the owner
// of a mailbox; the currency stands in where the ticket names none.
func TestSettings(t *testing.T) {
	with := func(change func(*pbx.Settings), ticket string) *trunklinev1.Cdr {
		t.Helper()
		c, r := formatstest.Check(t, formatstest.New(t, model, New, change), &formats.Ticket{Raw: []byte(ticket)})
		if r.Outcome != formats.CDR {
			t.Fatalf("%+v", r)
		}
		return c
	}
	inside := func(s *pbx.Settings) { s.Parse.Inside.Lengths = []int{3} }
	if c := with(inside, "2026/06/28 09:30:57,00:00:21,9,0199001234,I,299,299,,0,7,0,V9502,VM Channel 2,T9002,LINE 1.2,0,0"); c.Extension != "299" {
		t.Errorf("mailbox of %q", c.Extension)
	}
	forwarded := "2026/11/20 16:21:04,00:01:06,9,%s,O,203,203,,0,71,0,E203,Jo,T9005,Line 5.1,0,0,,,,,,,,,,,U fnr,Jo,00199009416,"
	if c := with(inside, fmt.Sprintf(forwarded, "207")); c.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND || c.CallingNumber != "207" {
		t.Errorf("a set of ours forwarded: %v", c)
	}
	if c := with(inside, fmt.Sprintf(forwarded, "0199001234")); c.Direction != trunklinev1.Direction_DIRECTION_TRANSIT || c.TrunkOut != "Line 5.1" || c.Trunk != "" {
		t.Errorf("an outside caller forwarded: %v", c)
	}
	francs := func(s *pbx.Settings) { s.Parse.Currency = "CHF" }
	charged := "2026/11/09 16:28:27,00:00:38,9,12,O,00199008765,00199008765,,0,9,0,E12,Jo,T9001,Line 1.1,0,0,,,Jo,   00.0618,%s,,1,,,"
	if c := with(francs, fmt.Sprintf(charged, "")); c.ChargeAmount != "0.0618" || c.ChargeCurrency != "CHF" || c.ChargeUnits != 1 || c.ChargedTo != "" {
		t.Errorf("charge: %v", c)
	}
	if c := with(francs, fmt.Sprintf(charged, "EUR")); c.ChargeCurrency != "EUR" || c.Attributes["currency"] != "" {
		t.Errorf("currency: %v", c)
	}
	if c := with(francs, fmt.Sprintf(charged, "Euro")); c.ChargeCurrency != "CHF" || c.Attributes["currency"] != "Euro" {
		t.Errorf("currency: %v", c)
	}
}

// The record time is read in the site's clock or in UTC, on both sides of
// Greenwich; one before the call is no end.
func TestRecordTime(t *testing.T) {
	for _, tc := range []struct{ zone, record, want string }{
		{"Europe/Paris", "2026/11/09 16:29:14", "2026-11-09T15:29:14Z"},
		{"Europe/Paris", "2026/11/09 15:29:14", "2026-11-09T15:29:14Z"},
		{"America/New_York", "2026/11/09 16:29:14", "2026-11-09T21:29:14Z"},
		{"America/New_York", "2026/11/09 21:29:14", "2026-11-09T21:29:14Z"},
		{"Europe/Paris", "2026/11/09 09:00:00", ""},
		{"Europe/Paris", "soon", ""},
	} {
		p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Timezone = tc.zone })
		ticket := "2026/11/09 16:28:27,00:00:38,9,12,O,00199008765,00199008765,,0,9,1,E12,Jo,T9001,Line 1.1,0,0,,,,,,,,,,,,,,,,,," + tc.record
		c, _ := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(ticket)})
		got := ""
		if c.EndTime != nil {
			got = c.EndTime.AsTime().Format(time.RFC3339)
		}
		if got != tc.want || (got == "") != (c.Attributes["smdr_record_time"] == tc.record) {
			t.Errorf("%s %s: end %q, want %q; %v", tc.zone, tc.record, got, tc.want, c.Attributes)
		}
	}
}

func TestNew(t *testing.T) {
	for _, timeIs := range []string{"end", "xyz"} {
		formatstest.Refuses(t, model, New, pbx.Parse{TimeIs: timeIs}, "parse.time_is")
	}
}

// Real and vendors' tickets, where the folder of samples is given.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	for _, tc := range []struct {
		file string
		want []string
	}{
		{"aoc-34-fields.csv", []string{
			"CALL OUTBOUND PUBLIC ANSWERED ring 9 talk 38 ext 12 trunk Line 1.1 end 15:29:14",
		}},
		{"external-targeting.csv", []string{
			"LEG OUTBOUND PUBLIC ANSWERED ring 3 talk 5 ext 203 trunk Line 5.1",
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 2 talk 13 ext 207 trunk  end 15:33:24",
			"LEG OUTBOUND PUBLIC ANSWERED ring 0 talk 4 ext 207 trunk Line 5.1",
			"LEG OUTBOUND PUBLIC NO_ANSWER ring 7 talk 0 ext 203 trunk Line 5.1",
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 9 talk 7 ext 207 trunk  end 15:18:14",
		}},
		{"manual-examples.csv", []string{
			"CALL INBOUND PUBLIC NO_ANSWER ring 9 talk 0 ext 4324 trunk LINE 5.1 end 07:28:50",
			"CALL INTERNAL UNSPECIFIED VOICEMAIL ring 21 talk 10 ext 215 trunk  end 04:44:29",
			"LEG INBOUND PUBLIC ANSWERED ring 7 talk 24 ext 4750 trunk LINE 1.2",
			"LEG INBOUND PUBLIC VOICEMAIL ring 0 talk 21 ext  trunk LINE 1.2",
			"CALL INBOUND PUBLIC ANSWERED ring 7 talk 5 ext 403 trunk Line 1.2 end 13:14:31",
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 4 talk 44 ext 4688 trunk  end 08:28:32",
			"LEG OUTBOUND PUBLIC ANSWERED ring 3 talk 11 ext 2101 trunk Line 2.1",
			"LEG INTERNAL UNSPECIFIED ANSWERED ring 7 talk 52 ext 2101 trunk ",
			"CALL INTERNAL UNSPECIFIED ANSWERED ring 0 talk 46 ext 2101 trunk ",
		}},
	} {
		p := formatstest.New(t, model, New)
		formatstest.Sample(t, filepath.Join(dir, tc.file), cut.Lines, func(raw []byte) string {
			return brief(formatstest.Check(t, p, &formats.Ticket{Raw: raw, Near: formatstest.Near}))
		}, tc.want...)
	}
}

// A ticket that ends between the numbers of columns that are known was cut.
func TestShort(t *testing.T) {
	f := formatstest.Load(t, "testdata/charges.txt")
	p := f.Parser(t, New)
	columns := strings.Split("2026/11/09 16:28:27,00:00:38,9,12,O,99040,00199008765,,0,1009687,0,E12,Zim12,T9001,Line 1.1,0,0,,,Zim12,0.0618,,0001.45,1,0,618,1.00,U,Zim12,,192.0.2.130,38411,192.0.2.130,38414,2026/11/09 16:29:21,6,A", ",")
	for n := fewest; n <= len(columns); n++ {
		whole := n == 15 || n == 17 || n == 30 || n >= 34 && n != 36
		c, r := formatstest.Check(t, p, f.Ticket([]byte(strings.Join(columns[:n], ","))))
		if r.Outcome != formats.CDR || slices.Contains(c.Warnings, trunklinev1.Warning_WARNING_SHORT_TICKET) == whole {
			t.Errorf("%d columns: %v %+v", n, c.Warnings, r)
		}
	}
}
