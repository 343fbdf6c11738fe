package cucm_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/cucm"
	"trunkline.internal/services/parser/formats/formatstest"
)

func TestTickets(t *testing.T) { formatstest.Run(t, cucm.New) }

func newParser(t testing.TB, change ...func(*pbx.Settings)) formats.Parser {
	return formatstest.New(t, "cisco-cucm", cucm.New, change...)
}

// ticket is a small file of one call, with the columns that the test gives.
func ticket(columns ...string) *formats.Ticket {
	set := map[string]string{
		"cdrRecordType": "1", "globalCallID_callManagerId": "2", "globalCallID_callId": "25001", "globalCallId_ClusterID": "Lyon",
		"dateTimeOrigination": "1795165200", "dateTimeConnect": "1795165210", "dateTimeDisconnect": "1795165270", "duration": "60",
		"callingPartyNumber": "2001", "originalCalledPartyNumber": "00199001234", "finalCalledPartyNumber": "00199001234", "lastRedirectDn": "00199001234",
		"origDeviceName": "SEP0011AABBCC01", "destDeviceName": "TRK-OPERATOR", "origLegCallIdentifier": "11", "destLegIdentifier": "12",
		"origCause_value": "16", "destCause_value": "0", "pkid": "bde20536-1250-4382-af5b-3107ef569ae3",
	}
	for _, c := range columns {
		name, value, _ := strings.Cut(c, "=")
		set[name] = value
	}
	order := []string{"cdrRecordType"} // a line begins with a digit
	for name := range set {
		if name != order[0] {
			order = append(order, name)
		}
	}
	var head, line []string
	for _, name := range order {
		head, line = append(head, `"`+name+`"`), append(line, `"`+set[name]+`"`)
	}
	line[0] = set[order[0]]
	return &formats.Ticket{Raw: []byte(strings.Join(line, ",")), Preamble: []byte(strings.Join(head, ",") + "\n")}
}

func TestFields(t *testing.T) {
	c, result := formatstest.Check(t, newParser(t), ticket("clientMatterCode=C42", "origSpan=3", "destSpan=14", "origIpAddr=-1139627840", "authorizationCodeValue=4711"))
	if result.Outcome != formats.CDR || len(result.Key) != 1 || result.Key[0] != "bde20536-1250-4382-af5b-3107ef569ae3" {
		t.Fatalf("%+v", result)
	}
	got := fmt.Sprintf("%s %s %s %s-%s %d+%d %s>%s %s %s %s %s/%s %s %s %s %d",
		c.CallKey, formatstest.Words(c.RecordRole, c.Direction, c.Disposition, c.Network), c.Node,
		c.StartTime.AsTime().Format(time.DateTime), c.EndTime.AsTime().Format(time.TimeOnly), c.RingSeconds, c.TalkSeconds,
		c.CallingNumber, c.CalledNumber, c.Extension, c.ExternalNumber, c.ExternalE164, c.Trunk, c.TrunkGroup, c.AccountCode, c.CallId, c.LegId, c.HangupCause)
	const want = "Lyon:2:25001 CALL OUTBOUND ANSWERED PUBLIC Lyon 2026-11-20 09:00:00-09:01:10 10+60 2001>00199001234 2001 0199001234 +33199001234 14/TRK-OPERATOR C42 25001 11 16"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c.TimePrecisionSeconds != 1 || c.UtcOffsetSeconds != 3600 || len(c.Warnings) != 0 {
		t.Errorf("precision %d, offset %d, %v", c.TimePrecisionSeconds, c.UtcOffsetSeconds, c.Warnings)
	}
	if got := c.Attributes["orig_ip_addr"]; got != "192.168.18.188" {
		t.Errorf("address %q", got)
	}
}

func TestDirection(t *testing.T) {
	const phone, other, gateway, second = "SEP0011AABBCC01", "CSFLMARTIN", "S0/SU1/DS1-0@gw", "TRK-OPERATOR"
	for _, tc := range []struct {
		from, to, calling, called string
		change                    func(*pbx.Settings)
		want                      string
	}{
		{phone, other, "2001", "2002", nil, "INTERNAL"},
		{phone, gateway, "2001", "00199001234", nil, "OUTBOUND"},
		{gateway, phone, "0199001234", "2001", nil, "INBOUND"},
		{gateway, second, "0199001234", "00199001235", nil, "TRANSIT"},
		{phone, "", "2001", "00199001234", nil, "OUTBOUND"},
		{phone, "", "2001", "2999", nil, "INTERNAL"},
		{gateway, "", "0199001234", "00199001235", nil, "INBOUND"},
		{"", gateway, "2001", "00199001234", nil, "OUTBOUND"},
		{"", phone, "0199001234", "2001", nil, "INBOUND"},
		{"", phone, "2002", "2001", nil, "INTERNAL"},
		{phone, "ParkingLotDevice", "2001", "2002", nil, "INTERNAL"},
		{phone, "SEPTEMES-GW", "2001", "00199001234", nil, "OUTBOUND"},
		{phone, "unity-trunk", "2001", "5000", nil, "OUTBOUND"},
		{phone, "unity-trunk", "2001", "5000", func(s *pbx.Settings) { s.Parse.Inside.Devices = []string{"unity"} }, "INTERNAL"},
		{phone, "CSF-GATEWAY", "2001", "00199001234", func(s *pbx.Settings) { s.Parse.Trunks.Devices = []string{"CSF-G"} }, "OUTBOUND"},
		{phone, "CSFX", "2001", "00199001234", func(s *pbx.Settings) { s.Parse.Trunks.Names = []string{"csfx"} }, "OUTBOUND"},
		{phone, "", "2001", "2999", func(s *pbx.Settings) { s.Parse.Inside.Lengths = []int{3} }, "OUTBOUND"},
	} {
		var change []func(*pbx.Settings)
		if tc.change != nil {
			change = append(change, tc.change)
		}
		c, result := formatstest.Check(t, newParser(t, change...), ticket("origDeviceName="+tc.from, "destDeviceName="+tc.to,
			"callingPartyNumber="+tc.calling, "finalCalledPartyNumber="+tc.called, "originalCalledPartyNumber="+tc.called, "lastRedirectDn="+tc.called))
		if result.Outcome != formats.CDR || formatstest.Words(c.Direction) != tc.want {
			t.Errorf("%s to %s, %s to %s: %s %+v, want %s", tc.from, tc.to, tc.calling, tc.called, formatstest.Words(c.Direction), result, tc.want)
		}
	}
}

func TestPrivateNetwork(t *testing.T) {
	p := newParser(t, func(s *pbx.Settings) { s.Parse.Inside.Numbers = []string{"3*"} })
	c, _ := formatstest.Check(t, p, ticket("finalCalledPartyNumber=3001", "destDeviceName=TRK-PARIS"))
	if c.Network != trunklinev1.Network_NETWORK_PRIVATE || c.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND {
		t.Errorf("%v %v", c.Network, c.Direction)
	}
}

func TestCauses(t *testing.T) {
	for cause, want := range map[string]string{
		"0": "0 NO_ANSWER", "16": "16 NO_ANSWER", "17": "17 BUSY", "21": "21 REJECTED", "26": "26 ELSEWHERE", "34": "34 FAILED",
		"126": "0 UNSPECIFIED", "393216": "0 UNSPECIFIED", "262144": "0 FAILED", "458752": "0 FAILED", "125": "0 FAILED", "129": "0 FAILED",
		"1174405137": "17 BUSY", "1073741842": "18 NO_ANSWER", "1191182367": "31 NO_ANSWER", "1459617833": "41 FAILED", "150995046": "102 NO_ANSWER",
		"2801795135": "63 REJECTED", "-1493172161": "63 REJECTED", "2717909013": "21 REJECTED", "851976": "0 FAILED", "4294967295": "0 FAILED",
	} {
		c, _ := formatstest.Check(t, newParser(t), ticket("dateTimeConnect=0", "duration=0", "origCause_value=0", "destCause_value="+cause))
		if got := fmt.Sprintf("%d %s", c.HangupCause, formatstest.Words(c.Disposition)); got != want {
			t.Errorf("%s: %s, want %s", cause, got, want)
		}
		if cause != "0" && c.Attributes["dest_cause_value"] != cause {
			t.Errorf("%s: attribute %q", cause, c.Attributes["dest_cause_value"])
		}
	}
}

// Nothing that a user keys to be let through is in a CDR.
func TestNoSecret(t *testing.T) {
	for _, name := range []string{"authorizationCodeValue", "AuthorizationCode", "authCode", "userPin", "sipPassword"} {
		c, result := formatstest.Check(t, newParser(t), ticket(name+"=90210777"))
		if result.Outcome != formats.CDR || strings.Contains(c.String(), "90210777") {
			t.Errorf("%s: %v %+v", name, c, result)
		}
	}
}

// A parser knows many heads one after the other, and forgets.
func TestManyHeads(t *testing.T) {
	p := newParser(t)
	for i := range 100 {
		c, _ := formatstest.Check(t, p, ticket(fmt.Sprintf("newColumn%d=7", i)))
		if got := c.Attributes[fmt.Sprintf("new_column%d", i)]; got != "7" || c.CallId != "25001" {
			t.Fatalf("head %d: attribute %q, call %q", i, got, c.CallId)
		}
	}
}

// The head is found whatever the line ends, a byte order mark before it.
func TestHeadForms(t *testing.T) {
	base := ticket()
	names := bytes.TrimSpace(base.Preamble)
	for _, head := range []string{
		string(names), string(names) + "\r\nINTEGER,VARCHAR(50)\r\n", "\xef\xbb\xbf" + string(names) + "\n",
		"INTEGER,VARCHAR(50)\n" + string(names) + "\n", strings.ToUpper(string(names)), strings.ReplaceAll(string(names), `"`, ""),
	} {
		c, result := formatstest.Check(t, newParser(t), &formats.Ticket{Raw: base.Raw, Preamble: []byte(head)})
		if result.Outcome != formats.CDR || c.CallKey != "Lyon:2:25001" {
			t.Errorf("%.40q: %+v", head, result)
		}
	}
	for missing, reason := range map[string]string{"dateTimeConnect": "bad_head", "origDeviceName": "bad_head", "pkid": ""} {
		head := bytes.Replace(base.Preamble, []byte(missing), []byte("other"), 1)
		_, result := formatstest.Check(t, newParser(t), &formats.Ticket{Raw: base.Raw, Preamble: head})
		if result.Reason != reason || reason != "" && !strings.Contains(result.Error, missing) {
			t.Errorf("without %s: %+v", missing, result)
		}
	}
}

func TestErrorsKeepNumbers(t *testing.T) {
	p := newParser(t)
	for _, f := range formatstest.Files(t, "testdata") {
		for _, raw := range f.Tickets {
			if _, result := formatstest.Check(t, p, f.Ticket(raw)); strings.Contains(result.Error, "0199") {
				t.Errorf("%s", result.Error)
			}
		}
	}
}

// The samples are no part of the repository.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, "cisco-cucm")
	model, _ := pbx.Lookup("cisco-cucm")
	p := newParser(t)
	for file, want := range map[string]string{
		"cdr_StandAloneCluster_02_201810261040_329890": "COPY INTERNAL FAILED 2025-04-18 16:32:10 0+0 5030079981 41 1459617833 10.248.64.14 cucmOHSUtest:2:25449 bde20536-1250-4382-af5b-3107ef569ae3",
		"cmr_StandAloneCluster_02_201810261040_329891": "cmr cmr",
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		var preamble []byte
		var got []string
		if err := cut.Each(cut.Lines, b, func(_ int, line []byte) bool {
			if len(got) == 0 && model.Files.Head(line) {
				preamble = append(append(preamble, line...), '\n')
				return true
			}
			c, result := formatstest.Check(t, p, &formats.Ticket{Raw: line, Preamble: preamble})
			if result.Outcome != formats.CDR {
				got = append(got, result.Reason)
				return true
			}
			got = append(got, fmt.Sprintf("%s %s %d+%d %s %d %s %s %s %s", formatstest.Words(c.RecordRole, c.Direction, c.Disposition),
				c.StartTime.AsTime().Format(time.DateTime), c.RingSeconds, c.TalkSeconds, c.CalledNumber, c.HangupCause,
				c.Attributes["dest_cause_value"], c.Attributes["orig_ipv4v6_addr"], c.CallKey, result.Key[0]))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s:\n got %s\nwant %s", file, strings.Join(got, " "), want)
		}
	}
}

// A text where a number stands, or behind a closing quote, is a damaged line.
func TestOddValues(t *testing.T) {
	for _, column := range []string{"origCause_value=SEP0011AABBCC01", "destNodeId=Internal", "duration=x", `comment="a"b`} {
		c, result := formatstest.Check(t, newParser(t), ticket(column))
		if result.Outcome != formats.CDR || fmt.Sprint(c.Warnings) != "[WARNING_ODD_VALUE]" {
			t.Errorf("%s: %v %+v", column, c.Warnings, result)
		}
	}
}
