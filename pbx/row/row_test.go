package row

import (
	"encoding/json"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	columns := []string{"id", "calldate", "clid", "note", "odd"}
	values := [][]byte{
		[]byte("42"),
		[]byte("0000-00-00 00:00:00"),
		[]byte("\"Zoé\\ \U0001F4DE\" <0199000001>\x7f\n"),
		nil,
		[]byte("latin\xe9\xff"),
	}
	line := Append(nil, columns, values)
	if line[len(line)-1] != '\n' {
		t.Fatalf("no line end: %q", line)
	}
	for _, b := range line[:len(line)-1] {
		if b < 0x20 {
			t.Fatalf("control character inside the line: %q", line)
		}
	}
	if !json.Valid(line) {
		t.Fatalf("no JSON: %s", line)
	}
	i := 0
	err := Scan(string(line), func(f Field) bool {
		if f.Name != columns[i] || f.Null != (values[i] == nil) || f.Value != string(values[i]) {
			t.Errorf("field %d: got %+v, want %q=%q", i, f, columns[i], values[i])
		}
		i++
		return true
	})
	if err != nil || i != len(columns) {
		t.Fatalf("%d fields, error %v", i, err)
	}
	if v, ok, err := Get(string(line), "clid"); err != nil || !ok || v != string(values[2]) {
		t.Errorf("Get clid: %q %v %v", v, ok, err)
	}
	if _, ok, err := Get(string(line), "note"); ok || err != nil {
		t.Errorf("Get of a NULL: %v %v", ok, err)
	}
}

func TestScan(t *testing.T) {
	var got []Field
	err := Scan(`{"n": -1.50, "b":true,"x":{"a":["}",1]},"e":"","z":null}`, func(f Field) bool {
		got = append(got, f)
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Field{
		{Name: "n", Value: "-1.50"},
		{Name: "b", Value: "true"},
		{Name: "x", Value: `{"a":["}",1]}`, Nested: true},
		{Name: "e"},
		{Name: "z", Null: true},
	}
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	for _, bad := range []string{"", "[]", `{`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{"a":"x`, `{"a":"\q"}`, `{"a":"\u12"}`, `{"a":1} x`, `{"a":[1}`, `{"a":nil}`} {
		if err := Scan(bad, func(Field) bool { return true }); err == nil {
			t.Errorf("Scan(%q) took it", bad)
		}
	}
}

func FuzzScan(f *testing.F) {
	f.Add(`{"a":"b\u00e9\udc80","c":null,"d":[{"x":1}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		var names []string
		var values [][]byte
		if Scan(s, func(f Field) bool {
			names = append(names, f.Name)
			if f.Null {
				values = append(values, nil)
			} else {
				values = append(values, []byte(f.Value))
			}
			return true
		}) != nil {
			return
		}
		i := 0
		if err := Scan(string(Append(nil, names, values)), func(f Field) bool {
			if f.Name != names[i] || f.Value != string(values[i]) || f.Null != (values[i] == nil) {
				t.Fatalf("field %d: %+v, want %q %q", i, f, names[i], values[i])
			}
			i++
			return true
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	s := `{"id":"1042","calldate":"2026-09-22 09:12:00","clid":"\"Sara\" <101>","src":"101","dst":"102","dcontext":"from-internal","channel":"SIP/101-0001","dstchannel":"SIP/102-0001","lastapp":"Dial","lastdata":"SIP/102,,Tt","duration":"45","billsec":"45","disposition":"ANSWERED","amaflags":"3","accountcode":"","uniqueid":"1727000100.1","linkedid":"1727000100.1"}`
	b.ReportAllocs()
	b.SetBytes(int64(len(s)))
	for b.Loop() {
		if err := Scan(s, func(Field) bool { return true }); err != nil {
			b.Fatal(err)
		}
	}
}
