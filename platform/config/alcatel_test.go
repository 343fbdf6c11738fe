package config

import (
	"strings"
	"testing"
)

func TestOXEAndAHL(t *testing.T) {
	for _, tc := range []struct {
		oxe  []OXE
		ahl  []AHL
		says string
	}{
		{oxe: []OXE{{Dial: []string{"10.1.0.9:2533", "10.1.0.10:2533"}}, {Dial: []string{"oxe2.example:2533"}}}},
		{oxe: []OXE{{}}, says: "give one address, or two"},
		{oxe: []OXE{{Dial: []string{"a:1", "b:1", "c:1"}}}, says: "give one address, or two"},
		{oxe: []OXE{{Dial: []string{"10.1.0.9"}}}, says: "address and a port"},
		{oxe: []OXE{{Dial: []string{":2533"}}}, says: "PBX's address and port, such as 10.1.0.9:2533"},
		{oxe: []OXE{{Dial: []string{"a:1", "a:1"}}}, says: "twice"},
		{oxe: []OXE{{Dial: []string{"a:1"}}, {Dial: []string{"b:1", "a:1"}}}, says: "so does link"},
		{ahl: []AHL{{Dial: "10.1.0.9:2561"}, {Dial: "10.1.0.10:2561", Check: "lrc-hex"}}},
		{ahl: []AHL{{}}, says: "give the PBX's address and port"},
		{ahl: []AHL{{Dial: ":2561"}}, says: "such as 10.1.0.9:2561"},
		{ahl: []AHL{{Dial: "a:1", Check: "crc"}}, says: "none, lrc, lrc-hex"},
		{ahl: []AHL{{Dial: "a:1"}, {Dial: "a:1"}}, says: "so does link"},
	} {
		in := &reading{places: map[string]place{"": {}}}
		u := uses{in: in, folders: map[string]string{}}
		for _, o := range tc.oxe {
			u.oxe(&o, "at", "lyon/oxe")
		}
		for _, a := range tc.ahl {
			u.ahl(&a, "at", "lyon/hotel")
		}
		var told strings.Builder
		for _, p := range in.problems {
			told.WriteString(p.Error())
		}
		if !strings.Contains(told.String(), tc.says) || tc.says == "" && told.Len() > 0 {
			t.Errorf("%q: %s", tc.says, told.String())
		}
	}
}
