package layout

import (
	"regexp"
	"testing"
)

func TestMatcher(t *testing.T) {
	for text, simple := range map[string]bool{
		`[TX]\d+`: true, `\d{4}|\d{3}-\d`: true, `\*?\d{3}`: true, `.*`: true, `[^ ]+x?`: false, `\d\d-\d\d .*`: true, `a|b|`: true, `D?\d`: true,
		`\d*\d`: false, `(?i)abc`: false, `[A-Z]{3}\d{5}\.\d\d|\d{5}\.\d\d[A-Z]{3}`: true, `.{3}`: false, `a(b|c)*`: false, `..:..`: false, `é+`: false,
		`\d{2,4}`: true, `x{0}y`: true, `^a$`: false, ``: true, `[a-c]*[d-f]*c?`: false, `[a-c]*[d-f]*[cd]`: false, `\d+?`: false,
	} {
		re := regexp.MustCompile(`\A(?:` + text + `)\z`)
		m := newMatcher(text, re)
		if (m.ways != nil) != simple {
			t.Errorf("%s: simple %v, want %v", text, m.ways != nil, simple)
		}
		for _, s := range []string{"", "T1", "X", "1234", "123-4", "12345", "*123", "12-34 x", "a", "b", "é", "aé", "\xff", "a\n", "ABC12345.67", "12345.67ABC", "y", "xy", "abcdef", "abcdefc", "D5", "5", " ", "x"} {
			if got, want := m.match(s), re.MatchString(s); got != want {
				t.Errorf("%s %q: %v, want %v", text, s, got, want)
			}
		}
	}
}

func FuzzMatcher(f *testing.F) {
	f.Add(`[TX]\d+|\d{3,4}`, "T12")
	f.Add(`\*?\d{3} .*`, "*123 é")
	f.Add(`[^a-c]+[a-c]?x{2,}`, "zax\xff")
	f.Fuzz(func(t *testing.T, text, s string) {
		re, err := regexp.Compile(`\A(?:` + text + `)\z`)
		if err != nil {
			return
		}
		if m := newMatcher(text, re); m.match(s) != re.MatchString(s) {
			t.Errorf("%q %q: %v", text, s, m.match(s))
		}
	})
}
