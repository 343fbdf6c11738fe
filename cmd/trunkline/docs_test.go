package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
)

var update = flag.Bool("update", false, "write the index of docs/pbx from the catalogue")

const pages = "../../docs/pbx"

// index is the table of docs/pbx/README.md.
func index() string {
	var b strings.Builder
	b.WriteString("| model | system | in ComTrafic | wires that work | what we know of its tickets |\n|---|---|---|---|---|\n")
	for _, m := range pbx.Models() {
		id := "`" + m.ID + "`"
		var wires []string
		for _, w := range m.WorkingWires() {
			o, _ := m.Offer(w)
			wire := "`" + string(w) + "`"
			if o.Port != 0 {
				wire += " " + strconv.Itoa(o.Port)
			}
			wires = append(wires, fmt.Sprintf("%s (%s)", wire, o.Sure))
		}
		if len(wires) == 0 {
			wires = []string{"not yet"}
		} else {
			id = fmt.Sprintf("[%s](%s.md)", id, m.ID)
		}
		comtrafic := m.ComTraficLabel
		if comtrafic != m.ComTraficFile {
			comtrafic += " (" + m.ComTraficFile + ")"
		}
		var variants []string
		for _, v := range m.Variants {
			variants = append(variants, fmt.Sprintf("%s: %s", v.Name, v.Sure))
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", id, title(m), comtrafic, strings.Join(wires, ", "), strings.Join(variants, "; "))
	}
	return b.String()
}

// The index lists exactly the catalogue's models, as the catalogue has them.
func TestIndexIsTheCatalogue(t *testing.T) {
	file := filepath.Join(pages, "README.md")
	text := read(t, file)
	begin := strings.Index(text, "| model |")
	if begin < 0 {
		t.Fatalf("%s has no table that begins with `| model |`", file)
	}
	end := begin + strings.Index(text[begin:]+"\n\n", "\n\n") + 1
	if want := index(); text[begin:min(end, len(text))] != want {
		if !*update {
			t.Fatalf("%s does not list the catalogue: go test -run %s -update. It would be\n%s", file, t.Name(), want)
		}
		if err := os.WriteFile(file, []byte(text[:begin]+want+text[min(end, len(text)):]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Each model that works has a page, and no other has.
func TestPages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(pages, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, f := range files {
		have[strings.TrimSuffix(filepath.Base(f), ".md")] = true
	}
	delete(have, "README")
	for _, m := range pbx.Models() {
		if !have[m.ID] {
			t.Errorf("%s has no page", m.ID)
			continue
		}
		delete(have, m.ID)
		if len(m.WorkingWires()) == 0 {
			continue
		}
		t.Run(m.ID, func(t *testing.T) { testPage(t, m) })
	}
	for id := range have {
		t.Errorf("%s.md is of no model", id)
	}
}

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

// withLayouts is a folder that has the layouts which a configuration names, and
// the name of a file in it.
func withLayouts(t *testing.T, name, yaml string) string {
	t.Helper()
	dir := t.TempDir()
	example := read(t, "../../docs/layouts/nec-sl1100.yaml")
	for _, m := range regexp.MustCompile(`layout: *([\w.-]+\.yaml)`).FindAllStringSubmatch(yaml, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(example), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name)
}

func testPage(t *testing.T, m *pbx.Model) {
	text := read(t, filepath.Join(pages, m.ID+".md"))
	for _, w := range m.WorkingWires() {
		if !strings.Contains(text, "`"+string(w)+"`") {
			t.Errorf("does not name the wire %s", w)
		}
		if o, _ := m.Offer(w); o.Port != 0 && !strings.Contains(text, strconv.Itoa(o.Port)) {
			t.Errorf("does not name port %d of %s", o.Port, w)
		}
	}
	for _, words := range []string{"`" + m.ID + "`", m.ComTraficFile, "## On the PBX", "**Firewall**", "Ignored:", "Dead:", "## Traps", "## How sure we are"} {
		if !strings.Contains(text, words) {
			t.Errorf("has no %q", words)
		}
	}
	// What stands there to copy is taken by the configuration, and shows every
	// wire.
	var shown []pbx.Wire
	for _, block := range yamlBlock.FindAllStringSubmatch(text, -1) {
		yaml := block[1]
		if !strings.HasPrefix(yaml, "sites:") {
			yaml = "sites:\n- id: lyon\n  timezone: Europe/Paris\n  links:\n  " + strings.ReplaceAll(strings.TrimSpace(yaml), "\n", "\n  ") + "\n"
		}
		cfg, err := config.Parse(withLayouts(t, m.ID+".md", yaml), []byte(yaml))
		if err != nil {
			t.Errorf("%v\n%s", err, yaml)
			continue
		}
		for _, l := range cfg.Links() {
			if l.Model != m.ID {
				t.Errorf("shows a link of %s", l.Model)
			}
			shown = append(shown, wireOf(l.Link))
		}
	}
	want := m.WorkingWires()
	slices.Sort(shown)
	slices.Sort(want)
	if !slices.Equal(slices.Compact(shown), want) {
		t.Errorf("shows links over %v, and these work: %v", shown, want)
	}
	if n := strings.Count(text, "\n"); n < 60 || n > 160 {
		t.Errorf("%d lines: a page has 60 to 160", n)
	}
}

// formats are the folders of the formats, whose doc comments list the reasons.
var formats = map[string]string{
	"3cx":                 "threecx",
	"aastra-65xx-v1":      "layout",
	"aastra-md-evolution": "layout",
	"alcatel-4200":        "layout",
	"alcatel-oxe":         "oxe",
	"alcatel-oxo":         "oxo",
	"asterisk":            "asterisk",
	"avaya-alchemy":       "alchemy",
	"avaya-ipoffice":      "avaya",
	"cisco-cucm":          "cucm",
	"custom":              "layout",
	"fonisk":              "joined",
	"grandstream-ucm":     "grandstream",
	"itneo":               "joined",
	"mitel-3300":          "mitel3300",
	"mitel-a400-pc5":      "mitela400",
	"mitel-a5000-v1":      "layout",
	"mitel-a5000-v2":      "layout",
	"panasonic-kx":        "panasonic",
	"shoretel":            "shoretel",
	"telnowedge":          "joined",
	"unify-hipath":        "hipath",
	"wazo":                "wazo",
}

var (
	reasonList    = regexp.MustCompile(`(?:Ignored|Dead): ([^.]*)\.`)
	inParentheses = regexp.MustCompile(`\([^)]*\)`)
)

// A page lists every reason that the format's doc comment does.
func TestPagesListTheReasons(t *testing.T) {
	for _, m := range pbx.Models() {
		if len(m.WorkingWires()) == 0 {
			continue
		}
		page := read(t, filepath.Join(pages, m.ID+".md"))
		if m.ByLayout && m.ID != pbx.Custom {
			if !strings.Contains(page, "`layout_missing`") || !strings.Contains(page, "custom.md") && !strings.Contains(page, "layouts.md") {
				t.Errorf("%s.md does not say that its tickets wait for a layout, and how one is written", m.ID)
			}
			continue
		}
		doc, _, _ := strings.Cut(read(t, filepath.Join("../../services/parser/formats", formats[m.ID], "format.go")), "\npackage ")
		doc = inParentheses.ReplaceAllString(strings.ReplaceAll(doc, "\n// ", " "), "")
		n := 0
		for _, list := range reasonList.FindAllStringSubmatch(doc, -1) {
			for reason := range strings.SplitSeq(list[1], ",") {
				if strings.TrimSpace(reason) == "" {
					continue
				}
				n++
				if r := strings.TrimSpace(reason); !strings.Contains(page, "`"+r+"`") {
					t.Errorf("%s.md does not list the reason %s", m.ID, r)
				}
			}
		}
		if n < 5 {
			t.Errorf("%s: %d reasons in the doc comment of its format: is it written otherwise?", m.ID, n)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
