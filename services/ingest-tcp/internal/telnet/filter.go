// Package telnet takes the telnet commands out of what a PBX sends: some ticket
// ports are telnet servers, and some serial boxes negotiate options on theirs.
package telnet

import "bytes"

// Bytes of RFC 854.
const (
	se   = 0xF0
	sb   = 0xFA
	will = 0xFB
	wont = 0xFC
	do   = 0xFD
	dont = 0xFE
	iac  = 0xFF
)

// maxCommand bounds a subnegotiation, in bytes. Binary noise may look like the
// begin of one that never ends, and must not swallow the tickets behind it.
const maxCommand = 512

type state byte

const (
	inData state = iota
	afterIAC
	afterVerb
	inSub
	afterSubIAC
)

// Filter separates data from telnet commands. Only whole and valid commands are
// taken out: what merely begins like one is data. The zero value is ready; its
// state lasts over reads.
type Filter struct {
	// Refuse makes the filter collect refusals of the options that the other
	// side offers or asks for.
	Refuse bool

	state   state
	held    []byte // the unfinished command, as it came
	answers []byte
}

// Append appends the data of src to dst.
func (f *Filter) Append(dst, src []byte) []byte {
	for len(src) > 0 {
		if f.state == inData {
			i := bytes.IndexByte(src, iac)
			if i < 0 {
				return append(dst, src...)
			}
			dst, src = append(dst, src[:i]...), src[i+1:]
			f.state, f.held = afterIAC, append(f.held[:0], iac)
			continue
		}
		dst = f.step(dst, src[0])
		src = src[1:]
	}
	return dst
}

// step takes one byte inside a command.
func (f *Filter) step(dst []byte, b byte) []byte {
	f.held = append(f.held, b)
	switch f.state {
	case afterIAC:
		switch {
		case b == iac:
			f.state = inData
			return append(dst, iac)
		case b < se:
			f.state = inData
			return append(dst, f.held...)
		case b == sb:
			f.state = inSub
		case b >= will:
			f.state = afterVerb
		default:
			f.state = inData
		}
	case afterVerb:
		f.refuse(f.held[1], b)
		f.state = inData
	case inSub:
		if b == iac {
			f.state = afterSubIAC
		}
	case afterSubIAC:
		if b == se {
			f.state = inData
			return dst
		}
		f.state = inSub
	}
	if len(f.held) == maxCommand {
		f.state = inData
		return append(dst, f.held...)
	}
	return dst
}

func (f *Filter) refuse(verb, option byte) {
	if !f.Refuse {
		return
	}
	switch verb {
	case will:
		f.answers = append(f.answers, iac, dont, option)
	case do:
		f.answers = append(f.answers, iac, wont, option)
	}
}

// Flush appends a command that the end of the connection left unfinished: it
// may have been data.
func (f *Filter) Flush(dst []byte) []byte {
	if f.state == inData {
		return dst
	}
	f.state = inData
	return append(dst, f.held...)
}

// Answers are the refusals since the last call, valid until the next Append.
func (f *Filter) Answers() []byte {
	a := f.answers
	f.answers = f.answers[:0]
	return a
}
