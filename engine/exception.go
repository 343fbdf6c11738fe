package engine

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
)

// Exception is an error as ClickHouse tells it. Its text is the whole line:
// "Code: 62. DB::Exception: Syntax error: … (SYNTAX_ERROR)".
type Exception struct {
	Code int
	Name string
	Text string
}

func (e *Exception) Error() string { return e.Text }

// kind is a code of ClickHouse with its name.
type kind struct {
	code int
	name string
}

// What the front itself answers with.
var (
	kindCannotReadAll    = kind{33, "CANNOT_READ_ALL_DATA"}
	kindBadArguments     = kind{36, "BAD_ARGUMENTS"}
	kindNotImplemented   = kind{48, "NOT_IMPLEMENTED"}
	kindSyntaxError      = kind{62, "SYNTAX_ERROR"}
	kindReadonly         = kind{164, "READONLY"}
	kindTooManyQueries   = kind{202, "TOO_MANY_SIMULTANEOUS_QUERIES"}
	kindCannotDecompress = kind{271, "CANNOT_DECOMPRESS"}
	kindTooManyBytes     = kind{396, "TOO_MANY_ROWS_OR_BYTES"}
	kindAccessDenied     = kind{497, "ACCESS_DENIED"}
	kindAuthentication   = kind{516, "AUTHENTICATION_FAILED"}
	kindQueryIsTooLarge  = kind{229, "QUERY_IS_TOO_LARGE"}
	kindUnknown          = kind{1002, "UNKNOWN_EXCEPTION"}
)

func exception(k kind, format string, args ...any) *Exception {
	return &Exception{
		Code: k.code, Name: k.name,
		Text: fmt.Sprintf("Code: %d. DB::Exception: %s. (%s)", k.code, fmt.Sprintf(format, args...), k.name),
	}
}

// An exception inside another repeats head and tail: the first code and the last name are the outer one's.
var exceptionText = regexp.MustCompile(`(?s)^Code: (\d+)\. .*\(([A-Z0-9_]+)\)(?: \(version [^()]*\))?\s*$`)

func parseException(text string) *Exception {
	if m := exceptionText.FindStringSubmatch(text); m != nil {
		if code, err := strconv.Atoi(m[1]); err == nil {
			return &Exception{Code: code, Name: m[2], Text: text}
		}
	}
	return exception(kindUnknown, "%s", text)
}

// asException makes an exception of whatever went wrong.
func asException(err error) *Exception {
	var e *Exception
	if errors.As(err, &e) {
		return e
	}
	return exception(kindUnknown, "%v", err)
}

// status is the HTTP status that ClickHouse sends with an exception, and 429 (500 there) for too many queries at once: the
// client may come again.
func (e *Exception) status() int {
	if s, ok := statuses[e.Name]; ok {
		return s
	}
	return http.StatusInternalServerError
}

var statuses = func() map[string]int {
	m := map[string]int{}
	for status, names := range map[int][]string{
		http.StatusUnauthorized: {"REQUIRED_PASSWORD"},
		http.StatusForbidden:    {"UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE", "ACCESS_DENIED"},
		http.StatusBadRequest: {
			"BAD_ARGUMENTS", "CANNOT_COMPILE_REGEXP", "CANNOT_PARSE_TEXT", "CANNOT_PARSE_ESCAPE_SEQUENCE", "CANNOT_PARSE_QUOTED_STRING",
			"CANNOT_PARSE_DATE", "CANNOT_PARSE_DATETIME", "CANNOT_PARSE_NUMBER", "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", "CANNOT_PARSE_IPV4",
			"CANNOT_PARSE_IPV6", "CANNOT_PARSE_INPUT_ASSERTION_FAILED", "CANNOT_PARSE_UUID", "DUPLICATE_COLUMN", "ILLEGAL_COLUMN",
			"UNKNOWN_ELEMENT_IN_AST", "UNKNOWN_TYPE_OF_AST_NODE", "THERE_IS_NO_COLUMN", "TOO_DEEP_AST", "TOO_BIG_AST", "UNEXPECTED_AST_STRUCTURE",
			"SYNTAX_ERROR", "INCORRECT_DATA", "TYPE_MISMATCH", "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
		},
		http.StatusNotFound: {
			"UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE", "UNKNOWN_DATABASE", "UNKNOWN_SETTING",
			"UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION", "UNKNOWN_FORMAT", "UNKNOWN_DATABASE_ENGINE", "UNKNOWN_TYPE_OF_QUERY",
			"UNKNOWN_ROLE",
		},
		http.StatusRequestEntityTooLarge: {"QUERY_IS_TOO_LARGE"},
		http.StatusNotImplemented:        {"NOT_IMPLEMENTED"},
		http.StatusServiceUnavailable:    {"SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK"},
		http.StatusLengthRequired:        {"HTTP_LENGTH_REQUIRED"},
		http.StatusRequestTimeout:        {"TIMEOUT_EXCEEDED"},
		http.StatusUnsupportedMediaType:  {"UNSUPPORTED_MEDIA_TYPE"},
		http.StatusTooManyRequests:       {"TOO_MANY_SIMULTANEOUS_QUERIES"},
	} {
		for _, name := range names {
			m[name] = status
		}
	}
	return m
}()
