package remote

import (
	"maps"
	"strings"
	"testing"
)

func TestParseList(t *testing.T) {
	got := parseList([]byte("\x00TAXAAAAA.DAT;2026\r\nTAXAAAAB 12:00 TAXAAAAC_AC199E64.DAT\nIPAAAAA.DAT SIPTAX.DAT TAXAAAAA.DAT XTAXQ.DAT\n"))
	want := map[string]int{"TAXAAAAA.DAT": 3, "TAXAAAAB.DAT": 1, "TAXAAAAC_AC199E64.DAT": 2}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestNode(t *testing.T) {
	for name, want := range map[string]string{
		"TAXAAAAA.DAT": "", "TAXAAAAA_AC199E64.DAT": "_AC199E64", "taxaaaaa_ac199e64.dat": "_AC199E64",
		"ACCOUNT.LIS": "", "ACCOUNT_AC199E64.LIS": "_AC199E64", "OTHER_AC199E64.DAT": "",
	} {
		if got := node(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWanted(t *testing.T) {
	for name, want := range map[string]bool{
		"TAXAAAAA.DAT": true, "TAXAAAAA_AC199E64.DAT": true, "IPAAAAA.DAT": false, "SIPAAAAA.DAT": false, "ipaaaaa.DAT": false, "ACCOUNT.LIS": false,
	} {
		if wanted(oxe, "*.DAT")(name) != want {
			t.Error(name)
		}
	}
	if !wanted("custom", "*.DAT")("IPAAAAA.DAT") {
		t.Error("other PBXs have such names")
	}
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("TAXAAAAA.DAT\nTAXAAAAB_AC199E64.DAT\n"))
	f.Add([]byte("TAX.DAT TAXé TAX_AC199E64"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for name := range parseList(text) {
			if !strings.HasPrefix(name, "TAX") || !strings.HasSuffix(name, ".DAT") {
				t.Errorf("%q", name)
			}
		}
	})
}
