package ingesttcp

import (
	"log/slog"
	"sync"
	"time"
)

// warner logs what may come again and again: the first one at once, then not
// more often than every so often, with how many were left out.
type warner struct {
	log   *slog.Logger
	every func() time.Duration

	mu   sync.Mutex
	said map[said]*repeated
}

type said struct {
	link    *link
	message string
}

type repeated struct {
	last time.Time
	more int
}

func newWarner(log *slog.Logger, every func() time.Duration) *warner {
	return &warner{log: log, every: every, said: make(map[said]*repeated)}
}

// warn says something of a link; l may be nil.
func (w *warner) warn(l *link, message string, args ...any) {
	w.mu.Lock()
	key := said{l, message}
	r := w.said[key]
	if r == nil {
		r = &repeated{}
		w.said[key] = r
	}
	if !r.last.IsZero() && time.Since(r.last) < w.every() {
		r.more++
		w.mu.Unlock()
		return
	}
	more := r.more
	r.last, r.more = time.Now(), 0
	w.mu.Unlock()
	if l != nil {
		args = append(args, "site", l.Site.ID, "link", l.ID)
	}
	if more > 0 {
		args = append(args, "left_out", more)
	}
	w.log.Warn(message, args...)
}
