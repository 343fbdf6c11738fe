package cut

import "bytes"

// Accounting of an OmniPCX Enterprise comes as lines, in files, and as messages
// of 772 bytes, from TCP port 2533: a 16-bit little-endian 1, the type, 768 bytes
// of content. On the wire each message and each control text has its length
// before it, two bytes big-endian.
const (
	oxeMessage = 772
	oxeHeader  = 4
	oxeText    = 8
)

var (
	oxeLength = []byte{0x03, 0x04}
	// oxeCDR begins a message with a call: its type, and how every known ticket
	// version begins.
	oxeCDR = []byte{1, 0, 2, 0, 'E', 'D'}
	// oxeControls are the link's own texts behind their length.
	oxeControls = [...]string{"TEST_REQ", "TEST_RSP"}
)

// OXE cuts at line ends as [Lines] does, and takes each 772-byte message and each
// keep-alive text of port 2533 as a ticket; their lengths are part of none.
//
// It finds its way after damage: where a message with a call stands a ticket
// begins, also inside what should be the rest of another message, and a line ends
// where any message begins.
func OXE(data []byte, atEOF bool) (advance int, ticket []byte, err error) {
	start := 0
	for start < len(data) && terminator(data[start]) {
		start++
	}
	rest := data[start:]
	if len(rest) == 0 {
		return start, nil, nil
	}
	switch n, found := oxeControl(rest); {
	case found:
		return start + n, rest[n-oxeText : n], nil
	case n > 0 && !atEOF:
		return start, nil, nil
	}
	switch n, found := oxeBegins(rest); {
	case found:
		advance, ticket = oxeTake(rest[n:], atEOF)
		if ticket == nil {
			return start, nil, nil
		}
		return start + n + advance, ticket, nil
	case n > 0 && !atEOF:
		return start, nil, nil
	}
	for i := range rest {
		switch {
		case rest[i] > '\r':
		case terminator(rest[i]):
			end := i
			for i < len(rest) && terminator(rest[i]) {
				i++
			}
			return start + i, rest[:end], nil
		case i > 0:
			n, found := oxeBegins(rest[i:])
			if found {
				return start + i, rest[:i], nil
			}
			if n > 0 && !atEOF {
				return start, nil, nil
			}
		}
	}
	if atEOF {
		return len(data), rest, nil
	}
	return start, nil, nil
}

// oxeControl tells whether b begins with a control text, with its length's last
// byte or without, and where it ends. Not found and n > 0: more bytes decide.
func oxeControl(b []byte) (n int, found bool) {
	if b[0] == oxeText {
		n = 1
	}
	for _, text := range oxeControls {
		have := b[n:]
		if len(have) >= len(text) && string(have[:len(text)]) == text {
			return n + len(text), true
		}
		if len(have) < len(text) && string(have) == text[:len(have)] {
			return len(b), false
		}
	}
	return 0, false
}

// oxeBegins tells whether b begins with a message, and where behind the length
// its first byte stands. Not found and n > 0: more bytes decide.
func oxeBegins(b []byte) (n int, found bool) {
	if b[0] == oxeLength[0] {
		if len(b) == 1 {
			return 1, false
		}
		if b[1] != oxeLength[1] {
			return 0, false
		}
		n = len(oxeLength)
	}
	head := b[n:]
	for i, want := range [...]byte{1, 0} {
		if i == len(head) {
			return len(b), false
		}
		if head[i] != want {
			return 0, false
		}
	}
	switch {
	case len(head) > 2 && head[2] == 0, len(head) > 3 && head[3] != 0:
		return 0, false
	case len(head) < oxeHeader:
		return len(b), false
	}
	return n, true
}

// oxeTake takes the message that b begins with, up to where the next call's
// begins, its length before it or not; nil when it has not come whole.
func oxeTake(b []byte, atEOF bool) (advance int, ticket []byte) {
	// The next one may begin in the last byte of this one's place.
	const beyond = len("\x03\x04\x01\x00\x02\x00E")
	window := b[:min(len(b), oxeMessage+beyond)]
	if i := bytes.Index(window[oxeHeader:], oxeCDR); i >= 0 {
		i += oxeHeader
		if bytes.HasSuffix(window[:i], oxeLength) && i-len(oxeLength) >= oxeHeader {
			i -= len(oxeLength)
		}
		if i < oxeMessage {
			return i, b[:i]
		}
	}
	if !atEOF && (len(b) < oxeMessage || len(b) < oxeMessage+beyond && oxeMayBegin(window)) {
		return 0, nil
	}
	n := min(len(b), oxeMessage)
	return n, b[:n]
}

// oxeMayBegin tells whether b, of which the first 772 bytes are a message's, ends
// in what may be the begin of another call's, before the end of the first.
func oxeMayBegin(b []byte) bool {
	for i := oxeMessage - 1; i > oxeMessage-len(oxeLength)-len(oxeCDR); i-- {
		rest := b[i:]
		if bytes.HasPrefix(oxeCDR, rest) {
			return true
		}
		if after, ok := bytes.CutPrefix(rest, oxeLength); ok && bytes.HasPrefix(oxeCDR, after) || bytes.HasPrefix(oxeLength, rest) {
			return true
		}
	}
	return false
}
