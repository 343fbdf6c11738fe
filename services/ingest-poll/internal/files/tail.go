package files

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/journal"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// cutOffAfter, times settle, is how long a log that is not the newest must not
// have changed before its unterminated last line is published, as cut off: an
// hour by default. The newest log's last line waits for ever: there are writers
// that end a line only when they begin the next.
const cutOffAfter = 720

// tail is a log and the position of its origin.
type tail struct {
	candidate
	sight  *sight
	newest bool
}

// lookTails goes on with each log that changed. A log is known by its first
// ticket, so that it goes on where it stood when it is renamed.
func (f *Folder) lookTails(ctx context.Context, found []candidate) error {
	// Of several files with one first ticket, copies of each other, the longest
	// counts.
	longest := make(map[string]int)
	var tails []tail
	for i, c := range found {
		s := f.sighted(c)
		if s.origin == "" && !f.resting(c) {
			var err error
			if s.origin, err = f.origin(ctx, c); err != nil {
				if err := f.failed(ctx, c, err); err != nil {
					return err
				}
			}
		}
		if s.origin == "" {
			continue // its first ticket is not there yet
		}
		if e := f.journal.Get(s.origin); e != nil {
			f.journal.Seen(e)
		}
		t := tail{c, s, i == len(found)-1}
		if at, ok := longest[s.origin]; !ok {
			longest[s.origin] = len(tails)
			tails = append(tails, t)
		} else if c.size > tails[at].size {
			tails[at] = t
		}
	}
	for _, t := range tails {
		if f.resting(t.candidate) {
			continue
		}
		err := f.follow(ctx, t)
		if err == nil {
			delete(f.failures, t.name)
		} else if err := f.failed(ctx, t.candidate, err); err != nil {
			return err
		}
		if e := f.journal.Get(t.sight.origin); e == nil || e.Offset < t.size {
			f.waits(t.candidate)
		}
	}
	return nil
}

// The first ticket must begin within so many bytes of a log.
const maxBefore = 1 << 20

// origin reads what a log is known by; empty while its first ticket is not whole.
func (f *Folder) origin(ctx context.Context, c candidate) (string, error) {
	file, err := f.Open(ctx, c.entry())
	if err != nil {
		return "", err
	}
	defer file.Close()
	now, err := file.Now()
	if err != nil {
		return "", err
	}
	_, first, err := f.start(file, now.Size)
	if err != nil || first == nil {
		return "", err
	}
	return identity.GrowingFile(first), nil
}

// start reads the head of a log and its first whole ticket, nil while that is
// not there.
func (f *Folder) start(r io.ReaderAt, size int64) (head, first []byte, err error) {
	for n := int64(wire.MaxPreamble + 1); ; n *= 4 {
		n = min(n, size, maxBefore)
		data := make([]byte, n)
		if err := readAt(r, data, 0); err != nil {
			return nil, nil, err
		}
		data = written(data)
		at, ok, err := pack.Head(f.Cutting.Split, f.Cutting.Head, data, false)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			if first, err = pack.First(f.Cutting.Split, data[at:]); first != nil || err != nil {
				return data[:at:at], first, err
			}
		}
		switch n {
		case size:
			return nil, nil, nil
		case maxBefore:
			return nil, nil, errors.New("there is no ticket in its first 1 MiB")
		}
	}
}

// written cuts the NULs at the end: a share shows them where bytes were appended
// that have not arrived yet.
func written(data []byte) []byte { return bytes.TrimRight(data, "\x00") }

var nothing = make([]byte, blockSize)

// arrived is where a log ends whose last blocks are NULs: a share shows them, and
// so does a PBX that makes room in advance. What is written there one day must not
// lie behind our position.
func arrived(ctx context.Context, r io.ReaderAt, from, to int64) (int64, error) {
	block := make([]byte, blockSize)
	for to-from > blockSize { // a smaller rest is looked at when it is read
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err := readAt(r, block, to-blockSize); err != nil {
			return 0, err
		}
		if !bytes.Equal(block, nothing) {
			return to - blockSize + int64(len(written(block))), nil
		}
		to -= blockSize
	}
	return to, nil
}

// follow publishes what was appended to a log.
func (f *Folder) follow(ctx context.Context, t tail) error {
	old := f.journal.Get(t.sight.origin)
	cutOff := !t.newest && f.Now().Sub(t.sight.since) >= cutOffAfter*f.settle
	if t.sight.idle && old != nil && old.Offset <= t.size && !(cutOff && old.Offset < t.size) {
		return nil
	}
	e := &journal.Entry{Key: t.sight.origin, Day: f.Now().UTC().Format(time.DateOnly)}
	if old != nil {
		*e = *old
	}
	e.Name, e.Size, e.Time = t.name, t.size, t.time
	if t.size < e.Offset {
		return f.reset(t, fmt.Errorf("log %s has %d bytes, but %d of it were collected: it was cut or replaced by an older copy, and nothing of it is read until it is longer again. Tickets that were written anew into it must be given to trunkline import", t.name, t.size, e.Offset))
	}
	file, err := f.Open(ctx, t.entry())
	if err != nil {
		return err
	}
	defer file.Close()
	now, err := file.Now()
	if err != nil {
		return err
	}
	if now.Size < t.size {
		return ErrChanged
	}
	head, first, err := f.start(file, t.size)
	if err != nil {
		return err
	}
	if first == nil || identity.GrowingFile(first) != t.sight.origin {
		return ErrChanged // renamed between the look and now
	}
	e.Offset = max(e.Offset, int64(len(head)))
	if e.To = min(e.To, t.size); e.To <= e.Offset {
		e.To = 0
	}
	guard, err := guardOf(file, e.Offset)
	if err != nil {
		return err
	}
	if e.Guard != "" && guard != e.Guard {
		return f.reset(t, fmt.Errorf("log %s begins like one that was collected up to byte %d, but goes on differently: nothing of it is read. Give it to trunkline import; if all logs of this PBX begin with the same line, tell us: that line is a head", t.name, e.Offset))
	}
	if e.Offset < t.size {
		if err := f.publishTail(ctx, file, t, e, head, cutOff); err != nil {
			return err
		}
	}
	t.sight.idle = true
	delete(f.resets, t.sight.origin)
	return nil
}

// reset tells of a log that begins again behind our position.
func (f *Folder) reset(t tail, err error) error {
	if !f.resets[t.sight.origin] {
		f.resets[t.sight.origin] = true
		f.Metrics.Resets.Inc()
	}
	f.Alarms.Raise("reset "+t.name, err)
	return nil
}

const guardSize = 256

// guardOf hashes the last bytes before a position.
func guardOf(r io.ReaderAt, offset int64) (string, error) {
	before := make([]byte, min(offset, guardSize))
	if err := readAt(r, before, offset-int64(len(before))); err != nil {
		return "", err
	}
	sum := sha256.Sum256(before)
	return hex.EncodeToString(sum[:8]), nil
}

// publishTail publishes the whole tickets behind the position. What it is about
// to publish is announced in the journal first, so that a second reading after a
// crash gives the same bytes the same time: the parser may infer a year from it.
func (f *Folder) publishTail(ctx context.Context, file io.ReaderAt, t tail, e *journal.Entry, head []byte, cutOff bool) error {
	if e.To > 0 { // announced before a crash
		if err := f.publishTo(ctx, file, t, e, head, false); err != nil {
			return err
		}
	}
	end := t.size
	if !cutOff {
		var err error
		if end, err = arrived(ctx, file, e.Offset, t.size); err != nil {
			return err
		}
	}
	if e.Offset < end {
		e.To, e.Written = end, t.time
		f.journal.Put(e)
		if err := f.Save(ctx); err != nil {
			return err
		}
		if err := f.publishTo(ctx, file, t, e, head, cutOff); err != nil {
			return err
		}
	}
	return f.Save(ctx)
}

// publishTo publishes the whole tickets between e.Offset and e.To, and the rest
// behind the last one if the log is cut off there.
func (f *Folder) publishTo(ctx context.Context, file io.ReaderAt, t tail, e *journal.Entry, head []byte, cutOff bool) error {
	packer := pack.Packer{Split: f.Cutting.Split, Inside: e.Inside}
	buf := make([]byte, 0, min(e.To-e.Offset, blockSize)+wire.MaxTicket)
	for at := e.Offset; at < e.To; {
		have := len(buf)
		buf = buf[:have+int(min(e.To-at, blockSize))]
		if err := readAt(file, buf[have:], at); err != nil {
			return err
		}
		at += int64(len(buf) - have)
		data := buf
		if at == e.To {
			data = written(buf)
		}
		var batch link.Batch
		add := func(p pack.Payload) {
			batch.Add(&bus.TicketMessage{
				Address: f.Address, Received: f.Now(), Written: time.Unix(0, e.Written), Origin: t.sight.origin, Offset: identity.Position(p.Offset),
				Name: t.name, Preamble: head, Incomplete: p.Incomplete, Payload: p.Data,
			}, p.Tickets)
		}
		used, err := packer.Pack(data, e.Offset, false, add)
		if err != nil {
			return fmt.Errorf("byte %d: %w", e.Offset+int64(used), err)
		}
		if at == e.To && cutOff {
			if rest := data[used:]; len(rest) > 0 {
				add(pack.Payload{Offset: e.Offset + int64(used), Data: slices.Clip(rest), Tickets: 1, Incomplete: wire.IncompleteCutOff})
			}
			used, packer.Inside = len(buf), false
		}
		if err := f.Send(ctx, &batch); err != nil {
			return err
		}
		buf = buf[:copy(buf, buf[used:])]
		e.Offset += int64(used)
		e.Inside = packer.Inside
		e.Tickets += int64(batch.Tickets)
		if e.Guard, err = guardOf(file, e.Offset); err != nil {
			return err
		}
		f.journal.Put(e)
		if f.unsavedAt += int64(used); at < e.To {
			if err := f.saveSometimes(ctx); err != nil {
				return err
			}
		}
	}
	e.To, e.Written = 0, 0
	f.journal.Put(e)
	return nil
}
