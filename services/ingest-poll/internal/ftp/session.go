package ftp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

const (
	maxLine    = 8 << 10
	maxListing = 256 << 20
	maxEntries = 1_000_000
)

// session is a remote.Session.
type session struct{ *conn }

// stamp is the time of a file, what its line in the listing was then, since when
// the line is that, and when the server was asked.
type stamp struct {
	size         int64
	line         string
	time         time.Time
	since, asked time.Time
}

// A line shows minutes: that it is the same says nothing before the minute is over.
const lineSettles = 61 * time.Second

func (s *session) Close() error {
	if s.Alive() && s.net.SetDeadline(time.Now().Add(time.Second)) == nil {
		_, _ = io.WriteString(s.net, "QUIT\r\n") // its answer is of no interest
	}
	return s.conn.Close()
}

func (s *session) List(ctx context.Context, want func(string) bool) ([]files.Entry, error) {
	if _, ok := s.features["MLST"]; ok && !s.noMLSD {
		found, err := s.listing(ctx, "MLSD", want, parseMLSD)
		if err == nil {
			return s.timed(ctx, found, false)
		}
		if !unknown(err) {
			return nil, err
		}
		s.noMLSD = true
	}
	now := s.now()
	found, err := s.listing(ctx, "LIST", want, func(line string) (item, bool) { return parseLIST(line, now) })
	if err != nil {
		return nil, err
	}
	return s.timed(ctx, found, true)
}

// nothingThere is how servers say that a folder is empty.
var nothingThere = regexp.MustCompile(`(?i)\bno files\b|\bempty\b`)

func (s *session) listing(ctx context.Context, command string, want func(string) bool, parse func(line string) (item, bool)) ([]item, error) {
	in, err := s.transfer(ctx, command, 0)
	var no *refusal
	if errors.As(err, &no) && (no.code == codeBusy || no.code == codeUnavailable) && nothingThere.MatchString(no.text) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var found []item
	lines := bufio.NewScanner(io.LimitReader(in, maxListing))
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		it, ok := parse(line)
		if !ok || !remote.ValidName(it.Name) || !want(it.Name) {
			continue
		}
		if it.line = line; len(found) == maxEntries {
			return nil, fmt.Errorf("the listing has more than %d entries: give a pattern, or clear the folder", maxEntries)
		}
		found = append(found, it)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if in.bytes >= maxListing {
		return nil, fmt.Errorf("the listing has more than %d bytes: clear the folder", maxListing)
	}
	return found, in.Close()
}

// timed completes what the listing tells only roughly: LIST shows local time
// without a zone, in minutes or days. So the server is asked for the time of each
// file, and again only when its line changes.
func (s *session) timed(ctx context.Context, found []item, rough bool) ([]files.Entry, error) {
	times := make(map[string]stamp)
	out := make([]files.Entry, len(found))
	for i, it := range found {
		e := it.Entry
		if e.Err == nil && (rough || it.unclear) {
			at, err := s.precise(ctx, it)
			if err != nil {
				return nil, err
			}
			if !at.time.IsZero() {
				times[e.Name] = at
				e.Written, e.Size = at.time, at.size
			} else if it.unclear {
				e.Err = fmt.Errorf("file %s: the server's listing is not understood, and it tells neither size nor time of the file: please tell us this line: %.120q", e.Name, s.clean(it.line))
			}
		}
		out[i] = e
	}
	s.times = times
	return out, nil
}

// precise is what the server says of a file; a zero time: nothing.
func (s *session) precise(ctx context.Context, it item) (at stamp, err error) {
	old, now := s.times[it.Name], s.now()
	at = stamp{size: it.Size, line: it.line, since: now, asked: now}
	if old.line == it.line && !old.time.IsZero() {
		if old.asked.Sub(old.since) >= lineSettles {
			return old, nil
		}
		at.since = old.since
	}
	if it.unclear {
		if at.size, err = s.size(ctx, it.Name); err != nil {
			return stamp{}, s.ifBroken(err)
		}
	}
	if at.time, err = s.time(ctx, it.Name); err != nil {
		return stamp{}, s.ifBroken(err)
	}
	return at, nil
}

func (s *session) ifBroken(err error) error {
	if s.Alive() {
		return nil
	}
	return err
}

var errUnknown = errors.New("the server does not tell")

func (s *session) size(ctx context.Context, name string) (int64, error) {
	if s.noSizes {
		return 0, errUnknown
	}
	text, err := s.ask(ctx, 2, "SIZE "+name)
	if err == nil {
		var n int64
		if n, err = strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n >= 0 {
			return n, nil
		}
		err = errUnknown
	}
	if unknown(err) {
		s.noSizes, err = true, errUnknown
	}
	return 0, err
}

func (s *session) time(ctx context.Context, name string) (time.Time, error) {
	if s.noTimes {
		return time.Time{}, errUnknown
	}
	text, err := s.ask(ctx, 2, "MDTM "+name)
	if err == nil {
		var at time.Time
		if at, err = parseTime(strings.TrimSpace(text)); err == nil {
			return at, nil
		}
		err = errUnknown
	}
	if unknown(err) {
		s.noTimes, err = true, errUnknown
	}
	return time.Time{}, err
}

// Stat asks as the listing was asked, so that what has not changed looks the same.
func (s *session) Stat(ctx context.Context, e files.Entry) (files.Entry, error) {
	if _, ok := s.features["MLST"]; ok && !s.noMLSD {
		text, err := s.ask(ctx, 2, "MLST "+e.Name)
		switch {
		case saysCode(err, codeUnavailable):
			return s.relist(ctx, e)
		case err == nil:
			for line := range strings.Lines(text) {
				it, ok := parseMLSD(strings.Trim(line, " \r\n"))
				if ok && !it.unclear {
					it.Name = e.Name // some print the whole path
					return it.Entry, nil
				}
			}
		case !s.Alive():
			return e, err
		}
	}
	size, err := s.size(ctx, e.Name)
	switch {
	case saysCode(err, codeUnavailable):
		now, err := s.relist(ctx, e)
		s.noSizes = s.noSizes || err == nil // it says that of files that are there
		return now, err
	case errors.Is(err, errUnknown):
		return s.relist(ctx, e)
	case err != nil:
		return e, err
	}
	now := files.Entry{Name: e.Name, Size: size, Written: e.Written}
	if at, err := s.time(ctx, e.Name); err == nil {
		now.Written = at
	} else if !s.Alive() {
		return e, err
	}
	return now, nil
}

// relist finds a file in another listing, where the server tells nothing of it
// alone. That it is not there is believed of a listing only.
func (s *session) relist(ctx context.Context, e files.Entry) (files.Entry, error) {
	defer func(times map[string]stamp) { s.times = times }(s.times)
	s.times = nil
	found, err := s.List(ctx, func(name string) bool { return name == e.Name })
	if err != nil {
		return e, err
	}
	for _, now := range found {
		if now.Name == e.Name {
			return now, now.Err
		}
	}
	return e, fmt.Errorf("file %s: %w", e.Name, fs.ErrNotExist)
}

func (s *session) Read(ctx context.Context, name string, from int64) (io.ReadCloser, error) {
	in, err := s.transfer(ctx, "RETR "+name, from)
	if saysCode(err, codeUnavailable) {
		_, statErr := s.Stat(ctx, files.Entry{Name: name})
		switch {
		case statErr == nil:
			return nil, fmt.Errorf("%w: %w", fs.ErrPermission, err)
		case errors.Is(statErr, fs.ErrNotExist):
			return nil, statErr
		}
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (s *session) Exists(ctx context.Context, path string) (bool, error) {
	if _, ok := s.features["MLST"]; ok && !s.noMLSD {
		err := s.expect(ctx, 2, "MLST "+path)
		if err == nil || !s.Alive() {
			return err == nil, err
		}
		if saysCode(err, codeUnavailable) {
			return false, nil
		}
	}
	_, err := s.size(ctx, path)
	switch {
	case saysCode(err, codeUnavailable):
		return false, nil
	case !errors.Is(err, errUnknown):
		return err == nil, err
	}
	return false, errors.New("the server does not tell whether a file is there, so nothing is moved or renamed: leave out after")
}

func (s *session) Delete(ctx context.Context, name string) error {
	return s.expect(ctx, 2, "DELE "+name)
}

func (s *session) Rename(ctx context.Context, name, to string) error {
	if err := s.expect(ctx, 3, "RNFR "+name); err != nil {
		return err
	}
	return s.expect(ctx, 2, "RNTO "+to)
}

// MakeDir: SIZE and MDTM tell nothing of folders, so it may be there already.
func (s *session) MakeDir(ctx context.Context, dir string) error {
	err := s.expect(ctx, 2, "MKD "+dir)
	if s.Alive() && (saysCode(err, codeUnavailable) || saysCode(err, 521)) {
		return nil // the move tells
	}
	return err
}
