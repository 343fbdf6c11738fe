package oxo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// column is one of a statement line. right tells one that is right-justified.
type column struct {
	name  string
	width int
	right bool
}

// columns are those that can be printed, by the tables of ALE's manual of the
// OmniPCX Office ("Call metering: description of the fields in the statement");
// one blank stands between two. The manual's page with taxes, service, additional
// services and dialled number is not public: their widths are inferred from what
// a native record can hold, and so is the node's.
var columns = [...]column{
	{"initial_user", 5, false},        // A set, G group called first; **** on outgoing calls
	{"charged_user", 5, false},        // A set, G group, L N P V line
	{"type", 3, false},                // --> outgoing, <-- incoming, CS+ and CS- a service
	{"line", 3, false},                // L analogue, N T0, P T2, V IP; R or CH a wake-up call
	{"date", 8, false},                // dd/mm/yy
	{"time", 5, false},                // hh:mm
	{"duration", 8, false},            // hh:mm:ss
	{"taxes", 5, true},                // inferred
	{"service", 2, false},             // ST telephone, T* data
	{"additional_services", 6, false}, // see serviceLetters; inferred
	{"dialled_number", 26, false},     // inferred
	{"mode", 1, false},                // M by hand, I and R short codes
	{"ring", 5, false},                // mm:ss
	{"cost", 10, false},
	{"business_code", 16, true},
	{"user_name", 16, false},
	{"node", 3, true}, // inferred
	{"operator", 1, false},
	{"initial_user_8", 9, false}, // as initial_user, for numbers of eight digits
	{"charged_user_8", 9, false},
	{"line_4", 4, false}, // for line, which is N** or V** then
	{"skip", 0, false},   // a column of no interest; needs a width
}

// standard is what is printed where nobody chose, in ALE's order.
var standard = []string{
	"charged_user", "type", "line", "date", "time", "duration", "taxes", "service", "additional_services", "dialled_number",
}

// Columns by their place in [columns].
const (
	colInitial = iota
	colUser
	colType
	colLine
	colDate
	colTime
	colDuration
	colTaxes
	colService
	colServices
	colNumber
	colMode
	colRing
	colCost
	colAccount
	colName
	colNode
	colOperator
	colInitial8
	colUser8
	colLine4
	colSkip
)

// printout is the order of a link's columns.
type printout struct {
	places []place
	// date and time are where a line shows that it is a statement.
	date, time place
	// values of the line at hand, by column.
	values [len(columns)]string
}

// place is where a column stands, counted from 0.
type place struct {
	column     int
	begin, end int
}

func newPrintout(fields []string) (*printout, error) {
	if len(fields) == 0 {
		fields = standard
	}
	var p printout
	var has [len(columns)]bool
	at := 0
	for _, f := range fields {
		name, text, given := strings.Cut(f, ":")
		i := slices.IndexFunc(columns[:], func(c column) bool { return c.name == name })
		if i < 0 {
			return nil, fmt.Errorf("parse.fields: no column %q: there are %s, each as name or name:width", name, columnNames())
		}
		width := columns[i].width
		if given {
			if n, err := strconv.Atoi(text); err != nil || n < 1 || n > 80 {
				return nil, fmt.Errorf("parse.fields: %s: give a width of 1 to 80 columns", f)
			} else if fixed := i == colType || i == colDate || i == colTime || i == colDuration || i == colRing; fixed && n != width {
				return nil, fmt.Errorf("parse.fields: %s: it has %d columns", f, width)
			} else {
				width = n
			}
		}
		switch {
		case width == 0:
			return nil, fmt.Errorf("parse.fields: %s: give its width, %s:5", name, name)
		case has[i] && i != colSkip:
			return nil, fmt.Errorf("parse.fields: %s stands there twice", name)
		}
		has[i] = true
		p.places = append(p.places, place{i, at, at + width})
		at += width + 1
	}
	for _, need := range []int{colType, colDate, colTime, colDuration} {
		if !has[need] {
			return nil, fmt.Errorf("parse.fields: %s is missing: let the PBX print it", columns[need].name)
		}
	}
	if !has[colUser] && !has[colUser8] {
		return nil, fmt.Errorf("parse.fields: charged_user or charged_user_8 is missing: let the PBX print one")
	}
	p.date = p.places[slices.IndexFunc(p.places, func(x place) bool { return x.column == colDate })]
	p.time = p.places[slices.IndexFunc(p.places, func(x place) bool { return x.column == colTime })]
	return &p, nil
}

func columnNames() string {
	var names []string
	for _, c := range columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
