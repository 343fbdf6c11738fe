package cut

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

func documents(t testing.TB, payload []byte) (out []piece) {
	t.Helper()
	if err := Each(Documents, payload, func(offset int, ticket []byte) bool {
		out = append(out, piece{offset, string(ticket)})
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

var documentCases = []struct {
	name, in string
	want     []string
}{
	{"nothing", "", nil},
	{"only ends", "\r\n\x00 \n", nil},
	{"quoted lines", "'1','a, b'\n'2','{'\r\n\x00'3','<x>'\x00", []string{"'1','a, b'", "'2','{'", "'3','<x>'"}},
	{"plain lines", "AcctId,src\n62,,\"pn01\" <5300>,\n", []string{"AcctId,src", "62,,\"pn01\" <5300>,"}},
	{"lines that begin with an empty column, or a quote", ",,a\n\"62\",\"b\"\n", []string{",,a", "\"62\",\"b\""}},
	{"objects, one a line", "{\"id\":1}\n{\"id\":2}\n", []string{`{"id":1}`, `{"id":2}`}},
	{"objects without anything between", `{"id":1}{"id":"}{"}`, []string{`{"id":1}`, `{"id":"}{"}`}},
	{"a pretty one", "{\n  \"AcctId\": \"1\",\n  \"src\": \"a\\\"b\"\n}\n", []string{"{\n  \"AcctId\": \"1\",\n  \"src\": \"a\\\"b\"\n}"}},
	{"an array in an object", `{"status":0,"cdr_root":[{"AcctId":"1"},{"AcctId":"2"}],"more":"x"}`, []string{`{"AcctId":"1"}`, `{"AcctId":"2"}`}},
	{"an object in an object", `{"response":{"cdr_root":[{"AcctId":"1"}]},"status":0}` + "\n", []string{`{"AcctId":"1"}`}},
	{"an array", `[ {"AcctId":"1"} , {"AcctId":"2"} ]`, []string{`{"AcctId":"1"}`, `{"AcctId":"2"}`}},
	{
		"a group", "{\"cdr\":\"17-5\",\"main_cdr\": {\"AcctId\":\"1\"},\n\"sub_cdr_1\":{\"AcctId\":\"2\"}}, {\"AcctId\":\"3\"}",
		[]string{`"main_cdr": {"AcctId":"1"}`, `"sub_cdr_1":{"AcctId":"2"}`, `{"AcctId":"3"}`},
	},
	{"values in a record", `{"items":[{"id":1,"details":{"a":[{}, []]},"tags":["x","]"]},{"id":2}],"total":2}`, []string{`{"id":1,"details":{"a":[{}, []]},"tags":["x","]"]}`, `{"id":2}`}},
	{"nothing found", `{"cdr_root":[]}`, nil},
	{"no record", `{"status":-6}`, []string{`{"status":-6}`}},
	{"a record that broke off, then one", "{\"AcctId\":\"1\",\"src\":\"2\n{\"AcctId\":\"2\"}\n", []string{`{"AcctId":"1","src":"2`, `{"AcctId":"2"}`}},
	{"a pretty one that broke off", "{\n \"AcctId\":\"1\",\n{\n \"AcctId\":\"2\"\n}\n", []string{"{\n \"AcctId\":\"1\",", "{\n \"AcctId\":\"2\"\n}"}},
	{"the rest of a record", "\"src\":\"1\",\"dst\":\"2\"}\n{\"AcctId\":\"2\"}", []string{`"src":"1","dst":"2"}`, `{"AcctId":"2"}`}},
	{"no JSON at all", "{not, \"json\"}\nx\n", []string{`{not, "json"}`, "x"}},
	{"an element", "<?xml version=\"1.0\"?>\n<cdr><AcctId>1</AcctId><src>&lt;</src></cdr>\n", []string{"<cdr><AcctId>1</AcctId><src>&lt;</src></cdr>"}},
	{
		"elements in one", "<root>\n<status>0</status><cdr>\n <AcctId>1</AcctId>\n</cdr><!-- <cdr> --><cdr><AcctId/><src><![CDATA[<a>]]></src></cdr></root>{\"id\":1}",
		[]string{"<cdr>\n <AcctId>1</AcctId>\n</cdr>", "<cdr><AcctId/><src><![CDATA[<a>]]></src></cdr>", `{"id":1}`},
	},
	{
		"a group of elements", "<cdr_root><cdr><cdr>17-5</cdr><main_cdr><AcctId>1</AcctId></main_cdr><sub_cdr_1 a='>'><AcctId>2</AcctId></sub_cdr_1></cdr></cdr_root>",
		[]string{"<main_cdr><AcctId>1</AcctId></main_cdr>", "<sub_cdr_1 a='>'><AcctId>2</AcctId></sub_cdr_1>"},
	},
	{"an element that broke off, then one", "<cdr><AcctId>1</Acct\n<cdr><AcctId>2</AcctId></cdr>", []string{"<cdr><AcctId>1</Acct", "<cdr><AcctId>2</AcctId></cdr>"}},
	{"the rest of an element", "<src>1</src><dst>2</dst></cdr>\n<cdr><AcctId>2</AcctId></cdr>", []string{"<src>1</src><dst>2</dst></cdr>", "<cdr><AcctId>2</AcctId></cdr>"}},
	{"unterminated", "{\"id\":1}\n{\"id\":2", []string{`{"id":1}`, `{"id":2`}},
	{"a page of something else", "<html><head><title>401</title></head></html>", []string{"<head><title>401</title></head>"}},
}

func TestDocuments(t *testing.T) {
	for _, tc := range documentCases {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			for _, p := range documents(t, []byte(tc.in)) {
				got = append(got, p.text)
			}
			if !slices.Equal(got, tc.want) {
				t.Fatalf("got  %q\nwant %q", got, tc.want)
			}
			for size := 1; size <= len(tc.in); size++ {
				holdDocuments(t, []byte(tc.in), size)
			}
		})
	}
}

// A document of any length is cut as it arrives: nothing of it is waited for but
// the record under way.
func TestDocumentsOfAnyLength(t *testing.T) {
	for _, tc := range []struct{ head, record string }{
		{`{"response":{"cdr_root":[`, `{"cdr":"1","main_cdr":{"AcctId":"1"}}`},
		{`<root><page><list>`, `<cdr><AcctId>1</AcctId></cdr>`},
	} {
		for _, piece := range []string{tc.head + tc.record, tc.record + "," + tc.record[:3]} {
			advance, ticket, err := Documents([]byte(piece), false)
			if err != nil || ticket == nil || advance == 0 {
				t.Errorf("%q: advance %d, ticket %q, %v", piece, advance, ticket, err)
			}
		}
	}
}

// holdDocuments checks what holds for any bytes: they give the same tickets in
// chunks of any size, when cutting begins anew at a ticket, and, where each is
// whole, when the tickets alone are joined.
func holdDocuments(t *testing.T, in []byte, size int) {
	t.Helper()
	whole := documents(t, in)
	same := func(what string, got []string) {
		t.Helper()
		var want []string
		for _, p := range whole {
			want = append(want, p.text)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q %s:\ngot  %q\nwant %q", in, what, got, want)
		}
	}

	sc := bufio.NewScanner(&chunks{data: in, size: size})
	sc.Buffer(make([]byte, 0, 16), len(in)+64)
	sc.Split(Documents)
	var stream []string
	for sc.Scan() {
		stream = append(stream, sc.Text())
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	same("in chunks", stream)

	for i, p := range whole {
		if p.text == "" || !bytes.Equal(in[p.offset:p.offset+len(p.text)], []byte(p.text)) {
			t.Fatalf("%q: offset %d does not point at %q", in, p.offset, p.text)
		}
		again := documents(t, in[p.offset:])
		if len(again) != len(whole)-i || again[0].text != p.text {
			t.Fatalf("%q: from %d on %v", in, p.offset, again)
		}
	}

	var joined []string
	for _, text := range stream {
		if _, ticket, _ := Documents([]byte(text+"\n"), false); string(ticket) != text {
			return // broken off: where it ends depends on what comes
		}
	}
	for _, p := range documents(t, []byte(strings.Join(stream, "\n")+"\n")) {
		joined = append(joined, p.text)
	}
	same("joined", joined)
}

type chunks struct {
	data []byte
	size int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.size, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

func FuzzDocuments(f *testing.F) {
	for _, tc := range documentCases {
		f.Add([]byte(tc.in), 1)
		f.Add([]byte(tc.in), 7)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if len(in) <= 1<<12 { // the checks cut it as often as it has bytes
			holdDocuments(t, in, size&63+1)
		}
	})
}
