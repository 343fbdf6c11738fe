package service

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// A log file is turned over at so many bytes, and so many old ones are kept,
// NAME.1 the newest.
const (
	logBytes = 10 << 20
	logKeep  = 4
)

// LogFile is the log of a process that has no standard error, such as a service
// of Windows. It never grows over 50 MiB with its old ones.
type LogFile struct {
	name string
	max  int64
	keep int

	mu   sync.Mutex
	file *os.File // nil: it could not be opened again
	size int64
	// next is the size at which it is turned over.
	next int64
}

// OpenLog opens a log file and makes its folder; it goes on at the end of what is
// there.
func OpenLog(name string) (*LogFile, error) {
	l := &LogFile{name: name, max: logBytes, keep: logKeep}
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	if err := l.open(); err != nil {
		return nil, fmt.Errorf("log: %w", err)
	}
	return l, nil
}

func (l *LogFile) open() error {
	f, err := os.OpenFile(l.name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size, l.next = f, info.Size(), l.max
	return nil
}

// Write appends a record whole to one file.
func (l *LogFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.size > 0 && l.size+int64(len(p)) > l.next {
		l.turnOver()
	}
	if l.file == nil {
		if err := l.open(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(p)
	l.size += int64(n)
	return n, err
}

// turnOver gives the file its old name. On Windows that fails while somebody
// looks into it with a program that does not share: then it goes on in the same
// file, and is tried again later.
func (l *LogFile) turnOver() {
	l.file.Close()
	l.file = nil
	for i := l.keep; i > 0; i-- {
		from := l.name
		if i > 1 {
			from = old(l.name, i-1)
		}
		if err := os.Rename(from, old(l.name, i)); err != nil && i == 1 {
			if err := l.open(); err == nil {
				l.next = l.size + l.max/10
			}
		}
	}
}

func old(name string, i int) string { return fmt.Sprintf("%s.%d", name, i) }

// Close closes the file; a later Write opens it again.
func (l *LogFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}
