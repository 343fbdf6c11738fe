package formatstest

import (
	"fmt"
	"strconv"
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
)

// Condensed is an outcome as a table of tests asserts it: the head, then each
// name with its value where that is not empty, then the warnings; for a ticket
// that is no call, what it is and why.
func Condensed(c *trunklinev1.Cdr, r formats.Result, head string, named ...string) string {
	switch r.Outcome {
	case formats.Ignored:
		return "ignored " + r.Reason
	case formats.Dead:
		return "dead " + r.Reason
	}
	var b strings.Builder
	b.WriteString(head)
	for i := 0; i < len(named); i += 2 {
		if named[i+1] != "" {
			b.WriteString(" " + named[i] + " " + named[i+1])
		}
	}
	for _, w := range c.Warnings {
		b.WriteString(" " + Words(w))
	}
	return b.String()
}

// types are the prefixes of the enums' values.
var types = []string{"RECORD_ROLE_", "DIRECTION_", "NETWORK_", "DISPOSITION_", "CHARGE_CLASS_", "WARNING_"}

// Words are enum values without the names of their types.
func Words(values ...fmt.Stringer) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = v.String()
		for _, prefix := range types {
			words[i] = strings.TrimPrefix(words[i], prefix)
		}
	}
	return strings.Join(words, " ")
}

// Count is a number for [Condensed], which leaves out none.
func Count(n uint32) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(int(n))
}
