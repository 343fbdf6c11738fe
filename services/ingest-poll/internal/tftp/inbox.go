package tftp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

const (
	// keepReceived is how long a collected file stays unless the link says otherwise.
	keepReceived = 30 * 24 * time.Hour
	// everyFetch is how often a file is fetched unless the link says otherwise.
	everyFetch = 15 * time.Minute
	// soon is when a fetch that failed is tried again; from then on it doubles.
	soon = time.Minute
)

// Inbox is one link's folder of received files. It collects them, too: it is the
// link's collector. What is fetched is fetched when it looks.
type Inbox struct {
	*files.Folder
	l      *link.Link
	dir    *Dir
	listen string
	allow  []netip.Prefix
	// addr and file are what is fetched.
	addr, file string
	every      time.Duration
	timing     timing

	due     time.Time
	failed  time.Duration
	fetched bool // once since the start
	running sync.WaitGroup

	mu       sync.Mutex
	troubles map[string]trouble
	seen     Seen
	bound    netip.AddrPort
	ctx      context.Context // of the transfers
	cancel   context.CancelFunc
}

type trouble struct {
	err   error
	until time.Time
}

// Seen is what an inbox knows of its PBX since the start.
type Seen struct {
	// Peer sent last, or was fetched from, At that time.
	Peer netip.AddrPort
	At   time.Time
	// Refused is who sent last and is not in allow, RefusedAt that time.
	Refused   netip.AddrPort
	RefusedAt time.Time
	// Received files, also those that were there already; Broken transfers, the last
	// of them for the reason Why.
	Received, Broken int
	Why              string
}

// New makes the inbox of a link below the folder of data; it touches nothing.
func New(data string, l *link.Link, c *config.TFTP) (*Inbox, error) {
	if data == "" {
		return nil, errors.New("data is missing: give the folder that received files are kept in")
	}
	if (c.Listen == "") == (c.Fetch == "") {
		return nil, errors.New("tftp: give listen or fetch")
	}
	if _, err := cleanName(c.File); c.Fetch != "" && err != nil {
		return nil, fmt.Errorf("tftp: file %q: %w", c.File, err)
	}
	b := &Inbox{
		l: l, listen: c.Listen, allow: c.Allow, addr: c.Fetch, file: c.File, every: c.Every.Or(everyFetch), timing: fetchTiming,
		troubles: make(map[string]trouble),
	}
	b.dir = &Dir{
		path: filepath.Join(data, "tftp", l.Site, l.Link), fetched: c.Fetch != "", now: l.Now, count: l.Metrics.File, space: spaceOf,
	}
	grows := false
	collect := &config.Files{Pattern: anything.Pattern, Grows: &grows, After: c.After, Settle: 1} // what is there is whole
	if collect.After == (config.After{}) {
		keep := keepReceived
		collect.After.Delete = &keep
	}
	disk, err := files.NewDisk(b.dir.path, collect.After.Move)
	if err != nil {
		return nil, err
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	b.Folder, err = files.Of(l, collect, disk)
	return b, err
}

// Every is how often to look at most.
func (b *Inbox) Every() time.Duration {
	if b.addr != "" {
		return min(b.every, soon)
	}
	return 5 * time.Second
}

// Listens tells whether Servers.Run is to be called for it.
func (b *Inbox) Listens() bool { return b.listen != "" }

// Open makes the folder, and finishes in it what a crash left half done. Until it
// succeeded nothing is taken. It may be called again.
func (b *Inbox) Open() error {
	if err := b.dir.open(); err != nil {
		return fmt.Errorf("folder %s cannot be used for received files: look at the disk and at the rights of the user that runs trunkline: %w", b.dir.path, err)
	}
	b.NameJournal("tftp-" + b.dir.id)
	return nil
}

// Key is the key of the lease to collect it, behind Open: the folder of another
// process is another one.
func (b *Inbox) Key(linkKey string) string { return linkKey + "." + b.dir.id }

// Dir is the folder.
func (b *Inbox) Dir() string { return b.dir.path }

// Seen tells of the PBX.
func (b *Inbox) Seen() Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// Look fetches what is due and collects what is there.
func (b *Inbox) Look(ctx context.Context) error {
	if b.addr != "" {
		b.fetchDue(ctx)
	}
	b.tell()
	return b.Folder.Look(ctx)
}

// Close ends what lingers of a fetch.
func (b *Inbox) Close() error {
	b.end()
	return nil
}

func (b *Inbox) fetchDue(ctx context.Context) {
	now := b.l.Now()
	if now.Before(b.due) {
		return
	}
	err := b.fetchNow(ctx)
	if ctx.Err() != nil {
		return
	}
	b.due = now.Add(b.every)
	var told *Refusal
	if (b.fetched || b.dir.ever()) && errors.As(err, &told) && told.Code == codeNotFound {
		err = nil // it was there, and is not while there is nothing new
	}
	if err == nil {
		b.failed = 0
		b.settle("fetch")
		return
	}
	b.failed = min(max(2*b.failed, soon), b.every)
	b.due = now.Add(b.failed)
	b.raise("fetch", fmt.Errorf("%s cannot be fetched from %s: %s: %w", b.file, b.addr, remedy(err), err), 2*b.every+time.Hour)
}

func remedy(err error) string {
	var told *Refusal
	var dns *net.DNSError
	switch {
	case errors.As(err, &told) && told.Code == codeNotFound:
		return "there is no such file: look at its name (a HiPath calls it gez.txt), or nothing was recorded yet"
	case errors.As(err, &told) && told.Code == codeAccess:
		return "the PBX does not give it to us: enter our address there"
	case errors.Is(err, errQuiet):
		return "nobody answers: is the PBX set to TFTP server, and does a firewall let UDP pass in both ways, from and to any port above 1023"
	case errors.As(err, &dns):
		return "look at the address"
	}
	return "it is tried again"
}

func (b *Inbox) fetchNow(ctx context.Context) error {
	file, err := b.dir.Create(b.file, -1, b.addr)
	if err != nil {
		return err
	}
	linger, err := fetch(ctx, b.addr, b.file, file, b.timing)
	b.mu.Lock()
	b.seen.At = b.l.Now()
	if err != nil {
		b.seen.Broken, b.seen.Why = b.seen.Broken+1, err.Error()
	} else {
		b.seen.Received++
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	b.fetched = true
	lingering := b.context()
	b.running.Go(func() { linger(lingering) })
	return nil
}

// allows tells whether an address may send.
func (b *Inbox) allows(from netip.Addr) bool {
	from = from.WithZone("")
	return len(b.allow) == 0 || slices.ContainsFunc(b.allow, func(p netip.Prefix) bool { return p.Contains(from) })
}

// begin lets transfers in, and end ends them.
func (b *Inbox) begin(at netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound = at
	if b.ctx.Err() != nil {
		b.ctx, b.cancel = context.WithCancel(context.Background())
	}
}

func (b *Inbox) end() {
	b.mu.Lock()
	b.cancel()
	b.mu.Unlock()
	b.running.Wait()
}

func (b *Inbox) context() context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ctx
}

func (b *Inbox) received(from netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.Peer, b.seen.At = from, b.l.Now()
	b.seen.Received++
	delete(b.troubles, "broken")
}

func (b *Inbox) broken(from netip.AddrPort, name string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.Peer, b.seen.At = from, b.l.Now()
	b.seen.Broken++
	b.seen.Why = err.Error()
	if errors.Is(err, context.Canceled) {
		return
	}
	b.troubles["broken"] = trouble{
		fmt.Errorf("file %q of %s was not taken, the PBX has to send it again: %w", readable([]byte(name)), from.Addr(), err),
		b.l.Now().Add(24 * time.Hour),
	}
}

func (b *Inbox) refused(from netip.AddrPort) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen.Refused, b.seen.RefusedAt = from, b.l.Now()
	b.troubles["refused"] = trouble{fmt.Errorf("%s sends to %s over TFTP and is refused: add it to `allow` if it is the PBX", from.Addr(), b.listen), b.l.Now().Add(time.Hour)}
}

func (b *Inbox) raise(key string, err error, lasts time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles[key] = trouble{err, b.l.Now().Add(lasts)}
}

func (b *Inbox) settle(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.troubles, key)
}

// tell makes alarms of what is wrong.
func (b *Inbox) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.l.Now()
	maps.DeleteFunc(b.troubles, func(_ string, t trouble) bool { return now.After(t.until) })
	for key, t := range b.troubles {
		b.l.Alarms.Raise(key, t.err)
	}
}
