package wazo

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// column of a call log. JSON has them by name, CSV behind a line of names; which
// there are depends on the version (call-logd's schema and change log). What is
// not among them goes to the attributes under its own name.
type column uint8

const (
	id                   column = iota // sequence
	tenantUUID                         // node, key
	start                              // start_time, key
	answer                             // ring_seconds
	end                                // end_time
	answered                           // disposition
	duration                           // talk_seconds
	callDirection                      // direction
	callStatus                         // disposition; since 25.05, `voicemail` since 26.08
	conversationID                     // call_id, call_key, key; since 24.09, not in CSV
	sourceName                         // calling_name
	sourceExtension                    // calling_number
	sourceInternalExt                  // extension
	sourceInternalName                 // extension_name; since 21.10
	requestedExtension                 // dialed_number, did
	requestedInternalExt               // extension, redirected_from: the first line that rang
	requestedName                      // extension_name; since 20.06
	destinationName                    // called_name, extension_name
	destinationExtension               // called_number: who answered
	destinationInternal                // extension, called_number
	destinationUser                    // attribute
	destinationLine                    // attribute
	sourceLine                         // attribute
	destinationDetails                 // group_name, disposition, attribute; since 22.12, not in CSV
	tags                               // attribute, sorted
	recordings                         // attribute; since 21.02, in CSV `recording_1_uuid` and so on
	numColumns
)

var columnNames = [numColumns]string{
	"id", "tenant_uuid", "start", "answer", "end", "answered", "duration", "call_direction", "call_status", "conversation_id",
	"source_name", "source_extension", "source_internal_extension", "source_internal_name", "requested_extension",
	"requested_internal_extension", "requested_name", "destination_name", "destination_extension", "destination_internal_extension",
	"destination_user_uuid", "destination_line_id", "source_line_id", "destination_details", "tags", "recordings",
}

var columnsByName = func() map[string]column {
	m := make(map[string]column, numColumns)
	for c, name := range columnNames {
		m[name] = column(c)
	}
	return m
}()

// record is one by its columns, reused from ticket to ticket. NULL and empty are
// the same here.
type record struct {
	value  [numColumns]string
	has    [numColumns]bool
	others []other
}

type other struct{ name, value string }

func (r *record) reset() {
	clear(r.others)
	*r = record{others: r.others[:0]}
}

func (r *record) set(name, value string) {
	c, ok := columnsByName[name]
	switch {
	case !ok && value != "":
		r.others = append(r.others, other{name, value})
	case ok && !r.has[c]:
		r.value[c], r.has[c] = strings.TrimSpace(value), true
	}
}

// names reads a line of column names; nil where it is none.
func names(line string) []string {
	split, ok := kit.SplitCSV(nil, strings.Trim(strings.TrimPrefix(line, "\ufeff"), "\r\n"), ',')
	known := 0
	for _, s := range split {
		if _, yes := columnsByName[s]; yes {
			known++
		}
	}
	if !ok || known < 10 {
		return nil
	}
	return split
}
