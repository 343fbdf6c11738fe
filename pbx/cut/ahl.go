package cut

import "bytes"

const (
	stx = 0x02
	etx = 0x03
	// ahlCheck is the most check characters that follow ETX.
	ahlCheck = 2
)

// AHL cuts frames of the Alcatel Hotel Link: STX, text, ETX and the check
// characters behind it, whatever they are: how they are computed is not known. So
// they are what stands between ETX and the next STX, two bytes at most. Answers,
// enquiries and line ends outside a frame are part of no ticket. Other bytes
// there are a ticket of their own, and so is a frame that lost its end: the next
// STX begins anew.
//
// The link itself, which knows its check characters, does not wait for what
// follows them: see package ahl.
func AHL(data []byte, atEOF bool) (advance int, ticket []byte, err error) {
	start := 0
	for start < len(data) && ahlIdle(data[start]) {
		start++
	}
	rest := data[start:]
	if len(rest) == 0 {
		return start, nil, nil
	}
	n, whole := 0, false
	if rest[0] == stx {
		n, whole = ahlFrame(rest)
	} else {
		n = bytes.IndexFunc(rest, func(r rune) bool { return r == stx || r < 0x20 && ahlIdle(byte(r)) })
		if whole = n >= 0; !whole {
			n = len(rest)
		}
	}
	if !whole && !atEOF {
		return start, nil, nil
	}
	return start + n, rest[:n], nil
}

// ahlIdle tells what may stand between frames: NUL, EOT, ENQ, ACK, NAK and line
// ends.
func ahlIdle(b byte) bool {
	return terminator(b) || b == 0x04 || b == 0x05 || b == 0x06 || b == 0x15
}

// ahlFrame is how long the frame is that b begins with. It is not whole where
// more bytes may belong to it.
func ahlFrame(b []byte) (n int, whole bool) {
	end := bytes.IndexByte(b, etx)
	if again := bytes.IndexByte(b[1:], stx) + 1; again > 0 && (end < 0 || again < end) {
		return again, true
	}
	if end < 0 {
		return len(b), false
	}
	check := b[end+1:]
	n = end + 1
	switch {
	case len(check) == 0:
		return n, false
	case check[0] == stx:
		// The next frame, or a check character that happens to be STX: then that
		// frame follows it.
		if len(check) == 1 {
			return n + 1, false
		}
		if check[1] == stx {
			n++
		}
		return n, true
	case len(check) == 1:
		return n + 1, false
	case check[1] == stx:
		return n + 1, true
	}
	return n + ahlCheck, true
}
