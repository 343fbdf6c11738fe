package layout

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"trunkline.internal/pbx/cut"
)

func splitter(t testing.TB, text string) bufio.SplitFunc {
	t.Helper()
	l, err := Parse("x.yaml", []byte(strings.Replace(good, "cut: lines", "cut: "+text, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return l.Split()
}

var cutters = []string{"lines", "{length: 5}", `{separator: "~~"}`, `{begin: "\x02", end: "\x03"}`, `{begin: "<r>", end: "</r>"}`}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		cut, in string
		want    []string
	}{
		{"lines", "ab\r\ncd\n", []string{"ab", "cd"}},
		{"{length: 5}", "abcdefghij", []string{"abcde", "fghij"}},
		{"{length: 5}", "abcdefg", []string{"abcde", "fg"}},
		{`{separator: "~~"}`, "~~ab~c~~~~de~~f", []string{"ab~c", "de", "f"}},
		{`{begin: "\x02", end: "\x03"}`, "\x02ab\r\ncd\x03\r\n\x02ef\x03\x00", []string{"ab\r\ncd", "ef"}},
		{`{begin: "\x02", end: "\x03"}`, "junk\x02ab\x02cd\x03more", []string{"junk", "ab", "cd", "more"}},
		{`{begin: "<r>", end: "</r>"}`, "<r>ab</r>\n<r>cd</r><r>ef", []string{"ab", "cd", "<r>ef"}},
	} {
		var got []string
		if err := cut.Each(splitter(t, tc.cut), []byte(tc.in), func(offset int, ticket []byte) bool {
			if !strings.HasPrefix(tc.in[offset:], string(ticket)) {
				t.Errorf("%s: %q is not at %d", tc.cut, ticket, offset)
			}
			got = append(got, string(ticket))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tc.want) {
			t.Errorf("%s %q: %q, want %q", tc.cut, tc.in, got, tc.want)
		}
	}
}

// slow gives so many bytes at a time.
type slow struct {
	data []byte
	n    int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.data[:min(s.n, len(s.data), len(p))])
	s.data = s.data[n:]
	return n, nil
}

// However the bytes arrive, the records are the same.
func FuzzSplit(f *testing.F) {
	for i := range cutters {
		f.Add([]byte("ab~~cd\x02ef\x03\r\ngh~~~<r>ij</r>kl\x02\x02mn<r><r></r>"), uint8(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, i uint8) {
		split := splitter(t, cutters[int(i)%len(cutters)])
		var whole [][]byte
		if err := cut.Each(split, data, func(_ int, ticket []byte) bool {
			whole = append(whole, ticket)
			return true
		}); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 2, 3, 7} {
			s := bufio.NewScanner(&slow{bytes.Clone(data), n})
			s.Split(split)
			at := 0
			for s.Scan() {
				if at >= len(whole) || !bytes.Equal(whole[at], s.Bytes()) {
					t.Fatalf("%d at a time: record %d is %q of %q", n, at, s.Bytes(), whole)
				}
				at++
			}
			if s.Err() != nil || at != len(whole) {
				t.Fatalf("%d at a time: %d records of %d: %v", n, at, len(whole), s.Err())
			}
		}
	})
}
