package telnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Sizes of a read: most PBXs print a line now and then, and one that empties its
// buffer fills the small one at once.
const (
	fewBytes    = 1 << 10
	manyBytes   = 16 << 10
	writeWithin = 5 * time.Second
)

// Reader reads the data of a connection without its telnet commands.
type Reader struct {
	conn   net.Conn
	filter Filter
	raw    []byte
	data   []byte
	end    error
}

// NewReader reads from a connection. With refuse it answers the options that
// the other side negotiates: politely, with no.
func NewReader(conn net.Conn, refuse bool) *Reader {
	return &Reader{conn: conn, filter: Filter{Refuse: refuse}, raw: make([]byte, fewBytes)}
}

// Next waits for data and returns it, valid until the next call. After a
// deadline it can be called again; every other error stays.
func (r *Reader) Next() ([]byte, error) {
	for r.end == nil {
		n, err := r.conn.Read(r.raw)
		r.data = r.filter.Append(r.data[:0], r.raw[:n])
		if n == len(r.raw) && n < manyBytes {
			r.raw = make([]byte, manyBytes)
		}
		if a := r.filter.Answers(); len(a) > 0 && err == nil {
			err = r.send(a)
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			r.end = err
			r.data = r.filter.Flush(r.data)
			err = nil
		}
		if len(r.data) > 0 {
			return r.data, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, r.end
}

func (r *Reader) send(answers []byte) error {
	if err := r.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	if _, err := r.conn.Write(answers); err != nil {
		// Not wrapped: a write's deadline must not look like a read's.
		return fmt.Errorf("answering telnet options: %v", err)
	}
	return nil
}
