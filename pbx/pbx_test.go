package pbx

import (
	"slices"
	"strings"
	"testing"
)

// The ids are part of every subject and every configuration: the list is fixed.
func TestCatalogue(t *testing.T) {
	want := strings.Fields(`3cx mitel-a5000-v2 mitel-a5000-v1 aastra-65xx-v1 mitel-a400-pc5 aastra-md-evolution
		mitel-3300 shoretel alcatel-oxo alcatel-oxe alcatel-oxe-ahl alcatel-4200 asterisk avaya-ipoffice avaya-alchemy
		cisco-cucm grandstream-ucm panasonic-kx unify-hipath wazo itneo telnowedge fonisk custom`)
	if len(want) != len(catalogue) {
		t.Errorf("%d models, want %d", len(catalogue), len(want))
	}
	for _, id := range want {
		m, ok := Lookup(id)
		if !ok {
			t.Errorf("no model %s", id)
			continue
		}
		if !ValidID(m.ID) || m.Product == "" || m.Split == nil || m.Charset == "" || len(m.Offers) == 0 || len(m.Variants) == 0 {
			t.Errorf("%s lacks an id, product, cutter, charset, wire or variant", id)
		}
		if _, ok := m.Offer(Files); ok && m.Files.Pattern == "" {
			t.Errorf("%s offers files without a pattern", id)
		}
		for _, o := range m.Offers {
			if m.Works(o.Wire) && o.Wire == MySQL && m.Table.Cursor == "" {
				t.Errorf("%s works over mysql without a cursor", id)
			}
		}
	}
}

// What the vendors give, in both roles where both exist: a model loses no wire.
func TestWires(t *testing.T) {
	const elsewhere = " ftp sftp ftp_server sftp_server"
	for id, want := range map[string]string{
		"3cx":                 "tcp.listen tcp.dial files" + elsewhere,
		"mitel-a5000-v2":      "tcp.dial tcp.listen http files",
		"mitel-a5000-v1":      "tcp.dial tcp.listen http files",
		"aastra-65xx-v1":      "tcp.dial tcp.listen http files",
		"mitel-a400-pc5":      "tcp.listen tcp.dial files",
		"aastra-md-evolution": "tcp.listen tcp.dial files",
		"mitel-3300":          "tcp.dial tcp.listen files" + elsewhere,
		"shoretel":            "files mysql tcp.listen tcp.dial" + elsewhere,
		"alcatel-oxo":         "files tcp.listen tcp.dial" + elsewhere,
		"alcatel-oxe":         "ftp sftp oxe files", // the PBX is a server only
		"alcatel-oxe-ahl":     "ahl",
		"alcatel-4200":        "tcp.listen tcp.dial files",
		"asterisk":            "mysql files" + elsewhere,
		"avaya-ipoffice":      "tcp.listen tcp.dial files" + elsewhere,
		"avaya-alchemy":       "files" + elsewhere,
		"cisco-cucm":          "files" + elsewhere,
		"grandstream-ucm":     "tcp.listen files http_server http",
		"panasonic-kx":        "tcp.dial tcp.listen files",
		"unify-hipath":        "tcp.listen tcp.dial tftp files" + elsewhere,
		"wazo":                "http files",
		"itneo":               "mysql",
		"telnowedge":          "mysql",
		"fonisk":              "mysql",
		Custom:                "tcp.listen tcp.dial files tftp http http_server mysql" + elsewhere,
	} {
		m, ok := Lookup(id)
		if !ok {
			t.Errorf("no model %s", id)
			continue
		}
		var got []string
		for _, w := range m.WorkingWires() {
			got = append(got, string(w))
		}
		slices.Sort(got)
		if want := slices.Sorted(strings.FieldsSeq(want)); !slices.Equal(got, want) {
			t.Errorf("%s works over %v, want %v", id, got, want)
		}
	}
}

// Where files come from another machine, its server's port is known.
func TestServersOfFiles(t *testing.T) {
	for _, m := range catalogue {
		if m.ID == Custom {
			continue
		}
		for w, port := range map[Wire]int{FTP: 21, SFTP: 22, FTPServer: 21, SFTPServer: 22} {
			o, ok := m.Offer(w)
			if !ok {
				continue
			}
			if _, files := m.Offer(Files); !files {
				t.Errorf("%s has files on servers, and none in a folder", m.ID)
			}
			if o.Port != port || o.Note == "" {
				t.Errorf("%s over %s: port %d, want %d; note %q", m.ID, w, o.Port, port, o.Note)
			}
		}
	}
}

func TestCucmHead(t *testing.T) {
	m, _ := Lookup("cisco-cucm")
	for line, want := range map[string]bool{
		"\"cdrRecordType\",\"globalCallID_callManagerId\"":             true,
		"\xef\xbb\xbf\"cdrRecordType\",\"globalCallID_callManagerId\"": true,
		"INTEGER,INTEGER,VARCHAR(50)":                                  true,
		"1,2,25449":                                                    false,
		"\"1\",\"2\",\"25449\"":                                        false,
	} {
		if got := m.Files.Head([]byte(line)); got != want {
			t.Errorf("Head(%q) = %v", line, got)
		}
	}
}

func TestPanasonicHead(t *testing.T) {
	m, _ := Lookup("panasonic-kx")
	for line, want := range map[string]bool{
		"\f  Date     Time   Ext CO Dial Number":           true,
		"------------------------------------------------": true,
		"":                      true,
		"04/12/26 17:18    401": false,
		"**/**/** **:****  401": false,
	} {
		if got := m.Files.Head([]byte(line)); got != want {
			t.Errorf("Head(%q) = %v", line, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for text, want := range map[string]string{
		"avaya-ipofice": "avaya-ipoffice",
		"Asterisk":      "asterisk",
		"cucm":          "cisco-cucm",
		"zzzzzzzzzz":    "",
	} {
		if got := Nearest(text); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"lyon": true, "0": true, "a-1": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "Lyon": false, "a.b": false, "a_b": false, "é": false, strings.Repeat("a", 64): false,
	} {
		if got := ValidID(id); got != want {
			t.Errorf("ValidID(%q) = %v", id, got)
		}
	}
}
