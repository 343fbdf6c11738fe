package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/ingest-poll/internal/journal"
)

// service names this one in the audit.
const service = "ingest-poll"

// fileAct is what the audit keeps of a file; the view collected_files reads it.
type fileAct struct {
	Name    string `json:"name"`
	Size    int64  `json:"size"`
	Sum     string `json:"sha256,omitempty"`
	Origin  string `json:"origin"`
	Tickets int64  `json:"tickets"`
	Written int64  `json:"written_ms"`
	Removal string `json:"removal,omitempty"`
	To      string `json:"to,omitempty"`
}

// tellCollected tells of a whole file whose last ticket is acknowledged.
func (f *Folder) tellCollected(e *journal.Entry, origin string) {
	f.tell(bus.ActCollected, origin, time.Unix(e.Done, 0), told(e, origin))
}

// tellRemoved tells of a file that was cleared away.
func (f *Folder) tellRemoved(e *journal.Entry, at time.Time) {
	origin := e.Origin
	if sum, err := hex.DecodeString(e.Sum); err == nil && len(sum) == sha256.Size && origin == "" {
		origin = identity.WholeFile(e.Key, [sha256.Size]byte(sum))
	}
	a := told(e, origin)
	if a.Removal = e.Going; a.Removal == moved {
		a.To = f.after.Move
	}
	f.tell(bus.ActRemoved, origin, at, a)
}

// lost hears of files that are gone. One that we were about to clear away when the
// process died, we did.
func (f *Folder) lost(e *journal.Entry) {
	if e.Going != "" {
		f.tellRemoved(e, f.Now())
	}
}

// tellLogs tells of the logs that gave tickets, once a UTC day: a log never ends.
func (f *Folder) tellLogs() {
	now := f.Now().UTC()
	today := now.Format(time.DateOnly)
	if !f.set.Grows || f.day == today {
		return
	}
	f.day = today
	for e := range f.journal.All() {
		if !strings.HasPrefix(e.Key, "tail:") || e.Tickets == e.Told || e.Day == today {
			continue
		}
		if e.Day != "" {
			f.tell(bus.ActCollected, e.Key+"@"+e.Day, now, told(e, e.Key))
			e.Told = e.Tickets
		}
		e.Day = today
		f.journal.Put(e)
	}
}

func told(e *journal.Entry, origin string) fileAct {
	a := fileAct{Name: e.Key, Size: e.Size, Sum: e.Sum, Origin: origin, Tickets: e.Tickets, Written: e.Time / int64(time.Millisecond)}
	if e.Name != "" {
		a.Name, a.Size = e.Name, e.Offset
	}
	return a
}

func (f *Folder) tell(what, of string, at time.Time, a fileAct) {
	var act *trunklinev1.Act
	switch what {
	case bus.ActRemoved:
		was := a
		was.Removal, was.To = "", ""
		act = bus.Act(what, bus.WhoIs(service), a.Name, at, was, a)
	default:
		act = bus.Act(what, bus.WhoIs(service), a.Name, at, nil, a)
	}
	f.acts = append(f.acts, bus.NewAct(f.Address, of, act).Msg())
}

// tellActs publishes what is to be told, in one commit.
func (f *Folder) tellActs(ctx context.Context) error {
	if len(f.acts) == 0 {
		return nil
	}
	if err := f.Publish(ctx, f.acts...); err != nil {
		return err
	}
	f.acts = f.acts[:0]
	return nil
}
