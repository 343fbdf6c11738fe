package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestTFTP(t *testing.T) {
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	for name, c := range map[string]struct {
		of   TFTP
		want string // empty: well
	}{
		"push":               {TFTP{Listen: ":69", Allow: allow}, ""},
		"fetch":              {TFTP{Fetch: "10.1.0.9:69", File: "gez.txt", Every: Duration(time.Minute)}, ""},
		"nothing":            {TFTP{}, "links[0].tftp: give listen (the PBX pushes its files) or fetch"},
		"both":               {TFTP{Listen: ":69", Fetch: "10.1.0.9:69"}, "links[0].tftp: give listen (the PBX pushes its files) or fetch"},
		"no file":            {TFTP{Fetch: "10.1.0.9:69"}, "links[0].tftp.file: give the name of the file to fetch, such as gez.txt"},
		"nowhere":            {TFTP{Fetch: ":69", File: "gez.txt"}, "links[0].tftp.fetch: \":69\": give the PBX's address and port"},
		"no port":            {TFTP{Fetch: "10.1.0.9", File: "gez.txt"}, "give an address and a port"},
		"listens at no port": {TFTP{Listen: "10.1.0.9"}, "give an address and a port"},
		"pushes a file":      {TFTP{Listen: ":69", File: "gez.txt"}, "file and every go with fetch"},
		"pushes at":          {TFTP{Listen: ":69", Every: 1}, "file and every go with fetch"},
		"fetch allows":       {TFTP{Fetch: "10.1.0.9:69", File: "gez.txt", Allow: allow}, "tftp.allow: only a link that listens"},
	} {
		t.Run(name, func(t *testing.T) {
			u := uses{in: &reading{places: map[string]place{"": {"x.yaml", 1}}}, folders: make(map[string]string)}
			u.tftp(&c.of, "links[0].tftp", "lyon/plant")
			var got []string
			for _, p := range u.in.problems {
				got = append(got, p.Error())
			}
			if all := strings.Join(got, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("%q, want %q", all, c.want)
			}
		})
	}
	// Two links on one port are told apart by who sends.
	for other, want := range map[string]int{"10.2.0.0/16": 0, "10.1.2.0/24": 1} {
		u := uses{in: &reading{places: map[string]place{"": {"x.yaml", 1}}}, folders: make(map[string]string)}
		u.tftp(&TFTP{Listen: ":69", Allow: allow}, "links[0].tftp", "lyon/plant")
		u.tftp(&TFTP{Listen: ":69", Allow: []netip.Prefix{netip.MustParsePrefix(other)}}, "links[1].tftp", "lyon/second")
		u.ports()
		if got := len(u.in.problems); got != want {
			t.Errorf("%s: %v", other, u.in.problems)
		}
	}
}
