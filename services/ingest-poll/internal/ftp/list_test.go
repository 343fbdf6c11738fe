package ftp

import (
	"testing"
	"time"
)

var listNow = time.Date(2027, 1, 2, 12, 0, 0, 0, time.UTC)

func TestParseLIST(t *testing.T) {
	at := func(y, m, d, hh, mm, ss int) time.Time {
		return time.Date(y, time.Month(m), d, hh, mm, ss, 0, time.UTC)
	}
	for _, tc := range []struct {
		line, name string
		size       int64
		at         time.Time
	}{
		{"-rw-r--r--    1 0        0             526 Nov 21 09:00 TAXAAAAA.DAT", "TAXAAAAA.DAT", 526, at(2026, 11, 21, 9, 0, 59)},
		{"-rw-r--r--    1 0        0             526 Nov 21  2025 TAXAAAAA.DAT", "TAXAAAAA.DAT", 526, at(2025, 11, 21, 0, 0, 0)},
		{"-rw-r--r--+   1 ftp ftp 526 Jan  2 09:00 a b  c", "a b  c", 526, at(2027, 1, 2, 9, 0, 59)},
		{"-rw-r--r--    1 ftp ftp 526 Jan  3 13:00 ahead.txt", "ahead.txt", 526, at(2027, 1, 3, 13, 0, 59)}, // a zone to the east
		{"-rw-r--r--    1 ftp ftp 526 Jan  4 13:00 old.txt", "old.txt", 526, at(2026, 1, 4, 13, 0, 59)},
		{"-rw-r--r--    1 ftp ftp 526 Jul  1 10:00 half.txt", "half.txt", 526, at(2026, 7, 1, 10, 0, 59)},
		{"-rw-r--r--    1 ftp ftp 526 Feb 29 10:00 leap.txt", "leap.txt", 526, at(2024, 2, 29, 10, 0, 59)},
		{"-rw-r--r-- 1 root 8 Nov 21 08:59 nogroup", "nogroup", 8, at(2026, 11, 21, 8, 59, 59)},
		{"-rw------- root 8 21 Nov 08:59 x 2", "x 2", 8, at(2026, 11, 21, 8, 59, 59)},
		{"-rwxrwxrwx 1 user Domain Users 8 Nov 21 08:59 spaces.txt", "spaces.txt", 8, at(2026, 11, 21, 8, 59, 59)},
		{"-rw-r--r-- 1 root root 8 2026-11-21 08:59 iso.txt", "iso.txt", 8, at(2026, 11, 21, 8, 59, 59)},
		{"-r--------   0 user group 65222236 Feb 24 00:39 host.csv", "host.csv", 65222236, at(2026, 2, 24, 0, 39, 59)},
		{"-rw-r--r-- 1 root root 5000000000 Nov 21 08:59 4g", "4g", 5000000000, at(2026, 11, 21, 8, 59, 59)},
		{"11-21-26  09:00AM                  526 TAX A.DAT", "TAX A.DAT", 526, at(2026, 11, 21, 9, 0, 59)},
		{"11-21-2026  12:30PM                  526 a", "a", 526, at(2026, 11, 21, 12, 30, 59)},
		{"11/21/2026  12:30 AM  1,526 a", "a", 1526, at(2026, 11, 21, 0, 30, 59)},
		{"2026-11-21  19:00  526 a", "a", 526, at(2026, 11, 21, 19, 0, 59)},
	} {
		it, ok := parseLIST(tc.line, listNow)
		if !ok || it.unclear || it.Err != nil || it.Name != tc.name || it.Size != tc.size || !it.Written.Equal(tc.at) {
			t.Errorf("%q: %+v %v", tc.line, it, ok)
		}
	}
	for _, line := range []string{
		"", "total 12", "Total 0", "drwxr-xr-x 2 root root 4096 Nov 21 08:59 old", "11-21-26  09:00AM       <DIR>          old", "hello",
	} {
		if it, ok := parseLIST(line, listNow); ok {
			t.Errorf("%q: %+v", line, it)
		}
	}
	for _, line := range []string{"lrwxrwxrwx 1 root root 4 Nov 21 08:59 link -> /x", "prw-r--r-- 1 root root 0 Nov 21 08:59 link", "11-21-26  09:00AM  <JUNCTION>  link"} {
		if it, ok := parseLIST(line, listNow); !ok || it.Err == nil || it.Name != "link" {
			t.Errorf("%q: %+v %v", line, it, ok)
		}
	}
	// What is not understood keeps its name, and is asked for.
	for _, line := range []string{"-rw-r--r-- 1 root root 8 21 déc. 08:59 a.txt", "-rw-r--r-- 1 root root 8 Nov 31 08:59 a.txt", "+i83,m825718503,r,s280,\ta.txt x/a.txt", "-rw-r--r-- 1 root root -8 Nov 21 08:59 a.txt"} {
		if it, ok := parseLIST(line, listNow); !ok || !it.unclear {
			t.Errorf("%q: %+v %v", line, it, ok)
		}
	}
}

func TestParseMLSD(t *testing.T) {
	it, ok := parseMLSD("Type=file;Size=0526;Modify=20261121090000.250;UNIX.mode=0644; a  b;c")
	if !ok || it.unclear || it.Err != nil || it.Name != "a  b;c" || it.Size != 526 || !it.Written.Equal(time.Date(2026, 11, 21, 9, 0, 0, 250e6, time.UTC)) {
		t.Errorf("%+v %v", it, ok)
	}
	for _, line := range []string{"", "a", "type=dir;modify=20261121090000; d", "type=cdir; .", "type=pdir; .."} {
		if it, ok := parseMLSD(line); ok {
			t.Errorf("%q: %+v", line, it)
		}
	}
	for _, line := range []string{"type=file; a", "type=file;size=-1;modify=20261121090000; a", "type=file;size=1;modify=2026; a"} {
		if it, ok := parseMLSD(line); !ok || !it.unclear {
			t.Errorf("%q: %+v %v", line, it, ok)
		}
	}
}

func TestParsePorts(t *testing.T) {
	for text, want := range map[string]int{
		"Entering Extended Passive Mode (|||40000|)": 40000, "ok (!!!40000!)": 40000, "ok (|1|127.0.0.1|40000|)": 40000,
		"(|||0|)": 0, "(|||70000|)": 0, "|||40000|": 0, "(": 0, "()": 0, "": 0,
	} {
		if got, ok := parseEPSV(text); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d %v", text, got, ok)
		}
	}
	for text, want := range map[string]int{
		"Entering Passive Mode (10,1,0,9,156,64).": 40000, "=10,1,0,9,156,64": 40000, "10,1,0,9,156,64": 40000,
		"(10,1,0,9,256,64)": 0, "(10,1,0,9,0,0)": 0, "(10,1,0,9,1)": 0, "": 0,
	} {
		if got, ok := parsePASV(text); ok != (want > 0) || ok && got != want {
			t.Errorf("%q: %d %v", text, got, ok)
		}
	}
}

func FuzzListings(f *testing.F) {
	for _, line := range []string{
		"-rw-r--r--    1 0        0             526 Nov 21 09:00 TAXAAAAA.DAT", "11-21-26  09:00AM  526 a", "11-21-26  09:00 AM <DIR> a",
		"type=file;size=526;modify=20261121090000; a", "lrwxrwxrwx 1 root root 4 Nov 21 08:59 link -> /x", "-rw-r--r-- 1 2 Feb 29 10:00 ", "(|||1|)", "1,2,3,4,5,6",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, parse := range []func(string) (item, bool){parseMLSD, func(l string) (item, bool) { return parseLIST(l, listNow) }} {
			it, ok := parse(line)
			if ok && !it.unclear && it.Err == nil && it.Size < 0 {
				t.Errorf("%q: %+v", line, it)
			}
			if ok && !it.unclear && it.Err == nil && it.Written.IsZero() {
				t.Errorf("no time: %q: %+v", line, it)
			}
		}
		parseEPSV(line)
		parsePASV(line)
	})
}
