package receive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// source is an inbox as its collector sees it.
type source struct {
	files.Source // the folder
	b            *Inbox
}

// List names the ticket files, and puts those into their place that waited for
// another one of their name to be collected.
func (s source) List(ctx context.Context) ([]files.Entry, error) {
	b := s.b
	if !b.isOpen() {
		return nil, fmt.Errorf("folder %s is not open yet", b.dir)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, held := b.troubles["full"]; held {
		_ = b.roomy()
	}
	defer b.tell()
	if err := s.promote(); err != nil {
		return nil, err
	}
	entries, err := s.Source.List(ctx)
	if err != nil {
		return nil, err
	}
	out := entries[:0]
	var stray []string
	for _, e := range entries {
		switch {
		case files.Collects(b.pattern, e.Name):
			out = append(out, e)
		case strays(e, b.l.Now()):
			stray = append(stray, e.Name)
		}
	}
	b.tellStray(stray)
	old, err := s.old()
	return append(out, old...), err
}

// promote gives the name of a collected file to the next one that waits for it.
func (s source) promote() error {
	b := s.b
	waiting, err := b.queued("next")
	if err != nil {
		return err
	}
	blocked := make(map[string]bool)
	for _, w := range waiting {
		if blocked[w.name] {
			continue
		}
		blocked[w.name] = true
		info, err := b.root.Lstat(w.name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.Size() > 0 && !b.Collected(files.Entry{Name: w.name, Size: info.Size(), Written: info.ModTime()}):
			continue
		}
		if err := b.root.Rename(w.path, w.name); err != nil {
			return fmt.Errorf("a file that waits to be collected cannot get its name %s: %w", w.name, err)
		}
		if err := b.sync(); err != nil {
			return err
		}
	}
	return nil
}

// old lists the logs that lost their name to another one, each under a name of
// its own, and removes those that are collected and old.
func (s source) old() ([]files.Entry, error) {
	b := s.b
	if !b.pattern.Grows {
		return nil, nil
	}
	held, err := b.queued("old")
	if err != nil {
		return nil, err
	}
	clear(b.aliases)
	var out []files.Entry
	for _, h := range held {
		info, err := b.root.Lstat(h.path)
		if err != nil {
			continue
		}
		number := strings.TrimLeft(strings.TrimSuffix(strings.TrimPrefix(path.Base(h.path), "old-"), "-"+h.name), "0")
		e := files.Entry{Name: h.name + "~" + number, Size: info.Size(), Written: info.ModTime()}
		if b.Collected(e) && b.l.Now().Sub(e.Written) > b.keep {
			if err := b.root.Remove(h.path); err != nil {
				return nil, err
			}
			b.l.Metrics.File("deleted")
			b.l.Log.Info("a collected log was deleted, another one has its name", "name", h.name, "size", e.Size)
			continue
		}
		b.aliases[e.Name] = h.path
		out = append(out, e)
	}
	return out, nil
}

// Open opens a log under the name it is listed under.
func (s source) Open(ctx context.Context, e files.Entry) (files.File, error) {
	s.b.mu.Lock()
	if at, ok := s.b.aliases[e.Name]; ok {
		e.Name = filepath.FromSlash(at)
	}
	s.b.mu.Unlock()
	return s.Source.Open(ctx, e)
}

// Files that are not ticket files are told while they are neither just uploaded,
// to be renamed or removed again, nor old: nobody looks at a test of last month.
const (
	strayFrom = 10 * time.Minute
	strayTo   = 7 * 24 * time.Hour
)

func strays(e files.Entry, now time.Time) bool {
	age := now.Sub(e.Written)
	return e.Err == nil && e.Size > 0 && age > strayFrom && age < strayTo && !strings.HasSuffix(strings.ToLower(e.Name), ".old")
}

func (b *Inbox) tellStray(names []string) {
	if len(names) == 0 {
		b.settle("stray")
		return
	}
	b.raise("stray", fmt.Errorf("received, but not collected: %d files such as %s, which pattern %s does not match: if there are tickets in them, give another pattern; if not, remove them from %s",
		len(names), names[0], b.pattern.Pattern, b.dir+string(os.PathSeparator)), dayTrouble)
}
