package tftp

import (
	"strings"
	"testing"

	"trunkline.internal/services/ingest-poll/internal/files"
)

func TestRequest(t *testing.T) {
	for in, want := range map[string]string{
		"\x00\x02a.txt\x00octet\x00":                "a.txt",
		"\x00\x02a.txt\x00NetASCII\x00":             "a.txt",
		"\x00\x02a\x00octet\x00blksize\x001024\x00": "a",
		"\x00\x02a\x00octet\x00blksize\x00":         "a",
		"\x00\x01a\x00octet\x00":                    "only taken",
		"\x00\x02a\x00mail\x00":                     "octet or netascii",
		"\x00\x02a\x00octet":                        "not whole",
		"\x00\x02a":                                 "no write request",
		"\x00\x03\x00\x01":                          "no write request",
		"":                                          "no write request",
		"\x00\x02" + strings.Repeat("a", 600) + "\x00octet\x00": "at most 512",
	} {
		r, refusal := parseRequest([]byte(in))
		if refusal == nil && r.name != want || refusal != nil && !strings.Contains(refusal.Text, want) {
			t.Errorf("%q: %+v, %v", in, r, refusal)
		}
	}
}

func TestOptions(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "\x00\x04\x00\x00",
		"BlkSize\x001024\x00":  "\x00\x06blksize\x001024\x00",
		"blksize\x0065464\x00": "\x00\x06blksize\x001428\x00",
		"blksize\x007\x00":     "\x00\x04\x00\x00",
		"blksize\x00many\x00":  "\x00\x04\x00\x00",
		"windowsize\x0016\x00": "\x00\x04\x00\x00",
		"tsize\x00700\x00x\x00y\x00timeout\x002\x00": "\x00\x06tsize\x00700\x00timeout\x002\x00",
		"timeout\x00200\x00":                         "\x00\x04\x00\x00",
		"blksize\x0064\x00blksize\x00128\x00":        "\x00\x06blksize\x0064\x00",
	} {
		r, refusal := parseRequest([]byte("\x00\x02a\x00octet\x00" + in))
		if refusal != nil {
			t.Fatal(refusal)
		}
		if got := string(negotiate(r.options).answer); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte("\x00\x02a.txt\x00octet\x00blksize\x001024\x00timeout\x002\x00tsize\x009\x00"))
	f.Add([]byte("\x00\x02../../etc/passwd\x00netascii\x00"))
	f.Add([]byte("\x00\x02\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, p []byte) {
		r, refusal := parseRequest(p)
		if (r == nil) == (refusal == nil) {
			t.Fatal("neither")
		}
		if refusal != nil {
			if got := theirError(errorPacket(refusal)); got.Code != refusal.Code || got.Text != refusal.Text {
				t.Fatalf("%v is told as %v", refusal, got)
			}
			return
		}
		if n := negotiate(r.options); n.block < minBlock || n.block > maxBlock || kind(n.answer) != opAck && kind(n.answer) != opAckOptions {
			t.Fatalf("%+v", n)
		}
		name, err := cleanName(r.name)
		if err == nil && (!files.Collects(anything, name) || strings.ContainsAny(name, "/\\:\x00") || device(name) || len(name) > maxName+10) {
			t.Fatalf("name %q of %q", name, r.name)
		}
	})
}

func TestNames(t *testing.T) {
	for given, want := range map[string]string{
		"cdr0001.txt": "cdr0001.txt", "/tftpboot/cdr.1": "cdr.1", `C:\TFTP\gez.txt`: "gez.txt", "../../etc/passwd": "passwd",
		".hidden": "tftp-.hidden", "_x": "tftp-_x", "a.part": "a.part.txt", "a.TMP": "a.TMP.txt", ".last": "tftp-.last", "con.txt": "tftp-con.txt",
		"COM1": "tftp-COM1", "geb\xfchr.txt": "geb_hr.txt", "a:b\n": "a_b_", "x. .": "x", "GEZ.gz": "GEZ.gz",
		"": "error", "..": "error", "a/": "error", strings.Repeat("n", 151): "error",
	} {
		got, err := cleanName(given)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
