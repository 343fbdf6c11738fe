package web

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx/unpack"
)

// version is what a server tells of a file. Whatever it tells differently of a
// file that changed makes another version.
type version struct {
	// size in bytes; negative: it does not tell.
	size int64
	// modified is the time of the last change, to the second; zero: it does not
	// tell.
	modified time.Time
	// mark stands for the entity tag, or for the content: as a fraction of a
	// second behind modified it tells versions apart that are as long and as old.
	mark time.Duration
	// tag is what If-Range takes: a strong entity tag or modified; empty: nothing.
	tag string
}

// matches tells whether an answer's version is the one that is wanted, as far as
// it tells.
func (v version) matches(answer version) bool {
	return answer.tag == v.tag && answer.modified.Equal(v.modified) && (answer.size < 0 || answer.size == v.size)
}

// versionOf reads an answer's head.
func versionOf(res *http.Response) version {
	v := version{size: res.ContentLength}
	if res.StatusCode == http.StatusPartialContent {
		_, v.size = contentRange(res)
	}
	if t, err := http.ParseTime(res.Header.Get("Last-Modified")); err == nil {
		v.modified, v.tag = t, res.Header.Get("Last-Modified")
	}
	if tag := res.Header.Get("ETag"); tag != "" {
		if v.mark = markOf([]byte(tag)); !strings.HasPrefix(tag, "W/") {
			v.tag = tag
		}
	}
	return v
}

func markOf(b []byte) time.Duration {
	sum := sha256.Sum256(b)
	return time.Duration(binary.BigEndian.Uint64(sum[:]) % uint64(time.Second))
}

// contentRange reads `bytes 0-3/1234`; -1 is what it does not tell.
func contentRange(res *http.Response) (first, size int64) {
	text, ok := strings.CutPrefix(res.Header.Get("Content-Range"), "bytes ")
	span, total, ok2 := strings.Cut(text, "/")
	from, _, ok3 := strings.Cut(span, "-")
	first, err := strconv.ParseInt(strings.TrimSpace(from), 10, 64)
	if !ok || !ok2 || !ok3 || err != nil {
		return -1, -1
	}
	if size, err = strconv.ParseInt(strings.TrimSpace(total), 10, 64); err != nil {
		return first, -1
	}
	return first, size
}

// packedEndings are of files that are packed, if they are not empty. What others
// are shows in their first bytes.
var packedEndings = []string{".gz", ".z", ".zip"}

// fileError is the fault of one file.
type fileError struct{ error }

// examine asks for a file's version, and whether it is packed.
func (s *source) examine(ctx context.Context, it item, old *known) (*known, error) {
	k := &known{item: it, fresh: true}
	v, now, err := s.head(ctx, it)
	if err != nil {
		return nil, err
	}
	switch {
	case v.size > 0 && slices.Contains(packedEndings, strings.ToLower(path.Ext(it.name))):
		k.packed = true
	case v.size > 0 && old != nil && old.err == nil && 0 < old.size && old.size <= v.size:
		k.packed = old.packed // a log stays one while it grows
	default:
		var begin []byte
		if v, begin, err = s.probe(ctx, it); err != nil {
			var one fileError
			if errors.As(err, &one) {
				k.err = one
				return k, nil
			}
			return nil, err
		}
		k.packed = unpack.Packed(begin)
	}
	k.version = v
	switch {
	case !v.modified.IsZero():
		k.written = v.modified.Add(v.mark)
		k.fresh = !it.told || now.Sub(v.modified) < young
	case old != nil && old.version == v:
		k.written = old.written
	default:
		k.written = s.now() // at the latest
	}
	return k, nil
}

// head asks for a version without the file. A server that does not know HEAD, or
// does not tell the size, gives a size below 0; the time is the server's.
func (s *source) head(ctx context.Context, it item) (version, time.Time, error) {
	res, err := s.get(ctx, http.MethodHead, it.path, nil)
	if err != nil {
		return version{}, time.Time{}, err
	}
	defer res.Body.Close()
	now, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		now = s.now()
	}
	switch res.StatusCode {
	case http.StatusOK:
		return versionOf(res), now, nil
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusGone:
		return version{}, now, s.status(res, it.name)
	}
	return version{size: -1}, now, nil
}

// probe reads a file's first bytes. Where the server does not even then tell its
// size, it is read whole, and its content is its mark.
func (s *source) probe(ctx context.Context, it item) (version, []byte, error) {
	res, err := s.get(ctx, http.MethodGet, it.path, http.Header{"Range": {"bytes=0-3"}})
	if err != nil {
		return version{}, nil, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
	case http.StatusRequestedRangeNotSatisfiable: // it is empty
		return version{}, nil, nil
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusGone:
		return version{}, nil, s.status(res, it.name)
	default:
		return version{}, nil, fileError{s.status(res, "file "+it.name)}
	}
	v := versionOf(res)
	begin := make([]byte, 4)
	n, err := io.ReadFull(res.Body, begin)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	if err == nil && v.size < 0 {
		sum := sha256.New()
		sum.Write(begin[:n])
		v.size = int64(n)
		var more int64
		more, err = io.Copy(sum, io.LimitReader(res.Body, maxDownload+1))
		if v.size += more; v.size > maxDownload {
			return version{}, nil, fileError{fmt.Errorf("%s is larger than %d GiB", it.name, maxDownload>>30)}
		}
		v.mark = markOf(sum.Sum(nil))
	}
	return v, begin[:n], err
}
