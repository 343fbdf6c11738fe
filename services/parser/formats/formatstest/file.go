package formatstest

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// Maker is a format's constructor.
type Maker func(*kit.Link) (formats.Parser, error)

// Near is the moment near which the golden tickets were written, unless their
// file says otherwise.
var Near = time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC)

// File is a file of tickets, testdata/<name>.txt, one a line. Lines that begin
// with `;` are comments, and those with `;;` say what the tickets are:
//
//	;; model panasonic-kx        of the catalogue; the only one that must be there
//	;; set date_order=dmy        a setting of the link, as of `trunkline parse --set`
//	;; zone America/New_York     the site's zone, for Europe/Paris
//	;; near 2026-11-20T18:00:00Z when the tickets were written; `none`: nothing tells
//	;; columns ,                 how columns are told apart: a separator, `fixed`, or
//	                             `none` for tickets that describe themselves (JSON, XML)
//	;; expect 1 call, 45 s       what the tickets together are
//	;; ends 15 17 30           the numbers of columns with which such a ticket may end; for
//	                             fixed columns the one from which on blanks at the end may
//	                             be missing, and the widths of shorter tickets
//	;; encoding quoted           lines are the inside of Go's quoted strings; or `hex`
//	                             for tickets without line ends
//
// The head of the file that its tickets came from stands in testdata/<name>.head.
type File struct {
	Name     string
	Settings pbx.Settings
	Near     time.Time
	Columns  string
	Ends     []int
	// End is the line end behind each ticket.
	End      string
	Preamble []byte
	Tickets  [][]byte
	// Expect is what the tickets together are, for the test that asks.
	Expect string
}

// Files loads every file of tickets in the folder.
func Files(t testing.TB, dir string) []*File {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s holds no files of tickets: %v", dir, err)
	}
	files := make([]*File, len(paths))
	for i, path := range paths {
		files[i] = Load(t, path)
	}
	return files
}

// Load reads one file of tickets.
func Load(t testing.TB, path string) *File {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{
		Name: strings.TrimSuffix(path, ".txt"), Near: Near, End: "\n",
		Settings: pbx.Settings{Site: "lyon", Link: "test", Timezone: "Europe/Paris", Country: "FR", OutsidePrefix: "0"},
	}
	if f.Preamble, err = os.ReadFile(f.Name + ".head"); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	encoding := ""
	for n, line := range strings.Split(string(b), "\n") {
		line = strings.TrimSuffix(line, "\r")
		fail := func(err error) {
			if err != nil {
				t.Fatalf("%s line %d: %v", path, n+1, err)
			}
		}
		if directive, ok := strings.CutPrefix(line, ";; "); ok {
			key, value, _ := strings.Cut(directive, " ")
			value = strings.TrimSpace(value)
			switch key {
			case "model":
				f.Settings.Model = value
			case "set":
				fail(f.Settings.Set(value))
			case "zone":
				f.Settings.Timezone = value
			case "columns":
				f.Columns = value
			case "expect":
				f.Expect = value
			case "ends":
				for n := range strings.FieldsSeq(value) {
					end, err := strconv.Atoi(n)
					fail(err)
					f.Ends = append(f.Ends, end)
				}
			case "encoding":
				if encoding = value; encoding == "hex" {
					f.End = ""
				}
			case "near":
				if f.Near = (time.Time{}); value != "none" {
					f.Near, err = time.Parse(time.RFC3339, value)
					fail(err)
				}
			default:
				t.Fatalf("%s line %d: no directive %q", path, n+1, key)
			}
			continue
		}
		if line == "" || line[0] == ';' {
			continue
		}
		raw := []byte(line)
		switch encoding {
		case "quoted":
			text, err := strconv.Unquote(`"` + line + `"`)
			fail(err)
			raw = []byte(text)
		case "hex":
			raw, err = hex.DecodeString(line)
			fail(err)
		}
		f.Tickets = append(f.Tickets, raw)
	}
	if len(f.Tickets) == 0 || f.Settings.Model == "" {
		t.Fatalf("%s holds no tickets, or no `;; model`", path)
	}
	return f
}

// Parser makes the parser of the file's link.
func (f *File) Parser(t testing.TB, make Maker) formats.Parser {
	t.Helper()
	link, err := kit.NewLink(f.Settings)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	p, err := make(link)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return p
}

// Ticket is one of the file's tickets, or other bytes from the same place.
func (f *File) Ticket(raw []byte) *formats.Ticket {
	return &formats.Ticket{Raw: bytes.Clone(raw), Preamble: f.Preamble, Near: f.Near}
}

// New makes a format's parser for a link in Lyon, changed as the test wishes.
func New(t testing.TB, model string, make Maker, change ...func(*pbx.Settings)) formats.Parser {
	t.Helper()
	f := File{Settings: pbx.Settings{Site: "lyon", Link: "test", Model: model, Timezone: "Europe/Paris", Country: "FR", OutsidePrefix: "0"}}
	for _, c := range change {
		c(&f.Settings)
	}
	return f.Parser(t, make)
}

// Try gives what a format says of a link in Lyon with these settings of its
// tickets; nil where it takes them.
func Try(t testing.TB, model string, make Maker, parse pbx.Parse) error {
	t.Helper()
	link, err := kit.NewLink(pbx.Settings{Site: "lyon", Link: "test", Model: model, Timezone: "Europe/Paris", Parse: parse})
	if err != nil {
		t.Fatal(err)
	}
	_, err = make(link)
	return err
}

// Refuses fails where a format takes these settings, or does not name what is
// wrong with them.
func Refuses(t testing.TB, model string, make Maker, parse pbx.Parse, named string) {
	t.Helper()
	if err := Try(t, model, make, parse); err == nil || !strings.Contains(err.Error(), named) {
		t.Errorf("%+v: %v, want %q", parse, err, named)
	}
}

// Samples is a folder of sample tickets to test with beside the committed ones,
// in the folder that TRUNKLINE_SAMPLES names. Where it names none the test is
// skipped: the golden tickets cover the same layouts.
func Samples(t testing.TB, folder string) string {
	t.Helper()
	root := os.Getenv("TRUNKLINE_SAMPLES")
	if root == "" {
		t.Skip("TRUNKLINE_SAMPLES names no sample tickets; the golden ones cover their layouts")
	}
	return filepath.Join(root, folder)
}

// Sample cuts a sample file into its tickets and holds what show makes of them
// against want.
func Sample(t testing.TB, path string, split bufio.SplitFunc, show func(raw []byte) string, want ...string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	err = cut.Each(split, b, func(_ int, raw []byte) bool {
		got = append(got, show(raw))
		return true
	})
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: %v\n got %s\nwant %s", path, err, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}
