// Package cert is the certificate of our servers.
package cert

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// File is a certificate and its key in two files, which may change under a
// running process.
type File struct {
	cert, key string

	mu      sync.Mutex
	loaded  *tls.Certificate
	written [2]time.Time
}

// Open reads a certificate and its key, PEM.
func Open(cert, key string) (*File, error) {
	f := &File{cert: cert, key: key}
	if _, err := f.Get(nil); err != nil {
		return nil, fmt.Errorf("tls: our certificate: %w", err)
	}
	return f, nil
}

// Get is for tls.Config.GetCertificate. A pair of which only one file is written
// yet does not count.
func (f *File) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	written := [2]time.Time{modified(f.cert), modified(f.key)}
	if f.loaded != nil && written == f.written {
		return f.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	switch {
	case err == nil:
		f.loaded, f.written = &pair, written
	case f.loaded == nil:
		return nil, err
	}
	return f.loaded, nil
}

func modified(file string) time.Time {
	info, err := os.Stat(file)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
