package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// conn is one connection to the engine: a session with settings and a current database of its own. Opening one costs a fifth of a
// millisecond, so each request has its own and leaves nothing behind. It runs one statement at a time.
type conn struct {
	lib    *library
	ptr    uintptr // what chdb_connect gave
	handle uintptr // what it points to, and the other functions want
}

var errConnect = errors.New("the engine refused a connection, standard error has its reason (code 76: another program uses the data folder)")

func (l *library) open(args []string) (*conn, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	argv := make([]unsafe.Pointer, len(args)+1) // ends with NULL
	for i, a := range args {
		argv[i] = cbytes(&pin, append([]byte(a), 0))
	}
	pin.Pin(&argv[0])
	var p unsafe.Pointer
	calling(func() { p = l.connect(int32(len(args)), unsafe.Pointer(&argv[0])) })
	if p == nil {
		return nil, errConnect
	}
	return &conn{lib: l, ptr: uintptr(p), handle: *(*uintptr)(p)}, nil
}

func (c *conn) close() { calling(func() { c.lib.closeConn(c.ptr) }) }

// param is the value of a {name:Type} in a statement, written as in a tab-separated field.
type param struct{ name, value string }

// summary counts what a statement read, wrote and gave back.
type summary struct {
	readRows, readBytes, writtenRows, writtenBytes, resultRows uint64
}

// exec runs statements, parted by semicolons, whose results are small, and gives the results.
func (c *conn) exec(sql, format string, params ...param) ([]byte, summary, error) {
	l := c.lib
	var pin runtime.Pinner
	p := cparams(&pin, params)
	var r uintptr
	calling(func() {
		r = l.query(c.handle, cstring(&pin, sql), uintptr(len(sql)), cstring(&pin, format), uintptr(len(format)),
			p.names, p.nameLens, p.values, p.valueLens, uintptr(len(params)))
	})
	pin.Unpin()
	defer l.resultDestroy(r)
	if msg := l.resultError(r); msg != "" {
		return nil, summary{}, parseException(msg)
	}
	var body []byte
	if n := l.resultLength(r); n > 0 {
		body = append(body, unsafe.Slice((*byte)(l.resultBuffer(r)), n)...)
	}
	return body, summary{
		readRows: l.resultReadRows(r), readBytes: l.resultReadBytes(r), resultRows: l.resultRows(r),
		writtenRows: l.resultWrittenRows(r), writtenBytes: l.resultWrittenBytes(r),
	}, nil
}

// statementClass says what a statement does.
type statementClass uint32

const (
	classReads         statementClass = iota // leaves no trace
	classWrites                              // changes a database
	classWritesGlobals                       // changes functions, users, named collections
	classControls                            // SET, USE, SYSTEM, KILL, ATTACH, INTO OUTFILE, INSERT INTO FUNCTION
	classUnknown                             // did not parse
)

// classify asks the engine's own parser for the number of statements in sql and what the gravest of them does. It runs nothing.
func (c *conn) classify(sql string) (int, statementClass) {
	var pin runtime.Pinner
	defer pin.Unpin()
	out := &struct{ size, statements, flags, class uint32 }{size: 16}
	pin.Pin(out)
	if c.lib.classify(c.handle, cstring(&pin, sql), uintptr(len(sql)), nil, 0, unsafe.Pointer(out)) != 0 {
		return 0, classUnknown
	}
	return int(out.statements), statementClass(out.class)
}

// result is what a statement gives, as it comes.
type result struct {
	pipe    *os.File
	done    chan struct{}
	summary summary
	err     error
}

// query runs a statement with output. The library's own streaming makes a document of every block, so that only formats without
// head and foot survive it; and it would hold a whole result otherwise. So the statement writes INTO OUTFILE, and the file is a pipe.
func (c *conn) query(s selection, params []param) (*result, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("pipe for a result: %w", err)
	}
	raw, err := w.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	var fd uintptr
	err = raw.Control(func(f uintptr) {
		fd = f
		// A wider pipe spares wake-ups; where the system gives no more, it works all the same.
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, f, syscall.F_SETPIPE_SZ, 1<<20)
	})
	if err != nil {
		return nil, errors.Join(err, r.Close(), w.Close())
	}
	res := &result{pipe: r, done: make(chan struct{})}
	go func() {
		defer close(res.done)
		defer w.Close() //nolint:errcheck // nothing was written through this end
		_, res.summary, res.err = c.exec(s.into(fmt.Sprintf("/proc/self/fd/%d", fd)), s.format, params...)
	}()
	return res, nil
}

// Read gives the bytes of the result, then io.EOF or the exception that ended it.
func (r *result) Read(p []byte) (int, error) {
	n, err := r.pipe.Read(p)
	if n > 0 || err == nil {
		return n, nil
	}
	<-r.done
	if r.err != nil {
		return 0, r.err
	}
	return 0, err
}

// close waits for the statement's end and throws away what was not read. To end it sooner, kill it first.
func (r *result) close() {
	_, _ = io.Copy(io.Discard, r.pipe)
	<-r.done
	_ = r.pipe.Close()
}

// insert is an INSERT that is given its data piece by piece. The engine writes them in a thread that it starts with it, and
// which gives way like its caller; to hand over and to wait is done from any: a Go thread that gives way holds up those that
// wait to run behind it.
type insert struct {
	lib    *library
	stream uintptr
}

// insert begins an INSERT; its data follow in the given format. sql has no FORMAT and no data. Close must be called.
func (c *conn) insert(sql, format string, params []param) (*insert, error) {
	l := c.lib
	var pin runtime.Pinner
	p := cparams(&pin, params)
	var s uintptr
	calling(func() {
		s = l.insert(c.handle, cstring(&pin, sql), uintptr(len(sql)), cstring(&pin, format), uintptr(len(format)),
			p.names, p.nameLens, p.values, p.valueLens, uintptr(len(params)))
	})
	pin.Unpin()
	if msg := l.insertError(s); msg != "" {
		calling(func() { l.insertDestroy(s) })
		return nil, parseException(msg)
	}
	return &insert{lib: l, stream: s}, nil
}

// append hands over a piece of data, which is copied, and waits while the engine has enough. False says that the insert has
// failed: commit tells why.
func (i *insert) append(data []byte) bool {
	if len(data) == 0 {
		return true
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	return i.lib.insertAppend(i.stream, cbytes(&pin, data), uintptr(len(data))) == 0
}

// commit ends the data and returns when the engine has stored them.
func (i *insert) commit() (summary, error) {
	l := i.lib
	r := l.insertDone(i.stream)
	defer l.resultDestroy(r)
	if msg := l.resultError(r); msg != "" {
		return summary{}, parseException(msg)
	}
	return summary{writtenRows: l.resultWrittenRows(r), writtenBytes: l.resultWrittenBytes(r)}, nil
}

// close frees the insert and gives up what was not committed.
func (i *insert) close() { i.lib.insertDestroy(i.stream) }

// cbytes gives C a pointer to b, which stays put until pin lets go.
func cbytes(pin *runtime.Pinner, b []byte) unsafe.Pointer {
	pin.Pin(&b[0])
	return unsafe.Pointer(&b[0])
}

// cstring is cbytes for text, which may be empty but never NULL.
func cstring(pin *runtime.Pinner, s string) unsafe.Pointer {
	if s == "" {
		s = "\x00"
	}
	p := unsafe.StringData(s)
	pin.Pin(p)
	return unsafe.Pointer(p)
}

// cparamList are the four arrays in which the engine takes parameters.
type cparamList struct{ names, nameLens, values, valueLens unsafe.Pointer }

func cparams(pin *runtime.Pinner, params []param) cparamList {
	if len(params) == 0 {
		return cparamList{}
	}
	names, values := make([]unsafe.Pointer, len(params)), make([]unsafe.Pointer, len(params))
	nameLens, valueLens := make([]uintptr, len(params)), make([]uintptr, len(params))
	for i, p := range params {
		names[i], nameLens[i] = cstring(pin, p.name), uintptr(len(p.name))
		values[i], valueLens[i] = cstring(pin, p.value), uintptr(len(p.value))
	}
	pin.Pin(&names[0])
	pin.Pin(&values[0])
	pin.Pin(&nameLens[0])
	pin.Pin(&valueLens[0])
	return cparamList{
		unsafe.Pointer(&names[0]), unsafe.Pointer(&nameLens[0]),
		unsafe.Pointer(&values[0]), unsafe.Pointer(&valueLens[0]),
	}
}
