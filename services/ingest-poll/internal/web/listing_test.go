package web

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

var base = &url.URL{Scheme: "https", Host: "pbx.example", Path: "/trf/backup/pc/tickets/"}

func namesOf(t testing.TB, page string) (names []string) {
	t.Helper()
	items, err := readListing(strings.NewReader(page), base, func(string) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		names = append(names, it.name)
	}
	return names
}

// Listings as the servers write them.
func TestListings(t *testing.T) {
	for server, page := range map[string]string{
		"nginx": `<html><head><title>Index of /trf/backup/pc/tickets/</title></head><body><h1>Index of /trf/backup/pc/tickets/</h1><hr><pre><a href="../">../</a>
<a href="old/">old/</a>                        22-Nov-2026 10:00       -
<a href="T%20%C3%A9.gz">T é.gz</a>                       22-Nov-2026 10:00      1021
<a href="T0002">T0002</a>                       22-Nov-2026 10:00   2000000
</pre><hr></body></html>`,
		"apache": `<table><tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td valign="top"><img src="/icons/back.gif"></td><td><a href="/trf/backup/pc/">Parent Directory</a></td><td>&nbsp;</td></tr>
<tr><td valign="top"><a href="T%20%c3%a9.gz"><img src="/icons/compressed.gif"></a></td><td><a href="T%20%c3%a9.gz">T é.gz</a></td><td align="right">2026-11-22 10:00  </td><td align="right">1.0K</td></tr>
<tr><td valign="top"><a href="T0002"><img></a></td><td><a href="T0002">T0002</a></td><td align="right">2026-11-22 10:00  </td><td align="right">1.9M</td></tr></table>`,
		"lighttpd": `<tr class="d"><td class="n"><a href="../">..</a>/</td><td class="m">&nbsp;</td></tr>
<tr><td class="n"><a href="T%20%C3%A9.gz">T é.gz</a></td><td class="m">2026-Nov-22 10:00:03</td><td class="s">1.0K</td></tr>
<tr><td class="n"><a href="T0002">T0002</a></td><td class="m">2026-Nov-22 10:00:03</td><td class="s">1.9M</td></tr>`,
		"iis": `<pre><A HREF="/trf/backup/pc/">[To Parent Directory]</A><br><br>11/22/2026 10:00 AM        &lt;dir&gt; <A HREF="/trf/backup/pc/tickets/old/">old</A><br>
 11/22/2026 10:00 AM         1021 <A HREF="/trf/backup/pc/tickets/T%20%C3%A9.gz">T é.gz</A><br>
 11/22/2026 10:00 AM      2000000 <A HREF="/trf/backup/pc/tickets/T0002">T0002</A><br></pre>`,
		"in full": `<a href='https://pbx.example/trf/backup/pc/tickets/T%20%C3%A9.gz'>1</a><a href=T0002>2</a> <a name="x">`,
	} {
		if got := namesOf(t, page); !slices.Equal(got, []string{"T é.gz", "T0002"}) {
			t.Errorf("%s: %q", server, got)
		}
		// A row that changes is noticed, and only that one and its neighbours.
		if server == "in full" {
			continue
		}
		all := func(string) bool { return true }
		one, _ := readListing(strings.NewReader(page), base, all)
		at := strings.LastIndex(page, "10:00")
		two, _ := readListing(strings.NewReader(page[:at]+"10:01"+page[at+5:]), base, all)
		if one[1].row == two[1].row || !one[1].told {
			t.Errorf("%s: a change is not noticed", server)
		}
	}
}

func TestLinksThatAreNoFiles(t *testing.T) {
	for _, href := range []string{
		"", "#", "?C=N", ".", "..", "../", "../other", "sub/file", "/", "/etc/passwd", "//other/trf/backup/pc/tickets/a", "http://pbx.example/trf/backup/pc/tickets/a",
		"https://user@pbx.example/trf/backup/pc/tickets/a", "a%2Fb", "a%5Cb", "%2e%2e%2fx", "a%00", "a%0a", "a?x=1", "javascript:alert(1)", "mailto:a@b", "%zz",
		strings.Repeat("x", 300), "/trf/backup/pc/ticketsX/a", "/trf/backup/pc/tickets/../tickets/sub/x",
	} {
		if name, path, ok := fileOf(href, base); ok {
			t.Errorf("%q is taken as %q, %q", href, name, path)
		}
	}
	for href, want := range map[string]string{
		"a": "a", "./a": "a", " a ": "a", "%61": "a", "a%23b": "a#b", "a%3Fb": "a?b", "a#top": "a", "/trf/backup/%70c/tickets/a": "a", "caf%E9": "caf%E9", "..a": "..a",
	} {
		if name, _, ok := fileOf(href, base); !ok || name != want {
			t.Errorf("%q: %q, %v", href, name, ok)
		}
	}
}

func TestTooManyFiles(t *testing.T) {
	if _, err := readListing(&endless{}, base, func(string) bool { return true }); err != errTooMany {
		t.Error(err)
	}
	if _, err := readListing(strings.NewReader("<a href=\""+strings.Repeat("x", 2*maxToken)), base, func(string) bool { return true }); err == nil {
		t.Error("an endless link is taken")
	}
}

type endless struct{ n int }

func (e *endless) Read(p []byte) (int, error) {
	e.n++
	return copy(p, "<a href="+strings.Repeat("0", e.n%7)+string(rune('a'+e.n%26))+strings.Repeat("1", e.n/182%200)+string(rune('a'+e.n/36400%26))+">x</a>"), nil
}

func FuzzListing(f *testing.F) {
	f.Add("<a href=\"T1\">T1</a> 22-Nov-2026 10:00 1021\n<a href='../x'>")
	f.Add("<A HREF=/trf/backup/pc/tickets/a%20b>a</A><input type=password>")
	f.Add("<a href=%2e%2e%2f><a href=%00><!--")
	f.Fuzz(func(t *testing.T, page string) {
		items, err := readListing(strings.NewReader(page), base, func(string) bool { return true })
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, it := range items {
			if seen[it.name] || !validName(it.name) {
				t.Fatalf("%q", it.name)
			}
			seen[it.name] = true
			u, err := base.Parse(it.path)
			if err != nil || u.Host != base.Host {
				t.Fatalf("%q leads to %v, %v", it.path, u, err)
			}
		}
	})
}

func FuzzChallenges(f *testing.F) {
	f.Add(`Digest realm="x", nonce="n,1", qop="auth", Basic realm="y"`)
	f.Add(`Negotiate, NTLM`)
	f.Fuzz(func(t *testing.T, header string) {
		c, _ := choose(challenges(map[string][]string{"Www-Authenticate": {header}}))
		if c != nil && c.Nonce == "" {
			t.Fatalf("%+v", c)
		}
	})
}
