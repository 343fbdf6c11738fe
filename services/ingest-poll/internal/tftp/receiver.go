package tftp

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// File is a file that is under way.
type File interface {
	io.Writer
	// Commit ends it. When it returns nil, the file is on disk under its name.
	Commit() error
	// Abort removes it. It is called in place of Commit, or after a Commit that
	// failed.
	Abort()
	// Heard tells, some time after Commit, that the peer knows that we have the file:
	// it did not ask again. It may be called more than once.
	Heard()
}

// calm is how soon after an answer a block that comes again is not answered: it
// crossed the answer. Without that, one doubled packet doubles all that follow,
// the sorcerer's apprentice.
const calm = 250 * time.Millisecond

// receiver is the side of a transfer that gets the file, without sockets and
// clocks: a packet in, an answer out.
type receiver struct {
	file  File
	plain netASCII
	ascii bool
	block int
	limit int64

	blocks   int64
	size     int64
	answer   []byte // the last one
	answered time.Time
	// done: the file is ours, or the transfer failed with err.
	done bool
	err  error
}

// packet takes a packet of the peer and returns the answer; nil: none.
func (r *receiver) packet(now time.Time, p []byte) []byte {
	switch kind(p) {
	case opError:
		if !r.done {
			r.fail(fmt.Errorf("the peer broke it off: %w", theirError(p)), now)
		}
		return nil
	case opAckOptions:
		if !r.done && r.blocks == 0 {
			// Only as the client, and we asked for none.
			return r.fail(refuse(codeOptions, "no option was asked for"), now)
		}
		return nil
	case opData:
	default:
		return nil // it does not belong here, and need not end what works
	}
	data := p[maxPacketHead:]
	switch block := blockOf(p); {
	case !r.done && block == uint16(r.blocks+1):
		return r.take(data, now)
	case r.err != nil, block == uint16(r.blocks) && r.blocks > 0:
		if now.Sub(r.answered) < calm {
			return nil
		}
		r.answered = now
		return r.answer
	}
	return nil
}

func (r *receiver) take(data []byte, now time.Time) []byte {
	if len(data) > r.block {
		return r.fail(refuse(codeIllegal, "a block has at most %d bytes", r.block), now)
	}
	if r.size+int64(len(data)) > r.limit {
		return r.fail(refuse(codeFull, "a file has at most %d MB", r.limit>>20), now)
	}
	r.blocks++
	r.size += int64(len(data))
	last := len(data) < r.block
	if r.ascii {
		data = r.plain.decode(data)
	}
	if _, err := r.file.Write(data); err != nil {
		return r.fail(err, now)
	}
	if last {
		if err := r.file.Commit(); err != nil {
			return r.fail(err, now)
		}
		r.done = true
		// Committing takes its time: what came meanwhile crossed the answer.
		now = now.Add(calm)
	}
	r.answer, r.answered = ackPacket(uint16(r.blocks)), now
	return r.answer
}

// fail ends the transfer; the answer says why.
func (r *receiver) fail(err error, now time.Time) []byte {
	r.file.Abort()
	r.done, r.err = true, err
	r.answer, r.answered = errorPacket(err), now
	return r.answer
}

// netASCII undoes the one thing that netascii adds, the NUL behind a CR of its
// own. Its line ends are CR LF, and stay: they are what the PBX wrote.
type netASCII struct{ cr bool }

// decode changes data in place.
func (n *netASCII) decode(data []byte) []byte {
	out := data[:0]
	for _, c := range data {
		if !n.cr || c != 0 {
			out = append(out, c)
		}
		n.cr = c == '\r'
	}
	return out
}

var errQuiet = errors.New("the peer fell silent")
