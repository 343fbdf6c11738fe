package asterisk

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/kit"
)

const (
	inbound  = trunklinev1.Direction_DIRECTION_INBOUND
	outbound = trunklinev1.Direction_DIRECTION_OUTBOUND
	internal = trunklinev1.Direction_DIRECTION_INTERNAL
	transit  = trunklinev1.Direction_DIRECTION_TRANSIT
)

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

// columns of a row that is whole but for what a test changes.
type columns map[string]string

func (c columns) raw(t testing.TB) []byte {
	all := columns{
		"calldate": "2026-03-10 09:12:00", "clid": "", "src": "", "dst": "", "dcontext": "", "channel": "", "dstchannel": "",
		"lastapp": "Dial", "lastdata": "", "duration": "40", "billsec": "30", "disposition": "ANSWERED", "amaflags": "3",
		"uniqueid": "1773130320.1",
	}
	maps.Copy(all, c)
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t testing.TB, p formats.Parser, raw []byte, near time.Time) *trunklinev1.Cdr {
	t.Helper()
	cdr, result := formatstest.Check(t, p, &formats.Ticket{Raw: raw, Near: near})
	if result.Outcome != formats.CDR {
		t.Fatalf("%s: %+v", raw, result)
	}
	return cdr
}

func with(parse pbx.Parse) func(*pbx.Settings) {
	return func(s *pbx.Settings) { s.Parse = parse }
}

func TestFields(t *testing.T) {
	p := formatstest.New(t, "asterisk", New)
	cdr := parse(t, p, columns{
		"clid": `"Zoé" <+33199004000>`, "src": "+33199004000", "dst": "00199001122", "dcontext": "from-internal",
		"channel": "PJSIP/201-0000002a", "dstchannel": "PJSIP/carrier-0000002b", "lastdata": "PJSIP/0199001122@carrier,300,T",
		"duration": "75", "billsec": "60", "cnum": "201", "cnam": "Zoé Martin", "accountcode": "4000", "linkedid": "1773130300.9",
		"sequence": "17", "recordingfile": "a.wav", "pin": "1234",
	}.raw(t), time.Time{})
	want := &trunklinev1.Cdr{
		CallKey: "1773130300.9", RecordRole: trunklinev1.RecordRole_RECORD_ROLE_LEG, Direction: outbound,
		Network: trunklinev1.Network_NETWORK_PUBLIC, Disposition: answered, StartTime: cdr.StartTime, EndTime: cdr.EndTime,
		TimePrecisionSeconds: 1, RingSeconds: 15, TalkSeconds: 60, UtcOffsetSeconds: 3600,
		CallingNumber: "+33199004000", CallingName: "Zoé Martin", CalledNumber: "0199001122", DialedNumber: "00199001122",
		Extension: "201", ExtensionName: "Zoé Martin", ExternalNumber: "0199001122", ExternalE164: "+33199001122",
		Trunk: "carrier", AccountCode: "4000", CallId: "1773130300.9", LegId: "1773130320.1:17", Sequence: "17",
		Attributes: map[string]string{
			"dcontext": "from-internal", "channel": "PJSIP/201-0000002a", "dstchannel": "PJSIP/carrier-0000002b",
			"lastapp": "Dial", "lastdata": "PJSIP/0199001122@carrier,300,T", "recordingfile": "a.wav",
		},
	}
	if !proto.Equal(cdr, want) {
		t.Errorf("\n got %v\nwant %v", cdr, want)
	}
	if s, e := cdr.StartTime.AsTime(), cdr.EndTime.AsTime(); !s.Equal(time.Date(2026, 3, 10, 8, 12, 0, 0, time.UTC)) || e.Sub(s) != 75*time.Second {
		t.Errorf("from %v to %v", s, e)
	}
}

func TestDirection(t *testing.T) {
	names := pbx.Parse{Trunks: pbx.Trunks{Names: []string{"sip0", "line*"}}}
	lengths := pbx.Parse{Inside: pbx.Inside{Lengths: []int{4}, Numbers: []string{"60*"}}}
	ama := pbx.Parse{AMAFlags: map[int]string{2: "outbound", 3: "inbound"}}
	for _, tc := range []struct {
		name  string
		parse pbx.Parse
		row   columns
		want  trunklinev1.Direction
		ext   string
		trunk string
	}{
		{"phones", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b"}, internal, "201", ""},
		{"a column tells", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b", "call_direction": "Outbound"}, outbound, "201", "202"},
		{"userfield tells", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b", "userfield": "incoming"}, inbound, "202", "201"},
		{"userfield does not", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b", "userfield": "intern"}, internal, "201", ""},

		{"a tie line unknown", pbx.Parse{}, columns{"src": "7001", "dst": "8001", "channel": "SIP/sip0-1a", "dstchannel": "SIP/8001-1b"}, internal, "7001", ""},
		{"a tie line by name", names, columns{"src": "7001", "dst": "8001", "channel": "SIP/sip0-1a", "dstchannel": "SIP/8001-1b"}, inbound, "8001", "sip0"},
		{"pattern of names, both", names, columns{"src": "0199001122", "dst": "0199004001", "channel": "SIP/line1-1a", "dstchannel": "SIP/sip0-1b"}, transit, "", "line1"},
		{"a proxy is no trunk where trunks are listed", names, columns{"src": "201", "dst": "202", "channel": "SIP/proxy-1a", "dstchannel": "SIP/proxy-1b", "lastdata": "SIP/202@proxy"}, internal, "201", ""},
		{"a proxy of phones, unknown", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "SIP/proxy-1a", "dstchannel": "SIP/proxy-1b", "lastdata": "SIP/202@proxy"}, outbound, "201", "proxy"},
		{"a proxy of phones, by device", pbx.Parse{Inside: pbx.Inside{Devices: []string{"SIP/proxy"}}}, columns{"src": "201", "dst": "202", "channel": "SIP/proxy-1a", "dstchannel": "SIP/proxy-1b", "lastdata": "SIP/202@proxy"}, internal, "201", ""},
		{"cards by device", pbx.Parse{Trunks: pbx.Trunks{Devices: []string{"dahdi/"}}}, columns{"src": "204", "dst": "201", "channel": "DAHDI/4-1", "dstchannel": "SIP/201-1b"}, inbound, "201", "4"},
		{"contexts of settings", pbx.Parse{Trunks: pbx.Trunks{Contexts: []string{"tie-*"}}}, columns{"src": "7001", "dst": "8001", "dcontext": "tie-lyon", "channel": "SIP/x-1a", "dstchannel": "SIP/8001-1b"}, inbound, "8001", "x"},
		{"contexts of settings over usual ones", pbx.Parse{Inside: pbx.Inside{Contexts: []string{"from-pstn"}}}, columns{"src": "201", "dst": "202", "dcontext": "from-pstn", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b"}, internal, "201", ""},
		{"names over contexts", pbx.Parse{Trunks: pbx.Trunks{Names: []string{"x"}}, Inside: pbx.Inside{Contexts: []string{"here"}}}, columns{"src": "7001", "dst": "8001", "dcontext": "here", "channel": "SIP/x-1a", "dstchannel": "SIP/8001-1b"}, inbound, "8001", "x"},
		{"usual context", pbx.Parse{}, columns{"src": "7001", "dst": "8001", "dcontext": "from-pstn-toheader", "channel": "SIP/x-1a", "dstchannel": "SIP/8001-1b"}, inbound, "8001", "x"},
		{"outbound route", pbx.Parse{}, columns{"src": "201", "dst": "112", "dcontext": "outrt-3", "channel": "SIP/201-1a", "dstchannel": "SIP/x-1b", "lastapp": "Hangup"}, outbound, "201", "x"},
		{"transferred outside caller", pbx.Parse{}, columns{"src": "0199001122", "dst": "300", "dcontext": "from-internal-xfer", "channel": "SIP/x-1a", "dstchannel": "SIP/300-1b"}, inbound, "300", "x"},

		{"GSM", pbx.Parse{}, columns{"src": "201", "dst": "112", "channel": "SIP/201-1a", "dstchannel": "Dongle/dongle0-0100000001"}, outbound, "201", "dongle0"},
		{"number behind a peer", pbx.Parse{}, columns{"src": "201", "dst": "112", "channel": "SIP/201-1a", "dstchannel": "SIP/x-1b", "lastdata": "SIP/x/112,30"}, outbound, "201", "x"},
		{"a phone's own address", pbx.Parse{}, columns{"src": "201", "dst": "202", "channel": "PJSIP/201-1a", "dstchannel": "PJSIP/202-1b", "lastdata": "PJSIP/202/sip:9202@192.0.2.2:5060,30"}, internal, "201", ""},
		{"one target of several went outside", pbx.Parse{}, columns{"src": "201", "dst": "600", "channel": "PJSIP/201-1a", "dstchannel": "PJSIP/carrier-1b", "lastdata": "PJSIP/202&PJSIP/0632960111@carrier,30"}, outbound, "201", "carrier"},
		{"another target answered", pbx.Parse{}, columns{"src": "201", "dst": "600", "channel": "PJSIP/201-1a", "dstchannel": "PJSIP/202-1b", "lastdata": "PJSIP/202&PJSIP/0632960111@carrier,30"}, internal, "201", ""},

		{"numbers alone, out", pbx.Parse{}, columns{"src": "201", "dst": "00199001122", "channel": "SIP/zoe-1a", "dstchannel": "SIP/x-1b", "lastapp": "Hangup"}, outbound, "201", "x"},
		{"numbers alone, in", pbx.Parse{}, columns{"src": "0199001122", "dst": "0199004001", "channel": "SIP/x-1a", "dstchannel": "SIP/201-1b"}, inbound, "201", "x"},
		{"to a phone with a name", pbx.Parse{}, columns{"src": "0199001122", "dst": "0199004001", "channel": "SIP/x-1a", "dstchannel": "SIP/zoe-1b", "lastdata": "SIP/zoe,20"}, inbound, "zoe", "x"},
		{"menu on a DID", pbx.Parse{}, columns{"src": "0199001122", "dst": "0199004001", "channel": "SIP/x-1a", "lastapp": "BackGround"}, inbound, "", "x"},
		{"a phone with the site's number", pbx.Parse{}, columns{"src": "0199004000", "dst": "0199001122", "channel": "SIP/201-1a", "dstchannel": "SIP/x-1b", "lastdata": "SIP/x/0199001122"}, outbound, "201", "x"},
		{"withheld by a phone", pbx.Parse{}, columns{"src": "anonymous", "dst": "0199001122", "channel": "SIP/201-1a", "dstchannel": "SIP/x-1b", "lastdata": "SIP/x/0199001122"}, outbound, "201", "x"},
		{"feature code", pbx.Parse{}, columns{"src": "201", "dst": "*97", "channel": "SIP/201-1a", "lastapp": "VoiceMailMain"}, internal, "201", ""},
		{"long names of phones", pbx.Parse{}, columns{"src": "0199001122", "dst": "202", "channel": "SIP/0199001122-1a", "dstchannel": "SIP/202-1b"}, internal, "0199001122", ""},

		{"lengths", lengths, columns{"src": "2011", "dst": "2012", "channel": "SIP/a-1a", "dstchannel": "SIP/b-1b"}, internal, "2011", ""},
		{"lengths, short number outside", lengths, columns{"src": "2011", "dst": "112", "channel": "SIP/a-1a", "dstchannel": "SIP/b-1b", "lastapp": "Hangup"}, outbound, "2011", "b"},
		{"lengths, own service", lengths, columns{"src": "2011", "dst": "700", "channel": "SIP/a-1a", "lastapp": "Park"}, internal, "2011", ""},
		{"numbers", lengths, columns{"src": "2011", "dst": "601", "channel": "SIP/a-1a", "dstchannel": "SIP/b-1b", "lastapp": "Hangup"}, internal, "2011", ""},

		{"amaflags undecided", ama, columns{"src": "", "dst": "s", "channel": "SIP/a-1a", "dstchannel": "SIP/b-1b", "amaflags": "BILLING"}, outbound, "a", "b"},
		{"amaflags as a number", ama, columns{"src": "", "dst": "201", "channel": "SIP/a-1a", "dstchannel": "SIP/b-1b"}, inbound, "b", "a"},
		{"numbers before amaflags", ama, columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b"}, internal, "201", ""},

		{"nothing tells", pbx.Parse{}, columns{"dst": "s", "channel": "Console/dsp"}, inbound, "", "dsp"},
		{"nothing tells, but what was dialled", pbx.Parse{}, columns{"dst": "201", "channel": "SIP/a-1a", "dstchannel": "SIP/201-1b"}, internal, "a", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := formatstest.New(t, "asterisk", New, with(tc.parse))
			cdr := parse(t, p, tc.row.raw(t), time.Time{})
			line := cdr.Trunk + cdr.TrunkOut
			if tc.want == transit {
				line = cdr.Trunk
			}
			if cdr.Direction != tc.want || cdr.Extension != tc.ext || line != tc.trunk {
				t.Errorf("%v, extension %q, trunk %q; want %v, %q, %q", cdr.Direction, cdr.Extension, line, tc.want, tc.ext, tc.trunk)
			}
		})
	}
}

func TestNetwork(t *testing.T) {
	p := formatstest.New(t, "asterisk", New, with(pbx.Parse{Inside: pbx.Inside{Lengths: []int{4}}, Trunks: pbx.Trunks{Names: []string{"tie"}}}))
	for number, want := range map[string]trunklinev1.Network{
		"7001": trunklinev1.Network_NETWORK_PRIVATE, "0199001122": trunklinev1.Network_NETWORK_PUBLIC, "112": trunklinev1.Network_NETWORK_PUBLIC,
	} {
		cdr := parse(t, p, columns{"src": "2011", "dst": number, "channel": "SIP/2011-1a", "dstchannel": "SIP/tie-1b"}.raw(t), time.Time{})
		if cdr.Direction != outbound || cdr.Network != want || cdr.ExternalNumber != number {
			t.Errorf("%s: %v %v %q", number, cdr.Direction, cdr.Network, cdr.ExternalNumber)
		}
	}
}

func TestDisposition(t *testing.T) {
	in := columns{"src": "0199001122", "dst": "0199004001", "dcontext": "from-trunk", "channel": "SIP/x-1a", "duration": "40", "billsec": "30"}
	auto := trunklinev1.Warning_WARNING_AUTO_ANSWER
	for _, tc := range []struct {
		name       string
		change     columns
		want       trunklinev1.Disposition
		ring, talk uint32
		warning    trunklinev1.Warning
	}{
		{"answered", columns{"dstchannel": "SIP/201-1b"}, answered, 10, 30, 0},
		{"lower case", columns{"dstchannel": "SIP/201-1b", "disposition": " answered "}, answered, 10, 30, 0},
		{"number", columns{"dstchannel": "SIP/201-1b", "disposition": "8"}, answered, 10, 30, 0},
		{"1 is no answer, as since 1.4", columns{"dstchannel": "SIP/201-1b", "disposition": "1", "billsec": "0"}, noAnswer, 40, 0, 0},
		{"congestion", columns{"disposition": "16", "billsec": "0"}, failed, 40, 0, 0},
		{"no answer with billed seconds", columns{"dstchannel": "SIP/201-1b", "disposition": "NO ANSWER"}, noAnswer, 40, 0, 0},
		{"unknown", columns{"disposition": "UNKNOWN", "billsec": "0"}, 0, 40, 0, 0},
		{"null", columns{"disposition": "", "billsec": "0"}, 0, 40, 0, 0},
		{"billed from the start", columns{"dstchannel": "SIP/201-1b", "billsec": "40"}, answered, 0, 40, auto},
		{"billed nothing", columns{"dstchannel": "SIP/201-1b", "billsec": "0"}, answered, 40, 0, auto},
		{"answer column over billsec", columns{"dstchannel": "SIP/201-1b", "answer": "2026-03-10 09:12:07", "billsec": "32"}, answered, 7, 32, 0},
		{"answer on another clock", columns{"dstchannel": "SIP/201-1b", "answer": "2026-03-10 08:12:07", "billsec": "32"}, answered, 8, 32, 0},
		{"queue, member answered", columns{"dstchannel": "SIP/201-1b", "lastapp": "Queue", "lastdata": "sales,t"}, answered, 10, 30, 0},
		{"queue, nobody", columns{"lastapp": "QUEUE", "lastdata": "sales,t"}, abandoned, 40, 0, 0},
		{"menu", columns{"lastapp": "BackGround"}, abandoned, 40, 0, 0},
		{"announcement", columns{"lastapp": "Playback"}, announced, 40, 0, 0},
		{"voicemail", columns{"lastapp": "VoiceMail", "lastdata": "201@default,u"}, voicemail, 10, 30, 0},
		{"voicemail by dst", columns{"dst": "vmu201", "lastapp": "Hangup"}, voicemail, 10, 30, 0},
		{"conference", columns{"lastapp": "MeetMe", "lastdata": "8000,d,4711"}, answered, 10, 30, auto},
	} {
		t.Run(tc.name, func(t *testing.T) {
			row := maps.Clone(in)
			maps.Copy(row, tc.change)
			cdr := parse(t, formatstest.New(t, "asterisk", New), row.raw(t), time.Time{})
			var warning trunklinev1.Warning
			if len(cdr.Warnings) > 0 {
				warning = cdr.Warnings[0]
			}
			if cdr.Disposition != tc.want || cdr.RingSeconds != tc.ring || cdr.TalkSeconds != tc.talk || warning != tc.warning {
				t.Errorf("%v, ring %d, talk %d, %v; want %v, %d, %d, %v", cdr.Disposition, cdr.RingSeconds, cdr.TalkSeconds, cdr.Warnings, tc.want, tc.ring, tc.talk, tc.warning)
			}
			if strings.Contains(cdr.Attributes["lastdata"], "4711") {
				t.Errorf("a PIN: %v", cdr.Attributes)
			}
		})
	}
}

func TestRole(t *testing.T) {
	const call, leg, twin = trunklinev1.RecordRole_RECORD_ROLE_CALL, trunklinev1.RecordRole_RECORD_ROLE_LEG, trunklinev1.RecordRole_RECORD_ROLE_COPY
	for _, tc := range []struct {
		name string
		row  columns
		want trunklinev1.RecordRole
	}{
		{"no linkedid", columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b"}, call},
		{"linkedid", columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b", "linkedid": "1773130320.1"}, leg},
		{"to Local", columns{"src": "201", "dst": "2000", "channel": "SIP/201-1a", "dstchannel": "Local/202@q-1b;1", "lastapp": "Queue"}, leg},
		{"from Local", columns{"src": "201", "dst": "202", "channel": "Local/202@q-1b;2", "dstchannel": "SIP/202-1c"}, twin},
		{"from Local, old name", columns{"src": "201", "dst": "202", "channel": "Local/202@q-1b,2", "dstchannel": "SIP/202-1c"}, twin},
		{"from Local to a trunk", columns{"src": "201", "dst": "0199001122", "channel": "Local/0199001122@o-1b;2", "dstchannel": "SIP/x-1c", "lastdata": "SIP/x/0199001122"}, leg},
		{"to Local, then a trunk", columns{"src": "201", "dst": "0199001122", "channel": "SIP/201-1a", "dstchannel": "Local/0199001122@o-1b;1"}, twin},
		{"outside caller to Local, then a trunk", columns{"src": "0199001122", "dst": "600", "dcontext": "from-trunk", "channel": "SIP/x-1a", "dstchannel": "Local/0632960111@o-1b;1"}, leg},
		{"ForkCDR", columns{"src": "201", "dst": "202", "channel": "SIP/201-1a", "dstchannel": "SIP/202-1b", "lastapp": "ForkCDR"}, twin},
	} {
		if cdr := parse(t, formatstest.New(t, "asterisk", New), tc.row.raw(t), time.Time{}); cdr.RecordRole != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, cdr.RecordRole, tc.want)
		}
	}
}

// A GMT file parsed with timezone UTC keeps the site's offset, and says no more.
func TestTimezoneOfTheFile(t *testing.T) {
	p := formatstest.New(t, "asterisk", New, with(pbx.Parse{Timezone: "UTC"}))
	cdr := parse(t, p, columns{"calldate": "2026-07-10 07:12:00", "src": "201", "dst": "202", "channel": "SIP/201-1", "uniqueid": "1783667520.1", "disposition": "BUSY"}.raw(t), time.Time{})
	if !cdr.StartTime.AsTime().Equal(time.Date(2026, 7, 10, 7, 12, 0, 0, time.UTC)) || cdr.UtcOffsetSeconds != 7200 || len(cdr.Warnings) != 0 {
		t.Errorf("%v, offset %d, %v", cdr.StartTime.AsTime(), cdr.UtcOffsetSeconds, cdr.Warnings)
	}
}

func TestTimeIsEnd(t *testing.T) {
	p := formatstest.New(t, "asterisk", New, with(pbx.Parse{TimeIs: "end"}))
	cdr := parse(t, p, columns{"src": "201", "dst": "202", "channel": "SIP/201-1", "dstchannel": "SIP/202-2", "uniqueid": "1773130280.1"}.raw(t), time.Time{})
	end := time.Date(2026, 3, 10, 8, 12, 0, 0, time.UTC)
	if !cdr.EndTime.AsTime().Equal(end) || !cdr.StartTime.AsTime().Equal(end.Add(-40*time.Second)) || cdr.RingSeconds != 10 || len(cdr.Warnings) != 0 {
		t.Errorf("%v to %v, ring %d, %v", cdr.StartTime.AsTime(), cdr.EndTime.AsTime(), cdr.RingSeconds, cdr.Warnings)
	}
}

// When the row was written decides the doubled hour where the row has no id, and
// the id decides over it.
func TestDoubledHour(t *testing.T) {
	p := formatstest.New(t, "asterisk", New)
	row := columns{"calldate": "2026-10-25 02:30:00", "src": "201", "dst": "202", "channel": "SIP/201-1"}
	first := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC)
	for _, tc := range []struct {
		id   string
		near time.Time
		want time.Time
	}{
		{"", first.Add(time.Minute), first},
		{"", first.Add(61 * time.Minute), first.Add(time.Hour)},
		{"1792888200.1", first.Add(61 * time.Minute), first},
		{"1792891800.1", time.Time{}, first.Add(time.Hour)},
	} {
		row["uniqueid"] = tc.id
		if got := parse(t, p, row.raw(t), tc.near).StartTime.AsTime(); !got.Equal(tc.want) {
			t.Errorf("id %q, near %v: %v, want %v", tc.id, tc.near, got, tc.want)
		}
	}
}

func TestSettings(t *testing.T) {
	fields := []string{"calldate", "src", "dst", "channel", "disposition", "billsec", "-", "Route Name", "password"}
	p := formatstest.New(t, "asterisk", New, with(pbx.Parse{Fields: fields, Charset: "iso-8859-1"}))
	cdr := parse(t, p, []byte("2026-03-10 09:12:00;201;0199001122;SIP/201-1a;ANSWERED;30;x;Caf\xe9;s3cret;more"), time.Time{})
	if cdr.Direction != outbound || cdr.Disposition != answered || cdr.TalkSeconds != 30 || cdr.Attributes["route_name"] != "Café" || cdr.Attributes["column_10"] != "more" ||
		len(cdr.Warnings) != 1 || cdr.Warnings[0] != trunklinev1.Warning_WARNING_EXTRA_COLUMNS {
		t.Errorf("%v", cdr)
	}
	if len(cdr.Attributes) != 3 { // and channel
		t.Errorf("%v", cdr.Attributes)
	}
	_, result := formatstest.Check(t, p, &formats.Ticket{Raw: []byte("2026-03-10 09:12:00,201,202")})
	if result.Reason != "too_few_columns" || result.Error != "3 columns, expected 9 or more" {
		t.Errorf("%+v", result)
	}
	for _, tc := range []struct {
		parse pbx.Parse
		want  string
	}{
		{pbx.Parse{TimeIs: "middle"}, "parse.time_is"},
		{pbx.Parse{AMAFlags: map[int]string{7: "inbound"}}, "parse.amaflags"},
		{pbx.Parse{AMAFlags: map[int]string{2: "sideways"}}, "give inbound, outbound or internal"},
		{pbx.Parse{Inside: pbx.Inside{Lengths: []int{0}}}, "parse.inside.lengths"},
		{pbx.Parse{Fields: []string{"start", "src", "dst"}}, "parse.fields: missing disposition"},
		{pbx.Parse{Fields: []string{"start", "src", "dst", "", "disposition", "billsec"}}, "entry 4"},
		{pbx.Parse{Fields: []string{"start", "src", "SRC"}}, "twice"},
	} {
		formatstest.Refuses(t, "asterisk", New, tc.parse, tc.want)
	}
}

// A related PBX's format fills the columns itself.
func TestMapping(t *testing.T) {
	link, err := kit.NewLink(pbx.Settings{Site: "lyon", Link: "x", Model: "fonisk", Timezone: "Europe/Paris", Country: "FR"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewMapping(link)
	if err != nil {
		t.Fatal(err)
	}
	var c Columns
	for range 2 { // the second time from what it remembers
		c.Reset()
		for _, f := range [][2]string{
			{"calldate", "2026-03-10 09:12:00"},
			{"src", "201"},
			{"src", "999"},
			{"dst", "0199001122"},
			{"channel", "SIP/201-1"},
			{"duration", "75"},
			{"disposition", "NO ANSWER"},
			{"id_user", "12"},
		} {
			c.Set(f[0], f[1])
		}
		var cdr trunklinev1.Cdr
		if result := m.Fill(&c, time.Time{}, &cdr); result.Outcome != formats.CDR {
			t.Fatalf("%+v", result)
		}
		if cdr.CallingNumber != "201" || cdr.Direction != outbound || cdr.RingSeconds != 75 || cdr.Attributes["id_user"] != "12" {
			t.Errorf("%v", &cdr)
		}
	}
}

// Columns that are not where their order says make a warning.
func TestShifted(t *testing.T) {
	const odd, short = trunklinev1.Warning_WARNING_ODD_VALUE, trunklinev1.Warning_WARNING_SHORT_TICKET
	const head = `"","201","0199001122","from-internal","""Zoé"" <201>","SIP/201-1a","SIP/carrier-1b","Dial","SIP/carrier/0199001122,60","2026-03-10 09:12:00",,"2026-03-10 09:13:15",75,0,"BUSY",`
	p := formatstest.New(t, "asterisk", New)
	for tail, want := range map[string]trunklinev1.Warning{
		`"DOCUMENTATION","1773130320.1","client 7"`:                          0,
		`"DOCUMENTATION","client 7","client 8","peer",12`:                    odd,
		`"DOCUMENTATION","1773130320.1","1773130320.1"`:                      odd,
		`"DOCUMENTATION","client 7","1773130320.1"`:                          odd,
		`"DOCUMENTATION","DOCUMENTATION"`:                                    odd,
		`"BUSY","DOCUMENTATION"`:                                             odd,
		`"DOCUMENTATION","peer","1773130320.1",12`:                           0,
		`"DOCUMENTATION","1773130320.1",12`:                                  odd,
		`"DOCUMENTATION","1773130320.1","peer","1773130320.1",`:              short,
		`"DOCUMENTATION","1773130320.1","client 7","1773130320.1","peer",12`: odd,
		`"DOCUMENTATION","1773130320.1",`:                                    short,
	} {
		cdr := parse(t, p, []byte(head+tail), time.Time{})
		var got trunklinev1.Warning
		if len(cdr.Warnings) > 0 {
			got = cdr.Warnings[0]
		}
		if got != want {
			t.Errorf("%s: %v, want %v", tail, cdr.Warnings, want)
		}
	}
}
