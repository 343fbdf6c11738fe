package shoretel_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/shoretel"
)

const model = "shoretel"

func TestTickets(t *testing.T) { formatstest.Run(t, shoretel.New) }

func newYork(s *pbx.Settings) { s.Timezone, s.Country, s.OutsidePrefix = "America/New_York", "US", "9" }

func parse(t testing.TB, p formats.Parser, raw string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(raw), Near: formatstest.Near})
}

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s %s ring %d talk %d line %d %s>%s ext %s trunk %s/%s", formatstest.Words(c.RecordRole, c.Direction, c.Disposition),
		c.StartTime.AsTime().Format(time.RFC3339), c.RingSeconds, c.TalkSeconds, c.LineSeconds, c.CallingNumber, c.CalledNumber, c.Extension, c.TrunkGroup, c.Trunk)
	return formatstest.Condensed(c, r, head,
		"out", c.TrunkOut,
		"did", c.Did,
		"e164", c.ExternalE164,
		"name", c.ExtensionName,
		"group", c.GroupNumber,
		"from", c.TransferredFrom,
		"to", c.TransferredTo,
		"account", c.AccountCode,
		"key", c.CallKey,
	)
}

// record75 and record61 print a record as the guides' tables do: columns from 1,
// one blank behind each field.
func record75(ext, direction, dialed, caller, account string) string {
	return fmt.Sprintf("%10s %10s %8s %-16s %8s %1s %-16s %-16s %4s %3s %-20s ", "65539", "11/20/2026", "08:59:58", ext, "00:02:31", direction, dialed, caller, "17", "2", account)
}

func record61(ext, direction, dialed, caller, account string) string {
	return fmt.Sprintf("%10s %10s %8s %-7s %8s %1s %-16s %-16s %4s %3s %-20s ", "65539", "11/20/2026", "08:59:58", ext, "00:02:31", direction, dialed, caller, "17", "2", account)
}

func TestTextRecords(t *testing.T) {
	p := formatstest.New(t, model, shoretel.New, newYork)
	const key = " key 65539@2026-11-20T08:59:58"
	for _, tc := range []struct{ name, line, want string }{
		{"incoming 7.5", record75("405", "0", "", "2025550143", ""), "CALL INBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 2025550143>405 ext 405 trunk 2/17 e164 +12025550143" + key + " AUTO_ANSWER"},
		{"incoming 6.1", record61("405", "0", "", "2025550143", ""), "CALL INBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 2025550143>405 ext 405 trunk 2/17 e164 +12025550143" + key + " AUTO_ANSWER"},
		{"outgoing 7.5", record75("405", "1", "12125550198", "", "4401"), "CALL OUTBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 405>12125550198 ext 405 trunk 2/17 e164 +12125550198 account 4401" + key},
		{"outgoing 6.1", record61("405", "1", "12125550198", "", "4401"), "CALL OUTBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 405>12125550198 ext 405 trunk 2/17 e164 +12125550198 account 4401" + key},
		{"nobody of ours", record75("", "0", "", "blocked", ""), "CALL INBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 0 line 151 blocked> ext  trunk 2/17" + key},
		{"tandem in", record75("500", "2", "", "2025550143", ""), "COPY TRANSIT UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 2025550143> ext 500 trunk 2/17" + key},
		{"tandem out", record75("500", "3", "12125550198", "", ""), "CALL TRANSIT UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 >12125550198 ext 500 trunk 2/ out 17 e164 +12125550198" + key},
		{"trimmed", strings.TrimRight(record75("405", "1", "911", "", "4401"), " "), "CALL OUTBOUND UNSPECIFIED 2026-11-20T13:59:58Z ring 0 talk 151 line 0 405>911 ext 405 trunk 2/17 account 4401" + key + " SHORT_TICKET"},
		{"cut", record75("405", "1", "911", "", "")[:99], "dead too_short"},
		{"shifted", strings.Replace(record75("405", "1", "12125550198", "", ""), "12125", "1212", 1), "dead bad_trunk"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(parse(t, p, tc.line)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// party is a row of table connect as the query prints it.
func party(kind, reason, trunkDirection, connected, gone string, ring, talk, hold int, number, name, port, group string) string {
	span := func(n int) string { return fmt.Sprintf("1899-12-30 %02d:%02d:%02d", n/3600, n/60%60, n%60) }
	return strings.Join([]string{"1", kind, reason, "8", trunkDirection, connected, gone, span(ring), span(talk), span(hold), number, name, "", port, group}, "\t")
}

// call is a row of table call as ingest writes it.
func call(kind, extension, dialed, caller string, parties ...string) string {
	columns := []string{"ID", "CallID", "StartTime", "EndTime", "CallType", "Locked", "Extension", "DialedNumber", "CallerID", "BillingCode", "PartyCount", "Parties"}
	values := [][]byte{}
	for _, v := range []string{
		"4711", "65539", "2026-11-20 10:15:00", "2026-11-20 10:17:31", kind, "1", extension, dialed, caller, "", fmt.Sprint(len(parties)), strings.Join(parties, "\n"),
	} {
		values = append(values, []byte(v))
	}
	return strings.TrimSuffix(string(row.Append(nil, columns, values)), "\n")
}

func TestRows(t *testing.T) {
	p := formatstest.New(t, model, shoretel.New, newYork)
	const (
		start = "2026-11-20 10:15:00"
		end   = "2026-11-20 10:17:31"
		key   = " key 65539@2026-11-20T10:15:00"
	)
	in := party("2", "19", "2", start, end, 12, 139, 0, "+12025550143", "ACME", "PRI 1", "in")
	out := party("2", "17", "3", start, end, 11, 140, 0, "+12125550198", "", "PRI 2", "out")
	silent := party("2", "17", "3", start, end, 151, 0, 0, "+12125550198", "", "PRI 2", "out")
	caller := party("1", "19", "", start, end, 0, 140, 0, "405", "Léa", "405", "")
	for _, tc := range []struct{ name, row, want string }{
		{
			"incoming, answered", call("2", "405", "+12125550150", "+12025550143", in, party("1", "17", "", start, end, 12, 130, 9, "405", "Léa", "405", "")),
			"CALL INBOUND ANSWERED 2026-11-20T15:15:00Z ring 12 talk 139 line 0 +12025550143>405 ext 405 trunk in/PRI 1 did +12125550150 e164 +12025550143 name Léa" + key,
		},
		{
			"incoming, not answered", call("2", "405", "+12125550150", "+12025550143", in, party("1", "17", "", start, end, 151, 0, 0, "405", "Léa", "405", "")),
			"CALL INBOUND NO_ANSWER 2026-11-20T15:15:00Z ring 151 talk 0 line 0 +12025550143>405 ext 405 trunk in/PRI 1 did +12125550150 e164 +12025550143 name Léa" + key,
		},
		{
			"a mailbox", call("2", "405", "405", "+12025550143", in, party("1", "17", "", start, "2026-11-20 10:15:20", 20, 0, 0, "405", "Léa", "405", ""), party("6", "17", "", "2026-11-20 10:15:20", end, 0, 131, 0, "101", "Voice Mail", "", "")),
			"CALL INBOUND VOICEMAIL 2026-11-20T15:15:00Z ring 20 talk 131 line 0 +12025550143>405 ext 405 trunk in/PRI 1 e164 +12025550143 name Léa" + key,
		},
		{
			"a workgroup only", call("2", "500", "+12125550150", "+12025550143", in, party("4", "17", "", start, end, 0, 151, 0, "500", "Sales", "", "")),
			"CALL INBOUND ABANDONED 2026-11-20T15:15:00Z ring 151 talk 0 line 151 +12025550143>500 ext  trunk in/PRI 1 did +12125550150 e164 +12025550143 group 500" + key,
		},
		{
			"transferred", call("2", "406", "+12125550150", "+12025550143", in, party("1", "17", "", start, "2026-11-20 10:16:12", 12, 60, 0, "405", "Léa", "405", ""), party("1", "17", "", "2026-11-20 10:16:12", end, 9, 70, 0, "406", "Noé", "406", "")),
			"CALL INBOUND ANSWERED 2026-11-20T15:15:00Z ring 12 talk 130 line 0 +12025550143>406 ext 406 trunk in/PRI 1 did +12125550150 e164 +12025550143 name Noé from 405 to 406" + key,
		},
		{
			"outgoing, answered", call("3", "405", "+12125550198", "", caller, out),
			"CALL OUTBOUND ANSWERED 2026-11-20T15:15:00Z ring 11 talk 140 line 0 405>+12125550198 ext 405 trunk out/PRI 2 e164 +12125550198 name Léa" + key,
		},
		{
			"outgoing, not answered", call("3", "405", "+12125550198", "", caller, silent),
			"CALL OUTBOUND NO_ANSWER 2026-11-20T15:15:00Z ring 151 talk 0 line 0 405>+12125550198 ext 405 trunk out/PRI 2 e164 +12125550198 name Léa" + key,
		},
		{
			"internal", call("1", "405", "406", "", caller, party("1", "17", "", start, end, 12, 139, 0, "406", "Noé", "406", "")),
			"CALL INTERNAL ANSWERED 2026-11-20T15:15:00Z ring 12 talk 139 line 0 405>406 ext 405 trunk / name Léa" + key,
		},
		{
			"tandem", call("4", "", "+12125550198", "+12025550143", in, out),
			"CALL TRANSIT ANSWERED 2026-11-20T15:15:00Z ring 11 talk 140 line 0 +12025550143>+12125550198 ext  trunk in/PRI 1 out PRI 2 e164 +12125550198" + key,
		},
		{
			"no parties", call("2", "405", "+12125550150", "+12025550143"),
			"CALL INBOUND UNSPECIFIED 2026-11-20T15:15:00Z ring 0 talk 151 line 0 +12025550143>405 ext 405 trunk / did +12125550150 e164 +12025550143" + key + " AUTO_ANSWER",
		},
		{"a party was cut off", strings.Replace(call("3", "405", "911", "", caller, out), `"PartyCount":"2"`, `"PartyCount":"3"`, 1), "dead parties_missing"},
		{"not over", strings.Replace(call("3", "405", "911", "", caller, out), `"Locked":"1"`, `"Locked":"0"`, 1), "dead call_not_over"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(parse(t, p, tc.row)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// Passwords and PINs are kept nowhere.
func TestSecrets(t *testing.T) {
	p := formatstest.New(t, model, shoretel.New, newYork)
	raw := strings.Replace(call("3", "405", "911", ""), `{`, `{"AuthCode":"s3cret","PIN":"s3cret","UserPassword":"s3cret",`, 1)
	c, r := parse(t, p, raw)
	if r.Outcome != formats.CDR || strings.Contains(c.String(), "s3cret") {
		t.Errorf("%+v %v", r, c)
	}
}

func TestSettings(t *testing.T) {
	for key, bad := range map[string]pbx.Parse{
		"parse.date_order": {DateOrder: "dmy"}, "parse.time_is": {TimeIs: "end"}, "parse.clock": {Clock: 12},
	} {
		formatstest.Refuses(t, model, shoretel.New, bad, key)
	}
}

// The sample records, where their folder is given.
func TestSamples(t *testing.T) {
	want := []string{
		"CALL INBOUND UNSPECIFIED 2016-09-15T12:59:58Z ring 0 talk 151 line 0 6125551212>405 ext 405 trunk 2/17 e164 +16125551212 key 65539@2016-09-15T08:59:58 AUTO_ANSWER",
		"CALL OUTBOUND UNSPECIFIED 2016-09-15T13:01:02Z ring 0 talk 47 line 0 412>16125559876 ext 412 trunk 2/18 e164 +16125559876 account 4401 key 65540@2016-09-15T09:01:02",
		"CALL OUTBOUND UNSPECIFIED 2016-09-16T03:58:10Z ring 0 talk 4325 line 0 412>01133145678900 ext 412 trunk 2/18 e164 +33145678900 key 65541@2016-09-15T23:58:10",
		"CALL INBOUND UNSPECIFIED 2016-09-16T04:10:00Z ring 0 talk 0 line 9 blocked> ext  trunk 2/17 key 65542@2016-09-16T00:10:00",
		"CALL INBOUND UNSPECIFIED 2016-09-16T11:00:00Z ring 0 talk 20 line 0 unavailable>405 ext 405 trunk 2/17 key 65543@2016-09-16T07:00:00 AUTO_ANSWER",
		"COPY TRANSIT UNSPECIFIED 2016-09-16T11:05:00Z ring 0 talk 240 line 0 6125551212> ext 500 trunk 12/19 key 65544@2016-09-16T07:05:00",
		"CALL TRANSIT UNSPECIFIED 2016-09-16T11:05:00Z ring 0 talk 240 line 0 >16125550000 ext 500 trunk 2/ out 20 e164 +16125550000 key 65544@2016-09-16T07:05:00",
	}
	p := formatstest.New(t, model, shoretel.New, newYork)
	formatstest.Sample(t, filepath.Join(formatstest.Samples(t, model), "legacy-75.log"), cut.Lines, func(raw []byte) string {
		return show(parse(t, p, string(raw)))
	}, want...)
}
