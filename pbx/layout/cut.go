package layout

import (
	"bufio"
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"

	"trunkline.internal/pbx/cut"
)

// cutter reads how the bytes of the PBX are cut into records.
func (r *reader) cutter(n *yaml.Node) bufio.SplitFunc {
	var length int
	var separator, begin, end string
	if n.Kind == yaml.ScalarNode {
		if n.Value != "lines" {
			r.errorf(n, "cut %q: give lines, or {length: 80}, {separator: \"~\"}, {begin: \"\\x02\", end: \"\\x03\"}", n.Value)
		}
		return cut.Lines
	}
	r.object(n, "cut", keys{
		"length":    func(v *yaml.Node) { length = r.number(v, 1, 65536) },
		"separator": func(v *yaml.Node) { separator = r.filled(v) },
		"begin":     func(v *yaml.Node) { begin = r.filled(v) },
		"end":       func(v *yaml.Node) { end = r.filled(v) },
	})
	switch {
	case length > 0 && separator+begin+end == "":
		return everyBytes(length)
	case separator != "" && length == 0 && begin+end == "":
		return behind(separator)
	case begin != "" && end != "" && length == 0 && separator == "":
		switch {
		case strings.Contains(begin, end) || strings.Contains(end, begin):
			r.errorf(n, "cut: begin and end hold one another: nothing would tell them apart")
		case lineEnd(begin[0]):
			r.errorf(n, "cut: begin begins with a line end, which also stands between records")
		}
		return between(begin, end)
	}
	r.errorf(n, "cut: give one of length, separator, or begin and end together")
	return cut.Lines
}

// everyBytes cuts records of one length.
func everyBytes(length int) bufio.SplitFunc {
	return func(data []byte, atEOF bool) (int, []byte, error) {
		if len(data) >= length {
			return length, data[:length], nil
		}
		return rest(data, atEOF)
	}
}

// behind cuts at a sequence; empty records do not exist.
func behind(separator string) bufio.SplitFunc {
	sep := []byte(separator)
	return func(data []byte, atEOF bool) (int, []byte, error) {
		start := 0
		for bytes.HasPrefix(data[start:], sep) {
			start += len(sep)
		}
		if i := bytes.Index(data[start:], sep); i >= 0 {
			return start + i + len(sep), data[start : start+i], nil
		}
		if start > 0 {
			return start, nil, nil
		}
		return rest(data, atEOF)
	}
}

// between cuts records that stand between two marks. Line ends and NULs between
// two records belong to none; anything else there is a record of its own, so
// that it is seen. A record whose end is missing ends where the next begins.
func between(begin, end string) bufio.SplitFunc {
	first, last := []byte(begin), []byte(end)
	return func(data []byte, atEOF bool) (int, []byte, error) {
		start := 0
		for start < len(data) && lineEnd(data[start]) {
			start++
		}
		if start > 0 {
			return start, nil, nil
		}
		if !bytes.HasPrefix(data, first) {
			if i := bytes.Index(data, first); i >= 0 {
				return i, data[:i], nil
			}
			return rest(data, atEOF)
		}
		record := data[len(first):]
		stop, next := bytes.Index(record, last), bytes.Index(record, first)
		switch {
		case next >= 0 && (stop < 0 || next < stop):
			return len(first) + next, record[:next], nil
		case stop >= 0:
			return len(first) + stop + len(last), record[:stop], nil
		}
		return rest(data, atEOF)
	}
}

func lineEnd(b byte) bool { return b == '\r' || b == '\n' || b == 0 || b == '\f' }

// rest is what stands behind the last whole record: a record only when no more
// bytes come.
func rest(data []byte, atEOF bool) (int, []byte, error) {
	if !atEOF || len(data) == 0 {
		return 0, nil, nil
	}
	return len(data), data, nil
}
