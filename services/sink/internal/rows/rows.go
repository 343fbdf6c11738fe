// Package rows holds the rows of Trunkline's tables as typed ClickHouse
// columns, which are reused from block to block.
package rows

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Block gathers rows of one table.
type Block[R any] struct {
	// Table is the table's name without the database.
	Table   string
	columns []column[R]
	input   proto.Input
	rows    int
}

type column[R any] struct {
	name string
	data interface {
		proto.ColInput
		proto.Resettable
	}
	add func(R)
}

func newBlock[R any](table string, columns []column[R]) *Block[R] {
	b := &Block[R]{Table: table, columns: columns}
	for _, c := range columns {
		b.input = append(b.input, proto.InputColumn{Name: c.name, Data: c.data})
	}
	return b
}

// Add appends a row. Nothing of it is kept but its values.
func (b *Block[R]) Add(r R) {
	for i := range b.columns {
		b.columns[i].add(r)
	}
	b.rows++
}

// Rows is how many there are.
func (b *Block[R]) Rows() int { return b.rows }

// Input is the block for an insert.
func (b *Block[R]) Input() proto.Input { return b.input }

// Reset empties the block and keeps its memory.
func (b *Block[R]) Reset() {
	for _, c := range b.columns {
		c.data.Reset()
	}
	b.rows = 0
}

func text[R any](name string, get func(R) string) column[R] {
	data := new(texts)
	return column[R]{name, data, func(r R) { data.add(get(r)) }}
}

func blob[R any](name string, get func(R) []byte) column[R] {
	data := new(texts)
	return column[R]{name, data, func(r R) { data.addBytes(get(r)) }}
}

// word is a text of which there are few different ones.
func word[R any](name string, get func(R) string) column[R] {
	data := newWords()
	return column[R]{name, data, func(r R) { data.add(get(r)) }}
}

func enum[R any, E protoreflect.Enum](name string, get func(R) E) column[R] {
	names := enumNames[E]()
	return word(name, func(r R) string { return names[get(r).Number()] })
}

func flag[R any](name string, get func(R) bool) column[R] {
	data := new(proto.ColBool)
	return column[R]{name, data, func(r R) { data.Append(get(r)) }}
}

func mark[R any](name string, get func(R) bool) column[R] {
	data := new(proto.ColUInt8)
	return column[R]{name, data, func(r R) {
		var v uint8
		if get(r) {
			v = 1
		}
		data.Append(v)
	}}
}

func number[R any](name string, get func(R) uint32) column[R] {
	data := new(proto.ColUInt32)
	return column[R]{name, data, func(r R) { data.Append(get(r)) }}
}

func signed[R any](name string, get func(R) int32) column[R] {
	data := new(proto.ColInt32)
	return column[R]{name, data, func(r R) { data.Append(get(r)) }}
}

func long[R any](name string, get func(R) uint64) column[R] {
	data := new(proto.ColUInt64)
	return column[R]{name, data, func(r R) { data.Append(get(r)) }}
}

// idList is the ids of tickets, 16 bytes each. What is no id is left out: its
// ticket is then counted, and cannot be asked for.
func idList[R any](name string, each func(r R, add func(id string))) column[R] {
	ids := new(proto.ColFixedStr16)
	data := proto.NewArray(ids)
	return column[R]{name, data, func(r R) {
		each(r, func(id string) {
			var b [16]byte
			if n, err := hex.Decode(b[:], []byte(id)); len(id) == 2*len(b) && err == nil && n == len(b) {
				ids.Append(b)
			}
		})
		data.Offsets.Append(uint64(ids.Rows()))
	}}
}

// millis is a time in milliseconds, micros in microseconds; both UTC.
func millis[R any](name string, get func(R) *timestamppb.Timestamp) column[R] {
	data := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMilli).WithLocation(time.UTC)
	return column[R]{name, data, func(r R) { data.AppendRaw(proto.DateTime64(Millis(get(r)))) }}
}

func micros[R any](name string, get func(R) *timestamppb.Timestamp) column[R] {
	data := new(proto.ColDateTime64).WithPrecision(proto.PrecisionMicro).WithLocation(time.UTC)
	return column[R]{name, data, func(r R) {
		seconds, nanos := within(get(r))
		data.AppendRaw(proto.DateTime64(seconds*1e6 + nanos/1e3))
	}}
}

// Millis is a time as start_time holds it: milliseconds since 1970, 0 for none.
func Millis(t *timestamppb.Timestamp) int64 {
	seconds, nanos := within(t)
	return seconds*1e3 + nanos/1e6
}

// What a DateTime64 can hold.
var earliest, latest = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2299, 12, 31, 23, 59, 59, 0, time.UTC).Unix()

func within(t *timestamppb.Timestamp) (seconds, nanos int64) {
	switch {
	case t == nil:
		return 0, 0
	case t.Seconds < earliest:
		return earliest, 0
	case t.Seconds > latest:
		return latest, 0
	}
	return t.Seconds, min(max(int64(t.Nanos), 0), 999_999_999)
}

// enumNames are the values' names without the enum's own, by number; the
// unspecified one is empty.
func enumNames[E protoreflect.Enum]() []string {
	var zero E
	values := zero.Descriptor().Values()
	names := make([]string, values.Len())
	prefix := strings.TrimSuffix(string(values.Get(0).Name()), "UNSPECIFIED")
	for i := range names {
		// The numbers have no gaps: a removed value would stay reserved here.
		names[i] = strings.TrimPrefix(string(values.ByNumber(protoreflect.EnumNumber(i)).Name()), prefix)
	}
	names[0] = ""
	return names
}
