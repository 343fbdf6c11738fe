package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
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

// At a hub a site that is away is told by its tickets; what nobody knows is no empty table.
func TestStatusOfAbsentSites(t *testing.T) {
	s := &status{counts: &trunklinev1.Counts{Links: []*trunklinev1.LinkCounts{{Site: "lyon", Link: "front-desk", Tickets: 104, Cdrs: 104, CallRows: 104}}}}
	s.gather(&config.Config{}, wire.Address{})
	var out strings.Builder
	s.print(&out, time.Now())
	for _, want := range []string{"absent", "104", "lyon/front-desk: no running service has it"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s\ndoes not say %q", out.String(), want)
		}
	}
}
