package pbx

import (
	"path"
	"testing"
)

func TestOXEFiles(t *testing.T) {
	m, _ := Lookup("alcatel-oxe")
	for line, want := range map[string]bool{
		"#TicketVersion,1,5,5,CalledNumber,6,35,30": true,
		" # TicketVersion,1,5,5":                    true,
		"ED5.20199001234":                           false,
		" ED5.2,0199001234":                         false,
		"\x01\x00\x02\x00#":                         false,
		"":                                          false,
	} {
		if got := m.Files.Head([]byte(line)); got != want {
			t.Errorf("Head(%q) = %v", line, got)
		}
	}
	for name, want := range map[string]bool{
		"TAXAAAAA.DAT": true, "TAXAAAAA_AC199E64.DAT": true, "TAXBHX": true, "IPAAAAA.DAT": false, "SIPAAAAA.DAT": false, "ACCOUNT.LIS": false, "tax.tmp": false,
	} {
		if got, err := path.Match(m.Files.Pattern, name); err != nil || got != want {
			t.Errorf("%s is collected: %v, %v", name, got, err)
		}
	}
}
