package alchemy

import (
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

const model = "avaya-alchemy"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, New, func(t testing.TB, cdr *trunklinev1.Cdr) {
		if cdr.CallKey == "" || !strings.HasPrefix(cdr.CallKey, cdr.CallId+"@") {
			t.Fatalf("call key %q of call %q", cdr.CallKey, cdr.CallId)
		}
		if cdr.HoldSeconds > cdr.TalkSeconds {
			t.Fatalf("held %d s of %d", cdr.HoldSeconds, cdr.TalkSeconds)
		}
	})
}

func TestColumns(t *testing.T) {
	const head = "2001/11/20 16:49:13,00:01:25,4,0199001234,I,201,5500,,0,29,0,E201,Extn201,T9001,"
	p := formatstest.New(t, model, New)
	for _, tc := range []struct {
		name, ticket, want string
		talk               uint32
	}{
		{"17", head + "Line 1.1,11,24", "", 120},
		{"17 in quotes", head + `"Line 1.1",11,24`, "", 120},
		{"16", head + "Line 1.1,11", "SHORT_TICKET", 96},
		{"15", head + "Line 1.1", "SHORT_TICKET", 85},
		{"14", strings.TrimSuffix(head, ","), "too_few_columns", 0},
		{"18", head + "Line 1.1,11,24,1", "too_many_columns", 0},
		{"30", head + "Line 1.1,11,24" + strings.Repeat(",", 13), "too_many_columns", 0},
		{"a name with a comma", head + "Line 1, west,11,24", "NAME_WITH_SEPARATOR", 120},
		{"a name that begins with a quote", head + `"Line 1.1,11,24`, "", 120},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cdr, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(tc.ticket), Near: formatstest.Near})
			got := r.Reason
			if r.Outcome == formats.CDR {
				for _, w := range cdr.Warnings {
					got += formatstest.Words(w)
				}
				if want := time.Date(2001, 11, 20, 15, 49, 13, 0, time.UTC); !cdr.StartTime.AsTime().Equal(want) || cdr.TalkSeconds != tc.talk ||
					cdr.Direction != trunklinev1.Direction_DIRECTION_INBOUND || cdr.Extension != "201" || cdr.Did != "5500" || cdr.CallKey != "29@2001/11/20 16:49:13" {
					t.Errorf("%v", cdr)
				}
			}
			if got != tc.want {
				t.Errorf("%s, want %s", got, tc.want)
			}
		})
	}
}

func TestNew(t *testing.T) {
	formatstest.Refuses(t, model, New, pbx.Parse{TimeIs: "end"}, "parse.time_is")
}
