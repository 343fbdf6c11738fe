// Package remote collects ticket files from a folder of a server: what FTP and
// SFTP share. A look has one connection, made when it begins and closed when it
// ends; a file is fetched once, into a temporary file without a name, and read
// from there.
package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Every is the usual pause between two looks.
const Every = 5 * time.Minute

// Dial makes a session. ErrRefused: the server let nobody in with this user and
// secret.
type Dial func(ctx context.Context) (Session, error)

// Session is a connection to a server, logged in. Names are of files of the
// link's folder, paths are full or below it.
type Session interface {
	// List names the files that are wanted.
	List(ctx context.Context, want func(name string) bool) ([]files.Entry, error)
	// Stat is what a listed file is now; fs.ErrNotExist: it is gone.
	Stat(ctx context.Context, e files.Entry) (files.Entry, error)
	// Read reads a file from a byte on. Nothing else is asked of the session
	// before the reader is closed.
	Read(ctx context.Context, name string, from int64) (io.ReadCloser, error)
	// Exists tells whether a path is there.
	Exists(ctx context.Context, path string) (bool, error)
	Delete(ctx context.Context, name string) error
	// Rename moves a file to a path that is free.
	Rename(ctx context.Context, name, to string) error
	// MakeDir makes a folder that may be there already.
	MakeDir(ctx context.Context, dir string) error
	// Alive tells whether more can be asked.
	Alive() bool
	// Close ends it; it is safe from any goroutine, and twice.
	Close() error
}

// ErrRefused tells that a log-in was refused.
var ErrRefused = errors.New("the log-in is refused")

// Options of a collector.
type Options struct {
	Config *config.Remote
	// URL of the server, for people, such as ftp://10.1.0.9:21.
	URL  string
	Dial Dial
	// Temp is the folder of temporary files; empty: the system's.
	Temp string
}

// Collector collects the files of one link. It is a link.Collector.
type Collector struct {
	*files.Folder
	src   *source
	watch *watch
}

// New makes a collector; it touches nothing. An error says what is wrong with the
// configuration.
func New(l *link.Link, o Options) (*Collector, error) {
	c := o.Config
	dir := c.Dir
	if dir == "" {
		dir = l.PBX.Files.Dir
	}
	if strings.ContainsAny(dir, "\r\n\x00") {
		return nil, fmt.Errorf("dir: %q: a folder's name has no line end", dir)
	}
	pattern := c.Pattern
	if pattern == "" {
		pattern = l.PBX.Files.Pattern
	}
	if to := c.After.Move; to != "" {
		if strings.ContainsAny(to, "\r\n\x00") {
			return nil, fmt.Errorf("after: move: %q: a folder's name has no line end", to)
		}
		if !path.IsAbs(to) {
			to = path.Join(dir, to)
		}
		if path.Clean(to) == path.Clean(dir) {
			return nil, fmt.Errorf("after: move: %s is the folder itself: give another one", to)
		}
	}
	src := &source{link: l, secret: c.Secret, dial: o.Dial, url: o.URL, dir: dir, temp: o.Temp, want: wanted(l.Model, pattern)}
	if l.Model == oxe {
		src.order = &order{}
	}
	f, err := files.Of(l, &config.Files{Pattern: c.Pattern, Grows: c.Grows, After: c.After, Settle: c.Settle}, src)
	if err != nil {
		return nil, err
	}
	return &Collector{Folder: f, src: src, watch: &watch{link: l, src: src}}, nil
}

// Look collects what is there.
func (c *Collector) Look(ctx context.Context) error {
	defer c.src.hangUp()
	err := c.Folder.Look(ctx)
	if ctx.Err() == nil {
		c.watch.after(err, c.Newest)
	}
	return err
}
