// Package login holds the dialogue that a PBX wants before it gives tickets.
package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/services/ingest-tcp/internal/telnet"
)

const (
	// maxPrinted bounds what a PBX may print before what is expected, in bytes.
	maxPrinted = 64 << 10
	// maxHeld is how much is held back to see whether the password was right; a
	// PBX that gives more has let us in.
	maxHeld = 4 << 10
	// writeWithin bounds the wait for the PBX to take our line.
	writeWithin = 5 * time.Second
)

// ErrRejected says that the PBX asks again: the password is wrong.
var ErrRejected = errors.New("the PBX asks to log in again: the password is wrong; set password_env or password_file of the link")

// Dialogue is a log-in.
type Dialogue struct {
	Steps    []pbx.Step
	Password string
	// Settle is how long the PBX has to ask again after the last answer.
	Settle time.Duration
}

// Run speaks the dialogue. What the PBX printed in it is no ticket; what came
// after the last expected text is returned, with the time when it came: echo,
// its password blanked, and perhaps the first tickets. No error holds the password.
//
// With an error rest is what came in place of a dialogue: a PBX that is another
// than it should be, or asks for no log-in, prints its tickets and forgets them.
// One that prints them without a pause has let us in.
func (d Dialogue) Run(ctx context.Context, conn net.Conn, r *telnet.Reader) (rest []byte, at time.Time, err error) {
	if len(d.Steps) == 0 {
		return nil, time.Time{}, nil
	}
	defer func() { blank(rest, d.Password) }()
	// A deadline that is set after ctx ended would make its end wait.
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	deadline := func(d time.Duration) error {
		err := conn.SetReadDeadline(time.Now().Add(d))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	var heard []byte
	var printed printed // before the password was sent
	secret := false
	for i, step := range d.Steps {
		if err := deadline(step.Timeout); err != nil {
			return printed.tickets(d.Steps), printed.at, err
		}
		for searched := 0; ; {
			if at := index(heard[searched:], step.Expect); at >= 0 {
				heard = heard[searched+at+len(step.Expect):]
				break
			}
			searched = max(0, len(heard)-len(step.Expect)+1)
			if len(heard) > maxPrinted {
				if !secret {
					return printed.text, printed.at, conn.SetReadDeadline(time.Time{})
				}
				return nil, at, fmt.Errorf("log-in step %d: the PBX printed %d bytes without %q: is it the right port?", i+1, len(heard), step.Expect)
			}
			data, err := r.Next()
			if heard = append(heard, data...); !secret {
				printed.add(data)
			}
			if ctx.Err() != nil {
				return printed.tickets(d.Steps), printed.at, ctx.Err()
			}
			if err != nil {
				blank(heard, d.Password) // of an earlier try
				return printed.tickets(d.Steps), printed.at, fmt.Errorf("log-in step %d: %w", i+1, missing(step, heard, secret, err))
			}
		}
		if err := conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
			return printed.tickets(d.Steps), printed.at, err
		}
		if secret = secret || strings.Contains(step.Send, "{password}"); secret {
			printed.text = nil
		}
		if _, err := io.WriteString(conn, strings.ReplaceAll(step.Send, "{password}", d.Password)); err != nil {
			return printed.tickets(d.Steps), printed.at, fmt.Errorf("log-in step %d: the PBX does not take our answer: %w", i+1, err)
		}
	}
	at = time.Now()
	if err := deadline(d.Settle); err != nil {
		return heard, at, nil
	}
	for waited := -1; len(heard) < maxHeld; {
		data, err := r.Next()
		heard = append(heard, data...)
		late := ctx.Err() == nil && errors.Is(err, os.ErrDeadlineExceeded)
		switch {
		case err == nil:
			continue
		case late && d.asks(heard):
			return nil, at, ErrRejected
		case late && len(echoing(heard, d.Password)) > 0 && len(heard) > waited && deadline(d.Settle) == nil:
			waited = len(heard)
			continue
		}
		// Any other error comes again at the next read.
		break
	}
	return heard, at, conn.SetReadDeadline(time.Time{})
}

// printed is what a PBX printed, and when it began to.
type printed struct {
	text []byte
	at   time.Time
}

func (p *printed) add(data []byte) {
	if len(p.text) == 0 {
		p.at = time.Now()
	}
	p.text = append(p.text, data...)
}

// tickets is all of it where a line is neither a prompt nor the echo of an
// answer.
func (p *printed) tickets(steps []pbx.Step) []byte {
	end := bytes.LastIndexAny(p.text, lineEnds)
	for line := range bytes.FieldsFuncSeq(p.text[:end+1], func(r rune) bool { return strings.ContainsRune(lineEnds, r) }) {
		for _, s := range steps {
			for _, own := range []string{s.Expect, strings.TrimRight(s.Send, lineEnds)} {
				for at := index(line, own); own != "" && at >= 0; at = index(line, own) {
					line = slices.Concat(line[:at], line[at+len(own):])
				}
			}
		}
		if len(bytes.TrimSpace(line)) > 0 {
			return p.text
		}
	}
	return nil
}

const lineEnds = "\r\n\f\x00"

// asks tells whether the PBX stopped at one of its prompts.
func (d Dialogue) asks(heard []byte) bool {
	last := heard[bytes.LastIndexAny(heard, lineEnds)+1:]
	last = bytes.TrimSpace(last)
	return slices.ContainsFunc(d.Steps, func(s pbx.Step) bool {
		before := len(last) - len(s.Expect)
		// A short prompt stands alone: a hyphen also ends many a text.
		return before >= 0 && (before == 0 || len(s.Expect) > 3) && equal(last[before:], s.Expect)
	})
}

// missing explains what did not come.
func missing(step pbx.Step, heard []byte, secret bool, err error) error {
	printed := "it printed nothing"
	switch {
	case len(heard) > 0 && secret:
		// It may be the echo of the password.
		printed = fmt.Sprintf("it printed %d bytes", len(heard))
	case len(heard) > 0:
		printed = fmt.Sprintf("it printed %q", mask(heard))
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the PBX did not print %q within %s, %s: is it the right model and port, and is no other program logged in?", step.Expect, step.Timeout, printed)
	}
	return fmt.Errorf("the PBX hung up before it printed %q, %s: another program may be logged in, or log-ins are locked for a while: %w", step.Expect, printed, err)
}

// mask shows the end of what was printed, without the digits of anybody's
// number.
func mask(heard []byte) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '#'
		}
		return r
	}, string(heard[max(0, len(heard)-60):]))
}

// index is bytes.Index without regard to ASCII case.
func index(heard []byte, text string) int {
	for i := 0; i+len(text) <= len(heard); i++ {
		if equal(heard[i:i+len(text)], text) {
			return i
		}
	}
	return -1
}

func equal(heard []byte, text string) bool {
	for i, b := range heard {
		if lower(b) != lower(text[i]) {
			return false
		}
	}
	return true
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}
