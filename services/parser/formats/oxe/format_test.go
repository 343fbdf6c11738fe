package oxe

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

// usual is what each ticket of these tests holds unless it says otherwise.
var usual = map[column]string{
	ticketVersion: "ED5.2", partyNode: "101", callType: "0", costType: "2", chargeUnits: "0", costInfo: "0", durationColumn: "0",
	trunkIdentity: "2815", trunkGroup: "82", trunkNode: "101", personalOrBusiness: "2", specificChargeInfo: "0000000", bearerCapability: "2",
	externFacilities: strings.Repeat("0", 40), internFacilities: strings.Repeat("0", 40), comType: "1", waitingDuration: "0", effectiveDuration: "0",
	redirected: "0", calledNode: "9999", callingNode: "9999", initialDialledNode: "9999", actingNode: "9999", transitTrunkGroup: "32767",
	nodeTimeOffset: "0", timeDelta: "0", endDateTime: "20261112 14:11:40", startDateTime: "20261112 14:05:00",
}

// ticket lays values out as the vendor's table says.
func ticket(values map[column]string) string {
	var b strings.Builder
	for c, known := range ed52 {
		v, ok := values[column(c)]
		if !ok {
			v = usual[column(c)]
		}
		padding := strings.Repeat(" ", known.last-known.first+1-len(v))
		if known.kind == count || known.kind == signed {
			b.WriteString(padding + v)
		} else {
			b.WriteString(v + padding)
		}
	}
	return b.String()
}

func facility(which ...int) string {
	b := []byte(strings.Repeat("0", 40))
	for _, w := range which {
		b[w] = '1'
	}
	return string(b)
}

// The table as the vendor prints it: no gaps, 48 columns, 525 characters.
func TestLayout(t *testing.T) {
	if columns != 48 || builtIn.width != 525 {
		t.Fatalf("%d columns, %d characters", columns, builtIn.width)
	}
	at := 1
	for c, known := range ed52 {
		if known.first != at || known.name == "" {
			t.Errorf("column %d (%s) begins at %d, want %d", c, known.name, known.first, at)
		}
		at = known.last + 1
	}
	for c, want := range map[column][2]int{ // read off the vendor's table once more
		callingNumber: {137, 166}, callType: {167, 168}, endDateTime: {170, 186}, durationColumn: {202, 211}, accessCode: {228, 243},
		internFacilities: {309, 348}, initialDialled: {396, 425}, effectiveDuration: {431, 440}, startDateTime: {442, 458}, timeDelta: {520, 525},
	} {
		if ed52[c].first != want[0] || ed52[c].last != want[1] {
			t.Errorf("%s in %d to %d, want %v", ed52[c].name, ed52[c].first, ed52[c].last, want)
		}
	}
	for which, name := range map[int]string{transfer: "transfer", forwardAlways: "cfu", basicCall: "basic_call", operator: "operator", substitution: "substitution", voiceMail: "voice_mail", disa: "disa"} {
		if facilityNames[which] != name {
			t.Errorf("facility %d is %s, want %s", which, facilityNames[which], name)
		}
	}
}

func TestMeaning(t *testing.T) {
	const caller, called = "0199008900", "0199001234"
	in := func(more map[column]string) map[column]string {
		m := map[column]string{callType: "4", calledNumber: caller, chargedNumber: "2034", initialDialled: "4216", startDateTime: "20261112 14:05:00", endDateTime: "20261112 14:06:15"}
		for c, v := range more {
			m[c] = v
		}
		return m
	}
	out := func(more map[column]string) map[column]string {
		m := map[column]string{calledNumber: called, chargedNumber: "2034", actingExtension: "2034", initialDialled: called, durationColumn: "400"}
		for c, v := range more {
			m[c] = v
		}
		return m
	}
	const inEnd = " 0199008900>2034 ext 2034 did 4216 dialed 4216 outside 0199008900 e164 +33199008900 trunk 2815 of 82"
	const outEnd = " dialed 0199001234 outside 0199001234 e164 +33199001234 trunk 2815 of 82"
	for _, tc := range []struct {
		name   string
		values map[column]string
		want   string
	}{
		{"outgoing: talk is Duration", out(nil), "CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>0199001234 ext 2034" + outEnd},
		{"outgoing, no Duration", out(map[column]string{durationColumn: "0", endDateTime: "20261112 14:05:00"}), "CALL OUTBOUND PUBLIC NO_ANSWER 2026-11-12T13:05:00Z ring 0 talk 0 line 0 2034>0199001234 ext 2034" + outEnd},
		{
			"incoming: talk is Effective, Duration includes the wait", in(map[column]string{durationColumn: "75", waitingDuration: "15", effectiveDuration: "60"}),
			"CALL INBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 15 talk 60 line 75" + inEnd,
		},
		{
			"a queue answered, nobody else", in(map[column]string{durationColumn: "75", waitingDuration: "75", initialDialled: "A800", chargedNumber: ""}),
			"CALL INBOUND PUBLIC ABANDONED 2026-11-12T13:05:00Z ring 75 talk 0 line 75 0199008900> ext  group A800 outside 0199008900 e164 +33199008900 trunk 2815 of 82",
		},
		{
			"never answered: start is printed as the end", in(map[column]string{waitingDuration: "25", startDateTime: "20261112 14:06:15"}),
			"CALL INBOUND PUBLIC NO_ANSWER 2026-11-12T13:05:50Z ring 25 talk 0 line 0" + inEnd + " START_ASSUMED",
		},
		{
			"attendant's side ticket", in(map[column]string{initialDialled: "", chargedNumber: "", internFacilities: facility(basicCall, operator)}),
			"COPY INBOUND PUBLIC UNSPECIFIED 2026-11-12T13:05:00Z ring 0 talk 0 line 0 0199008900> ext  outside 0199008900 e164 +33199008900 trunk 2815 of 82",
		},
		{
			"redirected", in(map[column]string{durationColumn: "75", waitingDuration: "15", effectiveDuration: "60", redirected: "1"}),
			"CALL INBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 15 talk 60 line 75" + inEnd + " redirected 4216",
		},
		{
			"transferred", in(map[column]string{durationColumn: "60", waitingDuration: "15", effectiveDuration: "60", internFacilities: facility(transfer, basicCall), callingNumber: "2050", initialDialled: ""}),
			"LEG INBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 15 talk 60 line 0 0199008900>2034 ext 2034 outside 0199008900 e164 +33199008900 trunk 2815 of 82 transferred 2050",
		},
		{
			"a trunk group is charged, and nobody answered", in(map[column]string{durationColumn: "20", waitingDuration: "20", chargedNumber: "FS082", initialDialled: "A900"}),
			"CALL INBOUND PUBLIC ABANDONED 2026-11-12T13:05:00Z ring 20 talk 0 line 20 0199008900> ext  group A900 outside 0199008900 e164 +33199008900 trunk 2815 of 82",
		},
		{
			"hidden: no transfer though all columns are marked", in(map[column]string{
				durationColumn: "75", waitingDuration: "15", effectiveDuration: "60", calledNumber: strings.Repeat("-", 30), initialDialled: strings.Repeat("-", 30),
				chargedNumber: strings.Repeat("*", 30), callingNumber: strings.Repeat("*", 30), actingExtension: strings.Repeat("*", 30), costCenter: strings.Repeat("*", 10),
			}), "CALL INBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 15 talk 60 line 75 > ext  trunk 2815 of 82 MASKED",
		},
		{
			"27 days", out(map[column]string{durationColumn: "2376302", startDateTime: "20261001 00:00:00", endDateTime: "20261028 11:05:02"}),
			"CALL OUTBOUND PUBLIC ANSWERED 2026-09-30T22:00:00Z ring 0 talk 2376302 line 0 2034>0199001234 ext 2034" + outEnd + " ODD_VALUE",
		},
		{
			"a letter before the digits, on a private trunk", in(map[column]string{callType: "13", calledNumber: "B3128", durationColumn: "75", waitingDuration: "15", effectiveDuration: "60"}),
			"CALL INBOUND PRIVATE ANSWERED 2026-11-12T13:05:00Z ring 15 talk 60 line 75 B3128>2034 ext 2034 did 4216 dialed 4216 outside 3128 trunk 2815 of 82",
		},
		{
			"trunk to trunk", out(map[column]string{callType: "6", chargedNumber: "FS020", actingExtension: ""}),
			"CALL TRANSIT UNSPECIFIED ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 >0199001234 ext  dialed 0199001234 outside 0199001234 e164 +33199001234 of 82 out 2815 pays FS020",
		},
		{
			"an outside caller forwarded outside", out(map[column]string{actingExtension: "FS020", internFacilities: facility(forwardAlways)}),
			"CALL TRANSIT PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 >0199001234 ext  dialed 0199001234 outside 0199001234 e164 +33199001234 of 82 out 2815 redirected 2034 pays 2034",
		},
		{
			"another set pays", out(map[column]string{chargedNumber: "2086", internFacilities: facility(forwardAlways)}),
			"CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>0199001234 ext 2034" + outEnd + " redirected 2086 pays 2086",
		},
		{
			"internal", map[column]string{
				callType: "14", calledNumber: "2040", chargedNumber: "2034", actingExtension: "2034", initialDialled: "2040", durationColumn: "400", effectiveDuration: "400",
				trunkIdentity: "65535", trunkGroup: "65535", trunkNode: "9999",
			}, "CALL INTERNAL UNSPECIFIED ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>2040 ext 2034 dialed 2040",
		},
		{
			"account code of a business call", out(map[column]string{personalOrBusiness: "1", accessCode: "PROJ-77", chargeUnits: "50"}),
			"CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 400 line 0 2034>0199001234 ext 2034" + outEnd + " account PROJ-77 units 50",
		},
		{
			"its times contradict each other", out(map[column]string{durationColumn: "900"}),
			"CALL OUTBOUND PUBLIC ANSWERED 2026-11-12T13:05:00Z ring 0 talk 900 line 0 2034>0199001234 ext 2034" + outEnd + " ODD_VALUE",
		},
		{"a facility was activated", out(map[column]string{comType: "3"}), "ignored facility_activation"},
		{"another version", out(map[column]string{ticketVersion: "ED5.3"}), "dead unknown_version"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := formatstest.New(t, model, New)
			raw := ticket(tc.values)
			c, r := parse(t, p, raw)
			if got := show(c, r); got != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			message := make([]byte, messageLength)
			copy(message, "\x01\x00\x02\x00"+raw+"\n")
			if c, r = parse(t, p, string(message)); show(c, r) != tc.want {
				t.Errorf("as a message: %s", show(c, r))
			}
		})
	}
}

// No PIN is anywhere but in the raw ticket.
func TestPIN(t *testing.T) {
	for _, class := range []string{"0", "2", "3", "7", ""} {
		c, r := parse(t, formatstest.New(t, model, New), ticket(map[column]string{personalOrBusiness: class, accessCode: "4711471147114711"}))
		if r.Outcome != formats.CDR || strings.Contains(c.String(), "4711") {
			t.Errorf("class %q: %+v %v", class, r, c)
		}
	}
}

func TestLayoutLine(t *testing.T) {
	var usualLine strings.Builder
	for c, known := range ed52 {
		if c > 0 {
			usualLine.WriteByte(',')
		}
		usualLine.WriteString(strings.Join([]string{known.name, digitsOf(known.first), digitsOf(known.last), digitsOf(known.last - known.first + 1)}, ","))
	}
	line := usualLine.String()
	for _, tc := range []struct{ name, head, want string }{
		{"none", "", ""},
		{"the usual columns", "#" + line + "\n", ""},
		{"groups marked one by one, blanks, CR LF", "# " + strings.ReplaceAll(line, "CalledNumber", "#CalledNumber") + ",\r\n", ""},
		{"a size that the positions belie, as in the vendor's table", "#" + strings.ReplaceAll(line, "514,519,6", "514,519,5"), ""},
		{"a comment without columns", "#\n", ""},
		{"words missing", "#" + strings.TrimSuffix(line, ",6"), "191 words"},
		{"a gap", "#" + strings.Replace(line, ",36,65,", ",37,65,", 1), "ChargedNumber"},
		{"a column twice", "#" + strings.Replace(line, "ChargedUserName", "ChargedNumber", 1), "twice"},
		{"no Duration", "#" + strings.Replace(line, ",Duration,", ",Lasted,", 1), "no column Duration"},
		{"does not begin with the version", "#Site,1,4,4,TicketVersion,5,9,5", "no column CalledNumber"},
		{"no end in sight", "#TicketVersion,1,999999999,5", "TicketVersion"},
	} {
		if got := readLayout([]byte(tc.head)); tc.want == "" && (got.fault != "" || len(got.places) != int(columns) || got.width != 525) || !strings.Contains(got.fault, tc.want) {
			t.Errorf("%s: %d columns, width %d, fault %q, want %q", tc.name, len(got.places), got.width, got.fault, tc.want)
		}
	}
}

func digitsOf(n int) string {
	return strings.TrimLeft(string([]byte{'0' + byte(n/100), '0' + byte(n/10%10), '0' + byte(n%10)}), "0")
}

func TestSettings(t *testing.T) {
	for key, bad := range map[string]pbx.Parse{
		"parse.time_is": {TimeIs: "end"}, "parse.date_order": {DateOrder: "dmy"}, "parse.clock": {Clock: 12}, "parse.charge_scale": {ChargeScale: 60}, "parse.masked_digits": {MaskedDigits: -1},
	} {
		formatstest.Refuses(t, model, New, bad, key)
	}
	for scale, want := range map[int]string{0: "", 1: "550", 100: "5.50", 10000: "0.0550"} {
		p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.ChargeScale, s.Parse.Currency = scale, "EUR" })
		if c, _ := parse(t, p, ticket(map[column]string{costInfo: "550"})); c.ChargeAmount != want {
			t.Errorf("scale %d: %q, want %q", scale, c.ChargeAmount, want)
		}
	}
}

// The setting marks what was sent to the network, and nothing else.
func TestMaskedDigits(t *testing.T) {
	p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.MaskedDigits = 4 })
	for _, tc := range []struct {
		kind   string
		masked bool
	}{{"0", true}, {"1", true}, {"2", false}, {"4", false}, {"6", true}, {"7", true}, {"13", false}, {"14", false}} {
		c, _ := parse(t, p, ticket(map[column]string{callType: tc.kind, calledNumber: "0199001234", chargedNumber: "2034", durationColumn: "400"}))
		if c.Masked != tc.masked || tc.masked && (c.ExternalE164 != "" || c.ExternalNumber != "0199001234") {
			t.Errorf("call type %s: masked %v, %s %q", tc.kind, c.Masked, c.ExternalNumber, c.ExternalE164)
		}
	}
}

// The sample tickets, where their folder is given: their index says what each
// one is.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Timezone, s.Country, s.OutsidePrefix = "America/Bogota", "", "" })
	read := func(name string) []string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		if err := cut.Each(cut.OXE, bytes.Clone(b), func(_ int, raw []byte) bool {
			c, r := parse(t, p, string(raw))
			out = append(out, show(c, r))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	commas, fixed := read("comma-variant.txt"), read("raw525.DAT.txt")
	if len(commas) != 49 || strings.Join(commas, "\n") != strings.Join(fixed, "\n") {
		t.Fatalf("%d tickets with commas, %d without, or they differ", len(commas), len(fixed))
	}
	for n, want := range map[int]string{ // by the line of the index, less one, halved
		0:  "CALL OUTBOUND PUBLIC ANSWERED 2018-11-04T14:16:58Z ring 0 talk 481 line 0 1736>2640588 ext 1736 dialed 2640588 outside 2640588 trunk 2815 of 82",
		2:  "CALL OUTBOUND PUBLIC NO_ANSWER 2018-11-06T11:55:46Z ring 0 talk 0 line 0 1009>3212900272 ext 1009 dialed 033212900272 outside 3212900272 trunk 2299 of 66",
		3:  "CALL INBOUND PUBLIC ABANDONED 2018-11-04T12:27:26Z ring 197 talk 0 line 196 2183435>1736 ext 1736 group A800 outside 2183435 trunk 120 of 20",
		10: "LEG TRANSIT UNSPECIFIED ANSWERED 2018-11-06T13:00:41Z ring 0 talk 780 line 0 >9503 ext  dialed 9503 outside 9503 of 11 out 1951 transferred 1014 pays FS020",
		16: "CALL INBOUND PRIVATE ANSWERED 2018-11-05T13:50:21Z ring 33 talk 42 line 74 > ext  trunk 3187 of 200 MASKED",
		20: "CALL OUTBOUND PUBLIC ANSWERED 2018-10-18T14:43:21Z ring 0 talk 1582593 line 0 1777>03313150351 ext 1777 dialed 03313150351 outside 03313150351 trunk 378 of 21 ODD_VALUE",
		25: "LEG INBOUND PUBLIC ANSWERED 2018-11-06T12:49:17Z ring 50 talk 87 line 0 4398527>2049 ext 2049 outside 4398527 trunk 320 of 65 transferred 2050",
		42: "CALL OUTBOUND PUBLIC ANSWERED 2018-10-06T19:44:08Z ring 0 talk 165 line 0 4113>2472045 ext 4113 dialed 2472045 outside 2472045 trunk 60 of 3 units 50",
	} {
		if commas[n] != want {
			t.Errorf("ticket %d:\ngot  %s\nwant %s", n, commas[n], want)
		}
	}
	const one = "LEG OUTBOUND PUBLIC ANSWERED 2023-12-12T08:59:40Z ring 0 talk 90 line 0 1234>901234567890 ext 1234 outside 901234567890 trunk 0 of 55 transferred 5678"
	for name, want := range map[string]string{
		"ticket772.bin":                          one,
		"port2533-server-stream-constructed.bin": "ignored role\nignored empty_message\nignored keep_alive\n" + one,
	} {
		if got := strings.Join(read(name), "\n"); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
		}
	}
	if whole := read("TAXAXBHX"); len(whole) != 6 {
		t.Errorf("TAXAXBHX: %d tickets", len(whole))
	}
}
