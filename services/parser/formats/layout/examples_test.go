package layoutformat

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"trunkline.internal/pbx/layout"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/mitel3300"
	"trunkline.internal/services/parser/formats/panasonic"
)

const docs = "../../../../docs/layouts"

// load reads the tickets of one of the worked examples.
func load(t testing.TB, name string) *formatstest.File {
	t.Helper()
	f := formatstest.Load(t, filepath.Join(docs, name+".txt"))
	text, err := os.ReadFile(filepath.Join(docs, name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	f.Settings.Parse.Layout, f.Settings.Layout = name+".yaml", string(text)
	return f
}

func examples(t testing.TB) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(docs, "*.yaml"))
	if err != nil || len(paths) < 5 {
		t.Fatalf("%d examples in %s: %v", len(paths), docs, err)
	}
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".yaml"))
	}
	return names
}

// Every worked example is short, and makes of its tickets what stands beside it.
func TestExamples(t *testing.T) {
	for _, name := range examples(t) {
		t.Run(name, func(t *testing.T) {
			f := load(t, name)
			if n := strings.Count(f.Settings.Layout, "\n"); n > 60 {
				t.Errorf("%d lines", n)
			}
			formatstest.Golden(t, f, f.Parser(t, New))
			if name != "samsung-officeserv" { // lines of no known width, cut at blanks
				formatstest.Damage(t, f, f.Parser(t, New))
			}
		})
	}
}

// The layouts printed in the documentation are layouts.
func TestDocs(t *testing.T) {
	pages, err := filepath.Glob("../../../../docs/pbx/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range append(pages, docs+".md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(string(text), "\n```") {
			if i%2 == 0 || !strings.Contains(block, "\ncolumns:") || !strings.Contains(block, "\ndirection:") {
				continue
			}
			_, block, _ = strings.Cut(block, "\n") // behind the language
			if found++; !strings.HasPrefix(block, "#") {
				t.Errorf("%s: a layout begins with what it describes", page)
			}
			if _, err := layout.Parse(page, []byte(block+"\n")); err != nil {
				t.Error(err)
			}
		}
	}
	if found < 2 {
		t.Errorf("%d layouts in the documentation", found)
	}
}

// compare parses tickets through a layout and by the Go format of their model.
// What the layout makes a call is the same call, in every field; but has what
// the layout does not read, and why.
func compare(t *testing.T, f *formatstest.File, example string, theirs formatstest.Maker, but map[string]string) {
	t.Helper()
	format := f.Parser(t, theirs)
	own := load(t, example)
	own.Near = f.Near
	through := own.Parser(t, New)
	same := 0
	for _, raw := range f.Tickets {
		var want, got trunklinev1.Cdr
		wanted, result := format.Parse(f.Ticket(raw), &want), through.Parse(own.Ticket(raw), &got)
		why, known := but[string(raw)]
		if result.Outcome != wanted.Outcome {
			if !known || result.Outcome == formats.CDR {
				t.Errorf("%q\n got %+v\nwant %+v %v", raw, result, wanted, &want)
			}
			continue
		}
		slices.Sort(want.Warnings)
		slices.Sort(got.Warnings)
		if wanted.Outcome == formats.CDR && proto.Equal(&want, &got) == known {
			t.Errorf("%s %q\n got %v\nwant %v", why, raw, &got, &want)
			continue
		}
		same++
	}
	if same < len(f.Tickets)-len(but) {
		t.Errorf("%d of %d tickets alike; %d are known to differ", same, len(f.Tickets), len(but))
	}
}

func TestMitelAlike(t *testing.T) {
	f := formatstest.Load(t, "../mitel3300/testdata/standard.txt")
	compare(t, f, "mitel-3300-standard", mitel3300.New, map[string]string{
		"@20240507@ 05/07 02:36P 00:00:42 T1    007 201                         201                     000  ": "the stamp of a buffer box",
		"@20250101@ 12/31 23:50  00:00:42 T1    007 201                         201                     000  ": "the stamp of a buffer box",
		"@20240507@05/07 02:36P 00:00:42 T1    007 201                         201                     000  ":  "the stamp of a buffer box",
		"11/12 14:05  00:06:40 2034      00199001234               A T012                    000  ":            "the first column was trimmed",
		" 11/12 10:31  00:00:55 2036      00199001234#55            A T001                    000  ":           "digits behind #",
		" 11/12 14:05  00:06:40 2034      00199001234               A T012":                                    "trimmed behind the trunk: the layout warns of it",
		" 11/12 14:05  00:06:40 2034      00199001234               A T012       Zo\xe9          000  ":        "a byte that is no ASCII: the layout reads it",
	})
}

// What the Go format knows and the layout does not is dead, and no other call.
func TestMitelOthers(t *testing.T) {
	for _, name := range []string{"network", "extended", "others"} {
		never(t, formatstest.Load(t, "../mitel3300/testdata/"+name+".txt"), "mitel-3300-standard", mitel3300.New)
	}
}

func TestPanasonicAlike(t *testing.T) {
	f := formatstest.Load(t, "../panasonic/testdata/type-c.txt")
	compare(t, f, "panasonic-type-c", panasonic.New, map[string]string{
		"20/11/26 18:33     301 0101 <I>0199003006                                      0'07                                 AN  ": "a copy",
		"20/11/26 18:31     301 0101 0199003005                                              00:03'59":                             "trimmed: the layout warns of it",
	})
	f = formatstest.Load(t, "../panasonic/testdata/type-a.txt")
	for i, raw := range f.Tickets {
		f.Tickets[i] = typeC(raw)
	}
	compare(t, f, "panasonic-type-c", panasonic.New, map[string]string{
		"20/11/26 09:05     103 0003 <I> 0199001238 MARY WARD                           0'20 00:01'00                            ": "older systems: the number before the name",
		"20/11/26 09:05     103 0003 <INCOMING>0199001239                               0'20 00:01'00                            ": "older systems: the long mark",
		"20/11/26 09:06     103 0003 <I>0199001240                                                                           RC  ": "a copy",
		"20/11/26 09:06     103 0003 <I>0199001240                                      0'20                                 AN  ": "a copy",
		"20/11/26 10:19    1200 0001 9=0P1990F01244                                          00:01'05                            ": "pause and flash",
		"20/11/26 10:20     202 0001 0199001245-2033                                         00:03'13                        TR  ": "digits behind a transfer",
		"20/11/26 10:21     202 0001 ..........                                              00:00'13                            ": "nothing but hidden digits",
		"20/11/26 10:24    *123 0001 0199001248                                              00:00'09                            ": "a verified call",
		"20/11/26 10:25    T001 0001 0199001249                                              00:00'09                            ": "a tie line",
		"20/11/26 10:25    T001 0001 <I>0199001249                                      0'02 00:00'09                            ": "a tie line",
		"**/**/** **:****   201 0001 0199001257                                              00:00'07                            ": "the PBX's clock was changed",
		"20/11/26 15:53     201 0001 <I>0199001259                                      0'02 00:00'07                        NA  ": "answered and not",
	})
}

// typeC prints a line of type A as type C does.
func typeC(raw []byte) []byte {
	line := make([]byte, 120)
	for i := range line {
		line[i] = ' '
	}
	for _, c := range []struct{ from, to, at int }{{0, 22, 0}, {23, 25, 25}, {26, 51, 28}, {52, 56, 79}, {57, 65, 84}, {66, 76, 105}, {77, 80, 116}} {
		if c.from < len(raw) {
			copy(line[c.at:], raw[c.from:min(c.to, len(raw))])
		}
	}
	if len(raw) > 24 && raw[23] != ' ' {
		copy(line[23:], "00")
	}
	return line
}

func TestPanasonicOthers(t *testing.T) {
	for _, name := range []string{"type-a", "type-b", "dead", "notices"} {
		never(t, formatstest.Load(t, "../panasonic/testdata/"+name+".txt"), "panasonic-type-c", panasonic.New)
	}
}

// never fails where the layout makes a call of what the Go format does not read
// as the same call.
func never(t *testing.T, f *formatstest.File, example string, theirs formatstest.Maker) {
	t.Helper()
	format := f.Parser(t, theirs)
	own := load(t, example)
	own.Near = f.Near
	through := own.Parser(t, New)
	for _, raw := range f.Tickets {
		var want, got trunklinev1.Cdr
		if r := through.Parse(own.Ticket(raw), &got); r.Outcome != formats.CDR {
			continue
		}
		format.Parse(f.Ticket(raw), &want)
		slices.Sort(want.Warnings)
		slices.Sort(got.Warnings)
		if !proto.Equal(&want, &got) {
			t.Errorf("%q\n got %v\nwant %v", raw, &got, &want)
		}
	}
}
