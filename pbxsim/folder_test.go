package pbxsim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// contents reads the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

// A folder holds what was told to have been sent, each ticket in the file that it was told of.
func TestFolders(t *testing.T) {
	for name, x := range map[string]struct {
		model   string
		edit    func(*Options)
		pattern string
		files   int // at least
		want    func(ts []Ticket) string
	}{
		"3cx each": {threeCX, nil, "cdr-*.log", 200, func(ts []Ticket) string { return string(joined(ts, "\n\n")) }},
		"3cx grows": {
			threeCX, func(o *Options) { o.Grows, o.Slowly = true, true },
			"cdr.log", 1, func(ts []Ticket) string { return string(joined(ts, "\r\n")) },
		},
		"oxo": {alcatelOXO, nil, "TicketCollector*_?????.xml", 180, func(ts []Ticket) string {
			return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<TicketCollector>\r\n  " + string(joined(ts, "\r\n")) + "</TicketCollector>\r\n"
		}},
		"shoretel":    {shoretel, nil, "CDR-??????.log", 4, func(ts []Ticket) string { return string(joined(ts, "\r\n")) }},
		"hipath":      {unifyHiPath, nil, "gez????????????????.txt", 4, func(ts []Ticket) string { return string(joined(ts, "\r\n")) }},
		"asterisk":    {asterisk, nil, "Master.csv", 1, func(ts []Ticket) string { return string(joined(ts, "\n")) }},
		"asterisk 18": {asterisk, func(o *Options) { o.Variant = asteriskCSV18 }, "Master.csv", 1, func(ts []Ticket) string { return string(joined(ts, "\n")) }},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(200)
			o.Dir = t.TempDir()
			if x.edit != nil {
				x.edit(&o)
			}
			var log truth
			log.listen(&o)
			done, _ := running(t, newSim(t, x.model, o))
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			told := map[string][]Ticket{}
			for _, ticket := range log.sent {
				told[ticket.File] = append(told[ticket.File], ticket)
			}
			seen := contents(t, o.Dir)
			if len(seen) != len(told) || len(seen) < x.files {
				t.Errorf("%d files, %d told", len(seen), len(told))
			}
			for file, text := range seen {
				if ok, _ := filepath.Match(x.pattern, file); !ok {
					t.Errorf("a file is called %s", file)
				}
				if want := x.want(told[file]); text != want {
					t.Errorf("%s is %q, want %q", file, text, want)
				}
			}
		})
	}
}

// What the PBX packs any other program of that kind unpacks, and ACCOUNT.LIS names the files in their order.
func TestOXEFiles(t *testing.T) {
	o := options(800)
	o.Dir = t.TempDir()
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, alcatelOXE, o))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	told := map[string][]Ticket{}
	var names []string
	for _, x := range log.sent {
		if told[x.File] == nil {
			names = append(names, x.File)
		}
		told[x.File] = append(told[x.File], x)
	}
	if len(names) < 5 || names[0] != "TAXAAAAA.DAT" || names[1] != "TAXAAAAB.DAT" || oxeName(26*26) != "TAXAABAA.DAT" {
		t.Errorf("files %v", names)
	}
	seen := contents(t, o.Dir)
	var listed []string
	for line := range strings.Lines(seen["ACCOUNT.LIS"]) {
		listed = append(listed, strings.Fields(line)[0])
	}
	if !slices.Equal(listed, names) {
		t.Errorf("ACCOUNT.LIS has %v, want %v", listed, names)
	}
	again, _ := running(t, newSim(t, alcatelOXE, o))
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	if more := contents(t, o.Dir); len(more) != 2*len(seen)-1 || strings.Count(more["ACCOUNT.LIS"], "\n") != 2*len(names) {
		t.Errorf("a second run leaves %d files where there were %d", len(more), len(seen))
	}
	for _, name := range names {
		if _, ok := seen["IP"+name[3:]]; !ok {
			t.Errorf("no file of voice quality beside %s", name)
		}
		gzip := exec.Command("gzip", "-dc") // which unpacks what compress packed, too
		gzip.Stdin = strings.NewReader(seen[name])
		text, err := gzip.Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := oxeHead + string(joined(told[name], "\n")); string(text) != want {
			t.Errorf("%s is not what was sent", name)
		}
		if len(text) > 20_000 && len(seen[name]) > len(text)/3 {
			t.Errorf("%s: %d bytes of %d", name, len(seen[name]), len(text))
		}
	}
	if !strings.HasPrefix(oxeHead, "#TicketVersion,1,5,5,CalledNumber,6,35,30,") || !strings.HasSuffix(oxeHead, "TimeDlt,520,525,6\n") {
		t.Errorf("head %s", oxeHead)
	}
}

func TestCompressWidens(t *testing.T) {
	var text bytes.Buffer // of so many different pairs that the codes reach 16 bits, and the table is full
	for i := range 400_000 {
		text.WriteByte(byte(i * i >> 3))
		text.WriteByte(byte(i >> 7))
	}
	for _, n := range []int{0, 1, 2, 511, 5_000, text.Len()} {
		gzip := exec.Command("gzip", "-dc")
		gzip.Stdin = bytes.NewReader(compress(text.Bytes()[:n]))
		got, err := gzip.Output()
		if err != nil || !bytes.Equal(got, text.Bytes()[:n]) {
			t.Errorf("%d bytes: %d come out, %v", n, len(got), err)
		}
	}
}

// A TFTP server that answers late, twice, and refuses the first file once.
func TestTFTPPush(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	got := make(map[string]string)
	served := make(chan struct{})
	go func() {
		defer close(served)
		refused := false
		b := make([]byte, 600)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if !refused {
				refused = true
				_, _ = server.WriteTo([]byte("\x00\x05\x00\x03full\x00"), from)
				continue
			}
			name, mode, _ := bytes.Cut(b[2:n], []byte{0})
			if b[1] != tftpWrite || string(mode) != "octet\x00" {
				t.Errorf("request %q", b[:n])
				return
			}
			got[string(name)] = takeTFTP(t, from)
		}
	}()
	o := options(150)
	o.URL = "tftp://" + server.LocalAddr().String()
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, unifyHiPath, o))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	server.Close()
	<-served
	told := map[string][]Ticket{}
	for _, x := range log.sent {
		told[x.File] = append(told[x.File], x)
	}
	if len(told) < 3 || !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(told))) {
		t.Errorf("files %d, told %d", len(got), len(told))
	}
	for name, ts := range told {
		if got[name] != string(joined(ts, "\r\n")) {
			t.Errorf("%s differs from what was sent", name)
		}
	}
}

// takeTFTP takes one file on a port of its own.
func takeTFTP(t *testing.T, from net.Addr) string {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer conn.Close()
	var body []byte
	b := make([]byte, 600)
	for block := uint16(0); ; {
		ack := binary.BigEndian.AppendUint16([]byte{0, tftpACK}, block)
		for range 2 {
			if _, err := conn.WriteTo(ack, from); err != nil {
				t.Error(err)
				return ""
			}
		}
		if n := len(body); block > 0 && n < int(block)*tftpBlock {
			return string(body)
		}
		n, _, err := conn.ReadFrom(b)
		if err != nil || b[1] != tftpData {
			t.Errorf("data %q: %v", b[:n], err)
			return ""
		}
		if next := binary.BigEndian.Uint16(b[2:]); next == block+1 {
			block, body = next, append(body, b[4:n]...)
		}
	}
}

func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	for name, x := range map[string]struct {
		model string
		o     Options
		want  string
	}{
		"nowhere":  {threeCX, Options{}, "needs either Addr or Listen or Dir"},
		"two":      {shoretel, Options{Addr: "a:1", Dir: dir}, "needs either"},
		"only dir": {alcatelOXO, Options{}, "needs Dir"},
		"faults":   {shoretel, Options{Dir: dir, Faults: Faults{Split: true}}, "faults are of TCP"},
		"grows":    {threeCX, Options{Listen: "127.0.0.1:0", Grows: true}, "are of a folder"},
		"messages": {alcatelOXE, Options{Dir: dir, Variant: oxeMessages}, "give Listen"},
		"lines":    {alcatelOXE, Options{Listen: "127.0.0.1:0", Variant: oxeLines}, "give Dir"},
		"rows":     {asterisk, Options{Dir: dir, Variant: asteriskRows}, "give DSN"},
		"csv":      {asterisk, Options{DSN: "u:p@tcp(127.0.0.1:1)/x", Variant: asteriskCSV}, "give Dir"},
		"push":     {unifyHiPath, Options{URL: "http://x:1"}, "such as tftp://"},
	} {
		_, err := New(x.model, x.o)
		if got := cmp.Or(err, os.ErrExist).Error(); !strings.Contains(got, x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}
