package shoretel

import (
	"strings"
	"unicode/utf8"

	"trunkline.internal/pbx/row"
	"trunkline.internal/services/parser/formats/kit"
)

// column is one of a row that has a meaning here.
type column uint8

const (
	colID column = iota
	colCallID
	colStartTime
	colEndTime
	colCallType
	colLocked
	colExtension
	colDialedNumber
	colCallerID
	colBillingCode
	colPartyCount
	colParties
	numColumns

	colAttribute // kept as it is
	colSkip      // milliseconds, and what opens doors
)

// columnNames are the columns of table `call` as the administration guide of 7.5
// names them, and two that the query adds: how many rows of table `connect`
// belong to the call, and those rows in the order of their ID, each on a line of
// its own, with the fields of [partyFields] between tabulators and nothing for
// NULL.
var columnNames = [numColumns]string{
	"ID", "CallID", "StartTime", "EndTime", "CallType", "Locked", "Extension", "DialedNumber", "CallerID", "BillingCode",
	"PartyCount", "Parties",
}

// attributeNames of other columns; one that is not here has its own, made when it
// comes.
var attributeNames = map[string]string{
	"SIPGUID": "sip_guid", "CallNote": "call_note", "FriendlyBillingCode": "friendly_billing_code",
	"WorkGroupCall": "work_group_call", "LongDistance": "long_distance",
}

var columnsByName = func() map[string]column {
	m := map[string]column{"StartTimeMS": colSkip, "EndTimeMS": colSkip, "Duration": colSkip, "Archived": colSkip}
	for c, name := range columnNames {
		m[name] = column(c)
	}
	for name := range attributeNames {
		m[name] = colAttribute
	}
	return m
}()

// rows holds one row, and is reused from row to row.
type rows struct {
	values  [numColumns]string
	has     [numColumns]bool
	others  []attribute
	parties []party

	text *kit.Charset
	add  func(row.Field) bool
	// escaped: the row holds bytes that were no UTF-8.
	escaped, replaced bool
}

type attribute struct{ name, value string }

func (r *rows) read(text string) error {
	r.values, r.has = [numColumns]string{}, [numColumns]bool{}
	clear(r.others)
	r.others, r.parties = r.others[:0], r.parties[:0]
	r.replaced = false
	r.escaped = strings.Contains(text, `\ud`) || strings.Contains(text, `\uD`) || !utf8.ValidString(text)
	return row.Scan(text, r.add)
}

func (r *rows) addField(f row.Field) bool {
	value := strings.TrimRight(f.Value, " ")
	if r.escaped && !utf8.ValidString(value) {
		decoded, ok := r.text.Decode([]byte(value))
		value, r.replaced = decoded, r.replaced || !ok
	}
	c, known := columnsByName[f.Name]
	switch {
	case !known && secret(f.Name), c == colSkip:
	case known && c < numColumns:
		if !r.has[c] {
			r.values[c], r.has[c] = value, true
		}
	case value != "" && value != "0":
		name := attributeNames[f.Name]
		if name == "" {
			name = snake(f.Name)
		}
		r.others = append(r.others, attribute{name, value})
	}
	return true
}

// missing names what a row cannot be read without; empty: nothing.
func (r *rows) missing() string {
	var names []string
	for _, c := range [...]column{colID, colStartTime, colCallType} {
		if !r.has[c] {
			names = append(names, columnNames[c])
		}
	}
	return strings.Join(names, ", ")
}

// secret tells whether a column holds what opens doors.
func secret(name string) bool {
	name = strings.ToLower(name)
	return strings.Contains(name, "password") || strings.Contains(name, "authcode") || strings.HasPrefix(name, "pin") || strings.HasSuffix(name, "pin")
}

// snake writes WorkGroupCall as work_group_call.
func snake(name string) string {
	b := make([]byte, 0, len(name)+8)
	small := false
	for _, c := range []byte(strings.ToValidUTF8(name, "_")) {
		if c >= 'A' && c <= 'Z' {
			if small {
				b = append(b, '_')
			}
			c += 'a' - 'A'
			small = false
		} else {
			small = c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		}
		b = append(b, c)
	}
	return string(b)
}
