package parser

import (
	"fmt"
	"path/filepath"
	"testing"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/formatstest"
)

// Calls come out of tickets by their key, and what counts are the roles CALL and
// LEG: the tickets of testdata/calls give as many calls, and as long ones, as
// their stories tell. Each story is one of the vendor's own.
func TestCallsOutOfTickets(t *testing.T) {
	for _, f := range formatstest.Files(t, "testdata/calls") {
		t.Run(filepath.Base(f.Name), func(t *testing.T) {
			var all []byte
			for _, raw := range f.Tickets {
				all = append(append(all, raw...), f.End...)
			}
			calls, talk := map[string]bool{}, uint32(0)
			for _, outcome := range read(t, f, ticketMessage(f, all, 0)) {
				cdr, ok := outcome.(*trunklinev1.Cdr)
				if !ok {
					t.Fatalf("no call: %v", outcome)
				}
				if cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY {
					continue
				}
				calls[cdr.CallKey] = true
				talk += cdr.TalkSeconds
			}
			word := "calls"
			if len(calls) == 1 {
				word = "call"
			}
			if got := fmt.Sprintf("%d %s, %d s", len(calls), word, talk); got != f.Expect {
				t.Errorf("%s, want %s: %v", got, f.Expect, calls)
			}
		})
	}
}
