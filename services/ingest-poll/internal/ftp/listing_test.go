package ftp

import (
	"fmt"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

func TestListings(t *testing.T) {
	for _, tc := range []struct{ name, listing string }{
		{"DOS", "11-21-26  08:59AM       <DIR>          old\r\n11-21-26  08:59AM                    8 a.txt\r\n"},
		{"unix without a group", "total 1\r\ndrwxr-xr-x 2 root 4096 Nov 21 08:59 old\r\n-rw-r--r-- 1 root 8 Nov 21 08:59 a.txt\r\n"},
		{"in French", "-rw-r--r-- 1 root root 8 21 nov. 08:59 a.txt\r\n"},
		{"only names", "x a.txt\r\n"},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprint(tc.name, ", MDTM ", known), func(t *testing.T) {
				r := rig.New(t, "unify-hipath")
				s := newScripted(t, &scripted{listing: func(string) string { return tc.listing }})
				if !known {
					s.on = func(verb, _ string) string {
						if verb == "MDTM" || verb == "SIZE" {
							return "502 what?"
						}
						return ""
					}
				}
				s.put("a.txt", "call 1\r\n", r.Clock.Now())
				r.Collect(hasty(r, s.addr))
				if !known && (tc.name == "in French" || tc.name == "only names") {
					r.Ill("a.txt", "listing is not understood")
					r.Tickets()
					return
				}
				r.Healthy()
				r.Tickets("call 1")
			})
		}
	}
}

func TestEmptyFolder(t *testing.T) {
	for _, answer := range []string{"", "550 No files found", "450 Directory is empty", "226 nothing"} {
		r := rig.New(t, "unify-hipath")
		s := newScripted(t, &scripted{on: on("LIST", answer)})
		r.Collect(hasty(r, s.addr))
		r.Healthy()
	}
}

// A file whose line shows the minute only and that is replaced within it.
func TestReplacedWithinAMinute(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	r.Clock.Add(10 * time.Second)
	s := newScripted(t, &scripted{listing: func(string) string { return "-rw-r--r-- 1 root root 8 Nov 21 09:00 a.txt\r\n" }})
	s.put("a.txt", "call 1\r\n", r.Clock.Now())
	c := hasty(r, s.addr)
	look := func() {
		t.Helper()
		if err := r.Look(c); err != nil {
			t.Fatal(err)
		}
	}
	look()
	r.Clock.Add(10 * time.Second)
	look()
	r.Tickets("call 1")
	s.put("a.txt", "call 2\r\n", r.Clock.Now().Add(time.Second))
	r.Clock.Add(10 * time.Second)
	look()
	r.Clock.Add(10 * time.Second)
	look()
	r.Tickets("call 1", "call 2")
	// Later the line alone says that nothing is new.
	for range 3 {
		r.Clock.Add(5 * time.Minute)
		look()
	}
	before := len(s.commands("MDTM"))
	r.Clock.Add(5 * time.Minute)
	look()
	if n := len(s.commands("MDTM")); n != before {
		t.Errorf("asked %d times again", n-before)
	}
}
