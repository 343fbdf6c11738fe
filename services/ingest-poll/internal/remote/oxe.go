package remote

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// oxe is the model whose PBX keeps its files for a while and lists them in order:
// an OmniPCX Enterprise writes TAXAAAAA.DAT and counts the letters up to
// TAXZZZZZ.DAT, and names its files in ACCOUNT.LIS. Those of survivable nodes end
// in the node's address, eight hex digits, in both names.
const oxe = "alcatel-oxe"

var (
	oxeVoIP = regexp.MustCompile(`(?i)^(IP|SIP).*\.DAT$`)
	oxeList = regexp.MustCompile(`(?i)^ACCOUNT(_[0-9A-F]{8})?\.LIS$`)
	oxeFile = regexp.MustCompile(`(?i)^TAX[A-Z0-9]*(_[0-9A-F]{8})?\.DAT$`)
	oxeName = regexp.MustCompile(`(?i)\bTAX[A-Z0-9]+(_[0-9A-F]{8})?(\.DAT)?\b`)
)

// isVoIP tells the files beside the tickets: quality reports, not calls.
func isVoIP(name string) bool { return oxeVoIP.MatchString(name) }

func isList(name string) bool { return oxeList.MatchString(name) }

// maxList bounds a list: 744 files in 31 days need some 30 KB.
const maxList = 1 << 20

// order knows the lists of an OXE.
type order struct{ lists map[string]*list }

type list struct {
	size  int64
	time  time.Time
	index map[string]int // upper case, with the ending
}

// put puts the files of each node in the order of its list. A file that the list
// does not name has its place by its time.
func (o *order) put(ctx context.Context, session Session, found []files.Entry, want func(string) bool) ([]files.Entry, error) {
	lists := make(map[string]*list)
	var tickets []files.Entry
	for _, e := range found {
		if isList(e.Name) {
			l, err := o.read(ctx, session, e)
			switch {
			case err != nil && (ctx.Err() != nil || !session.Alive()):
				return nil, err
			case err == nil:
				lists[node(e.Name)] = l
			}
			// A list that cannot be read costs the order, and no ticket.
		}
		if want(e.Name) && !isList(e.Name) {
			tickets = append(tickets, e)
		}
	}
	o.lists = lists
	slices.SortFunc(tickets, func(a, b files.Entry) int {
		return cmp.Or(a.Written.Compare(b.Written), strings.Compare(a.Name, b.Name))
	})
	for n, l := range lists {
		var slots []int
		var named []files.Entry
		for i, e := range tickets {
			if _, ok := l.index[strings.ToUpper(e.Name)]; ok && node(e.Name) == n {
				slots, named = append(slots, i), append(named, e)
			}
		}
		slices.SortStableFunc(named, func(a, b files.Entry) int {
			return cmp.Compare(l.index[strings.ToUpper(a.Name)], l.index[strings.ToUpper(b.Name)])
		})
		for i, slot := range slots {
			tickets[slot] = named[i]
		}
	}
	for i := range tickets {
		tickets[i].Order = i + 1
	}
	return tickets, nil
}

// node is the address in a name, empty for the main PBX.
func node(name string) string {
	name = strings.ToUpper(name)
	for _, re := range []*regexp.Regexp{oxeList, oxeFile} {
		if m := re.FindStringSubmatch(name); m != nil {
			return m[1]
		}
	}
	return ""
}

func (o *order) read(ctx context.Context, session Session, e files.Entry) (*list, error) {
	if l := o.lists[node(e.Name)]; l != nil && l.size == e.Size && l.time.Equal(e.Written) {
		return l, nil
	}
	if e.Err != nil {
		return nil, e.Err
	}
	in, err := session.Read(ctx, e.Name, 0)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(in, maxList))
	if closed := in.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, err
	}
	return &list{e.Size, e.Written, parseList(text)}, nil
}

// parseList finds the names of ticket files in a list. What else stands in it is
// not documented and does not matter.
func parseList(text []byte) map[string]int {
	index := make(map[string]int)
	for i, name := range oxeName.FindAll(text, -1) {
		key := strings.ToUpper(string(name))
		if !strings.HasSuffix(key, ".DAT") {
			key += ".DAT"
		}
		index[key] = i // the last mention counts
	}
	return index
}

const (
	// oxeKeeps is how long an OXE keeps its files unless it is told otherwise.
	oxeKeeps = 31 * 24 * time.Hour
	// oxeLate is when it is high time.
	oxeLate = 25 * 24 * time.Hour
	// oxeBehind is how far we may be behind the newest file.
	oxeBehind = 24 * time.Hour
)

// watch raises the alarm before a PBX deletes what was not collected.
type watch struct {
	link *link.Link
	src  *source
	// left tells that files were left behind by the look before, too: the first
	// look only sees that they have settled.
	left bool
}

// after looks at what a look left behind. newest is when the newest file was
// written that is collected.
func (w *watch) after(err error, newest func() time.Time) {
	if w.src.order == nil {
		return
	}
	now, state := w.link.Now(), w.link.State()
	if err != nil {
		since := w.src.listed
		if since.IsZero() {
			since = newest()
		}
		if state.Waiting > 0 && state.Oldest.Before(since) {
			since = state.Oldest
		}
		if !since.IsZero() && now.Sub(since) >= oxeLate {
			w.link.Alarms.Raise("late", fmt.Errorf("nothing was collected from %s since %s, and the PBX deletes its files after %d days: do what the other message says, or copy its TAX*.DAT away by hand", w.src.Where(""), day(since), int(oxeKeeps.Hours()/24)))
		}
		return
	}
	before := w.left
	w.left = state.Waiting > 0
	if !before || !w.left {
		return
	}
	if now.Sub(state.Oldest) >= oxeLate {
		w.link.Alarms.Raise("late", fmt.Errorf("%d files of %s are not collected, the oldest is of %s, and the PBX deletes its files after %d days: do what the other message says, or copy them away by hand", state.Waiting, w.src.Where(""), day(state.Oldest), int(oxeKeeps.Hours()/24)))
	}
	if w.src.newest.Sub(state.Oldest) >= oxeBehind {
		w.link.Alarms.Raise("behind", fmt.Errorf("collecting falls behind: %d files of %s wait, the oldest is of %s and the newest of %s", state.Waiting, w.src.Where(""), day(state.Oldest), day(w.src.newest)))
	}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }
