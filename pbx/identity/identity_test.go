package identity

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// Ids are for ever: a changed golden id means doubled tickets in every
// installation that re-reads a file.
func TestGolden(t *testing.T) {
	for _, tc := range []struct{ name, got, want string }{
		{"message", Message("lyon", "front-desk", "tcp:00", "0", []byte("a ticket\r\n")), "406331f58ba46c9d7e0fb09b12ec0c57"},
		{"place", AtPlace("lyon", "front-desk", "tcp:00", Position(1042)), "e1d9d960f7d02b34bd18f5247bb3dca2"},
		{"row", AtPlace("lyon", "hotline", Table("10.1.0.7:3306", "asteriskcdrdb.cdr", 0), RowPosition("id", "42")), "1f52a1bd601e150f3472f6207d335bd4"},
		{"key", ByKey("lyon", "cucm", "bde20536-1250-4382-af5b-3107ef569ae3"), "a986a51f1e436b71e74bf945dc8efa88"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, tc.got, tc.want)
		}
	}
}

// The description in docs/ticket-id.md, written out.
func TestDescription(t *testing.T) {
	var b []byte
	for _, f := range []string{"trunkline.ticket.place.v1", "lyon", "front-desk", "tcp:00", "1042"} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	sha := sha256.Sum256(b)
	if got, want := AtPlace("lyon", "front-desk", "tcp:00", "1042"), hex.EncodeToString(sha[:16]); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestFieldsDoNotRunTogether(t *testing.T) {
	seen := map[string]string{}
	for name, id := range map[string]string{
		"ab c":       AtPlace("ab", "c", "o", "1"),
		"a bc":       AtPlace("a", "bc", "o", "1"),
		"origin":     AtPlace("a", "b", "co", "1"),
		"key 1":      ByKey("a", "b", "co", "1"),
		"key 2":      ByKey("a", "b", "co1"),
		"message 1":  Message("a", "b", "co", "1", nil),
		"message 2":  Message("a", "b", "co", "", []byte("1")),
		"connection": Connection(), "another": Connection(),
	} {
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have one id", name, other)
		}
		seen[id] = name
	}
}

func TestOrigins(t *testing.T) {
	sha := sha256.Sum256([]byte("x"))
	if got, want := WholeFile("cdr_A_01_1", sha), "file:"+hex.EncodeToString(sha[:])+":cdr_A_01_1"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := GrowingFile([]byte("x")), "tail:"+hex.EncodeToString(sha[:]); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := Table("db:3306", "a.cdr", 2), "table:db:3306/a.cdr#2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func BenchmarkAtPlace(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		AtPlace("lyon", "front-desk", "tcp:0011223344556677", "1042")
	}
}
