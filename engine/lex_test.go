package engine

import (
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT a.b, 1.5e3":                     "SELECT a . b , 1 . 5e3",
		"'it''s' 'a\\'b' -- c'\n x":             "<it's> <a'b> x",
		"`a``b` \"c\\\"d\" /* ' */ e":           "[a`b] [c\"d] e",
		"$$it's$$ $t$ $x$ $t$ $ 5":              "<it's> < $x$ > $ 5",
		"# c\n#! d\n a--b":                      "a",
		"'open":                                 "<open>",
		"/* open":                               "",
		"{x:Identifier}":                        "{ x : Identifier }",
		"a$b é":                                 "a$b \xc3 \xa9",
		"'\\":                                   "<\\>",
		"INSERT/**/INTO t FORMAT\tCSV\r\n1,'2'": "INSERT INTO t FORMAT CSV 1 , <2>",
	} {
		var got []string
		for _, tok := range tokens(sql) {
			switch tok.kind {
			case tokenString:
				got = append(got, "<"+tok.text+">")
			case tokenQuoted:
				got = append(got, "["+tok.text+"]")
			default:
				got = append(got, tok.text)
			}
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("%q: got %q, want %q", sql, g, want)
		}
	}
}

func FuzzTokens(f *testing.F) {
	for _, s := range []string{"SELECT 1", "'", "`", "$a$ $a$", "/*", "--", "\\", "a/**/b", "é'\x00'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		end := 0
		for _, tok := range tokens(s) {
			if tok.pos < end || tok.end <= tok.pos || tok.end > len(s) {
				t.Fatalf("%q: token %+v after %d", s, tok, end)
			}
			end = tok.end
		}
		// What is quoted reads back as it was.
		list := tokens(quoteString(s) + " " + quoteName(s))
		if len(list) != 2 || list[0].text != s || list[0].kind != tokenString || list[1].text != s || list[1].kind != tokenQuoted {
			t.Fatalf("%q: quoted it is %q %+v", s, quoteString(s), list)
		}
	})
}

func TestParseInsertion(t *testing.T) {
	for _, c := range []struct {
		sql, head, format, data string
		is                      bool
	}{
		{"INSERT INTO t VALUES (1)", "INSERT INTO t ", "Values", " (1)", true},
		{"insert into t (a, b) format CSV\n1,2\n", "insert into t (a, b) ", "CSV", "1,2\n", true},
		{"INSERT INTO t FORMAT CSV 1,2", "INSERT INTO t ", "CSV", "1,2", true},
		{"INSERT INTO t FORMAT TSV \t\r\n\t1", "INSERT INTO t ", "TSV", "\t1", true},
		{"INSERT INTO t FORMAT TSV\n\n", "INSERT INTO t ", "TSV", "\n", true},
		{"INSERT INTO t FORMAT CSV;\n1", "INSERT INTO t ", "CSV", "1", true},
		{"/* x */ INSERT INTO d.`format` SETTINGS a = 'FORMAT X' FORMAT Native\n\x00", "/* x */ INSERT INTO d.`format` SETTINGS a = 'FORMAT X' ", "Native", "\x00", true},
		{"INSERT INTO values VALUES (1)", "INSERT INTO values ", "Values", " (1)", true},
		{"INSERT INTO TABLE format.format FORMAT CSV\n1", "INSERT INTO TABLE format.format ", "CSV", "1", true},
		{"INSERT INTO FUNCTION null('a Int8') VALUES (1)", "INSERT INTO FUNCTION null('a Int8') ", "Values", " (1)", true},
		{"INSERT INTO t (values, format) VALUES (1, 2)", "INSERT INTO t (values, format) ", "Values", " (1, 2)", true},
		{"INSERT INTO t", "INSERT INTO t", "", "", true},
		{"INSERT INTO t;", "INSERT INTO t", "", "", true},
		{"INSERT INTO t (* EXCEPT(b)) FORMAT CSV\n", "INSERT INTO t (* EXCEPT(b)) ", "CSV", "", true},
		{"INSERT INTO t SELECT 1", "", "", "", false},
		{"INSERT INTO t (a) SELECT 1 FORMAT CSV", "", "", "", false},
		{"INSERT INTO t (SELECT 1)", "", "", "", false},
		{"INSERT INTO t (WITH 1 AS x SELECT x)", "", "", "", false},
		{"INSERT INTO t WITH 1 AS x SELECT x", "", "", "", false},
		{"INSERT INTO t FROM INFILE 'x' FORMAT CSV", "", "", "", false},
		{"INSERT INTO", "", "", "", false},
		{"SELECT 1 FORMAT CSV", "", "", "", false},
		{"EXPLAIN INSERT INTO t VALUES (1)", "", "", "", false},
		{"", "", "", "", false},
	} {
		ins, is, undecided := parseInsertion(c.sql, false)
		if is != c.is || undecided {
			t.Errorf("%q: got %v, undecided %v", c.sql, is, undecided)
			continue
		}
		if is && (ins.sql != c.head || ins.format != c.format || c.sql[ins.data:] != c.data) {
			t.Errorf("%q: got %q %q %q", c.sql, ins.sql, ins.format, c.sql[ins.data:])
		}
	}
}

// FuzzParseInsertion: what is decided on a part of a text must hold for the whole, or data would be taken for a statement.
func FuzzParseInsertion(f *testing.F) {
	for _, s := range []string{
		"INSERT INTO t (a) FORMAT CSV\r\n1\n", "INSERT INTO t VALUES (1)", "INSERT INTO t SELECT 1", "INSERT INTO t (SELECT 'x')", "-- c\nINSERT INTO t FORMAT TSV ;  \n",
		"INSERT INTO `a``b` SETTINGS x='FORMAT' FORMAT Native\n\x00\x01", "SELECT 1", "INSERT INTO t /* FORMAT */ FORMAT JSONEachRow {}",
	} {
		for i := range len(s) {
			f.Add(s, i)
		}
	}
	f.Fuzz(func(t *testing.T, s string, cut int) {
		if cut < 0 || cut > len(s) {
			return
		}
		whole, wholeIs, undecided := parseInsertion(s, false)
		if undecided {
			t.Fatalf("%q is undecided", s)
		}
		part, is, undecided := parseInsertion(s[:cut], true)
		if is && undecided {
			t.Fatalf("%q: both", s[:cut])
		}
		if is && (!wholeIs || part != whole) {
			t.Fatalf("%q is %+v, cut at %d it is %+v", s, whole, cut, part)
		}
	})
}

func TestParseSelection(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT 1":                             "SELECT 1 INTO OUTFILE 'f' APPEND FORMAT TSV",
		"SELECT 1 FORMAT JSON":                 "SELECT 1 INTO OUTFILE 'f' APPEND FORMAT JSON",
		"SELECT 1 FORMAT `Null`":               "SELECT 1 INTO OUTFILE 'f' APPEND FORMAT `Null`",
		"SELECT 1 FORMAT CSV SETTINGS a = 1":   "SELECT 1 INTO OUTFILE 'f' APPEND FORMAT CSV SETTINGS a = 1",
		"SELECT 1 SETTINGS a = 'FORMAT CSV'":   "SELECT 1 SETTINGS a = 'FORMAT CSV' INTO OUTFILE 'f' APPEND FORMAT TSV",
		"SELECT format('{}', 1) AS format":     "SELECT format('{}', 1) AS format INTO OUTFILE 'f' APPEND FORMAT TSV",
		"SELECT * FROM (SELECT 1 AS format) x": "SELECT * FROM (SELECT 1 AS format) x INTO OUTFILE 'f' APPEND FORMAT TSV",
	} {
		if got := parseSelection(sql, "TSV").into("f"); got != want {
			t.Errorf("%q: got %q, want %q", sql, got, want)
		}
	}
}

func TestParseException(t *testing.T) {
	for text, want := range map[string]Exception{
		"Code: 62. DB::Exception: Syntax error: x. (SYNTAX_ERROR)":                                             {Code: 62, Name: "SYNTAX_ERROR"},
		"Code: 164. DB::Exception: Code: 9. DB::Exception: y (A_B). (READONLY) (version 26.7.2.1). (READONLY)": {Code: 164, Name: "READONLY"},
		"Code: 27. DB::Exception: two\nlines (at row 1)\n. (CANNOT_PARSE_X) (version 26.7.2.1)":                {Code: 27, Name: "CANNOT_PARSE_X"},
		"nothing of the kind": {Code: 1002, Name: "UNKNOWN_EXCEPTION"},
	} {
		got := parseException(text)
		if got.Code != want.Code || got.Name != want.Name || !strings.Contains(got.Text, text) {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}
