package clickhouse

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// Error is an exception of the server's, the same over both protocols.
type Error struct {
	Code int
	// Name as the server's documentation has it, `TOO_MANY_PARTS`.
	Name string
	// Message may quote values of rows: it is for the database, not for a log.
	Message string
}

// Error tells code, name and message, without long numbers: they may be
// somebody's telephone number.
func (e *Error) Error() string {
	m := e.Message
	if i := strings.Index(m, "Column values"); i >= 0 {
		m = m[:i]
	}
	if len(m) > maxMessage {
		m = strings.ToValidUTF8(m[:maxMessage], "") + "…"
	}
	m = longNumber.ReplaceAllString(strings.TrimRight(m, " ."), "$1…")
	return fmt.Sprintf("clickhouse: code %d, %s: %s", e.Code, e.Name, m)
}

const maxMessage = 300

var longNumber = regexp.MustCompile(`(\d{3})\d{4,}`)

// CodeOf is the code of the server's exception in err, 0 when it is none.
func CodeOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func newError(code int, name, message string) *Error {
	if name == "" {
		if e := proto.Error(code); e.IsAError() {
			name = e.String()
		} else {
			name = "UNKNOWN"
		}
	}
	return &Error{Code: code, Name: name, Message: message}
}

// ofNative turns the native client's exception into ours; any other error of it
// means that the connection is no good.
func ofNative(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := ch.AsException(err); ok {
		return newError(int(e.Code), "", e.Message)
	}
	return fmt.Errorf("%w: %w", errUnreachable, err)
}

var (
	exceptionText = regexp.MustCompile(`(?s)Code: (\d+)\. DB::Exception: (.*)`)
	exceptionName = regexp.MustCompile(`\(([A-Z][A-Z0-9_]+)\)(?: \(version [^()]*(?:\([^()]*\))?\))?\s*$`)
)

// ofHTTP reads an exception out of an answer: its code stands in a header, its
// text in the body.
func ofHTTP(status int, header, body string) error {
	code, _ := strconv.Atoi(header)
	message := strings.TrimSpace(body)
	if m := exceptionText.FindStringSubmatch(message); m != nil {
		if code == 0 {
			code, _ = strconv.Atoi(m[1])
		}
		message = m[2]
	}
	if code == 0 {
		// Not ClickHouse's words: something before it answered.
		return fmt.Errorf("%w: HTTP status %d", errUnreachable, status)
	}
	name := ""
	if at := exceptionName.FindStringSubmatchIndex(message); at != nil {
		name, message = message[at[2]:at[3]], strings.TrimSpace(message[:at[0]])
	}
	return newError(code, name, message)
}
