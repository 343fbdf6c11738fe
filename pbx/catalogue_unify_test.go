package pbx

import "testing"

func TestHipathHead(t *testing.T) {
	m, _ := Lookup("unify-hipath")
	for line, want := range map[string]bool{
		"Datum|Uhrzeit|Lt|Tln|Ruf|Dauer|Rufnummer|Betrag|I|":                              true,
		"Date     Time     Trk Stn    Call  Duration Ext number                Amount  I": true,
		"20.06.12|13:25:01|201|33388||00:03:20|0199001234|12|2|||||":                      false,
		"  ": false,
	} {
		if got := m.Files.Head([]byte(line)); got != want {
			t.Errorf("Head(%q) = %v", line, got)
		}
	}
}
