package engine

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestParseNativeType(t *testing.T) {
	for name, want := range map[string]uint64{
		"UInt8": 1, "FixedString(16)": 16, "DateTime64(3, 'UTC')": 8, "DateTime('Europe/Paris')": 4, "Decimal(9, 2)": 4, "Decimal(10, 2)": 8,
		"Decimal(38, 2)": 16, "Decimal(76, 2)": 32, "Enum8('a, (b' = 1, 'c\\'d' = 2)": 1, "Enum16('x' = 1000)": 2, "IntervalDay": 8, "Tuple()": 1,
		"SimpleAggregateFunction(max, Int32)": 4, "Nothing": 1, "UUID": 16, "Time64(3)": 8, "BFloat16": 2,
	} {
		got, err := parseNativeType(name)
		if err != nil || got.kind != nativeFixed || got.width != want {
			t.Errorf("%s: got %+v %v, want width %d", name, got, err, want)
		}
	}
	got, err := parseNativeType("Map(LowCardinality(String), Tuple(a Array(Nullable(UInt8)), `b c, (` Tuple(String, UInt16)))")
	if err != nil || got.kind != nativeArray || len(got.elems) != 2 || got.elems[0].kind != nativeLowCardinality {
		t.Fatalf("got %+v %v", got, err)
	}
	pair := got.elems[1]
	if pair.kind != nativeTuple || len(pair.elems) != 2 || pair.elems[0].kind != nativeArray || pair.elems[1].elems[1].width != 2 {
		t.Errorf("got %+v", pair)
	}
	for _, name := range []string{
		"", "AggregateFunction(sum, UInt64)", "JSON", "Dynamic", "Array(Dynamic)", "Array(", "Array()", "Map(String)", "FixedString", "FixedString(x)",
		"Decimal(x)", "LowCardinality(JSON)", "Tuple(a JSON)", "Nullable(", "SimpleAggregateFunction(max)",
	} {
		if got, err := parseNativeType(name); err == nil {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// TestCopyNative holds the bytes: the same blocks, with a head each and a byte after each type.
func TestCopyNative(t *testing.T) {
	in := []byte("\x02\x02" + "\x01a\x05UInt8\x07\x08" + "\x01s\x06String\x01x\x00")
	head := "\x01\x00\x02\xff\xff\xff\xff\x00"
	for revision, want := range map[int]string{
		1:     head + string(in),
		54453: head + string(in),
		54454: head + "\x02\x02" + "\x01a\x05UInt8\x00\x07\x08" + "\x01s\x06String\x00\x01x\x00",
	} {
		var out bytes.Buffer
		if err := copyNative(&out, bytes.NewReader(append(in, in...)), revision); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want+want {
			t.Errorf("revision %d: got %q, want %q", revision, got, want+want)
		}
		for cut := 1; cut < len(in); cut++ {
			if err := copyNative(io.Discard, bytes.NewReader(in[:cut]), revision); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("cut at %d: got %v", cut, err)
			}
		}
	}
}

// TestCopyNativeOfEngine has the engine make columns of every type, empty and not, and finds the end of each.
func TestCopyNativeOfEngine(t *testing.T) {
	list := []string{
		"number", "toString(number)", "toLowCardinality(toString(number % 3))", "toLowCardinality(toNullable(toString(number % 3)))", "[]::Array(String)",
		"range(number % 5)", "arrayMap(x -> toLowCardinality(toString(x)), range(number % 3))", "map('a', number)", "map(toLowCardinality('a'), [number])",
		"(number, 'x')", "CAST((1, [2]) AS Tuple(a UInt8, `b, c` Array(UInt8)))", "toNullable(number)", "NULL", "[NULL, 1]", "(number % 2 ? number : NULL)::Variant(UInt64, String)",
		"if(number % 3 = 0, 'x'::Variant(UInt64, Array(String), String), if(number % 3 = 1, ['y']::Variant(UInt64, Array(String), String), 1::UInt64::Variant(UInt64, Array(String), String)))",
		"toFixedString('ab', 5)", "now64(6, 'UTC')", "today()", "toDate32('1950-01-01')", "toDecimal32(1, 2)", "toDecimal256(1, 2)", "generateUUIDv4()",
		"toIPv4('1.2.3.4')", "toIPv6('::1')", "CAST(1 AS Enum8('a' = 1))", "toInt256(number)", "1.5::BFloat16", "true", "INTERVAL 1 WEEK", "tuple()",
		"CAST((1, 2) AS Point)", "CAST([[[(1., 2.)]]] AS MultiPolygon)", "CAST([(1, 'a')] AS Nested(x UInt8, y String))",
		"'12:00:00'::Time", "toLowCardinality(toFixedString('ab', 3))", "emptyArrayString()::Array(LowCardinality(Nullable(String)))",
	}
	for _, rows := range []string{"0", "1", "70000"} { // more than a block
		for _, columns := range append(list, strings.Join(list, ", ")) {
			sql := "SELECT " + columns + " FROM numbers(" + rows + ") FORMAT Native"
			plain := read(t, sql)
			if plain.status != http.StatusOK {
				t.Errorf("%s: %s", sql, plain.body)
				continue
			}
			var out bytes.Buffer
			if err := copyNative(&out, strings.NewReader(plain.body), 1); err != nil {
				t.Errorf("%s: %v", sql, err)
				continue
			}
			if got := strings.ReplaceAll(out.String(), string(blockInfo), ""); got != plain.body {
				t.Errorf("%s: %d bytes became %d", sql, len(plain.body), len(got))
			}
		}
	}
}

func FuzzCopyNative(f *testing.F) {
	f.Add([]byte("\x02\x02\x01a\x05UInt8\x07\x08\x01s\x06String\x01x\x00"), 54460)
	f.Add([]byte("\x01\x01\x01a\x16LowCardinality(String)\x01\x00\x00\x00\x00\x00\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"), 1)
	f.Add([]byte("\x01\x02\x01a\x0cArray(UInt8)\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x05\x06"), 54454)
	f.Add([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01a\x05UInt8"), 1)
	f.Fuzz(func(t *testing.T, b []byte, revision int) {
		if revision < 1 {
			return
		}
		var out bytes.Buffer
		err := copyNative(&out, bytes.NewReader(b), revision)
		if err == nil && len(b) > 0 && out.Len() <= len(b) {
			t.Errorf("%d bytes became %d", len(b), out.Len())
		}
	})
}

func FuzzParseNativeType(f *testing.F) {
	for _, s := range []string{"Array(Map(String, Tuple(a UInt8)))", "Enum8('a' = 1)", "Decimal(9, 2)", "Tuple(`a", "((((", "Nullable(Nullable(UInt8))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := parseNativeType(s); got == nil && err == nil {
			t.Errorf("%q: nothing", s)
		}
	})
}
