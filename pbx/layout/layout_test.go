package layout

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// good is a layout that the tests spoil, line by line.
const good = `cut: lines
head: ["Date*"]
charset: iso-8859-1
columns:
  fixed: {date: 1-8, time: 10-17, from: 19-28, to: 30-39, talk: 41-48, kind: 50}
skip:
  - page_header: {line: "---*"}
check:
  - {from: {is: word}}
start: {date: DD/MM/YY, time: "hh:mm:ss"}
direction:
  - inbound: {kind: I}
  - outbound: [{kind: O}, {kind: "", to: {length: 6-}}]
disposition:
  - answered: {talk: {is: nonzero}}
fields:
  talk_seconds: {from: talk, as: "hh:mm:ss"}
  extension: from
inbound: {extension: to}
attributes: [kind]
call_key: [from, start_date]
`

func TestParse(t *testing.T) {
	l, err := Parse("good.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	k := l.Kinds[0]
	if l.Charset != "iso-8859-1" || len(l.Kinds) != 1 || len(k.Direction) != 2 || len(k.CallKey) != 2 {
		t.Errorf("%+v", l)
	}
	if f := k.Fields[1]; len(f) != 2 || f[1].Name != "extension" || k.Columns.Names[f[1].Sources[0].Column] != "to" {
		t.Errorf("inbound fields %+v", f)
	}
	if f := k.Fields[2]; len(f) != 2 || k.Columns.Names[f[1].Sources[0].Column] != "from" {
		t.Errorf("outbound fields %+v", f)
	}
	if c := &k.Columns; len(c.Gaps) != 6 || c.Gaps[5] != (Span{51, Open}) || c.End() != 50 || c.Sizes[0].From != 50 {
		t.Errorf("gaps %v end %d sizes %v", c.Gaps, c.End(), c.Sizes)
	}
	if !l.Lines() {
		t.Error("cut by line, and says it is not")
	}
	head := l.Head()
	if !head([]byte("Date     Time")) || head([]byte("20/11/26")) {
		t.Error("head")
	}
	if l, err = Parse("x", []byte(strings.Replace(good, "head:", "#", 1))); err != nil || l.Head() != nil {
		t.Errorf("no head: %v", err)
	}
}

// Whatever is wrong is told with its line, and with what would be right.
func TestErrors(t *testing.T) {
	for _, tc := range []struct{ old, replacement, want string }{
		{"cut: lines", "cut: line", `x.yaml:1: cut "line": give lines, or {length: 80}`},
		{"cut: lines", "cut: {length: 0}", `x.yaml:1: "0": give a number from 1 to 65536`},
		{"cut: lines", `cut: {begin: "<"}`, `x.yaml:1: cut: give one of length, separator, or begin and end together`},
		{"cut: lines", `cut: {begin: "<", end: "<"}`, `x.yaml:1: cut: begin and end hold one another`},
		{"cut: lines", `cut: {separator: ""}`, `x.yaml:1: an empty text`},
		{"head:", "haed:", `x.yaml:2: no key of a layout "haed": did you mean "head"?`},
		{"head:", "cut:", `x.yaml:2: a layout: "cut" is given twice`},
		{"columns:", "colums:", `x.yaml:4: no key of a layout "colums": did you mean "columns"?`},
		{"fixed:", "fix:", `x.yaml:5: no key of columns "fix": did you mean "fixed"?`},
		{"date: 1-8", "date: 8-1", `x.yaml:5: "8-1": give a number such as 7 or a range such as 7-12`},
		{"date: 1-8", "date: 0-8", `x.yaml:5: column "date": columns are counted from 1`},
		{"date: 1-8", "line: 1-8", `x.yaml:5: column "line": there is one already`},
		{"page_header:", "Page Header:", `x.yaml:7: "Page Header": give a reason such as page_header`},
		{`{line: "---*"}`, `{lien: "---*"}`, `x.yaml:7: no column "lien": did you mean "line"?`},
		{`{line: "---*"}`, `{}`, `x.yaml:7: a condition: give {column: value}, or always`},
		{`{line: "---*"}`, `{direction: inbound}`, `x.yaml:7: column "direction": it is not known yet when this is decided`},
		{"{is: word}", "{is: wrod}", `x.yaml:9: no word "wrod": did you mean "word"?`},
		{"{is: word}", "{has: word}", `x.yaml:9: no key of a test "has"`},
		{"{is: word}", "{matches: '['}", `x.yaml:9: regular expression: `},
		{"{is: word}", "", `x.yaml:9: nothing is given: give a text, "" where it is empty`},
		{"{is: word}", "{is: word, not: x}", `x.yaml:9: a test: give one of is, not,`},
		{"date: DD/MM/YY", "date: DD/YY", `x.yaml:10: start: a moment needs day, month, hour and minute`},
		{"date: DD/MM/YY", "date: DD/MM/YYY", `x.yaml:10: "DD/MM/YYY": YYY: no such number of digits`},
		{"date: DD/MM/YY", "date: DDD", `x.yaml:10: start: a day of the year needs the year`},
		{`time: "hh:mm:ss"`, `time: "hh:mm DD"`, `x.yaml:10: start: "hh:mm DD" is printed twice`},
		{"start:", "satrt:", `x.yaml:10: no key of a layout "satrt": did you mean "start"?`},
		{"inbound: {kind: I}", "imbound: {kind: I}", `x.yaml:12: no value "imbound": did you mean "inbound"?`},
		{"inbound: {kind: I}", "inbound: {disposition: answered}", `x.yaml:12: column "disposition": it is not known yet`},
		{"inbound: {kind: I}", "inbound: {kind: I}\n    outbound: always", `x.yaml:12: a rule: give one`},
		{"talk_seconds:", "talk:", `x.yaml:17: no field "talk": did you mean`},
		{"talk_seconds: {from: talk", "talk_seconds: {form: talk", `x.yaml:17: no key of a source "form": did you mean "from"?`},
		{"{from: talk,", `{value: "1:00",`, `x.yaml:17: value "1:00": it is none of "hh:mm:ss"`},
		{"{from: talk,", `{from: talk, strip: "+",`, `x.yaml:17: strip is for texts`},
		{`as: "hh:mm:ss"`, `as: "xx"`, `x.yaml:17: "xx": give a pattern such as`},
		{"extension: from\n", "extension: [frm]\n", `x.yaml:18: no column "frm": did you mean "from"?`},
		{"extension: from\n", "extension: {from: from, as: seconds}\n", `x.yaml:18: as is for durations`},
		{"extension: from\n", "extension: []\n", `x.yaml:18: an empty list`},
		{"fields:", "count: 3\nfields:", `x.yaml:1: length is for fixed columns, count for separated ones`},
		{"fields:", "trimmed: perhaps\nfields:", `x.yaml:16: trimmed: "perhaps": give yes or no`},
		{"attributes: [kind]", "attributes: {Kind of Call: kind}", `x.yaml:20: attribute "Kind of Call": small letters, digits and _`},
		{"call_key: [from", "call_key: [form", `x.yaml:21: no column "form": did you mean "from"?`},
		{"cut: lines", "cut: [", `x.yaml:`},
		{"call_key:", "---\ncut: lines\ncall_key:", `x.yaml:22: cut holds for the whole file`},
	} {
		text := strings.Replace(good, tc.old, tc.replacement, 1)
		if text == good {
			t.Fatalf("%q is not there", tc.old)
		}
		l, err := Parse("x.yaml", []byte(text))
		if err == nil || l != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v\nwant %s", tc.replacement, err, tc.want)
		}
	}
}

func TestAllErrorsAtOnce(t *testing.T) {
	text := strings.NewReplacer("{is: word}", "{is: wrod}", "extension: from", "extenison: from", "kind: I}", "knid: I}").Replace(good)
	_, err := Parse("x.yaml", []byte(text))
	if err == nil || strings.Count(err.Error(), "x.yaml:") != 3 {
		t.Errorf("%v", err)
	}
}

// A layout that eats itself is refused, and soon.
func TestBomb(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x]\n"
	for c := byte('b'); c < 'n'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 8) + "]\n"
	}
	for _, text := range []string{
		good + "\n---\ncolumns: {fixed: {a: 1}}\ncheck: &x [*x, *x]\n",
		"columns: {fixed: {a: 1}}\ncheck: [{a: &a {not: *a}}]\n",
		bomb + "columns: {fixed: {a: 1}}\nhead: *m\n",
		strings.Repeat("#\n", mostBytes), "", "---\n", "[]", "x",
	} {
		if _, err := Parse("x.yaml", []byte(text)); err == nil {
			t.Errorf("took %.60q", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good), "20/11/26 10:00:00 201        0199001234 00:01:05 O")
	paths, err := filepath.Glob("../../docs/layouts/*.yaml")
	if err != nil || len(paths) < 5 {
		f.Fatalf("%d examples: %v", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "")
	}
	f.Fuzz(func(t *testing.T, text []byte, line string) {
		l, err := Parse("x.yaml", text)
		if err != nil {
			if l != nil {
				t.Fatal("a layout with an error")
			}
			return
		}
		l.IsHead(line)
		for _, k := range l.Kinds {
			for _, c := range []*Clock{k.Start, k.Answer, k.End} {
				for i := 0; c != nil && i < len(c.Parts); i++ {
					c.Parts[i].Pattern.Moment(line, &Moment{})
				}
			}
			for _, fields := range k.Fields {
				for i := range fields {
					for j := range fields[i].Sources {
						fields[i].Sources[j].Take(line)
						if as := fields[i].Sources[j].As; as != nil {
							as.Seconds(line)
						}
					}
				}
			}
		}
	})
}
