package write

import (
	"errors"

	"trunkline.internal/services/sink/internal/clickhouse"
)

// class is what an exception asks for. Whatever is in no list, zero, passes by
// itself or by an operator's hand, and is tried again for ever.
type class int

const (
	// schemaMissing wants the migrations.
	schemaMissing class = iota + 1
	// refusedRow is about one row's content.
	refusedRow
	// doubtfulRow may be about one row's content, or about the table: a row is
	// only set aside for it when the same table took others of the block.
	doubtfulRow
)

// Inserts are typed blocks, so ClickHouse has little to refuse a row for: the
// operator's own constraints, and conversions where an operator changed a
// column's type or added a computed one.
var classes = map[int]class{
	60: schemaMissing, // UNKNOWN_TABLE
	81: schemaMissing, // UNKNOWN_DATABASE

	469: refusedRow, // VIOLATED_CONSTRAINT

	6:   doubtfulRow, // CANNOT_PARSE_TEXT
	27:  doubtfulRow, // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	38:  doubtfulRow, // CANNOT_PARSE_DATE
	41:  doubtfulRow, // CANNOT_PARSE_DATETIME
	69:  doubtfulRow, // ARGUMENT_OUT_OF_BOUND
	72:  doubtfulRow, // CANNOT_PARSE_NUMBER
	131: doubtfulRow, // TOO_LARGE_STRING_SIZE
	321: doubtfulRow, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	407: doubtfulRow, // DECIMAL_OVERFLOW
	675: doubtfulRow, // CANNOT_PARSE_IPV4
	676: doubtfulRow, // CANNOT_PARSE_IPV6
	691: doubtfulRow, // UNKNOWN_ELEMENT_OF_ENUM
}

func classify(err error) class { return classes[clickhouse.CodeOf(err)] }

// remedies say what a person can do.
var remedies = map[int]string{
	16:  "a column is missing: an older schema was restored; apply the migrations by hand or restore the tables' newest state",
	60:  "a table is missing: it is made again by the migrations",
	81:  "the database is missing: it is made again by the migrations",
	159: "it is too slow: look at its load",
	164: "the user may only read: give it a profile without readonly, or the write token",
	192: "the user does not exist: check clickhouse.user",
	193: "the password is wrong: check clickhouse.password_env or password_file",
	194: "a password is required: set clickhouse.password_env or password_file",
	202: "too many queries run at once: wait, or raise max_concurrent_queries",
	241: "it has too little memory: raise its limit",
	242: "the table is read-only: the replica has lost its keeper",
	243: "the disk is full: free some space",
	252: "too many parts: merges do not keep up; wait, or look at its disk",
	469: "a constraint refuses the row",
	497: "the user lacks a privilege: grant SELECT, INSERT, CREATE and ALTER on the database",
	516: "user or password is wrong: check clickhouse.user and password_env or password_file",
	999: "keeper does not answer",
}

// ReasonOf is a short name of an error, for counting.
func ReasonOf(err error) string {
	var e *clickhouse.Error
	if errors.As(err, &e) {
		return e.Name
	}
	return "network"
}
