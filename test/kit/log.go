package kit

import (
	"bytes"
	"io"
	"sync"
)

// tail keeps the end of a log.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const keptLog = 1 << 20

// with is the log, and another writer, which may be nil.
func (l *tail) with(w io.Writer) io.Writer {
	if w == nil {
		return l
	}
	return io.MultiWriter(w, l)
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.buf.Len() > 2*keptLog {
		l.buf.Next(l.buf.Len() - keptLog)
	}
	return l.buf.Write(p)
}

func (l *tail) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.String()
	return text[max(0, len(text)-n):]
}

// Lines is a writer that tells each whole line.
func Lines(tell func(line string)) io.Writer { return &lines{tell: tell} }

type lines struct {
	tell func(line string)
	part []byte // of a line that is not whole yet
}

func (l *lines) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, ok := bytes.Cut(l.part, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.tell(string(line))
		l.part = rest
	}
}
