// Package tftp takes ticket files over TFTP (RFC 1350): a PBX pushes them to us,
// or we fetch one from it. The last block is acknowledged only when the file is
// on disk under its name, because then the PBX forgets what it sent.
package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Kinds of packets.
const (
	opRead        = 1
	opWrite       = 2
	opData        = 3
	opAck         = 4
	opError       = 5
	opAckOptions  = 6 // RFC 2347
	defaultBlock  = 512
	minBlock      = 8
	maxBlock      = 1428 // fits one Ethernet frame
	maxRequest    = 512  // RFC 2347
	maxErrorText  = 120
	maxPacketHead = 4
)

// Codes of error packets.
const (
	codeOther    = 0
	codeNotFound = 1
	codeAccess   = 2
	codeFull     = 3
	codeIllegal  = 4
	codeStranger = 5
	codeExists   = 6
	codeOptions  = 8
)

// Refusal is an error that a peer is told, or that a peer told us.
type Refusal struct {
	// Code is that of RFC 1350.
	Code uint16
	Text string
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s (TFTP error %d)", r.Text, r.Code) }

func refuse(code uint16, format string, args ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, args...)}
}

// packet is what an error looks like on the wire. What is no refusal is told as
// none of the peer's business.
func errorPacket(err error) []byte {
	var r *Refusal
	if !errors.As(err, &r) {
		r = refuse(codeOther, "the file cannot be taken now: send it again later")
	}
	p := binary.BigEndian.AppendUint16([]byte{0, opError}, r.Code)
	return append(append(p, readable([]byte(r.Text))...), 0)
}

func ackPacket(block uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, opAck}, block)
}

func readPacket(file string) []byte {
	return append(append([]byte{0, opRead}, file...), "\x00octet\x00"...)
}

// kind is what a packet is; 0: none that can be.
func kind(p []byte) int {
	if len(p) < 2 || p[0] != 0 || p[1] < opRead || p[1] > opAckOptions {
		return 0
	}
	if k := int(p[1]); len(p) >= maxPacketHead {
		return k
	}
	return 0
}

func blockOf(p []byte) uint16 { return binary.BigEndian.Uint16(p[2:]) }

// theirError is what an error packet says.
func theirError(p []byte) *Refusal {
	text, _, _ := bytes.Cut(p[maxPacketHead:], []byte{0})
	if t := readable(text); t != "" {
		return &Refusal{blockOf(p), t}
	}
	return &Refusal{blockOf(p), "no reason given"}
}

// readable is a text of the other side, fit for a log.
func readable(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, string(text[:min(len(text), maxErrorText)]))
}

// request is a wish to send a file.
type request struct {
	name     string
	netASCII bool
	// options in the order in which they came, names in lower case.
	options []option
}

type option struct{ name, value string }

// parseRequest reads a write request. Options that are damaged are left out: who
// gets no answer to an option goes on without.
func parseRequest(p []byte) (*request, *Refusal) {
	switch kind(p) {
	case opWrite:
	case opRead:
		return nil, refuse(codeAccess, "files are only taken here, not given: send with put")
	default:
		return nil, refuse(codeIllegal, "that is no write request")
	}
	if len(p) > maxRequest {
		return nil, refuse(codeIllegal, "a request has at most %d bytes", maxRequest)
	}
	fields := bytes.Split(p[2:], []byte{0})
	// Some clients leave out the last NUL, and what is left then is no field.
	if len(fields) < 3 {
		return nil, refuse(codeIllegal, "the request is not whole")
	}
	r := &request{name: string(fields[0])}
	switch strings.ToLower(string(fields[1])) {
	case "octet":
	case "netascii":
		r.netASCII = true
	default:
		return nil, refuse(codeIllegal, "give octet or netascii as the mode")
	}
	fields = fields[2 : len(fields)-1]
	for i := 0; i+1 < len(fields); i += 2 {
		r.options = append(r.options, option{strings.ToLower(string(fields[i])), string(fields[i+1])})
	}
	return r, nil
}

// terms are what is agreed upon.
type terms struct {
	block   int // bytes
	seconds int // the peer's timeout; 0: not told
	size    int64
	// answer says so.
	answer []byte
}

// negotiate takes those options that we know.
func negotiate(options []option) terms {
	t := terms{block: defaultBlock, size: -1}
	var said []byte
	seen := make(map[string]bool)
	for _, o := range options {
		n, err := strconv.ParseInt(o.value, 10, 64)
		if err != nil || seen[o.name] {
			continue
		}
		switch {
		case o.name == "blksize" && n >= minBlock && n <= 65464:
			t.block = int(min(n, maxBlock))
			n = int64(t.block)
		case o.name == "timeout" && n >= 1 && n <= 15:
			t.seconds = int(n)
		case o.name == "tsize" && n >= 0:
			t.size = n
		default:
			continue
		}
		seen[o.name] = true
		said = append(said, fmt.Sprintf("%s\x00%d\x00", o.name, n)...)
	}
	if t.answer = ackPacket(0); said != nil {
		t.answer = append([]byte{0, opAckOptions}, said...)
	}
	return t
}
