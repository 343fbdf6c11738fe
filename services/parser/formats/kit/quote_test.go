package kit

import "testing"

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"":                              `""`,
		"I":                             `"I"`,
		"0199001234":                    `"0199??????"`,
		"Zoé 01 99 00 12":               `"Zoé 01 99 ?? ??"`,
		"+33(199)00-12":                 `"+33(19?)??-??"`,
		"2026/06/28 09:28:41":           `"2026/06/28 09:28:41"`,
		"a\x00b":                        `"a\x00b"`,
		"abcdefghijklmnopqrstuvwxyz123": `"abcdefghijklmnopqrstuvwx…"`,
	} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
