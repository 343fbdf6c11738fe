package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

const (
	// maxDownload bounds the disk that a file takes which must be there whole.
	maxDownload = 4 << 30
	// maxCuts is how often in a row a transfer may break off without a byte more.
	maxCuts    = 3
	tmpPattern = ".trunkline-http-*"
)

// Open opens a file. A packed one is downloaded; of a log only what is asked for
// is fetched, if the server knows ranges.
func (s *source) Open(ctx context.Context, e files.Entry) (files.File, error) {
	k := s.known[e.Name]
	if k == nil || k.size != e.Size || !k.written.Equal(e.Written) {
		return nil, files.ErrChanged
	}
	f := &file{source: s, ctx: ctx, item: k.item, version: k.version, written: k.written}
	if k.packed {
		if err := f.download(nil); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	// A busy log may have grown since the look; it is the same one.
	v, _, err := s.head(ctx, k.item)
	if err != nil {
		return nil, s.counted(err)
	}
	if v.size > e.Size && !v.modified.IsZero() {
		f.version, f.written = v, v.modified.Add(v.mark)
	}
	return f, nil
}

// file is one version of a file of the server.
type file struct {
	*source
	ctx     context.Context // of the look; io.ReaderAt has none
	item    item
	version version
	written time.Time

	local *os.File // all of it, where it was downloaded
	spans [2]span  // what was fetched last
}

// span is a part of the file.
type span struct {
	at   int64
	data []byte
}

func (f *file) Now() (files.Entry, error) {
	return files.Entry{Name: f.item.name, Size: f.version.size, Written: f.written}, nil
}

func (f *file) Close() error {
	if f.local == nil {
		return nil
	}
	err := f.local.Close()
	_ = os.Remove(f.local.Name()) // gone already, but on Windows
	return err
}

// smallest is how much is fetched at least, in bytes: a folder reads a log's
// begin and a few bytes before the position, each at its own.
const smallest = 32 << 10

func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if f.local != nil {
		return f.local.ReadAt(p, at)
	}
	end := min(at+int64(len(p)), f.version.size)
	if at >= end {
		return 0, io.EOF
	}
	for _, s := range f.spans {
		if s.at <= at && end <= s.at+int64(len(s.data)) {
			return f.give(p, s, at)
		}
	}
	s := span{at: at}
	if need := end - at; need < smallest { // what follows, at the end what is before
		end = min(at+smallest, f.version.size)
		s.at = max(0, min(at, end-smallest))
	}
	if err := f.fetch(&s, end-s.at); err != nil {
		return 0, err
	}
	if f.local != nil {
		return f.local.ReadAt(p, at)
	}
	f.spans[0], f.spans[1] = s, f.spans[0]
	return f.give(p, s, at)
}

func (f *file) give(p []byte, s span, at int64) (int, error) {
	n := copy(p, s.data[at-s.at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// ask asks for the bytes from the given one on, up to one behind the last, as of
// this version. whole tells that the server sends the file from its begin.
func (f *file) ask(from, to int64) (res *http.Response, whole bool, err error) {
	header := http.Header{"Range": {"bytes=" + strconv.FormatInt(from, 10) + "-" + strconv.FormatInt(to-1, 10)}}
	if f.version.tag != "" {
		header.Set("If-Range", f.version.tag)
	}
	if res, err = f.get(f.ctx, http.MethodGet, f.item.path, header); err != nil {
		return nil, false, err
	}
	switch v := versionOf(res); res.StatusCode {
	case http.StatusPartialContent:
		if first, _ := contentRange(res); first == from && f.version.matches(v) {
			return res, false, nil
		}
		err = files.ErrChanged
	case http.StatusOK:
		if f.version.matches(v) {
			return res, true, nil
		}
		err = files.ErrChanged
	case http.StatusRequestedRangeNotSatisfiable:
		err = files.ErrChanged
	default:
		err = f.counted(f.status(res, "file "+f.item.name))
		if errors.Is(err, os.ErrNotExist) {
			err = os.ErrNotExist // the file, not the folder
		}
	}
	res.Body.Close()
	return nil, false, err
}

// fetch reads n bytes from where the span begins. A server without ranges gives
// the file whole: then it is kept as long as it is open.
func (f *file) fetch(s *span, n int64) error {
	for cuts := 0; ; {
		have := int64(len(s.data))
		res, whole, err := f.ask(s.at+have, s.at+n)
		answered := err == nil
		if answered && whole {
			s.data = nil
			return f.download(res)
		}
		if answered {
			if s.data == nil {
				s.data = make([]byte, 0, n)
			}
			var got int
			got, err = io.ReadFull(res.Body, s.data[have:n])
			s.data = s.data[:have+int64(got)]
			res.Body.Close()
			if int64(len(s.data)) == n {
				return nil
			}
			if got > 0 {
				cuts = 0
			}
		}
		if cuts++; !again(f.ctx, err) {
			return err
		}
		if cuts >= maxCuts && answered {
			return f.broken(cuts, err)
		}
		if cuts >= maxCuts {
			return err
		}
	}
}

// broken is the fault of one file: the server was there.
func (f *file) broken(cuts int, err error) error {
	return fmt.Errorf("its transfer from %s broke off %d times: %v", f.base.Host, cuts, err)
}

// download reads the file whole, beginning with an answer that gives it if there
// is one. Where the transfer breaks off it goes on.
func (f *file) download(res *http.Response) (err error) {
	defer func() {
		if res != nil {
			res.Body.Close()
		}
	}()
	if f.version.size > maxDownload {
		return fmt.Errorf("it has %d bytes: more than %d GiB are not downloaded", f.version.size, maxDownload>>30)
	}
	if f.local, err = os.CreateTemp(f.tmp, tmpPattern); err != nil {
		return fmt.Errorf("%w: no room for a download: %w", files.ErrAway, err)
	}
	_ = os.Remove(f.local.Name()) // it goes with the process; Windows keeps it until it is closed
	have, cuts := int64(0), 0
	for have < f.version.size {
		whole := res != nil
		if res == nil {
			res, whole, err = f.ask(have, f.version.size)
		}
		answered := err == nil
		if answered {
			if whole {
				have = 0
			}
			began := have
			n, copyErr := io.Copy(io.NewOffsetWriter(f.local, have), io.LimitReader(res.Body, f.version.size-have+1))
			var disk *os.PathError
			if errors.As(copyErr, &disk) {
				return fmt.Errorf("%w: no room for a download: %w", files.ErrAway, copyErr)
			}
			have, err = have+n, copyErr
			res.Body.Close()
			res = nil
			switch {
			case have > f.version.size:
				return files.ErrChanged
			case have == f.version.size:
				return nil
			case err == nil:
				err = fmt.Errorf("%w: the transfer ended early", files.ErrAway)
			}
			if have > began && !whole {
				cuts = 0
			}
		}
		if cuts++; !again(f.ctx, err) {
			return err
		}
		if cuts >= maxCuts && answered {
			return f.broken(cuts, err)
		}
		if cuts >= maxCuts {
			return err
		}
	}
	return nil
}

// again tells whether a transfer that failed so may be tried anew.
func again(ctx context.Context, err error) bool {
	return ctx.Err() == nil && errors.Is(err, files.ErrAway) && !errors.Is(err, errRefused) && !errors.Is(err, errElsewhere)
}
