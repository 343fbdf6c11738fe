package oxo

import (
	"bytes"
	"encoding/hex"
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
	"trunkline.internal/services/parser/formats/kit"
)

const model = "alcatel-oxo"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

func parse(t testing.TB, p formats.Parser, raw string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(raw)})
}

// native is a record written out byte by byte after ALE's table: set 226 calls
// 0199001234 over T2, board 0, access 1, on 20 November 2026 at 09:30:15, for
// 1:02:03, 258 pulses, 12.0500, account 4711, and edits by the first byte.
func native(t testing.TB, edits map[int]string) string {
	t.Helper()
	raw, err := hex.DecodeString(strings.Join(strings.Fields(`
		00 2020202020323236 00 03 302031 140b1a 0f1e09 010203 0102 00 00
		0a 00000000000000000199001234 00 0000 000c 01f4 04 0000000000004711
		202020202020524543455054494f4e20 ff 2020202020202020
		2020202020202020202020202020 2020202020202020202020202020 00 20 20 01 00000000 00000000`), ""))
	if err != nil || len(raw) != 122 {
		t.Fatal(len(raw), err)
	}
	for first, text := range edits {
		copy(raw[first-1:], text)
	}
	return string(raw)
}

func TestNative(t *testing.T) {
	p := formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Currency = "EUR" })
	cdr, r := parse(t, p, native(t, nil))
	if r.Outcome != formats.CDR {
		t.Fatal(r)
	}
	if got := cdr.StartTime.AsTime(); !got.Equal(time.Date(2026, 11, 20, 8, 30, 15, 0, time.UTC)) || cdr.TimePrecisionSeconds != 1 || cdr.EndTime != nil {
		t.Errorf("start %v, precision %d, end %v", got, cdr.TimePrecisionSeconds, cdr.EndTime)
	}
	if cdr.TalkSeconds != 3723 || cdr.ChargeUnits != 258 || cdr.ChargeAmount != "12.05" || cdr.ChargeCurrency != "EUR" || cdr.AccountCode != "4711" {
		t.Errorf("talk %d, units %d, cost %s %s, account %s", cdr.TalkSeconds, cdr.ChargeUnits, cdr.ChargeAmount, cdr.ChargeCurrency, cdr.AccountCode)
	}
	if cdr.Extension != "226" || cdr.ExtensionName != "RECEPTION" || cdr.CalledNumber != "0199001234" || cdr.ExternalE164 != "+33199001234" || cdr.Trunk != "P0/1" {
		t.Errorf("extension %s %s, called %s, e164 %s, trunk %s", cdr.Extension, cdr.ExtensionName, cdr.CalledNumber, cdr.ExternalE164, cdr.Trunk)
	}
	if len(cdr.Attributes) > 0 || len(cdr.Warnings) > 0 || cdr.Node != "" || cdr.CallKey != "" {
		t.Errorf("attributes %v, warnings %v, node %q", cdr.Attributes, cdr.Warnings, cdr.Node)
	}
}

const (
	out, in, transit = trunklinev1.Direction_DIRECTION_OUTBOUND, trunklinev1.Direction_DIRECTION_INBOUND, trunklinev1.Direction_DIRECTION_TRANSIT
	whole, leg       = trunklinev1.RecordRole_RECORD_ROLE_CALL, trunklinev1.RecordRole_RECORD_ROLE_LEG
	public, private  = trunklinev1.Network_NETWORK_PUBLIC, trunklinev1.Network_NETWORK_PRIVATE
	answered, missed = trunklinev1.Disposition_DISPOSITION_ANSWERED, trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	unknownYet       = trunklinev1.Disposition_DISPOSITION_UNSPECIFIED
)

// What each call type and each user makes of a call, by ALE's list of codes.
func TestCallTypes(t *testing.T) {
	p := formatstest.New(t, model, New)
	const line = "\x02      02" // user: T0 line 02
	for name, c := range map[string]struct {
		edits       map[int]string
		direction   trunklinev1.Direction
		role        trunklinev1.RecordRole
		network     trunklinev1.Network
		disposition trunklinev1.Disposition
		external    string
	}{
		"0 out":                     {map[int]string{10: "\x00"}, out, whole, public, answered, "0199001234"},
		"1 in":                      {map[int]string{10: "\x01"}, in, whole, public, answered, "0199001234"},
		"2 transfer of out":         {map[int]string{10: "\x02"}, out, leg, public, answered, "0199001234"},
		"3 transfer of in":          {map[int]string{10: "\x03"}, in, leg, public, answered, "0199001234"},
		"4 out in transit":          {map[int]string{1: line, 10: "\x04"}, transit, leg, public, answered, "0199001234"},
		"5 in in transit":           {map[int]string{1: line, 10: "\x05"}, transit, leg, public, answered, ""},
		"6 joined after in":         {map[int]string{1: line, 10: "\x06"}, transit, leg, public, answered, ""},
		"7 joined after out":        {map[int]string{1: line, 10: "\x07"}, transit, leg, public, answered, "0199001234"},
		"7 joined, of a set":        {map[int]string{10: "\x07"}, out, leg, public, answered, "0199001234"},
		"10 out data":               {map[int]string{10: "\x0a"}, out, whole, public, answered, "0199001234"},
		"11 in data":                {map[int]string{10: "\x0b"}, in, whole, public, answered, "0199001234"},
		"12 joining":                {map[int]string{10: "\x0c"}, out, leg, public, answered, "0199001234"},
		"13 out private":            {map[int]string{10: "\x0d"}, out, whole, private, answered, "0199001234"},
		"14 in private":             {map[int]string{10: "\x0e"}, in, whole, private, answered, "0199001234"},
		"15 break-out":              {map[int]string{1: line, 10: "\x0f"}, transit, whole, public, answered, "0199001234"},
		"16 break-in":               {map[int]string{1: line, 10: "\x10"}, transit, whole, private, answered, ""},
		"bit 6: transfer":           {map[int]string{27: "\x20"}, out, leg, public, answered, "0199001234"},
		"out, no duration":          {map[int]string{21: "\x00\x00\x00"}, out, whole, public, missed, "0199001234"},
		"in, node 255":              {map[int]string{10: "\x01", 112: "\xff"}, in, whole, public, missed, "0199001234"},
		"out, node 255":             {map[int]string{112: "\xff"}, out, whole, public, answered, "0199001234"},
		"out over analogue":         {map[int]string{11: "\x01", 24: "\x00\x00", 45: "\x00\x00\x00\x00"}, out, whole, public, unknownYet, "0199001234"},
		"out over analogue, pulses": {map[int]string{11: "\x01", 45: "\x00\x00\x00\x00"}, out, whole, public, answered, "0199001234"},
		"in over analogue":          {map[int]string{10: "\x01", 11: "\x01", 24: "\x00\x00", 45: "\x00\x00\x00\x00"}, in, whole, public, answered, "0199001234"},
	} {
		cdr, r := parse(t, p, native(t, c.edits))
		if r.Outcome != formats.CDR || cdr.Direction != c.direction || cdr.RecordRole != c.role || cdr.Network != c.network || cdr.Disposition != c.disposition || cdr.ExternalNumber != c.external {
			t.Errorf("%s: %+v %v", name, r, cdr)
		}
		if talk := cdr.TalkSeconds; (talk > 0) != (c.disposition != missed) {
			t.Errorf("%s: talk %d", name, talk)
		}
	}
}

// One call in the three kinds of ticket is one CDR, but for what a kind does not
// tell.
func TestKindsAgree(t *testing.T) {
	p := formatstest.New(t, model, New)
	record := native(t, map[int]string{2: "     230", 10: "\x01", 12: "01 ", 18: "\x00", 24: "\x00\x00", 27: "\x10", 43: "\x0f\x01", 45: "\x00\x00\x00\x00", 49: "\x00\x00\x00\x00\x00\x00\x00\x00\x00", 74: "\x00", 75: "     226"})
	xml := `<Ticket><ChargedUserID>230</ChargedUserID><CommunicationType>Incoming</CommunicationType><TrunkType>3</TrunkType><TrunkIdentity>01</TrunkIdentity>` +
		`<Date>20/11/26</Date><Time>09:30:00</Time><Duration>01:02:03</Duration><FacilitiesUsed>N</FacilitiesUsed><DialledNumber>0199001234</DialledNumber>` +
		`<RingDuration>01:15</RingDuration><SubscriberName>RECEPTION</SubscriberName><InitialUserID>226</InitialUserID></Ticket>`
	printed := `A226  A230  <-- P01 20/11/26 09:30 01:02:03     0 ST N      0199001234                 01:15 RECEPTION`
	v24 := formatstest.New(t, model, New, func(s *pbx.Settings) {
		s.Parse.Fields = []string{"initial_user", "charged_user", "type", "line", "date", "time", "duration", "taxes", "service", "additional_services", "dialled_number", "ring", "user_name"}
	})
	want, r := parse(t, p, record)
	if r.Outcome != formats.CDR || want.RedirectedFrom != "226" || want.Did != "226" || want.Extension != "230" || want.CallingNumber != "0199001234" || want.RingSeconds != 75 {
		t.Fatalf("%+v %v", r, want)
	}
	for kind, cdr := range map[string]*trunklinev1.Cdr{"xml": first(parse(t, p, xml)), "v24": first(parse(t, v24, printed))} {
		cdr.TimePrecisionSeconds = want.TimePrecisionSeconds
		if cdr.String() != want.String() {
			t.Errorf("%s:\n got %v\nwant %v", kind, cdr, want)
		}
	}
}

func first(cdr *trunklinev1.Cdr, _ formats.Result) *trunklinev1.Cdr { return cdr }

// The head of the file decides whether its records can be read, also where heads
// follow each other on one link.
func TestHead(t *testing.T) {
	p := formatstest.New(t, model, New)
	for _, c := range []struct {
		head, node string
		dead       bool
	}{
		{"PabxRelease=1\n#TicketSize=122\n#NodeNumber=7\n#DataBegin\n", "7", false},
		{"PabxRelease=1\r\n#TicketSize=128\r\n#DataBegin\r\n", "", true},
		{"", "", false},
		{"#TicketSize=abc\n", "", true},
		{"#TicketSize=0\n", "", true},
		{"#NodeNumber=0\n", "", false},
	} {
		cdr, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(native(t, nil)), Preamble: []byte(c.head)})
		if dead := r.Reason == "ticket_size"; dead != c.dead || !dead && (r.Outcome != formats.CDR || cdr.Node != c.node) {
			t.Errorf("%q: %+v, node %q", c.head, r, cdr.Node)
		}
	}
}

func TestSettings(t *testing.T) {
	for set, want := range map[string]string{
		"time_is=end":     "",
		"date_order=ymd":  "",
		"date_order=ydm":  "parse.date_order",
		"fields=date":     "type is missing",
		"fields=nonsense": `no column "nonsense"`,
		"fields=charged_user,type,date,time,duration":               "",
		"fields=charged_user_8,type,date,time,duration,skip:4":      "",
		"fields=charged_user,type,date,time,duration,skip":          "give its width",
		"fields=charged_user,type,date,time,duration:9":             "it has 8 columns",
		"fields=charged_user,type,date,time,duration,taxes:x":       "width of 1 to 80",
		"fields=charged_user,type,date,time,duration,taxes:81":      "width of 1 to 80",
		"fields=charged_user,type,date,time,duration,line,line":     "line stands there twice",
		"fields=skip:1,skip:1,charged_user,type,date,time,duration": "",
		"fields=type,date,time,duration":                            "charged_user",
	} {
		var s pbx.Settings
		if err := s.Set(set); err != nil {
			t.Fatal(err)
		}
		if err := formatstest.Try(t, model, New, s.Parse); (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", set, err, want)
		}
	}
	formatstest.Refuses(t, model, New, pbx.Parse{TimeIs: "middle"}, "parse.time_is")
}

func TestValues(t *testing.T) {
	var d document
	for in, want := range map[string]string{
		"a &lt;&gt;&amp;&quot;&apos; b": `a <>&"' b`, "&#65;&#x42;&#Xe9;": "ABé", "&#0;&#x110000;&#xD800;": "&#0;&#x110000;&#xD800;",
		"&nbsp;&;&": "&nbsp;&;&", "&amp;lt;": "&lt;", "&#;&#x;&#-1;": "&#;&#x;&#-1;",
	} {
		if got := d.unescape(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]callType{
		"3": callTypes[3], "16": callTypes[16], "17": {}, "-->": callTypes[0], "<--": callTypes[1], "CS-": callTypes[8], "in": {known: true}, "OUT": {known: true, out: true},
		"Outgoing Private": {known: true, out: true, private: true}, "incoming_transfer": {known: true, part: true}, "Break-Out": {known: true, out: true},
		"BreakIn": {known: true, private: true}, "Facility_Cancel": callTypes[9], "AppointmentReminder": {known: true, ignored: "wake_up"}, "inside": {}, "": {},
	} {
		if got := typeOf(in); got != want {
			t.Errorf("%s: %+v, want %+v", in, got, want)
		}
	}
	for in, want := range map[string]kit.Wall{
		"20/11/26": {Year: 2026, Month: 11, Day: 20}, "1.2.2026": {Year: 2026, Month: 2, Day: 1}, "2026-11-20": {Year: 2026, Month: 11, Day: 20},
		"20-11/26": {}, "20/11/2": {}, "20112026": {}, "11/20/26": {}, "20/11": {}, "29/02/26": {}, "/": {}, "2026-011-20": {},
	} {
		if got, ok := xmlDate(in, "dmy"); ok != (want.Year > 0) || ok && got != want {
			t.Errorf("%s: %+v %v", in, got, ok)
		}
	}
	for in, want := range map[string]uint32{"00:01:02": 62, "PT1H": 3600, "PT2M3S": 123, "100:00:00": 360000, "PT0S": 0} {
		if got, ok := xmlDuration(in); !ok || got != want {
			t.Errorf("%s: %d %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "62", "01:02", "PT", "PTS", "PT1H2", "PT1S2H", "P1D", "PT9999999H", "00:60:00"} {
		if got, ok := xmlDuration(in); ok {
			t.Errorf("%q: %d", in, got)
		}
	}
	for in, want := range map[string]string{"": "", "0": "", "0,00": "", "007.50": "7.5", ".5": "0.5", "12,3456": "12.3456", "3.": "3"} {
		if got, ok := amount(in); !ok || got != want {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
	for _, in := range []string{".", "-1", "1.2.3", "1,2,3", "1 2", "x"} {
		if got, ok := amount(in); ok {
			t.Errorf("%q: %q", in, got)
		}
	}
	for in, want := range map[string]string{"1": "L", "5": "V", "0": "", "6": "", "Analog": "L", "T0": "N", "ISDN BRI": "N", "T2": "P", "T1": "P", "SIP": "V", "x": "", "": ""} {
		if got := lineLetter(in); got != want {
			t.Errorf("trunk type %q: %q", in, got)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"ChargedUserID": "charged_user_id", "CallIDRef": "call_id_ref", "foo-bar": "foo_bar", "FOO": "foo", "Télé": "télé", "T2Line": "t2_line", "--": "field",
	} {
		if got := snake(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for name, want := range map[string]bool{"user_pin": true, "personal_code": true, "pinned": false, "user_password": true, "shipping": false} {
		if got := secret(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for alias, s := range aliases {
		if !slices.Contains(strings.Fields(fields[s].aliases), alias) || strings.ToLower(alias) != alias {
			t.Errorf("alias %s of %s", alias, fields[s].name)
		}
	}
	count := 0
	for _, f := range fields {
		count += len(strings.Fields(f.aliases))
	}
	if count != len(aliases) {
		t.Errorf("%d aliases of %d fields: one stands in two", count, len(aliases))
	}
}

// The record that ALE's manual prints, alone and behind the head of a file; and
// the manual's statement, whose columns were lost on the way: it must not pass.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p := formatstest.New(t, model, New)
	record, file := read("taxa00018-ticket.bin"), read("constructed-taxa00018-1ticket.alz")
	at := bytes.Index(file, []byte("#DataBegin\n")) + len("#DataBegin\n")
	n := 0
	err := cut.Each(cut.OXO, file[at:], func(_ int, raw []byte) bool {
		n++
		if !bytes.Equal(raw, record) {
			t.Errorf("the file's record is %x", raw)
		}
		cdr, r := formatstest.Check(t, p, &formats.Ticket{Raw: raw, Preamble: file[:at]})
		start := time.Date(2004, 1, 21, 11, 52, 24, 0, time.UTC)
		if r.Outcome != formats.CDR || !cdr.StartTime.AsTime().Equal(start) || cdr.TalkSeconds != 13 || cdr.ChargeUnits != 1 || cdr.Direction != out ||
			cdr.Extension != "226" || cdr.ExtensionName != "poste226OXOR2" || cdr.CalledNumber != "0298143908" || cdr.Trunk != "P0/0" ||
			cdr.Node != "1" || cdr.Attributes["additional_services"] != "I" || len(cdr.Warnings) > 0 {
			t.Errorf("%+v %v", r, cdr)
		}
		return true
	})
	if err != nil || n != 1 {
		t.Errorf("%d records, %v", n, err)
	}
	var got []string
	err = cut.Each(cut.OXO, read("oxo-v24-manual-excerpt.txt"), func(_ int, raw []byte) bool {
		_, r := parse(t, p, string(raw))
		got = append(got, r.Reason)
		return true
	})
	if want := []string{"not_a_statement", "page_header", "page_header", "not_a_statement"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
