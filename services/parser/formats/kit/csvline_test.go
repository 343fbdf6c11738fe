package kit

import (
	"slices"
	"testing"
)

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"", ",", `a,"b,c",d`, `"""a"" <1>",2`, `"a`, `"a"b,c`, `a"b`, `"a""`, `"a"",b`, `"",""`, `""a" b",c`} {
		f.Add(s)
	}
	var c CSV
	f.Fuzz(func(t *testing.T, line string) {
		c.Split(line, ',')
		want, ok := SplitCSV(nil, line, ',')
		if !slices.Equal(c.Columns, want) || c.Open == ok {
			t.Errorf("%q: %q open %v, want %q %v", line, c.Columns, c.Open, want, ok)
		}
	})
}

func TestCSVFlaws(t *testing.T) {
	var c CSV
	for line, want := range map[string][2]bool{
		`a,"b,c",d`: {}, `"a""",""`: {}, `""a" b",c`: {false, true}, `a"b,c`: {true, false}, `60",x`: {true, false}, `"a`: {}, `"a"b,c"`: {true, true},
	} {
		if c.Split(line, ','); c.Stray != want[0] || c.Behind != want[1] {
			t.Errorf("%q: stray %v, behind %v", line, c.Stray, c.Behind)
		}
	}
}
