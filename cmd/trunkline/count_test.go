package main

import (
	"strings"
	"testing"

	"trunkline.internal/proto/wire"
	"trunkline.internal/services/sink"
)

func TestMany(t *testing.T) {
	for want, got := range map[string]string{
		"0 tickets":          many(0, "ticket"),
		"1 ticket":           many(uint64(1), "ticket"),
		"1204 tickets":       many(uint32(1204), "ticket"),
		"1,204 tickets":      manyGrouped(1204, "ticket"),
		"1 file was read":    many(1, "file was|files were") + " read",
		"12 files were read": manyGrouped(int64(12), "file was|files were") + " read",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A statement says of each part that there is nothing in it, and prints no head of
// a table without lines.
func TestEmptyStatement(t *testing.T) {
	s := statement{month: "2026-10", only: wire.Address{}}
	print := func() string {
		t.Helper()
		var b strings.Builder
		if err := s.text(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	want := `Call tickets of 2026-10, all sites; days are UTC days of receipt

Links: none

Days: none

Tickets that came and have no row: none

Numbers that are missing in the PBX's own sequence: none

Who changed what: none

Collected files: none

`
	if got := print(); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	s.gaps = []sink.SequenceGap{{Site: "lyon", Link: "desk", First: 7, Last: 9}}
	if got := print(); strings.Count(got, ": none") != 4 || !strings.Contains(got, "sequence\nLINK") || !strings.Contains(got, "lyon/desk  7     9   3") {
		t.Errorf("with a gap:\n%s", got)
	}
}
