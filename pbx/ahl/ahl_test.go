package ahl

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	// The sums were made by hand: D 0x44, blank 0x20, 2 0x32, 0 0x30, 3 0x33, 4
	// 0x34, ETX 0x03.
	for _, tc := range []struct {
		check       Check
		text, frame string
	}{
		{None, "D 2034", "\x02D 2034\x03"},
		{LRC, "D 2034", "\x02D 2034\x03\x62"},
		{LRCHex, "D 2034", "\x02D 2034\x0362"},
		{None, "", "\x02\x03"},
		{LRC, "", "\x02\x03\x03"},
		{LRC, "\x01", "\x02\x01\x03\x02"}, // the sum is STX
		{LRCHex, "\xe9", "\x02\xe9\x03EA"},
	} {
		frame, err := tc.check.Append([]byte("before"), []byte(tc.text))
		if err != nil || string(frame) != "before"+tc.frame {
			t.Errorf("%s %q: %q, %v, want %q", tc.check, tc.text, frame, err, tc.frame)
		}
		if text, err := tc.check.Text([]byte(tc.frame)); err != nil || string(text) != tc.text {
			t.Errorf("%s %q: %q, %v", tc.check, tc.frame, text, err)
		}
	}
	if text, err := LRCHex.Text([]byte("\x02\xe9\x03ea")); err != nil || string(text) != "\xe9" {
		t.Errorf("small letters: %q, %v", text, err)
	}
	for _, text := range []string{"a\x02", "\x03", strings.Repeat("x", MaxFrame-1)} {
		if _, err := None.Append(nil, []byte(text)); err == nil {
			t.Errorf("%.5q can be framed", text)
		}
	}
	for _, tc := range []struct {
		check Check
		frame string
		want  error
	}{
		{LRC, "\x02D 2034\x03\x63", ErrCheck},
		{LRCHex, "\x02D 2034\x0363", ErrCheck},
		{LRCHex, "\x02D 2034\x03g2", ErrCheck},
		{LRC, "\x02D 2034\x03", ErrFrame},
		{LRC, "\x02D 2034\x0362", ErrFrame},
		{None, "\x02D 2034", ErrFrame},
		{None, "D 2034\x03", ErrFrame},
		{None, "\x02D\x032034\x03", ErrFrame},
		{None, "", ErrFrame},
		{LRCHex, "\x03\x03", ErrFrame},
	} {
		if _, err := tc.check.Text([]byte(tc.frame)); !errors.Is(err, tc.want) {
			t.Errorf("%s %q: %v, want %v", tc.check, tc.frame, err, tc.want)
		}
	}
}

func TestParseCheck(t *testing.T) {
	for _, c := range []Check{None, LRC, LRCHex} {
		if got, err := ParseCheck(c.String()); err != nil || got != c {
			t.Errorf("%s: %v, %v", c, got, err)
		}
	}
	if _, err := ParseCheck("crc"); err == nil {
		t.Error("crc is a check")
	}
}

// pieces names what data is made of, and what is left.
func pieces(c Check, data []byte) (out []string) {
	for {
		kind, piece := c.Next(data)
		if kind == More {
			return append(out, fmt.Sprintf("%d more %q", kind, data))
		}
		out = append(out, fmt.Sprintf("%d %q", kind, piece))
		data = data[len(piece):]
	}
}

func TestNext(t *testing.T) {
	for _, tc := range []struct {
		name  string
		check Check
		in    string
		want  []string
	}{
		{"nothing", None, "", []string{`0 more ""`}},
		{"frames and answers", LRC, "\x06\x02D 2034\x03b\x05\x15\x02\x01\x03\x02\x02", []string{
			`2 "\x06"`, `1 "\x02D 2034\x03b"`, `3 "\x05"`, `2 "\x15"`, `1 "\x02\x01\x03\x02"`, `0 more "\x02"`,
		}},
		{"the check is not there yet", LRCHex, "\x02D\x034", []string{`0 more "\x02D\x034"`}},
		{"noise around", None, "xy\x02D\x03z\r\n\x02E\x03", []string{`4 "xy"`, `1 "\x02D\x03"`, `4 "z\r\n"`, `1 "\x02E\x03"`, `0 more ""`}},
		{"a frame without end", None, "\x02DD\x02E\x03", []string{`4 "\x02DD"`, `1 "\x02E\x03"`, `0 more ""`}},
	} {
		if got := pieces(tc.check, []byte(tc.in)); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
	endless := append([]byte{STX}, bytes.Repeat([]byte("x"), 2*MaxFrame)...)
	if kind, piece := None.Next(endless[:MaxFrame-1]); kind != More {
		t.Errorf("%d, %d bytes before the measure is full", kind, len(piece))
	}
	if kind, piece := None.Next(endless); kind != Noise || len(piece) != MaxFrame {
		t.Errorf("%d, %d bytes of a frame that never ends", kind, len(piece))
	}
}

// What is framed is found again behind any noise that holds no STX, and the
// pieces are all of the data.
func FuzzNext(f *testing.F) {
	f.Add([]byte("D 2034"), []byte("noise\x06"), uint8(1))
	f.Add([]byte("\x01"), []byte("\x03\x03"), uint8(2))
	f.Fuzz(func(t *testing.T, text, noise []byte, which uint8) {
		c := Check(which % 3)
		data := noise
		for len(data) > 0 {
			kind, piece := c.Next(data)
			if kind == More {
				break
			}
			if len(piece) == 0 || !bytes.HasPrefix(data, piece) {
				t.Fatalf("piece %q of %q", piece, data)
			}
			if kind == Frame {
				if text, err := c.Text(piece); err == nil {
					again, err := c.Append(nil, text)
					if err != nil || !bytes.EqualFold(again, piece) {
						t.Fatalf("%q framed again is %q, %v", piece, again, err)
					}
				} else if !errors.Is(err, ErrCheck) {
					t.Fatalf("%q: %v", piece, err)
				}
			}
			data = data[len(piece):]
		}
		frame, err := c.Append(nil, text)
		if err != nil || bytes.IndexByte(noise, STX) >= 0 {
			return
		}
		for data = append(bytes.Clone(noise), frame...); ; {
			kind, piece := c.Next(data)
			if kind == More {
				t.Fatalf("the frame %q behind %q is lost", frame, noise)
			}
			if kind == Frame {
				if got, err := c.Text(piece); err != nil || !bytes.Equal(got, text) {
					t.Fatalf("%q: %q, %v", frame, got, err)
				}
				return
			}
			data = data[len(piece):]
		}
	})
}
