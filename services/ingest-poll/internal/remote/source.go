package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const (
	// loginTimeout bounds the way from dialling to the folder.
	loginTimeout = time.Minute
	// listTimeout bounds a listing.
	listTimeout = 15 * time.Minute
	// maxRefused log-ins in a row are tried quickly. Later ones wait, since a
	// locked account is worse than a late ticket.
	maxRefused               = 3
	firstPause, longestPause = time.Minute, 5 * time.Minute
)

// source is the files.Source of a server's folder.
type source struct {
	link     *link.Link
	secret   config.Secret
	dial     Dial
	url, dir string
	temp     string
	want     func(name string) bool
	order    *order // of an OXE

	session   Session
	refused   int
	notBefore time.Time
	refusal   error
	// password is what was refused: another one is tried at once.
	password string

	// listed is when the last listing came, newest when the newest file in it was
	// written.
	listed, newest time.Time
}

func (s *source) Where(name string) string {
	return s.url + path.Join("/", s.dir, name)
}

func (s *source) hangUp() {
	if s.session != nil {
		_ = s.session.Close()
		s.session = nil
	}
}

// connect is the session of this look. fresh tells that it was just made.
func (s *source) connect(ctx context.Context) (session Session, fresh bool, err error) {
	if s.session != nil && s.session.Alive() {
		return s.session, false, nil
	}
	s.hangUp()
	if s.link.Now().Before(s.notBefore) {
		if password, err := s.secret.Password(); err != nil || password == s.password {
			return nil, false, s.refusal
		}
	}
	dialling, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	session, err = s.dial(dialling)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.url, err)
		if errors.Is(err, ErrRefused) {
			err = s.wasRefused(err)
		}
		return nil, false, fmt.Errorf("%w: %w", files.ErrAway, err)
	}
	s.session, s.refused, s.notBefore = session, 0, time.Time{}
	return session, true, nil
}

func (s *source) wasRefused(err error) error {
	if s.refused++; s.refused < maxRefused {
		return err
	}
	pause := longestPause
	if n := s.refused - maxRefused; n < 3 {
		pause = min(firstPause<<n, longestPause)
	}
	s.notBefore = s.link.Now().Add(pause)
	s.password, _ = s.secret.Password()
	s.refusal = fmt.Errorf("%w: %w (refused again and again: the log-in is only tried once a minute or less, so that the account is not locked)", files.ErrAway, err)
	return err
}

// with does something with the session. One that broke since the last time,
// between two files, is made anew once.
func (s *source) with(ctx context.Context, do func(Session) error) error {
	for {
		session, fresh, err := s.connect(ctx)
		if err != nil {
			return err
		}
		err = do(session)
		if err == nil || ctx.Err() != nil || session.Alive() || fresh {
			return err
		}
	}
}

func (s *source) List(ctx context.Context) ([]files.Entry, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	var found []files.Entry
	err := s.with(ctx, func(session Session) (err error) {
		if found, err = session.List(ctx, s.listing); err == nil && s.order != nil {
			found, err = s.order.put(ctx, session, found, s.want)
		}
		return err
	})
	if err != nil {
		if errors.Is(err, files.ErrAway) {
			return nil, err
		}
		return nil, fmt.Errorf("folder %s cannot be listed: %w", s.Where(""), err)
	}
	s.newest, s.listed = time.Time{}, s.link.Now()
	for _, e := range found {
		if e.Written.After(s.newest) {
			s.newest = e.Written
		}
	}
	return found, nil
}

// listing are the names that a listing is to give.
func (s *source) listing(name string) bool {
	return s.want(name) || s.order != nil && isList(name)
}

func (s *source) Open(ctx context.Context, e files.Entry) (files.File, error) {
	f := &file{ctx: ctx, src: s, entry: e}
	now, err := f.Now()
	if err != nil {
		return nil, err
	}
	if now.Size < e.Size || now.Size == e.Size && !now.Written.Equal(e.Written) {
		return nil, files.ErrChanged
	}
	return f, nil
}

// unchanged makes sure that a name still stands for the file that was listed.
func unchanged(ctx context.Context, session Session, e files.Entry) error {
	now, err := session.Stat(ctx, e)
	if err != nil {
		return err
	}
	if now.Size != e.Size || !now.Written.Equal(e.Written) {
		return files.ErrChanged
	}
	return nil
}

// change does something to a file. Where the session broke over it nobody knows
// whether it was done.
func (s *source) change(ctx context.Context, do func(Session) error) error {
	err := s.with(ctx, do)
	if err != nil && s.session != nil && !s.session.Alive() && !errors.Is(err, files.ErrAway) {
		return fmt.Errorf("%w: %w", files.ErrAway, err)
	}
	return err
}

func (s *source) Delete(ctx context.Context, e files.Entry) error {
	return s.change(ctx, func(session Session) error {
		if err := unchanged(ctx, session, e); err != nil {
			return err
		}
		return session.Delete(ctx, e.Name)
	})
}

func (s *source) Rename(ctx context.Context, e files.Entry) error {
	return s.moveTo(ctx, e, "", ".old")
}

func (s *source) Move(ctx context.Context, e files.Entry, dir string) error {
	err := s.with(ctx, func(session Session) error {
		there, err := session.Exists(ctx, dir)
		if err != nil || there {
			return err
		}
		return session.MakeDir(ctx, dir)
	})
	if err != nil {
		return fmt.Errorf("folder %s cannot be made: make it on the server: %w", dir, err)
	}
	return s.moveTo(ctx, e, dir, "")
}

// moveTo never overwrites: there are servers that do.
func (s *source) moveTo(ctx context.Context, e files.Entry, dir, ending string) error {
	return s.change(ctx, func(session Session) error {
		if err := unchanged(ctx, session, e); err != nil {
			return err
		}
		for n := range 1000 {
			to := e.Name + ending
			if n > 0 {
				to = fmt.Sprintf("%s.%d%s", e.Name, n, ending)
			}
			to = path.Join(dir, to)
			there, err := session.Exists(ctx, to)
			if err != nil {
				return err
			}
			if !there {
				return session.Rename(ctx, e.Name, to)
			}
		}
		return fmt.Errorf("%s has no free name for %s", path.Join(s.dir, dir), e.Name)
	})
}

// Aside leaves the file alone: nothing changes on a PBX unless told.
func (s *source) Aside(context.Context, files.Entry, string) (string, error) {
	return "", files.ErrStays
}

// wanted tells the names that a link collects.
func wanted(model, pattern string) func(string) bool {
	return func(name string) bool {
		if ok, _ := path.Match(pattern, name); !ok {
			return false
		}
		return model != oxe || !isVoIP(name)
	}
}

// isGone tells that a file is not there any more.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// ValidName tells names that can be a file of the folder itself, whatever a
// listing says.
func ValidName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00\r\n")
}
