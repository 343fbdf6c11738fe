package pbxsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// CUCM is a Cisco Unified Communications Manager that puts its files into a folder, as its FTP push does: under a
// name with a leading _ that then loses it. A file is whole at once; the name has no extension.
type CUCM struct {
	*folder
	enc *cisco
	seq int
}

const cucmFileTickets = 100 // in a burst

// NewCUCM makes one; the folder must exist.
func NewCUCM(o Options) (*CUCM, error) {
	if err := o.complete(ciscoCUCM); err != nil {
		return nil, err
	}
	if o.FileEvery == 0 {
		o.FileEvery = time.Minute
	}
	enc, err := newCisco(o)
	if err != nil {
		return nil, err
	}
	f, err := newFolder(ciscoCUCM, o, cucmFileTickets)
	if err != nil {
		return nil, err
	}
	p := &CUCM{folder: f, enc: enc.(*cisco), seq: 1000}
	f.enc, f.put = enc, p.files
	return p, nil
}

// Addr is empty: nobody connects.
func (p *CUCM) Addr() string { return "" }

// Run puts files until the last call is in one or ctx is done; calls that ended since the last file are put too.
func (p *CUCM) Run(ctx context.Context) error { return p.run(ctx) }

// files writes a file of tickets, and its cmr_ twin.
func (p *CUCM) files(ctx context.Context, ts []Ticket) error {
	if err := p.table(ctx, "cdr", p.enc.cdr, ts); err != nil {
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
	return p.table(ctx, "cmr", p.enc.cmr, quality)
}

func (p *CUCM) table(ctx context.Context, tag string, table *cucmTable, ts []Ticket) error {
	at := p.dated(ts[len(ts)-1])
	p.seq++
	name := fmt.Sprintf("%s_%s_%02d_%s_%d", tag, cucmCluster, cucmNode, at.UTC().Format("200601021504"), p.seq)
	body := []byte(table.head())
	for _, t := range ts {
		body = append(append(body, '\n'), t.Bytes...)
	}
	if err := p.whole(ctx, name, body); err != nil {
		return err
	}
	p.sent(name, ts...)
	return nil
}

// whole writes a file that is whole when it is seen, or line by line.
func (p *CUCM) whole(ctx context.Context, name string, body []byte) error {
	if !p.o.Slowly {
		return p.replace(name, body)
	}
	f, err := os.OpenFile(filepath.Join(p.o.Dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
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
