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

// CUCM is a Cisco Unified Communications Manager that puts its files into a folder, as its FTP push does: under a
// name with a leading _ that then loses it. A file is whole at once; the name has no extension.
type CUCM struct {
	o   Options
	enc *cisco
	seq int

	mu      sync.Mutex
	pending []Ticket
}

const cucmFileTickets = 100 // in a burst

// NewCUCM makes one; the folder must exist.
func NewCUCM(o Options) (*CUCM, error) {
	if err := o.complete(ciscoCUCM); err != nil {
		return nil, err
	}
	switch st, err := os.Stat(o.Dir); {
	case o.Dir == "":
		return nil, fmt.Errorf("%s needs Dir", ciscoCUCM)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", ciscoCUCM, err)
	case !st.IsDir():
		return nil, fmt.Errorf("%s: %s is not a folder", ciscoCUCM, o.Dir)
	}
	if o.FileEvery == 0 {
		o.FileEvery = time.Minute
	}
	enc, err := newCisco(o)
	if err != nil {
		return nil, err
	}
	return &CUCM{o: o, enc: enc.(*cisco), seq: 1000}, nil
}

// Addr is empty: nobody connects.
func (p *CUCM) Addr() string { return "" }

// Run puts files until the last call is in one or ctx is done; calls that ended since the last file are put too.
func (p *CUCM) Run(ctx context.Context) error {
	if p.o.waits() {
		err := p.o.produce(ctx, p.enc, func(ctx context.Context, ts ...Ticket) error {
			if p.pending = append(p.pending, ts...); len(p.pending) < cucmFileTickets {
				return ctx.Err()
			}
			return p.flush(ctx)
		})
		return p.finish(ctx, err)
	}
	produced := make(chan error, 1)
	go func() {
		produced <- p.o.produce(ctx, p.enc, func(_ context.Context, ts ...Ticket) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.pending = append(p.pending, ts...)
			return nil
		})
	}()
	tick := time.NewTicker(p.o.FileEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-produced:
			return p.finish(ctx, err)
		case <-tick.C:
			if err := p.flush(ctx); err != nil {
				<-produced
				return err
			}
		}
	}
}

func (p *CUCM) finish(ctx context.Context, err error) error {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return p.flush(context.WithoutCancel(ctx))
}

// flush writes a file of the pending tickets, and its cmr_ twin.
func (p *CUCM) flush(ctx context.Context) error {
	p.mu.Lock()
	ts := p.pending
	p.pending = nil
	p.mu.Unlock()
	if len(ts) == 0 {
		return nil
	}
	if err := p.put(ctx, "cdr", p.enc.cdr, ts); err != nil {
		return err
	}
	if !p.o.Quality {
		return nil
	}
	var quality []Ticket
	for _, t := range ts {
		quality = append(quality, p.enc.quality(t)...)
	}
	if len(quality) == 0 {
		return nil
	}
	return p.put(ctx, "cmr", p.enc.cmr, quality)
}

func (p *CUCM) put(ctx context.Context, tag string, table *cucmTable, ts []Ticket) error {
	at := p.o.Clock()
	if p.o.Burst {
		at = ts[len(ts)-1].Call.End()
		if at.Year() < 2000 { // an odd line
			at = p.o.To
		}
	}
	p.seq++
	name := fmt.Sprintf("%s_%s_%02d_%s_%d", tag, cucmCluster, cucmNode, at.UTC().Format("200601021504"), p.seq)
	body := []byte(table.head())
	for _, t := range ts {
		body = append(append(body, '\n'), t.Bytes...)
	}
	if err := p.write(ctx, name, body); err != nil {
		return fmt.Errorf("%s: %w", ciscoCUCM, err)
	}
	now := time.Now()
	for _, t := range ts {
		t.File = name
		p.o.Sent(t, now)
	}
	return nil
}

func (p *CUCM) write(ctx context.Context, name string, body []byte) error {
	final := filepath.Join(p.o.Dir, name)
	if !p.o.Slowly {
		tmp := filepath.Join(p.o.Dir, "_"+name)
		if err := os.WriteFile(tmp, body, 0o644); err != nil {
			return err
		}
		return os.Rename(tmp, final)
	}
	f, err := os.OpenFile(final, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for piece := range bytes.SplitAfterSeq(body, []byte("\n")) {
		if _, err = f.Write(piece); err != nil {
			break
		}
		if err = sleep(ctx, slowLine); err != nil {
			break
		}
	}
	return errors.Join(err, f.Close())
}

const slowLine = 20 * time.Millisecond
