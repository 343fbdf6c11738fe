package login

import (
	"bytes"
	"strings"
)

// secretLength is what a password needs to be looked for in tickets, too: shorter
// ones and numbers stand in them by chance.
const secretLength = 6

// blank takes the password out of what came behind it, each byte a `*`: some PBXs
// echo what was typed, or repeat it in their excuse, and both would be kept as
// tickets.
func blank(heard []byte, password string) {
	if password == "" {
		return
	}
	distinct := len(password) >= secretLength && strings.Trim(password, "0123456789") != ""
	if cut := echoing(heard, password); distinct && len(cut) > 2 && alone(heard, cut) {
		stars(cut)
	}
	for len(heard) > 0 {
		end := bytes.IndexAny(heard, lineEnds)
		if end < 0 {
			end = len(heard)
		}
		if line := heard[:end]; distinct || !ticketLike(line, password) {
			each(line, password, stars)
		}
		heard = heard[min(end+1, len(heard)):]
	}
}

// alone tells whether nothing stands before the end in its line.
func alone(heard, end []byte) bool {
	before := heard[:len(heard)-len(end)]
	return len(bytes.TrimSpace(before[bytes.LastIndexAny(before, lineEnds)+1:])) == 0
}

// ticketLike tells whether a line holds digits beside the password: every ticket
// does.
func ticketLike(line []byte, password string) bool {
	line = bytes.Clone(line)
	each(line, password, stars)
	return bytes.ContainsAny(line, "0123456789")
}

func each(line []byte, text string, do func([]byte)) {
	for at := index(line, text); at >= 0; at = index(line, text) {
		do(line[at : at+len(text)])
		line = line[at+len(text):]
	}
}

func stars(b []byte) {
	for i := range b {
		b[i] = '*'
	}
}

// echoing is the begin of the password at the end of what was heard: an echo that
// is on its way.
func echoing(heard []byte, password string) []byte {
	last := heard[bytes.LastIndexAny(heard, lineEnds)+1:]
	for n := min(len(password)-1, len(last)); n > 0; n-- {
		if tail := last[len(last)-n:]; equal(tail, password[:n]) {
			return tail
		}
	}
	return nil
}
