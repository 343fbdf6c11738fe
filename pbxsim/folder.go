package pbxsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// folder is where a PBX leaves its tickets, in files.
type folder struct {
	model string
	o     Options
	enc   encoder
	// most tickets stand in a file of a burst; live there is a file every FileEvery, or at once if that is 0.
	most int
	// put writes files of tickets and reports them.
	put  func(ctx context.Context, ts []Ticket) error
	last bool // the run was ended: what is not taken at once is not given

	mu      sync.Mutex
	pending []Ticket
}

func newFolder(model string, o Options, most int) (*folder, error) {
	switch st, err := os.Stat(o.Dir); {
	case o.Dir == "":
		return nil, fmt.Errorf("%s needs Dir", model)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", model, err)
	case !st.IsDir():
		return nil, fmt.Errorf("%s: %s is not a folder", model, o.Dir)
	}
	return &folder{model: model, o: o, most: most}, nil
}

// run puts files until the last call is in one or ctx is done; calls that ended since the last file are put too.
func (f *folder) run(ctx context.Context) error {
	if f.o.waits() || f.o.FileEvery == 0 {
		return f.finish(ctx, f.o.produce(ctx, f.enc, func(ctx context.Context, ts ...Ticket) error {
			if f.pending = append(f.pending, ts...); len(f.pending) < f.most && f.o.waits() {
				return ctx.Err()
			}
			return f.flush(ctx)
		}))
	}
	produced := make(chan error, 1)
	go func() {
		produced <- f.o.produce(ctx, f.enc, func(_ context.Context, ts ...Ticket) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.pending = append(f.pending, ts...)
			return nil
		})
	}()
	tick := time.NewTicker(f.o.FileEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-produced:
			return f.finish(ctx, err)
		case <-tick.C:
			if err := f.flush(ctx); err != nil {
				<-produced
				return err
			}
		}
	}
}

func (f *folder) finish(ctx context.Context, err error) error {
	if !over(err) {
		return err
	}
	f.last = ctx.Err() != nil
	return f.flush(context.WithoutCancel(ctx))
}

func (f *folder) flush(ctx context.Context) error {
	f.mu.Lock()
	ts := f.pending
	f.pending = nil
	f.mu.Unlock()
	if len(ts) == 0 {
		return nil
	}
	if err := f.put(ctx, ts); err != nil {
		return fmt.Errorf("%s: %w", f.model, err)
	}
	return nil
}

// sent reports tickets that stand in a file.
func (f *folder) sent(name string, ts ...Ticket) {
	now := time.Now()
	for _, t := range ts {
		t.File = name
		f.o.Sent(t, now)
	}
}

// batch puts tickets, each with its line end, into a file that is whole when it is seen, or grows if slowly written.
func (f *folder) batch(named func([]Ticket) string, end string) func(context.Context, []Ticket) error {
	return func(ctx context.Context, ts []Ticket) error {
		name := named(ts)
		if err := f.write(ctx, name, os.O_EXCL, joined(ts, end)); err != nil {
			return err
		}
		f.sent(name, ts...)
		return nil
	}
}

// next counts on to a name that no file has: an earlier run may have left its own.
func (f *folder) next(n *int, named func(int) string) string {
	for {
		*n++
		name := named(*n)
		if _, err := os.Lstat(filepath.Join(f.o.Dir, name)); err != nil {
			return name
		}
	}
}

// one puts a ticket into a file of its own: named names it, dress gives it what stands around.
func (f *folder) one(named func(Ticket) string, dress func([]byte) []byte) func(context.Context, []Ticket) error {
	return func(ctx context.Context, ts []Ticket) error {
		for _, t := range ts {
			if len(t.Bytes) == 0 {
				continue
			}
			name := named(t)
			if err := f.write(ctx, name, os.O_EXCL, dress(t.Bytes)); err != nil {
				return err
			}
			f.sent(name, t)
		}
		return nil
	}
}

// log appends tickets, each with its line end, to a file that grows.
func (f *folder) log(named func(Ticket) string, end string) func(context.Context, []Ticket) error {
	return func(ctx context.Context, ts []Ticket) error {
		for len(ts) > 0 {
			name, n := named(ts[0]), 1
			for n < len(ts) && named(ts[n]) == name {
				n++
			}
			if err := f.write(ctx, name, os.O_APPEND, joined(ts[:n], end)); err != nil {
				return err
			}
			f.sent(name, ts[:n]...)
			ts = ts[n:]
		}
		return nil
	}
}

// write writes in place; slowly in pieces that end inside lines.
func (f *folder) write(ctx context.Context, name string, how int, body []byte) error {
	file, err := os.OpenFile(filepath.Join(f.o.Dir, name), os.O_CREATE|os.O_WRONLY|how, 0o644)
	if err != nil {
		return err
	}
	piece := len(body)
	if f.o.Slowly {
		piece = 1 + len(body)/3
	}
	for len(body) > 0 && err == nil {
		n := min(piece, len(body))
		if _, err = file.Write(body[:n]); err != nil {
			break
		}
		if body = body[n:]; len(body) > 0 {
			err = sleep(ctx, slowPiece)
		}
	}
	return errors.Join(err, file.Close())
}

// replace gives a file its content at once.
func (f *folder) replace(name string, body []byte) error {
	tmp := filepath.Join(f.o.Dir, "_"+name)
	if err := os.WriteFile(tmp, body, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(f.o.Dir, name))
}

const slowPiece = 5 * time.Millisecond

func joined(ts []Ticket, end string) []byte {
	var b bytes.Buffer
	for _, t := range ts {
		b.Write(t.Bytes)
		b.WriteString(end)
	}
	return b.Bytes()
}

// dated is the day or moment that a file is named after: that of the ticket's end, in a burst; now, when live.
func (f *folder) dated(t Ticket) time.Time {
	at := f.o.Clock()
	if f.o.Burst {
		at = t.Call.End()
		if at.Year() < 2000 { // an odd line
			at = f.o.To
		}
	}
	return at
}
