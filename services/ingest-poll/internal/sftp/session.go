package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

const (
	// maxListing bounds the bytes of a listing: a million files.
	maxListing = 128 << 20
	// listTimeout bounds a listing, which the library fetches in many steps.
	listTimeout = 10 * time.Minute
)

// session is a remote.Session.
type session struct {
	*server
	raw    net.Conn
	client *ssh.Client
	files  *sftp.Client
	meter  *meter
	closed atomic.Bool
}

// meter bounds what a server may send while it lists.
type meter struct {
	in   io.Reader
	on   atomic.Bool
	left atomic.Int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	if m.on.Load() && m.left.Add(int64(-n)) < 0 {
		return 0, fmt.Errorf("the listing has more than %d bytes", maxListing)
	}
	return n, err
}

func (s *session) Alive() bool { return !s.closed.Load() }

func (s *session) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.raw.Close()
}

// do asks the server something. The library has no time limits: where one is
// passed the connection is closed, which ends the wait.
func (s *session) do(ctx context.Context, limit time.Duration, ask func() error) error {
	if !s.Alive() {
		return net.ErrClosed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no answer within %s", limit))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	err := ask()
	if !stop() && err != nil {
		return context.Cause(ctx)
	}
	if !answered(err) {
		_ = s.Close()
		return fmt.Errorf("the connection broke: %w", err)
	}
	return err
}

// answered tells the server's own words from a connection that broke.
func answered(err error) bool {
	var status *sftp.StatusError
	return err == nil || errors.Is(err, io.EOF) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) ||
		errors.As(err, &status) && !errors.Is(err, sftp.ErrSSHFxConnectionLost) && !errors.Is(err, sftp.ErrSSHFxNoConnection)
}

func (s *session) path(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return path.Join(s.dir, name)
}

func (s *session) List(ctx context.Context, want func(string) bool) ([]files.Entry, error) {
	s.meter.left.Store(maxListing)
	s.meter.on.Store(true)
	defer s.meter.on.Store(false)
	var infos []os.FileInfo
	err := s.do(ctx, listTimeout, func() (err error) {
		infos, err = s.files.ReadDirContext(ctx, s.path("."))
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no such folder: look at dir in the link's configuration: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("let user %s read it: %w", s.cfg.User, err)
	case err != nil:
		return nil, err
	}
	out := make([]files.Entry, 0, len(infos))
	for _, info := range infos {
		if info.IsDir() || !remote.ValidName(info.Name()) || !want(info.Name()) {
			continue
		}
		out = append(out, entry(info))
	}
	return out, nil
}

func entry(info os.FileInfo) files.Entry {
	e := files.Entry{Name: info.Name(), Size: info.Size(), Written: info.ModTime()}
	if !info.Mode().IsRegular() {
		e.Err = fmt.Errorf("%s is no regular file (%s) and is not fetched: give the folder where the tickets are, or a pattern without it", e.Name, info.Mode().Type())
	}
	return e
}

func (s *session) Stat(ctx context.Context, e files.Entry) (now files.Entry, err error) {
	err = s.do(ctx, s.step, func() error {
		info, err := s.files.Lstat(s.path(e.Name))
		if err == nil {
			now = entry(info)
		}
		return err
	})
	if err != nil {
		return e, err
	}
	now.Name = e.Name
	return now, now.Err
}

func (s *session) Read(ctx context.Context, name string, from int64) (io.ReadCloser, error) {
	in := &stream{s: s, ctx: ctx, at: from, from: from, began: time.Now()}
	err := s.do(ctx, s.step, func() (err error) {
		in.file, err = s.files.Open(s.path(name))
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// stream reads an open file from a byte on.
type stream struct {
	s        *session
	ctx      context.Context
	file     *sftp.File
	from, at int64
	began    time.Time
}

// piece is what is asked for at a time: little enough for a slow line's pace.
const piece = 128 << 10

func (in *stream) Read(p []byte) (n int, err error) {
	err = in.s.do(in.ctx, time.Until(in.s.pace.Deadline(in.began, in.at-in.from)), func() (err error) {
		n, err = in.file.ReadAt(p[:min(len(p), piece)], in.at)
		return err
	})
	in.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

func (in *stream) Close() error {
	if !in.s.Alive() {
		return nil
	}
	return in.s.do(in.ctx, in.s.step, in.file.Close)
}

func (s *session) Exists(ctx context.Context, name string) (bool, error) {
	err := s.do(ctx, s.step, func() error {
		_, err := s.files.Lstat(s.path(name))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (s *session) Delete(ctx context.Context, name string) error {
	return s.do(ctx, s.step, func() error { return s.files.Remove(s.path(name)) })
}

func (s *session) Rename(ctx context.Context, name, to string) error {
	return s.do(ctx, s.step, func() error { return s.files.Rename(s.path(name), s.path(to)) })
}

func (s *session) MakeDir(ctx context.Context, dir string) error {
	return s.do(ctx, s.step, func() error { return s.files.Mkdir(s.path(dir)) })
}
