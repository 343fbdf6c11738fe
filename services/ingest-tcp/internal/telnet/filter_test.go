package telnet

import (
	"bytes"
	"testing"
)

func TestFilter(t *testing.T) {
	long := append([]byte{iac, sb}, bytes.Repeat([]byte("x"), 600)...)
	for name, c := range map[string]struct{ in, out, answers string }{
		"plain":                     {"abc\r\n", "abc\r\n", ""},
		"options":                   {"\xff\xfb\x01a\xff\xfd\x03b\xff\xfc\x01c\xff\xfe\x01d", "abcd", "\xff\xfe\x01\xff\xfc\x03"},
		"option is a line end":      {"a\xff\xfb\nb", "ab", "\xff\xfe\n"},
		"subnegotiation":            {"a\xff\xfa\x18\x01\xff\xff\nx\xff\xf0b", "ab", ""},
		"other commands":            {"a\xff\xf1b\xff\xf9c\xff\xf0d", "abcd", ""},
		"doubled":                   {"a\xff\xffb", "a\xffb", ""},
		"no command":                {"l'\xffge \xff\r\n", "l'\xffge \xff\r\n", ""},
		"unfinished command":        {"a\xff", "a\xff", ""},
		"unfinished option":         {"a\xff\xfb", "a\xff\xfb", ""},
		"unfinished subnegotiation": {"a\xff\xfab\nc", "a\xff\xfab\nc", ""},
		"endless subnegotiation":    {string(long) + "\nb\xff\xf1c", string(long) + "\nbc", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(c.in); size++ {
				f := Filter{Refuse: true}
				var out, answers []byte
				for in := []byte(c.in); len(in) > 0; in = in[min(size, len(in)):] {
					out = f.Append(out, in[:min(size, len(in))])
					answers = append(answers, f.Answers()...)
				}
				if out = f.Flush(out); string(out) != c.out {
					t.Fatalf("in pieces of %d: %q, want %q", size, out, c.out)
				}
				if string(answers) != c.answers {
					t.Fatalf("in pieces of %d: answers %q, want %q", size, answers, c.answers)
				}
			}
		})
	}
}

func TestFilterDoesNotAnswerUnasked(t *testing.T) {
	var f Filter
	f.Append(nil, []byte("\xff\xfb\x01\xff\xfd\x03"))
	if a := f.Answers(); len(a) > 0 {
		t.Errorf("answers %q", a)
	}
}

// reference says the same over the whole stream at once, slowly.
func reference(s []byte) (out []byte) {
	for len(s) > 0 {
		n, data := command(s)
		out, s = append(out, data...), s[n:]
	}
	return out
}

// command is what the stream begins with: how many bytes, and what data it is.
func command(s []byte) (n int, data []byte) {
	switch {
	case s[0] != 255:
		return 1, s[:1]
	case len(s) == 1:
		return 1, s
	case s[1] == 255:
		return 2, s[:1]
	case s[1] < 240:
		return 2, s[:2]
	case s[1] >= 251 && len(s) == 2:
		return 2, s
	case s[1] >= 251:
		return 3, nil
	case s[1] != 250:
		return 2, nil
	}
	for i := 2; i < len(s); i++ {
		if i >= 512 {
			return 512, s[:512]
		}
		if s[i] != 255 {
			continue
		}
		if i++; i < len(s) && s[i] == 240 && i < 512 {
			return i + 1, nil
		}
	}
	n = min(len(s), 512)
	return n, s[:n]
}

func FuzzTelnet(f *testing.F) {
	f.Add([]byte("abc\r\n\xff\xfb\x01def\n"), uint8(1))
	f.Add([]byte("\xff\xfa\x18\x00xterm\xff\xf0rest\xff\xffend\xff"), uint8(3))
	f.Add(append([]byte("\xff\xfa"), bytes.Repeat([]byte("a\xff\xff"), 300)...), uint8(7))
	f.Add(append([]byte("\xff\xfa"), append(bytes.Repeat([]byte("a"), 508), "\xff\xf0tail\xff\xf0"...)...), uint8(200))
	f.Fuzz(func(t *testing.T, in []byte, size uint8) {
		step := int(size) + 1
		var filter Filter
		var got []byte
		for s := in; len(s) > 0; s = s[min(step, len(s)):] {
			got = filter.Append(got, s[:min(step, len(s))])
		}
		got = filter.Flush(got)
		if want := reference(in); !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d: %q\ngot  %q\nwant %q", step, in, got, want)
		}
	})
}
