package e2e

import (
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/row"
	"trunkline.internal/services/parser/formats/formatstest"
)

// rows are golden tickets as a table gives them: those with the columns of the
// first, each under a key of its own.
type rows struct {
	table   catalogue.Table
	columns []string
	values  [][][]byte
}

// The columns of ShoreTel's query. A call's parties are lines of a table beside
// it, put together with tabs.
var (
	shorewareCall = []string{
		"ID", "CallID", "SIPGUID", "StartTime", "EndTime", "CallType", "Locked", "Extension", "DialedNumber", "CallerID",
		"BillingCode", "CallNote", "WorkGroupCall", "LongDistance", "PartyCount", "Parties",
	}
	shorewareParty = []string{
		"ID", "PartyType", "ConnectReason", "DisconnectReason", "TrunkDirection", "ConnectTime", "DisconnectTime",
		"RingTime", "TalkTime", "HoldTime", "PartyID", "PartyIDName", "PartyIDLastName", "PortName", "GroupName",
	}
)

func rowsOf(f *formatstest.File, m *catalogue.Model) rows {
	r := rows{table: m.Table}
	if m.Table.Query != "" {
		r.columns = shorewareCall
	}
	for _, raw := range f.Tickets {
		columns, values, ok := r.scan(string(raw))
		if !ok {
			continue
		}
		r.columns = columns
		key := strconv.AppendInt(nil, int64(len(r.values)+1), 10)
		values[r.at(r.table.Cursor)] = key
		for _, j := range r.joins() {
			if i := r.at(j.Key); values[i] != nil {
				values[i] = key // each row has partners of its own
			}
		}
		r.values = append(r.values, values)
	}
	return r
}

// scan reads a ticket; ok is false where it is no row that the table can give.
func (r rows) scan(ticket string) (columns []string, values [][]byte, ok bool) {
	fields := make(map[string]*string)
	plain := utf8.ValidString(ticket)
	if err := row.Scan(ticket, func(x row.Field) bool {
		_, twice := fields[x.Name]
		plain = plain && !x.Nested && !twice && utf8.ValidString(x.Value)
		columns = append(columns, x.Name)
		if fields[x.Name] = &x.Value; x.Null {
			fields[x.Name] = nil
		}
		return true
	}); err != nil || !plain {
		return nil, nil, false
	}
	switch {
	case r.table.Query != "":
		if parties := fields["Parties"]; parties == nil || fields["Locked"] == nil || *fields["Locked"] != "1" || fields["PartyCount"] == nil ||
			*fields["PartyCount"] != strconv.Itoa(strings.Count(*parties, "\n")+1) || !partyLines(*parties) {
			return nil, nil, false
		}
		columns = r.columns
	case r.columns != nil && !slices.Equal(columns, r.columns):
		return nil, nil, false
	}
	for _, c := range columns {
		value, there := fields[c]
		if !there {
			return nil, nil, false
		}
		if values = append(values, nil); value != nil {
			values[len(values)-1] = []byte(*value)
		}
	}
	return columns, values, slices.Contains(columns, r.table.Cursor)
}

// partyLines tells whether the table of parties can give the text.
func partyLines(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Count(line, "\t") != len(shorewareParty)-1 {
			return false
		}
	}
	return true
}

// at is where a column stands.
func (r rows) at(column string) int { return slices.Index(r.columns, column) }

// joins are the tables beside the rows'.
func (r rows) joins() []catalogue.Join {
	return slices.DeleteFunc(slices.Clone(r.table.Joins), func(j catalogue.Join) bool { return r.at(j.Key) < 0 })
}

// payload is the rows as tickets.
func (r rows) payload() []byte {
	var out []byte
	for _, v := range r.values {
		out = row.Append(out, r.columns, v)
	}
	return out
}

// offset is that of a message with the rows.
func (r rows) offset() string {
	return identity.RowPosition(r.table.Cursor, string(r.values[0][r.at(r.table.Cursor)]))
}

// create makes a database with the rows in their table.
func (r rows) create(t *testing.T, database string) {
	t.Helper()
	server, err := sql.Open("mysql", db.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	exec := func(query string, args ...any) {
		t.Helper()
		if _, err := server.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	table := func(name, key string, columns []string) string {
		t.Helper()
		var typed []string
		for _, c := range columns {
			kind := "TEXT"
			if c == key {
				kind = "INT NOT NULL PRIMARY KEY"
			}
			typed = append(typed, "`"+c+"` "+kind)
		}
		name = "`" + database + "`.`" + name + "`"
		exec("CREATE TABLE " + name + " (" + strings.Join(typed, ", ") + ")")
		return "INSERT INTO " + name + " VALUES (?" + strings.Repeat(", ?", len(columns)-1) + ")"
	}
	text := func(v []byte) any {
		if v == nil {
			return nil
		}
		return string(v)
	}
	exec("CREATE OR REPLACE DATABASE " + database + " CHARACTER SET utf8mb4")
	columns := slices.Clone(r.columns)
	for _, j := range r.joins() {
		names, from := []string{j.Key}, []int{r.at(j.Key)}
		for _, c := range j.Columns {
			name, as, ok := strings.Cut(c, " AS ")
			if !ok {
				as = name
			}
			names, from = append(names, name), append(from, r.at(as))
			columns = slices.DeleteFunc(columns, func(c string) bool { return c == as })
		}
		insert := table(j.Table, j.Key, names)
		for _, v := range r.values {
			if v[from[0]] == nil {
				continue
			}
			var args []any
			for _, i := range from {
				args = append(args, text(v[i]))
			}
			exec(insert, args...)
		}
	}
	if r.table.Query != "" {
		columns = columns[:r.at("PartyCount")]
		insert := table("connect", "", append([]string{"CallTableID"}, shorewareParty...))
		for _, v := range r.values {
			for line := range strings.SplitSeq(string(v[r.at("Parties")]), "\n") {
				args := []any{text(v[r.at(r.table.Cursor)])}
				for value := range strings.SplitSeq(line, "\t") {
					args = append(args, value)
				}
				exec(insert, args...)
			}
		}
	}
	insert := table(r.table.Name, r.table.Cursor, columns)
	for _, v := range r.values {
		var args []any
		for _, c := range columns {
			args = append(args, text(v[r.at(c)]))
		}
		exec(insert, args...)
	}
}
