package formatstest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
)

// Damage spoils each ticket of the file that is a call, in every way that a wire
// or a disk does, and fails where the format makes another call of it without a
// word: damage is dead, ignored, or carries a warning that the whole ticket has
// not.
//
// A ticket that ends inside its last column is not looked at: no format can see
// that, and the missing line end tells (WARNING_UNTERMINATED). Nor is one that
// ends where a shorter one of its kind does (`;; ends`), or lost a column that
// others do not have. A ticket whose columns are in doubt anyway is no whole one.
func Damage(t *testing.T, f *File, p formats.Parser) {
	t.Helper()
	for _, raw := range f.Tickets {
		var whole trunklinev1.Cdr
		if r := p.Parse(f.Ticket(raw), &whole); r.Outcome != formats.CDR || slices.ContainsFunc(whole.Warnings, inDoubt) {
			continue
		}
		silent := 0
		for _, d := range damaged(raw, f.Columns, f.Ends) {
			var cdr trunklinev1.Cdr
			if r := p.Parse(f.Ticket(d.raw), &cdr); r.Outcome != formats.CDR {
				continue
			}
			if warned(&cdr, &whole) || proto.Equal(&cdr, &whole) {
				continue
			}
			if silent++; silent <= 3 {
				t.Errorf("%s: %s changes the call without a word:\n    %q\nnow %q\n    %v\nnow %v", f.Name, d.what, raw, d.raw, &whole, &cdr)
			}
		}
	}
}

func warned(cdr, whole *trunklinev1.Cdr) bool {
	return slices.ContainsFunc(cdr.Warnings, func(w trunklinev1.Warning) bool { return !slices.Contains(whole.Warnings, w) })
}

func inDoubt(w trunklinev1.Warning) bool {
	switch w {
	case trunklinev1.Warning_WARNING_EXTRA_COLUMNS, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR,
		trunklinev1.Warning_WARNING_ODD_VALUE, trunklinev1.Warning_WARNING_SHORT_TICKET:
		return true
	}
	return false
}

type damage struct {
	what string
	raw  []byte
}

func damaged(raw []byte, columns string, ends []int) []damage {
	out := []damage{{"doubling", append(bytes.Clone(raw), raw...)}}
	end := len(raw)
	mayEnd := func([]byte) bool { return false }
	switch columns {
	case "none":
	case "fixed":
		end = len(bytes.TrimRight(raw, " "))
		end = bytes.LastIndexByte(raw[:end], ' ') + 1
		if len(ends) > 0 {
			mayEnd = func(cut []byte) bool {
				return len(cut) >= ends[0] && cut[len(cut)-1] != ' ' || slices.Contains(ends, len(cut))
			}
		}
		for i := range end {
			out = append(out, damage{fmt.Sprintf("the loss of byte %d", i+1), append(bytes.Clone(raw[:i]), raw[i+1:]...)})
		}
	default:
		parts := split(string(raw), columns)
		end -= len(parts[len(parts)-1])
		mayEnd = func(cut []byte) bool { return slices.Contains(ends, len(split(string(cut), columns))) }
		for i := range parts {
			out = append(out, damage{fmt.Sprintf("column %d twice", i+1), []byte(strings.Join(slices.Insert(slices.Clone(parts), i, parts[i]), columns))})
			if len(ends) > 0 && i >= ends[0] && slices.Contains(ends, len(parts)-1) {
				continue
			}
			out = append(out, damage{fmt.Sprintf("the loss of column %d", i+1), []byte(strings.Join(slices.Delete(slices.Clone(parts), i, i+1), columns))})
		}
	}
	for i := range end {
		if mayEnd(raw[:i]) {
			continue
		}
		out = append(out, damage{fmt.Sprintf("the end at byte %d", i), bytes.Clone(raw[:i])})
	}
	return out
}

// split parts a line at its separators, but for those in quotes.
func split(line, separator string) (parts []string) {
	from, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(line[i:], separator):
			parts = append(parts, line[from:i])
			from = i + len(separator)
		}
	}
	return append(parts, line[from:])
}
