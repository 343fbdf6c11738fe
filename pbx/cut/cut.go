// Package cut finds where tickets begin and end in the bytes that a PBX sends.
//
// A cutter is a bufio.SplitFunc, so that a stream, a file and the payload of a
// ticket message are cut by the same code, and cutting joined tickets again
// gives the same tickets. Ingest cuts to publish whole tickets, the parser cuts
// the payload into its tickets again.
package cut

import "bufio"

// Terminators of a line ticket: any run of them ends one. A NUL is padding of
// serial boxes, a form feed stands at page ends of printer formats.
func terminator(b byte) bool { return b == '\n' || b == '\r' || b == 0 || b == '\f' }

// Lines cuts at line ends: LF, CR, CR LF, form feed, NUL, and any run of them.
// A ticket is what stands between; empty ones do not exist. At the end of the
// data an unterminated rest is a ticket: whoever cuts a stream that broke off
// cuts without the end, and keeps the rest as incomplete.
func Lines(data []byte, atEOF bool) (advance int, ticket []byte, err error) {
	start := 0
	for start < len(data) && terminator(data[start]) {
		start++
	}
	for i := start; i < len(data); i++ {
		if terminator(data[i]) {
			end := i
			for i < len(data) && terminator(data[i]) {
				i++
			}
			return i, data[start:end], nil
		}
	}
	if atEOF && start < len(data) {
		return len(data), data[start:], nil
	}
	return start, nil, nil
}

// Terminated tells whether a ticket that ends at the offset of the payload has
// its line end.
func Terminated(payload []byte, end int) bool {
	return end < len(payload) && terminator(payload[end])
}

// Each calls yield with each ticket of a message's payload and with the offset
// of its first byte in the payload. It stops early when yield returns false.
func Each(split bufio.SplitFunc, payload []byte, yield func(offset int, ticket []byte) bool) error {
	for at := 0; at < len(payload); {
		advance, ticket, err := split(payload[at:], true)
		if err != nil {
			return err
		}
		if advance == 0 {
			return nil
		}
		if ticket != nil {
			// The ticket is a sub-slice of the payload: its capacity tells where.
			offset := cap(payload) - cap(ticket)
			if !yield(offset, ticket[:len(ticket):len(ticket)]) {
				return nil
			}
		}
		at += advance
	}
	return nil
}
