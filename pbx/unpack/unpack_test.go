package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// unpack reads everything, in chunks of one byte where dribble is set.
func unpack(packed []byte, dribble bool) ([]byte, error) {
	in := io.Reader(bytes.NewReader(packed))
	if dribble {
		in = iotest.OneByteReader(in)
	}
	r, err := Reader(in)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// noise is bytes that do not compress, the same each time.
func noise(n int) []byte {
	out, x := make([]byte, n), uint32(1)
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}

// changing is text that makes compress give up its table: lines, noise,
// lines.
func changing() []byte {
	var b bytes.Buffer
	for i := range 400 {
		fmt.Fprintf(&b, "ED5.2 01990012%02d 20%02d\n", i%100, i%7)
	}
	text := bytes.Clone(b.Bytes())
	b.Write(noise(6000))
	b.Write(text)
	return b.Bytes()
}

// Files written by compress 4.2.4 of Debian (ncompress), gzip and zip 3.0
// (Info-ZIP, also into a pipe): plain text, few bytes, a table that is cleared, and one that changes its width.
func TestRealFiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "tickets.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{
		"tickets.txt": text, "tickets.Z": text, "tickets.gz": text, "tickets.zip": text, "tickets-piped.zip": text, "short.Z": []byte("aaaaaaaaaa"), "changing-b10.Z": changing(), "changing-b12.Z": changing(),
	} {
		packed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, dribble := range []bool{false, true} {
			if got, err := unpack(packed, dribble); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, byte by byte %v: %d bytes, want %d: %v", name, dribble, len(got), len(want), err)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	contents := map[string][]byte{
		"nothing": nil, "a byte": {7}, "one byte again and again": bytes.Repeat([]byte("a"), 70_000), "noise": noise(90_000), "changing": changing(),
		"text": []byte(strings.Repeat("ED5.2 0199001234 2034 MARTIN\nED5.2 0199001235 2035\n", 3000)),
	}
	for name, want := range contents {
		for bits := 10; bits <= 16; bits++ {
			for _, e := range []encoder{{bits: bits}, {bits: bits, block: true}, {bits: bits, block: true, clearEvery: 700}, {bits: bits, block: true, clearEvery: 513}, {bits: bits, block: true, clearEvery: 1}} {
				packed := e.encode(want)
				if got, err := unpack(packed, false); err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s, %+v: %d bytes, want %d: %v", name, e, len(got), len(want), err)
				}
			}
		}
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(contents["text"]); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	if got, err := unpack(z.Bytes(), true); err != nil || !bytes.Equal(got, contents["text"]) {
		t.Errorf("gzip: %d bytes: %v", len(got), err)
	}
}

// The encoder of these tests writes what compress does.
func TestEncoder(t *testing.T) {
	for name, plain := range map[string][]byte{"short.Z": []byte("aaaaaaaaaa"), "tickets.Z": nil} {
		want, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if plain == nil {
			if plain, err = os.ReadFile(filepath.Join("testdata", "tickets.txt")); err != nil {
				t.Fatal(err)
			}
		}
		if got := (encoder{bits: 16, block: true}).encode(plain); !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, compress gives %d", name, len(got), len(want))
		}
	}
}

func TestPlain(t *testing.T) {
	for _, want := range []string{"", "E", "\x1f", "ED5.2\n", "\x1f\x8c", strings.Repeat("x", 100_000)} {
		if got, err := unpack([]byte(want), true); err != nil || string(got) != want {
			t.Errorf("%.10q: %.10q, %v", want, got, err)
		}
	}
}

func TestDamage(t *testing.T) {
	const head = "\x1f\x9d\x90"
	for _, tc := range []struct {
		name, packed, want string
		plain              string
	}{
		{"cut inside the head", "\x1f\x9d", "damaged compress data at byte 2: unexpected EOF", ""},
		{"codes of 17 bits", "\x1f\x9d\x91a\x00", "damaged compress data at byte 2: flags 0x91: expected codes of up to 10 to 16 bits", ""},
		{"codes of 9 bits only", "\x1f\x9d\x89a\x00", "flags 0x89", ""},
		{"flags that nobody knows", "\x1f\x9d\xb0a\x00", "flags 0xb0", ""},
		{"a table that begins with what is not in it", head + "\x01\x03", "damaged compress data at byte 5: code 257 is not in the table yet", ""},
		{"a code of a later entry", head + "a\x06\x02", "damaged compress data at byte 6: code 259 is not in the table yet", "a"},
		{"cut inside a code", head + "a\x02\x0a\x1c", "damaged compress data at byte 7: unexpected EOF", "aaaaaa"},
		{"padding that is none", head + "a\x80", "unexpected EOF", "a"},
		{"gzip cut inside its head", "\x1f\x8b\x08", "damaged gzip data at byte 3: unexpected EOF", ""},
		{"gzip of another method", "\x1f\x8b\x07\x00\x00\x00\x00\x00\x00\x00", "damaged gzip data at byte", ""},
	} {
		got, err := unpack([]byte(tc.packed), false)
		var damage *DamageError
		if !errors.As(err, &damage) || !strings.Contains(err.Error(), tc.want) || string(got) != tc.plain {
			t.Errorf("%s: %q, %v; want %q, %s", tc.name, got, err, tc.plain, tc.want)
		}
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(noise(5000)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for n := 2; n < z.Len(); n++ {
		var damage *DamageError
		if _, err := unpack(z.Bytes()[:n], false); !errors.As(err, &damage) || damage.Offset != int64(n) {
			t.Fatalf("gzip cut at %d: %v", n, err)
		}
	}
}

// What the source fails with comes through as it is.
func TestSourceFails(t *testing.T) {
	broken := errors.New("the link is down")
	packed := encoder{bits: 16, block: true}.encode(noise(5000))
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write(noise(5000)); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	for _, whole := range [][]byte{packed, z.Bytes(), []byte(strings.Repeat("plain", 1000))} {
		for _, n := range []int{0, 1, 2, 3, 11, 1000} {
			in := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken))
			r, err := Reader(in)
			if err == nil {
				_, err = io.ReadAll(r)
			}
			var damage *DamageError
			if !errors.Is(err, broken) || errors.As(err, &damage) {
				t.Errorf("%x, %d bytes: %v", whole[:2], n, err)
			}
		}
	}
}

// Whatever comes, the decoder ends, and says the same whichever way it is read.
func FuzzReader(f *testing.F) {
	f.Add([]byte("plain"))
	f.Add(encoder{bits: 16, block: true}.encode(changing()))
	f.Add(encoder{bits: 10, block: true, clearEvery: 300}.encode(noise(3000)))
	f.Add(encoder{bits: 12}.encode(bytes.Repeat([]byte("ab"), 5000)))
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"))
	f.Add(zipped(f, zip.Deflate, false, "t.txt", "0199001234\n"))
	f.Add(zipped(f, zip.Store, true, "t/", "", "t/t.txt", "0199001234\n"))
	f.Fuzz(func(t *testing.T, packed []byte) {
		const most = 1 << 20
		read := func(in io.Reader) (string, string) {
			r, err := Reader(in)
			if err != nil {
				return "", err.Error()
			}
			out, err := io.ReadAll(io.LimitReader(r, most))
			return string(out), fmt.Sprint(err)
		}
		whole, err1 := read(bytes.NewReader(packed))
		bytewise, err2 := read(iotest.OneByteReader(bytes.NewReader(packed)))
		if whole != bytewise || err1 != err2 {
			t.Fatalf("%d bytes, %s; byte by byte %d, %s", len(whole), err1, len(bytewise), err2)
		}
		if len(packed) > 0 {
			e := encoder{bits: 10 + int(packed[0])%7, block: packed[0]&8 != 0, clearEvery: int(packed[0]) * 3}
			if got, err := unpack(e.encode(packed), false); err != nil || !bytes.Equal(got, packed) {
				t.Fatalf("%+v: %d bytes of %d: %v", e, len(got), len(packed), err)
			}
		}
	})
}
