package unpack

import (
	"archive/zip"
	"bytes"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

func zipped(t testing.TB, method uint16, raw bool, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		head := &zip.FileHeader{Name: files[i], Method: method}
		text := []byte(files[i+1])
		if raw { // sizes in the head, as a program writes that can seek
			head.CRC32, head.CompressedSize64, head.UncompressedSize64 = crc32.ChecksumIEEE(text), uint64(len(text)), uint64(len(text))
			f, err := w.CreateRaw(head)
			if err != nil {
				t.Fatal(err)
			}
			f.Write(text)
			continue
		}
		f, err := w.CreateHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		f.Write(text)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZip(t *testing.T) {
	text := strings.Repeat("ED5.2 0199001234 2034 MARTIN\n", 5000)
	for name, tc := range map[string]struct {
		packed []byte
		want   string
	}{
		"deflate, descriptor": {zipped(t, zip.Deflate, false, "t.txt", text), text},
		"stored":              {zipped(t, zip.Store, true, "t.txt", text), text},
		"behind a folder":     {zipped(t, zip.Store, true, "tickets/", "", "tickets/t.txt", text), text},
		"an empty file":       {zipped(t, zip.Deflate, false, "t.txt", ""), ""},
		"no file":             {zipped(t, zip.Deflate, false), ""},
	} {
		for _, dribble := range []bool{false, true} {
			if got, err := unpack(tc.packed, dribble); err != nil || string(got) != tc.want {
				t.Errorf("%s, byte by byte %v: %d bytes, want %d: %v", name, dribble, len(got), len(tc.want), err)
			}
		}
		if !Packed(tc.packed[:4]) {
			t.Errorf("%s is not known as packed", name)
		}
	}
}

func TestZipDamage(t *testing.T) {
	text := strings.Repeat("ED5.2 0199001234 2034\n", 300)
	good := zipped(t, zip.Deflate, false, "t.txt", text)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, tc := range map[string]struct {
		packed []byte
		want   string
	}{
		"two files":      {zipped(t, zip.Deflate, false, "a", text, "b", text), "more than one file"},
		"encrypted":      {change(6, 9), "encrypted"},
		"another method": {change(8, 12), "method 12"},
		"no size":        {zipped(t, zip.Store, false, "a", text), "where its file ends"},
		"no head":        {append(zipped(t, zip.Store, true, "d/", "")[:32], "rubbish"...), "head of a file"},
	} {
		_, err := unpack(tc.packed, false)
		var damage *DamageError
		if !errors.As(err, &damage) || damage.Format != "zip" || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	for n := 4; n < len(good); n++ {
		// A cut is damage, but in the directory, which is not looked at.
		got, err := unpack(good[:n], false)
		if directory := bytes.Index(good, zipDirectory); err == nil && (n < directory || string(got) != text) {
			t.Fatalf("cut at %d of %d: %d bytes and no error", n, len(good), len(got))
		}
	}
	at := bytes.Index(good, zipDescriptor)
	if _, err := unpack(change(at+4, good[at+4]+1), false); err == nil || !strings.Contains(err.Error(), "sum") {
		t.Errorf("a wrong sum: %v", err)
	}
}

func TestPacked(t *testing.T) {
	for begin, want := range map[string]bool{"": false, "E": false, "ED5.": false, "\x1f\x8b\x08\x00": true, "\x1f\x9d\x90": true, "PK\x03\x04": true, "PK": false} {
		if Packed([]byte(begin)) != want {
			t.Errorf("%q: %v", begin, !want)
		}
	}
}
