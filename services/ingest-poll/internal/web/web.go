// Package web collects ticket files from a folder of a web server, such as the
// buffered tickets of a MiVoice 5000: from what its directory index lists.
package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Every is how often a server is asked unless told otherwise.
const Every = time.Minute

// Collector collects the files of one folder.
type Collector struct {
	*files.Folder
	source *source
}

// Close closes the connections.
func (c *Collector) Close() error {
	c.source.client.http.CloseIdleConnections()
	return nil
}

// New makes the collector of a folder. Files that must be there whole, packed
// ones for example, are downloaded to tmp, one at a time; empty: where this system
// keeps such files. An error says what is wrong with the configuration.
func New(l *link.Link, c *config.HTTP, tmp string) (*Collector, error) {
	return newCollector(l, c, tmp, usual)
}

func newCollector(l *link.Link, c *config.HTTP, tmp string, t timing) (*Collector, error) {
	base, err := folderOf(c.URL, l.PBX.Files.Dir)
	if err != nil {
		return nil, err
	}
	if c.User == "" && c.Set() {
		return nil, errors.New("http: give user, or no password")
	}
	pattern := c.Pattern
	if pattern == "" {
		pattern = l.PBX.Files.Pattern
	}
	cl, err := newClient(c, t)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	if tmp != "" {
		if err := os.MkdirAll(tmp, 0o700); err != nil {
			return nil, fmt.Errorf("http: %w", err)
		}
		left, _ := filepath.Glob(filepath.Join(tmp, tmpPattern)) // of a process that died
		for _, name := range left {
			_ = os.Remove(name)
		}
	}
	s := &source{
		client: cl, cfg: c, base: base, pattern: pattern, tmp: tmp, now: l.Now,
		known: make(map[string]*known),
	}
	f, err := files.Of(l, &config.Files{Pattern: pattern, Grows: c.Grows, Settle: c.Settle}, s)
	if err != nil {
		return nil, err
	}
	return &Collector{f, s}, nil
}

// folderOf is the folder's address: as given, or the model's on that server.
func folderOf(text, usual string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("http: url: give the address of the folder, such as https://10.1.0.9/trf/backup/pc/tickets/, without a password and without ? and #")
	}
	if u.Path == "" || u.Path == "/" {
		if usual != "" {
			u.Path = usual
		}
	}
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return u, nil
}

// source is the folder of a web server.
type source struct {
	client  *client
	cfg     *config.HTTP
	base    *url.URL
	pattern string
	tmp     string
	now     func() time.Time
	known   map[string]*known

	refusals int
	lastTry  time.Time
	refused  error
	with     string // the password that was refused
}

// known is what was seen of a file.
type known struct {
	item
	version
	// written is modified and mark, or when this version was first seen.
	written time.Time
	packed  bool
	err     error
	// fresh tells that it may change and its row stay the same.
	fresh bool
}

// Of a row that tells the time to the minute a file may change unseen for a
// while, of one that is written all the time there are servers that tell neither
// size nor time before it is closed. Buffered files are closed within the hour.
const young = 2 * time.Hour

// List reads the directory index, and asks for each file that is new, changed or
// young.
func (s *source) List(ctx context.Context) ([]files.Entry, error) {
	if err := s.mayTry(); err != nil {
		return nil, err
	}
	items, err := s.index(ctx)
	if err != nil {
		return nil, s.counted(err)
	}
	there := make(map[string]*known, len(items))
	entries := make([]files.Entry, 0, len(items))
	for _, it := range items {
		k := s.known[it.name]
		if k == nil || k.fresh || k.row != it.row || k.path != it.path {
			switch k, err = s.examine(ctx, it, k); {
			case errors.Is(err, os.ErrNotExist):
				continue
			case err != nil:
				return nil, s.counted(err)
			}
		}
		there[it.name] = k
		entries = append(entries, files.Entry{Name: it.name, Size: k.size, Written: k.written, Whole: k.packed, Err: k.err})
	}
	s.known = there
	return entries, s.counted(nil)
}

func (s *source) index(ctx context.Context) ([]item, error) {
	res, err := s.get(ctx, http.MethodGet, s.base.EscapedPath(), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, s.status(res, s.base.String())
	}
	return readListing(res.Body, s.base, func(name string) bool {
		ok, _ := path.Match(s.pattern, name)
		return ok
	})
}

// get sends a request to the folder's server.
func (s *source) get(ctx context.Context, method, escapedPath string, header http.Header) (*http.Response, error) {
	u, err := s.base.Parse(escapedPath)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	return s.client.do(req)
}

// errRefused says that the server did not let us in.
var errRefused = errors.New("the log-in is refused")

// status makes an error of an answer that is not what was asked for.
func (s *source) status(res *http.Response, what string) error {
	switch res.StatusCode {
	case http.StatusUnauthorized:
		if s.cfg.User == "" {
			return fmt.Errorf("%w: %w: %s asks who we are (%s): give user, and password_env or password_file, as for the PBX's web pages", files.ErrAway, errRefused, s.base.Host, schemes(res.Header))
		}
		return fmt.Errorf("%w: %w: %s does not take user %s with this password (it asks for %s): they are those of the PBX's web pages", files.ErrAway, errRefused, s.base.Host, s.cfg.User, schemes(res.Header))
	case http.StatusForbidden:
		return fmt.Errorf("%s: forbidden: let the user read it, and switch the directory index on", what)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%s: it is not there: %w", what, os.ErrNotExist)
	}
	return fmt.Errorf("%s: the server answers %d %s", what, res.StatusCode, http.StatusText(res.StatusCode))
}

// mayTry holds back once the log-in was refused three times: a locked account is
// worse than a late ticket. A changed password may be tried at once.
func (s *source) mayTry() error {
	if s.refusals < 3 || s.now().Sub(s.lastTry) >= s.client.timing.refused {
		return nil
	}
	if p, err := s.cfg.Password(); err == nil && p != s.with {
		return nil
	}
	return s.refused
}

// counted counts refused log-ins.
func (s *source) counted(err error) error {
	switch {
	case errors.Is(err, errRefused):
		s.refusals++
		s.refused, s.lastTry = err, s.now()
		s.with, _ = s.cfg.Password()
	case err == nil:
		s.refusals, s.with = 0, ""
	}
	if errors.Is(err, os.ErrNotExist) { // the folder: no file's fault
		return fmt.Errorf("%w: %w", files.ErrAway, err)
	}
	return err
}

// Where is the address of a file.
func (s *source) Where(name string) string {
	if k := s.known[name]; k != nil {
		if u, err := s.base.Parse(k.path); err == nil {
			return u.String()
		}
	}
	return s.base.String() + url.PathEscape(name)
}

var errReadOnly = errors.New("http: nothing is changed on the server")

func (s *source) Delete(context.Context, files.Entry) error       { return errReadOnly }
func (s *source) Rename(context.Context, files.Entry) error       { return errReadOnly }
func (s *source) Move(context.Context, files.Entry, string) error { return errReadOnly }

func (s *source) Aside(context.Context, files.Entry, string) (string, error) {
	return "", files.ErrStays
}

var _ io.Closer = (*Collector)(nil)
