package cut

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

type piece struct {
	offset int
	text   string
}

func pieces(t testing.TB, payload []byte) []piece {
	t.Helper()
	var out []piece
	if err := Each(Lines, payload, func(offset int, ticket []byte) bool {
		out = append(out, piece{offset, string(ticket)})
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLines(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []piece
	}{
		{"nothing", "", nil},
		{"only ends", "\r\n\n\f\x00", nil},
		{"LF", "a\nb\n", []piece{{0, "a"}, {2, "b"}}},
		{"CR", "a\rb\r", []piece{{0, "a"}, {2, "b"}}},
		{"CRLF", "a\r\nb\r\n", []piece{{0, "a"}, {3, "b"}}},
		{"form feed before a page head", "a\r\n\fhead\r\nb", []piece{{0, "a"}, {4, "head"}, {10, "b"}}},
		{"NUL padding", "a\x00\x00b\x00", []piece{{0, "a"}, {3, "b"}}},
		{"leading ends", "\n\na\n", []piece{{2, "a"}}},
		{"blank lines are tickets", " \n", []piece{{0, " "}}},
		{"unterminated rest", "a\nbc", []piece{{0, "a"}, {2, "bc"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := pieces(t, []byte(tc.in))
			if len(got) != len(tc.want) {
				t.Fatalf("got %v, want %v", got, tc.want)
			}
			for i := range got {
				if got[i] != tc.want[i] {
					t.Errorf("piece %d: got %v, want %v", i, got[i], tc.want[i])
				}
			}
		})
	}
}

// Whatever way the bytes arrive, the tickets and what is joined again are the same.
func FuzzLines(f *testing.F) {
	f.Add([]byte("a\r\nb\r\n"), 1)
	f.Add([]byte("\f head\r\n\x00\x00a\rb"), 3)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		whole := pieces(t, in)

		sc := bufio.NewScanner(&dribble{data: in, size: size})
		sc.Buffer(make([]byte, 0, 16), len(in)+64)
		sc.Split(Lines)
		var joined []byte
		n := 0
		for sc.Scan() {
			if n >= len(whole) || sc.Text() != whole[n].text {
				t.Fatalf("stream ticket %d is %q", n, sc.Text())
			}
			n++
			joined = append(append(joined, sc.Bytes()...), '\n')
		}
		if err := sc.Err(); err != nil {
			t.Fatal(err)
		}
		if n != len(whole) {
			t.Fatalf("stream gives %d tickets, payload %d", n, len(whole))
		}
		again := pieces(t, joined)
		if len(again) != len(whole) {
			t.Fatalf("cut again: %d tickets, want %d", len(again), len(whole))
		}
		for i := range again {
			if again[i].text != whole[i].text {
				t.Fatalf("cut again: ticket %d is %q, want %q", i, again[i].text, whole[i].text)
			}
			at := whole[i].offset
			if !bytes.Equal(in[at:at+len(whole[i].text)], []byte(whole[i].text)) {
				t.Fatalf("offset %d does not point at %q", at, whole[i].text)
			}
		}
	})
}

type dribble struct {
	data []byte
	size int
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.data) == 0 {
		return 0, io.EOF
	}
	n := min(max(d.size%7, 1), len(d.data), len(p))
	copy(p, d.data[:n])
	d.data = d.data[n:]
	return n, nil
}
