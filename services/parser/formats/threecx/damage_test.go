package threecx

import (
	"bytes"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/kit"
)

// A ticket of 27 fields that ends right behind a whole chain is one of 20 fields:
// only the missing line end tells, or `parse.fields`. Whatever else is cut off is
// seen where the order is recognised, too.
func TestCutWhileRecognising(t *testing.T) {
	for _, name := range []string{"27-fields", "27-types-last"} {
		f := formatstest.Load(t, filepath.Join("testdata", name+".txt"))
		f.Settings.Parse.Fields = nil
		p := f.Parser(t, New)
		for _, raw := range f.Tickets {
			whole, _ := formatstest.Check(t, p, f.Ticket(raw))
			last := bytes.LastIndexByte(raw, ',') + 1
			for end := range last {
				got, r := formatstest.Check(t, p, f.Ticket(raw[:end]))
				told := slices.ContainsFunc(got.Warnings, func(w trunklinev1.Warning) bool { return !slices.Contains(whole.Warnings, w) })
				if r.Outcome != formats.CDR || told || proto.Equal(got, whole) {
					continue
				}
				columns := bytes.Split(raw[:end], []byte(","))
				chain := columns[len(columns)-1]
				unanswered := len(columns[4]) == 0 && len(chain) == 0
				if len(columns) != 20 || !unanswered && !bytes.HasSuffix(chain, []byte(";")) {
					t.Errorf("%s: the end at byte %d changes the call without a word: %q", name, end, raw[:end])
				}
			}
		}
	}
}

// Names that hold commas in the orders whose columns cannot be told from lost
// parts of a name.
func TestNames(t *testing.T) {
	const (
		head  = "Call 7,50d85dd69c010000_1,00:01:00,2026/03/10 06:10:00,2026/03/10 06:10:07,2026/03/10 06:11:07,TerminatedBySrc,0199001151,Ext.201,10000,201,201,"
		still = head + ",Ext.201,201,"
		moved = head + "ReplacedDst,Ext.202,202,"
		types = "Line,Extension,Extension,"
	)
	for _, tc := range []struct{ name, ticket, calling, called, dispnames string }{
		{"23 fields", still + "Chain: 0199001151;Ext.201;," + types + "Smith, Jan,Zoé,Zoé,", "Smith, Jan", "Zoé", ""},
		{"types last", still + ",,,,Chain: 0199001151;Ext.201;,,Smith, Jan,Zoé,Zoé,Line,Extension,Extension", "Smith, Jan", "Zoé", ""},
		{"moved, with blanks", moved + ",,,,Chain: 0199001151;Ext.202;," + types + "Smith, Jan,Zoé,Lefèvre, Jo,", "Smith, Jan", "Lefèvre, Jo", ""},
		{"moved, without: it cannot be told", moved + ",,,,Chain: 0199001151;Ext.202;," + types + "Smith,Jan,Zoé,Jo,", "", "", "Smith,Jan,Zoé,Jo"},
		{"one party with two names", still + ",,,,Chain: 0199001151;Ext.201;," + types + "Smith, Jan,Zoé,Jo,", "", "", "Smith, Jan,Zoé,Jo"},
	} {
		c, r := parse(t, formatstest.New(t, model, New), tc.ticket)
		if r.Outcome != formats.CDR || c.CallingName != tc.calling || c.CalledName != tc.called || c.Attributes["dispnames"] != tc.dispnames {
			t.Errorf("%s: %q, %q, %v, %+v", tc.name, c.CallingName, c.CalledName, c.Attributes, r)
		}
		if !slices.Contains(c.Warnings, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR) {
			t.Errorf("%s: no warning in %v", tc.name, c.Warnings)
		}
	}
}

// The three encodings of one moment, and what is none.
func TestReadCallID(t *testing.T) {
	moment := time.Date(2026, 7, 10, 8, 0, 0, 400e6, time.UTC)
	for _, tc := range []struct {
		id   string
		made time.Time
		ok   bool
	}{
		{"0000019F4B0A6590_4759", moment, true},
		{"0000019f4b0a6590_1", moment, true},
		{"90650a4b9f010000_4760", moment, true},
		{"00000C367BC0CD90_4761", moment, true},
		{"0000000000000000_1", time.Time{}, true},
		{"FFFFFFFFFFFFFFFF_1", time.Time{}, true},
		{"0000019F4B0A6590_", time.Time{}, false},
		{"0000019F4B0A659_4759", time.Time{}, false},
		{"0000019F4B0A659G_4759", time.Time{}, false},
		{"", time.Time{}, false},
	} {
		if made, ok := readCallID(tc.id); ok != tc.ok || !made.Equal(tc.made) {
			t.Errorf("%s: %v, %v", tc.id, made, ok)
		}
	}
}

// Over a year, by any clock: callid gives the instant, and says so where the
// clock is not the expected one.
func TestClocks(t *testing.T) {
	p := formatstest.New(t, model, New).(*parser)
	for _, name := range []string{"UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(37 * time.Minute) {
			local := at.In(zone)
			wall := kit.Wall{Year: local.Year(), Month: int(local.Month()), Day: local.Day(), Hour: local.Hour(), Minute: local.Minute(), Second: local.Second()}
			_, start, warnings := p.start(wall, at.Add(300*time.Millisecond), time.Time{})
			if !start.Equal(at) || (len(warnings) == 0) != (name == "UTC") {
				t.Fatalf("%s at %v: %v %v", name, at, start, warnings)
			}
		}
	}
}
