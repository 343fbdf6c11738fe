package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/identity"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

const (
	avayaCall   = "2026/11/20 16:33:19,00:01:05,4,0199001122,I,203,0199001234,,0,1000044,0,E203,Accueil <Lyon> & Cie,T9005,Line 5.1,0,0\r\n"
	avayaHeader = "Call Start,Connected Time\r\n"
)

type printed struct {
	Outcome, Reason, Error, Raw string
	RawBase64                   []byte `json:"raw_base64"`
	Cdr                         map[string]any
}

// parse runs `trunkline parse` and reads what it prints.
func parse(t *testing.T, stdin string, args ...string) (lines []string, tickets []printed) {
	t.Helper()
	out, err := execute(t.Context(), stdin, append([]string{"parse"}, args...)...)
	if err != nil {
		t.Fatalf("parse %s: %v", strings.Join(args, " "), err)
	}
	for line := range strings.Lines(out) {
		var p printed
		if err := json.Unmarshal([]byte(line), &p); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		lines, tickets = append(lines, strings.TrimSuffix(line, "\n")), append(tickets, p)
	}
	return lines, tickets
}

func TestParseStdin(t *testing.T) {
	args := []string{"--model", "avaya-ipoffice", "--timezone", "Europe/Paris", "--received-at", "2026-11-20T16:00:00.5Z", "--set", "country=FR"}
	lines, tickets := parse(t, avayaCall, args...)
	if len(tickets) != 1 || tickets[0].Outcome != "cdr" {
		t.Fatalf("tickets: %v", lines)
	}
	for field, want := range map[string]any{
		"start_time": "2026-11-20T15:33:19Z", "received_time": "2026-11-20T16:00:00.500Z",
		"direction": "DIRECTION_INBOUND", "disposition": "DISPOSITION_ANSWERED", "record_role": "RECORD_ROLE_CALL",
		"calling_number": "0199001122", "external_e164": "+33199001122", "called_name": "Accueil <Lyon> & Cie",
		"talk_seconds": 65.0, "ring_seconds": 4.0, "utc_offset_seconds": 3600.0,
	} {
		if got := tickets[0].Cdr[field]; got != want {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(lines[0])); err != nil || compact.String() != lines[0] {
		t.Errorf("a line has blanks between its parts (%v): %s", err, lines[0])
	}
	if !strings.Contains(lines[0], "<Lyon> & Cie") {
		t.Errorf("escaped as for HTML: %s", lines[0])
	}
	if again, _ := parse(t, avayaCall, args...); again[0] != lines[0] {
		t.Errorf("the same ticket prints another line:\n%s\n%s", lines[0], again[0])
	}
}

func TestParseOtherOutcomes(t *testing.T) {
	lines, _ := parse(t, avayaHeader+"1,2,3\n", "--model", "avaya-ipoffice")
	want := []string{
		`{"outcome":"ignored","reason":"header","raw":"Call Start,Connected Time"}`,
		`{"outcome":"dead","reason":"too_few_columns","error":"3 columns; an IP Office ticket has 15 or more","raw":"1,2,3"}`,
	}
	if len(lines) != len(want) {
		t.Fatalf("lines: %q", lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d: %s\nwant     %s", i+1, lines[i], want[i])
		}
	}
}

func TestParseStrict(t *testing.T) {
	args := []string{"parse", "--model", "avaya-ipoffice", "--strict"}
	if _, err := execute(t.Context(), avayaHeader+avayaCall, args...); err != nil {
		t.Errorf("nothing is dead: %v", err)
	}
	out, err := execute(t.Context(), avayaCall+"1,2,3\n"+avayaCall, args...)
	if err == nil || err.Error() != "1 of 3 tickets is dead" {
		t.Errorf("error %v", err)
	}
	if n := strings.Count(out, "\n"); n != 3 {
		t.Errorf("%d of 3 tickets printed before the error", n)
	}
}

// Bytes that JSON cannot say survive beside the text.
func TestParseBytesThatAreNoText(t *testing.T) {
	raw := "Call Start,Durée"
	latin := strings.Replace(raw, "é", "\xe9", 1)
	lines, tickets := parse(t, latin+"\n"+raw+"\n", "--model", "avaya-ipoffice")
	if len(tickets) != 2 {
		t.Fatalf("lines: %q", lines)
	}
	if got := tickets[0]; got.Raw != "Call Start,Dur\uFFFDe" || string(got.RawBase64) != latin {
		t.Errorf("not UTF-8: %s", lines[0])
	}
	if got := tickets[1]; got.Raw != raw || got.RawBase64 != nil {
		t.Errorf("UTF-8: %s", lines[1])
	}
}

// A CDR that cannot be printed costs one ticket, not the rest of the file.
func TestPrintOfCdrThatIsNoText(t *testing.T) {
	var out bytes.Buffer
	p := printer{out: bufio.NewWriter(&out)}
	bad := &trunklinev1.Cdr{CallingName: "\xff", Raw: []byte("bytes")}
	if err := p.print(&trunklinev1.CdrBatch{Cdrs: []*trunklinev1.Cdr{bad, {CallingName: "x"}}}); err != nil {
		t.Fatal(err)
	}
	p.out.Flush()
	lines := strings.Split(out.String(), "\n")
	if !strings.HasPrefix(lines[0], `{"outcome":"dead","reason":"not_text","error":`) || !strings.HasSuffix(lines[0], `"raw":"bytes"}`) {
		t.Errorf("printed %s", lines[0])
	}
	if lines[1] != `{"outcome":"cdr","cdr":{"calling_name":"x"}}` || p.dead != 1 || p.tickets != 2 {
		t.Errorf("printed %s; %d of %d dead", lines[1], p.dead, p.tickets)
	}
}

func TestParseFiles(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old, other := write(t, "old.txt", avayaCall), write(t, "other.txt", strings.TrimSpace(avayaCall))
	if err := os.Chtimes(old, modified, modified); err != nil {
		t.Fatal(err)
	}
	_, tickets := parse(t, "", "--model", "avaya-ipoffice", old, other)
	if len(tickets) != 2 || tickets[0].Outcome != "cdr" || tickets[1].Outcome != "cdr" {
		t.Fatalf("tickets: %v", tickets)
	}
	if got := tickets[0].Cdr["received_time"]; got != "2026-01-02T03:04:05Z" {
		t.Errorf("received at %v, not when the file was written", got)
	}
	if tickets[0].Cdr["ticket_id"] == tickets[1].Cdr["ticket_id"] {
		t.Error("one line in two files is one ticket")
	}
	_, tickets = parse(t, "", "--model", "avaya-ipoffice", "--received-at", "2026-11-20T18:00:00+01:00", old)
	if got := tickets[0].Cdr["received_time"]; got != "2026-11-20T17:00:00Z" {
		t.Errorf("received at %v, not as told", got)
	}
	wantError(t, "", []string{"parse", "--model", "avaya-ipoffice", filepath.Join(t.TempDir(), "none.txt")}, "none.txt")
}

// The head of a file is read with its tickets, and is none.
func TestParseHead(t *testing.T) {
	const pkid = "bde20536-1250-4382-af5b-3107ef569ae3"
	file := write(t, "cdr_StandAloneCluster_01_202611221700_1",
		"\xef\xbb\xbf\"cdrRecordType\",\"globalCallID_callId\",\"dateTimeOrigination\",\"callingPartyNumber\",\"finalCalledPartyNumber\",\"dateTimeConnect\",\"dateTimeDisconnect\",\"pkid\",\"origDeviceName\",\"destDeviceName\",\"duration\"\n"+
			"INTEGER,INTEGER,INTEGER,VARCHAR(50),VARCHAR(50),INTEGER,INTEGER,UNIQUEIDENTIFIER,VARCHAR(129),VARCHAR(129),INTEGER\n"+
			`1,1001,1795359600,"0199001122","201",1795359605,1795359665,"`+pkid+`","GW-LYON","SEP001122334455",60`)
	lines, tickets := parse(t, "", "--model", "cisco-cucm", "--timezone", "Europe/Paris", file)
	if len(tickets) != 1 || tickets[0].Outcome != "cdr" {
		t.Fatalf("tickets: %v", lines)
	}
	for field, want := range map[string]any{
		"ticket_id": identity.ByKey("offline", "parse", pkid), "start_time": "2026-11-22T15:00:00Z",
		"direction": "DIRECTION_INBOUND", "extension": "201", "talk_seconds": 60.0, "trunk_group": "GW-LYON",
	} {
		if got := tickets[0].Cdr[field]; got != want {
			t.Errorf("%s: %v, want %v", field, got, want)
		}
	}
	lines, _ = parse(t, "\"cdrRecordType\",\"pkid\"", "--model", "cisco-cucm")
	if len(lines) != 0 {
		t.Errorf("a head alone has tickets: %q", lines)
	}
}

func TestParseSettings(t *testing.T) {
	line := "04/03/26 17:18    201 01 0199001122           00:01'05" // type B
	for order, want := range map[string]string{"dmy": "2026-03-04T", "mdy": "2026-04-03T"} {
		lines, tickets := parse(t, line, "--model", "panasonic-kx", "--date-order", order)
		if tickets[0].Outcome != "cdr" || !strings.HasPrefix(tickets[0].Cdr["start_time"].(string), want) {
			t.Errorf("--date-order %s: %s", order, lines[0])
		}
	}

	row := `{"calldate":"2026-11-20 10:00:00","src":"abc","dst":"def","channel":"SIP/a-00000001","dstchannel":"SIP/b-00000002","duration":"9","billsec":"5","disposition":"ANSWERED","amaflags":"2"}`
	for set, want := range map[string]string{
		"amaflags=2:outbound,3:inbound": "DIRECTION_OUTBOUND",
		"trunks.names=x, a":             "DIRECTION_INBOUND",
		"trunks.devices=SIP/b":          "DIRECTION_OUTBOUND",
		"inside.devices=SIP/":           "DIRECTION_INTERNAL",
	} {
		lines, tickets := parse(t, row, "--model", "asterisk", "--set", set)
		if tickets[0].Cdr["direction"] != want {
			t.Errorf("--set %s: %s", set, lines[0])
		}
	}
	// A list that is given again grows.
	_, tickets := parse(t, row, "--model", "asterisk", "--set", "trunks.names=a", "--set", "trunks.names=b")
	if got := tickets[0].Cdr["direction"]; got != "DIRECTION_TRANSIT" {
		t.Errorf("two trunks: %v", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		args  []string
		words []string
	}{
		{"no model", nil, []string{"model"}},
		{"an unknown one", []string{"--model", "bogus"}, []string{`"bogus": `, "trunkline models"}},
		{"a misspelt one", []string{"--model", "avaya-ipofice"}, []string{`is it "avaya-ipoffice"?`}},
		{"one without layout", []string{"--model", "custom"}, []string{"parse.layout"}},
		{"no zone", []string{"--model", "asterisk", "--timezone", "Mars/Base"}, []string{"Mars/Base", "Europe/Paris"}},
		{"no time", []string{"--model", "asterisk", "--received-at", "yesterday"}, []string{"--received-at", "yesterday", "2026-11-22T19:00:00Z"}},
		{"no order", []string{"--model", "panasonic-kx", "--date-order", "dym"}, []string{"dym", "dmy, mdy, ymd, ydm"}},
		{"no =", []string{"--model", "asterisk", "--set", "country"}, []string{"country", "key=value"}},
		{"no value", []string{"--model", "asterisk", "--set", "inside.numbers="}, []string{"inside.numbers", "key=value"}},
		{"no such key", []string{"--model", "asterisk", "--set", "colour=red"}, []string{"colour", "outside_prefix", "inside.{"}},
		{"no number", []string{"--model", "asterisk", "--set", "inside.lengths=3,four"}, []string{"four"}},
		{"no clock", []string{"--model", "mitel-3300", "--set", "clock=13"}, []string{"clock=13", "12, 24"}},
		{"no clock at all", []string{"--model", "mitel-3300", "--set", "clock=noon"}, []string{"clock=noon", "12, 24"}},
		{"no time_is", []string{"--model", "cisco-cucm", "--set", "time_is=middle"}, []string{"time_is=middle", "start, end"}},
		{"a time that the model does not print", []string{"--model", "avaya-ipoffice", "--set", "time_is=end"}, []string{"time_is", "IP Office"}},
		{"no flag", []string{"--model", "asterisk", "--set", "amaflags=outbound"}, []string{"2:outbound"}},
		{"no direction", []string{"--model", "asterisk", "--set", "amaflags=2:away"}, []string{"inbound, outbound, internal"}},
		{"no charset", []string{"--model", "asterisk", "--set", "charset=klingon"}, []string{"klingon"}},
		{"no country", []string{"--model", "asterisk", "--set", "country=France"}, []string{"France"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, "", append([]string{"parse"}, c.args...), c.words...) })
	}
}
