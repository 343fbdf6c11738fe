package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// What waits at a site is told, and why; an empty spool is not.
func TestStatusOfSpools(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	process := &trunklinev1.Process{Service: "ingest-tcp", Host: "edge", Now: timestamppb.New(now)}
	s := &status{processes: []*trunklinev1.ProcessState{
		{Process: process, SpoolMaxBytes: 1 << 30},
		{
			Process: process, SpoolBytes: 700 << 20, SpoolMaxBytes: 1 << 30, SpoolMessages: 1204,
			SpoolOldestTime: timestamppb.New(now.Add(-3 * time.Hour)), SpoolProblem: "the hub refuses lyon/a; the hub refuses lyon/b",
		},
	}}
	var out strings.Builder
	s.print(&out, now)
	want := "\nThe spool of ingest-tcp on edge holds 1204 messages, 700 MiB (68.4 % of what it may), the oldest for 3 h:\n  the hub refuses lyon/a\n  the hub refuses lyon/b\n"
	if !strings.Contains(out.String(), want) || strings.Count(out.String(), "The spool of") != 1 {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
	out.Reset()
	if err := s.json(&out); err != nil || !strings.Contains(out.String(), `"spool_messages"`) {
		t.Errorf("%v: %s", err, out.String())
	}
}
