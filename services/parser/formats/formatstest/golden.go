// Package formatstest holds what the tests of all formats share.
package formatstest

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Golden parses the file's tickets and compares the outcomes with
// testdata/<name>.golden.json, one object a line. `-update` rewrites it; whoever
// does reads each line against the format's description.
func Golden(t *testing.T, f *File, p formats.Parser) {
	t.Helper()
	var got []string
	for _, raw := range f.Tickets {
		got = append(got, Outcome(t, p, f.Ticket(raw)))
	}
	if *update {
		if err := os.WriteFile(f.Name+".golden.json", []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(f.Name + ".golden.json")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(want) != len(got) {
		t.Fatalf("%d tickets, %d golden outcomes", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("%s ticket %d: %q\n got %s\nwant %s", f.Name, i+1, f.Tickets[i], got[i], want[i])
		}
	}
}

// Outcome parses one ticket twice, checks what holds for every outcome, and
// gives it as one line of JSON.
func Outcome(t testing.TB, p formats.Parser, ticket *formats.Ticket) string {
	t.Helper()
	cdr, result := Check(t, p, ticket)
	out := map[string]any{}
	switch result.Outcome {
	case formats.CDR:
		out["outcome"] = "cdr"
		b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(cdr)
		if err != nil {
			t.Fatal(err)
		}
		out["cdr"] = json.RawMessage(b)
		if result.Key != nil {
			out["key"] = result.Key
		}
	case formats.Ignored:
		out["outcome"], out["reason"] = "ignored", result.Reason
	default:
		out["outcome"], out["reason"], out["error"] = "dead", result.Reason, result.Error
	}
	b, err := json.Marshal(out) // also takes out the blanks that protojson varies
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Check parses one ticket twice and fails where the outcome is none that the
// parser may give.
func Check(t testing.TB, p formats.Parser, ticket *formats.Ticket) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	var cdr, again trunklinev1.Cdr
	before := bytes.Clone(ticket.Raw)
	result := p.Parse(ticket, &cdr)
	second := p.Parse(ticket, &again)
	if !bytes.Equal(before, ticket.Raw) {
		t.Fatalf("the ticket was changed: %q to %q", before, ticket.Raw)
	}
	if result.Outcome != second.Outcome || result.Reason != second.Reason || result.Error != second.Error || strings.Join(result.Key, "\x00") != strings.Join(second.Key, "\x00") {
		t.Fatalf("%q: first %+v, then %+v", ticket.Raw, result, second)
	}
	switch result.Outcome {
	case formats.CDR:
		if !proto.Equal(&cdr, &again) {
			t.Fatalf("%q: first %v, then %v", ticket.Raw, &cdr, &again)
		}
		if result.Reason != "" || result.Error != "" {
			t.Fatalf("%q: a CDR with %+v", ticket.Raw, result)
		}
		if cdr.StartTime == nil {
			t.Fatalf("%q: a CDR without start", ticket.Raw)
		}
		if cdr.EndTime != nil && cdr.EndTime.AsTime().Before(cdr.StartTime.AsTime()) {
			t.Fatalf("%q: ends before it starts", ticket.Raw)
		}
		if cdr.TimePrecisionSeconds != 1 && cdr.TimePrecisionSeconds != 60 {
			t.Fatalf("%q: time precision %d", ticket.Raw, cdr.TimePrecisionSeconds)
		}
		if cdr.RecordRole == 0 || cdr.Direction == 0 {
			t.Fatalf("%q: no role or no direction: %v", ticket.Raw, &cdr)
		}
		for name, value := range cdr.Attributes {
			if name == "" || value == "" {
				t.Fatalf("%q: attribute %q is %q", ticket.Raw, name, value)
			}
		}
		if _, err := proto.Marshal(&cdr); err != nil {
			t.Fatalf("%q: %v", ticket.Raw, err)
		}
	case formats.Ignored:
		if result.Reason == "" || result.Error != "" {
			t.Fatalf("%q: ignored with %+v", ticket.Raw, result)
		}
	case formats.Dead:
		if result.Reason == "" || result.Error == "" {
			t.Fatalf("%q: dead with %+v", ticket.Raw, result)
		}
		if !utf8.ValidString(result.Error) {
			t.Fatalf("%q: error %q is no UTF-8", ticket.Raw, result.Error)
		}
	default:
		t.Fatalf("%q: outcome %d", ticket.Raw, result.Outcome)
	}
	return &cdr, result
}
