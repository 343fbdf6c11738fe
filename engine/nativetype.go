package engine

import (
	"fmt"
	"strconv"
	"strings"
)

type nativeKind uint8

const (
	nativeFixed nativeKind = iota // width bytes a value
	nativeString
	nativeNullable
	nativeArray // also Map, with a key and a value an element
	nativeTuple
	nativeLowCardinality
	nativeVariant
)

// nativeType is what the length of a column in Native depends on.
type nativeType struct {
	kind  nativeKind
	width uint64
	elems []*nativeType
}

var fixedWidths = map[string]uint64{
	"Bool": 1, "Int8": 1, "UInt8": 1, "Enum8": 1, "Nothing": 1,
	"Int16": 2, "UInt16": 2, "Enum16": 2, "Date": 2, "BFloat16": 2,
	"Int32": 4, "UInt32": 4, "Float32": 4, "Date32": 4, "DateTime": 4, "Time": 4, "IPv4": 4, "Decimal32": 4,
	"Int64": 8, "UInt64": 8, "Float64": 8, "DateTime64": 8, "Time64": 8, "Decimal64": 8,
	"Int128": 16, "UInt128": 16, "UUID": 16, "IPv6": 16, "Decimal128": 16,
	"Int256": 32, "UInt256": 32, "Decimal256": 32,
}

// Types that are other types under a name.
var namedTypes = map[string]string{
	"Point":           "Tuple(Float64, Float64)",
	"Ring":            "Array(Point)",
	"LineString":      "Array(Point)",
	"Polygon":         "Array(Ring)",
	"MultiLineString": "Array(LineString)",
	"MultiPolygon":    "Array(Polygon)",
}

// parseNativeType reads the name of a type. Types whose length depends on the revision or on functions (Dynamic, JSON,
// AggregateFunction) are not known.
func parseNativeType(s string) (*nativeType, error) {
	name, args, err := splitType(s)
	if err != nil {
		return nil, err
	}
	if w, ok := fixedWidths[name]; ok {
		return &nativeType{width: w}, nil
	}
	if other, ok := namedTypes[name]; ok {
		return parseNativeType(other)
	}
	if strings.HasPrefix(name, "Interval") {
		return &nativeType{width: 8}, nil
	}
	switch name {
	case "String":
		return &nativeType{kind: nativeString}, nil
	case "FixedString":
		if len(args) != 1 {
			break
		}
		n, err := strconv.ParseUint(args[0], 10, 32)
		return &nativeType{width: n}, err
	case "Decimal":
		if len(args) == 0 {
			break
		}
		precision, err := strconv.Atoi(args[0])
		return &nativeType{width: decimalWidth(precision)}, err
	case "Nullable":
		return compound(nativeNullable, args, 1)
	case "Array":
		return compound(nativeArray, args, 1)
	case "Map":
		return compound(nativeArray, args, 2)
	case "Nested":
		return compound(nativeArray, withoutNames(args), len(args))
	case "Tuple":
		if len(args) == 0 {
			return &nativeType{width: 1}, nil
		}
		return compound(nativeTuple, withoutNames(args), len(args))
	case "Variant":
		return compound(nativeVariant, args, len(args))
	case "SimpleAggregateFunction":
		if len(args) == 2 {
			return parseNativeType(args[1])
		}
	case "LowCardinality":
		t, err := compound(nativeLowCardinality, args, 1)
		if err == nil && t.elems[0].kind == nativeNullable {
			t.elems[0] = t.elems[0].elems[0] // NULL is a key
		}
		return t, err
	}
	return nil, fmt.Errorf("its length in Native is not known")
}

func compound(k nativeKind, args []string, n int) (*nativeType, error) {
	if len(args) != n || n == 0 {
		return nil, fmt.Errorf("%d arguments", len(args))
	}
	t := &nativeType{kind: k}
	for _, a := range args {
		e, err := parseNativeType(a)
		if err != nil {
			return nil, err
		}
		t.elems = append(t.elems, e)
	}
	return t, nil
}

func decimalWidth(precision int) uint64 {
	switch {
	case precision <= 9:
		return 4
	case precision <= 18:
		return 8
	case precision <= 38:
		return 16
	default:
		return 32
	}
}

// splitType parts Name(a, b) into its name and arguments.
func splitType(s string) (string, []string, error) {
	s = strings.TrimSpace(s)
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return s, nil, nil
	}
	if !strings.HasSuffix(s, ")") {
		return "", nil, fmt.Errorf("no closing parenthesis")
	}
	var args []string
	inner := s[open+1 : len(s)-1]
	depth, from := 0, 0
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; c {
		case '(':
			depth++
		case ')':
			depth--
		case '\'', '`', '"':
			_, end := unquote(inner, i)
			i = end - 1
		case ',':
			if depth == 0 {
				args = append(args, strings.TrimSpace(inner[from:i]))
				from = i + 1
			}
		}
	}
	if last := strings.TrimSpace(inner[from:]); last != "" {
		args = append(args, last)
	}
	return s[:open], args, nil
}

// withoutNames takes the names off the elements of a tuple, which all have one or none has.
func withoutNames(args []string) []string {
	list := make([]string, len(args))
	for i, a := range args {
		list[i] = a
		if a != "" && (a[0] == '`' || a[0] == '"') {
			_, end := unquote(a, 0)
			list[i] = strings.TrimSpace(a[end:])
			continue
		}
		space, open := strings.IndexByte(a, ' '), strings.IndexByte(a, '(')
		if space > 0 && (open < 0 || space < open) {
			list[i] = strings.TrimSpace(a[space:])
		}
	}
	return list
}
