// Package ahl is the framing of the Alcatel Hotel Link, which other hotel links
// share: STX, text, ETX, and check characters as the two sides agree. Each frame
// is answered by one byte, ACK or NAK, before the next is sent.
//
// What is in the text is not published, nor which check characters an OmniPCX
// Enterprise sends; the answers are those of ASCII, as other hotel links use
// them.
package ahl

import (
	"bytes"
	"errors"
	"fmt"
)

// The characters of the link.
const (
	STX byte = 0x02
	ETX byte = 0x03
	// ENQ asks whether the other side is there.
	ENQ byte = 0x05
	// ACK answers a frame that was taken over for good, NAK one to send again.
	ACK byte = 0x06
	NAK byte = 0x15
)

// MaxFrame bounds a frame in bytes. The longest one that is known has 61.
const MaxFrame = 4096

// Check is what follows ETX: the exclusive or of all bytes behind STX, ETX
// included.
type Check uint8

// Checks.
const (
	None Check = iota
	// LRC is one byte.
	LRC
	// LRCHex is two hexadecimal digits, capitals when we send.
	LRCHex
)

// ParseCheck knows `none`, `lrc` and `lrc-hex`.
func ParseCheck(s string) (Check, error) {
	for c, name := range names {
		if s == name {
			return Check(c), nil
		}
	}
	return None, fmt.Errorf("check %q: give none, lrc or lrc-hex", s)
}

var names = [...]string{"none", "lrc", "lrc-hex"}

func (c Check) String() string { return names[c] }

// size of the check characters in bytes.
func (c Check) size() int { return int(c) }

func sum(b []byte) (x byte) {
	for _, c := range b {
		x ^= c
	}
	return x
}

// Append appends the frame of a text to dst. The error is that of a text which
// no frame can hold.
func (c Check) Append(dst, text []byte) ([]byte, error) {
	if i := bytes.IndexAny(text, string([]byte{STX, ETX})); i >= 0 {
		return dst, fmt.Errorf("byte %d of the text is %#02x, which begins or ends a frame", i, text[i])
	}
	if len(text)+2+c.size() > MaxFrame {
		return dst, fmt.Errorf("a text of %d bytes: a frame has at most %d", len(text), MaxFrame)
	}
	begin := len(dst) + 1
	dst = append(append(append(dst, STX), text...), ETX)
	x := sum(dst[begin:])
	switch c {
	case LRC:
		dst = append(dst, x)
	case LRCHex:
		const digits = "0123456789ABCDEF"
		dst = append(dst, digits[x>>4], digits[x&15])
	}
	return dst, nil
}

// Errors of a frame: answer it with NAK.
var (
	ErrFrame = errors.New("no frame of STX, text, ETX and check characters")
	ErrCheck = errors.New("the check characters are wrong")
)

// Text is the text of a whole frame. The error is ErrFrame or ErrCheck.
func (c Check) Text(frame []byte) ([]byte, error) {
	end := len(frame) - c.size() - 1
	if end < 1 || frame[0] != STX || bytes.IndexByte(frame, ETX) != end {
		return nil, ErrFrame
	}
	x, check := sum(frame[1:end+1]), frame[end+1:]
	if c == LRC && check[0] != x || c == LRCHex && (nibble(check[0]) != int(x>>4) || nibble(check[1]) != int(x&15)) {
		return nil, ErrCheck
	}
	return frame[1:end], nil
}

func nibble(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c - 'A' + 10)
	case c >= 'a' && c <= 'f':
		return int(c - 'a' + 10)
	}
	return -1
}

// Kind of a piece of what the other side sends.
type Kind uint8

// Kinds.
const (
	// More: the next piece is not whole yet.
	More Kind = iota
	// Frame: give it to Text.
	Frame
	// Answer: one byte, ACK or NAK, to the frame that we sent.
	Answer
	// Enquiry: one byte, ENQ.
	Enquiry
	// Noise: bytes outside a frame, or of one that lost its end.
	Noise
)

// Next tells what data begins with. The piece is a part of data, and what comes
// next stands behind it. A frame that is not ended where the next one begins, or
// after MaxFrame bytes, is noise up to there.
func (c Check) Next(data []byte) (Kind, []byte) {
	if len(data) == 0 {
		return More, nil
	}
	switch data[0] {
	case ACK, NAK:
		return Answer, data[:1]
	case ENQ:
		return Enquiry, data[:1]
	case STX:
	default:
		end := bytes.IndexAny(data, string([]byte{STX, ENQ, ACK, NAK}))
		if end < 0 {
			end = len(data)
		}
		return Noise, data[:end]
	}
	window := data[:min(len(data), MaxFrame)]
	end := bytes.IndexByte(window, ETX)
	if again := bytes.IndexByte(window[1:], STX) + 1; again > 0 && (end < 0 || again < end) {
		return Noise, data[:again]
	}
	switch whole := end + 1 + c.size(); {
	case end >= 0 && whole <= len(window):
		return Frame, data[:whole]
	case len(window) == MaxFrame:
		return Noise, window
	}
	return More, nil
}
