package api

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// ucm collects the call records of a Grandstream UCM through cdrapi, which knows
// them by the time at which a call began, and writes them when it has ended. So a
// time of day is never done with: what was read is read again for as long as a
// call may last, and what was published already is left out. The parser's key
// makes one ticket of what is published twice, behind a restart for example.
//
// In which zone cdrapi understands a time is not told for all firmwares. A look
// that must find everything asks from any zone's begin: deep. Between those,
// looks ask from the newest record on, in the clock that it is printed in; when
// they do not find that record, they ask deep.
type ucm struct {
	cursor
	client *client
	cfg    *config.HTTP
	asker  asker
	origin origins
	limit  int

	position ucmPosition
	// seen are the records of the last deep look and since, by their hashes.
	seen map[hash]time.Time
	// anchor is the newest record that was seen, by its id and begin: what else it
	// says may change while its call goes on.
	anchor   string
	anchored time.Time
	margin   time.Duration
	deep     time.Time // the last deep look's end; zero: none yet
}

// ucmPosition is how far a UCM was read.
type ucmPosition struct {
	// Read is the moment at which all records were read that were there, UTC.
	Read time.Time `json:"read"`
	// Newest is the newest begin of a call that was read, by the PBX's clock.
	Newest time.Time `json:"newest"`
}

const (
	// ucmPage is the most records that cdrapi gives at once.
	ucmPage = 1000
	// ucmLookback is how long a call may last.
	ucmLookback = 24 * time.Hour
	// ucmZones is more than any zone is off UTC.
	ucmZones = 15 * time.Hour
	ucmDeep  = time.Hour
	// ucmMargin is what a look between asks behind the newest record: calls that
	// last longer are found by the next deep look. It grows to ucmBehind where times
	// are understood in another zone.
	ucmMargin = time.Hour
	ucmBehind = ucmZones + ucmMargin
)

// Before set-up a UCM's clock stands somewhere else.
var (
	ucmEarliest = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	ucmFirst    = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)
	ucmLatest   = time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
)

func newUCM(l *link.Link, c *config.HTTP, base *url.URL, cl *client) link.Collector {
	u := &ucm{
		cursor: newCursor(l, fmt.Sprintf("cdrapi-%d", c.Epoch)), client: cl, cfg: c,
		origin: originsOf(base.Host, c.Epoch), limit: ucmPage,
	}
	at := *base
	switch old := base.Port() == "8443" || base.Port() == "8088"; {
	case strings.HasSuffix(base.Path, "/cdrapi"):
		u.asker = newOldAPI(cl, at)
	case base.Path == "" && old:
		at.Path = "/cdrapi"
		u.asker = newOldAPI(cl, at)
	default:
		if base.Path == "" {
			at.Path = "/api"
		}
		u.asker = &newAPI{client: cl, address: at.String()}
	}
	return u
}

// Load reads the position.
func (u *ucm) Load(ctx context.Context) error {
	u.position, u.seen, u.deep = ucmPosition{}, make(map[hash]time.Time), time.Time{}
	u.anchor, u.anchored, u.margin = "", time.Time{}, ucmMargin
	_, err := u.load(ctx, &u.position)
	return err
}

// Save has nothing to do: the position is written when it changes.
func (u *ucm) Save(context.Context) error { return nil }

// Look publishes the records that are new.
func (u *ucm) Look(ctx context.Context) error {
	now := u.Now().UTC()
	if !u.deep.IsZero() && now.Sub(u.deep) < ucmDeep && now.After(u.deep) && !u.anchored.IsZero() {
		found, err := u.between(ctx, now)
		if err != nil || found {
			return err
		}
		u.margin = min(2*u.margin, ucmBehind)
	}
	return u.all(ctx, now)
}

// between reads from the newest record on; found tells that it is there.
func (u *ucm) between(ctx context.Context, now time.Time) (found bool, err error) {
	anchor := u.anchor
	err = u.walk(ctx, u.anchored.Add(-u.margin), now.Add(ucmZones), func(_ time.Time, records []record) error {
		for _, r := range records {
			found = found || r.name() == anchor
		}
		return u.publish(ctx, records, now, u.seen)
	})
	return found, err
}

// all reads everything that may be new.
func (u *ucm) all(ctx context.Context, now time.Time) error {
	from := ucmFirst
	if !u.position.Read.IsZero() {
		from = u.position.Read.Add(-u.cfg.Lookback.Or(ucmLookback) - ucmZones)
		// An answer that must hold a record shows that the query is understood.
		if n := u.position.Newest.Add(-ucmBehind); n.After(ucmFirst) && n.Before(from) {
			from = n
		}
	}
	u.anchor, u.anchored = "", time.Time{} // it may have been deleted
	again := now.Add(-u.cfg.Lookback.Or(ucmLookback) - 2*ucmZones)
	seen, total := make(map[hash]time.Time), 0
	read := func(upTo time.Time, records []record) error {
		if err := u.publish(ctx, records, now, seen); err != nil {
			return err
		}
		total += len(records)
		if upTo.Before(again) { // not asked for again, but what looks between ask for
			maps.DeleteFunc(seen, func(_ hash, start time.Time) bool { return start.Before(u.anchored.Add(-ucmBehind - ucmSpan)) })
			return nil
		}
		for _, r := range records {
			u.seen[r.hash] = r.start // also if this look ends early
		}
		return nil
	}
	if err := u.walk(ctx, from, now.Add(ucmZones), func(upTo time.Time, records []record) error {
		if err := read(upTo, records); err != nil || len(records) == 0 {
			return err
		}
		return u.advance(ctx, upTo, now)
	}); err != nil {
		return err
	}
	// Calls of a time when the PBX's clock was not set, or stood wrong.
	for _, far := range [][2]time.Time{{ucmEarliest, ucmFirst}, {now.Add(ucmZones), ucmLatest}} {
		if err := u.walk(ctx, far[0], far[1], func(_ time.Time, records []record) error { return read(now, records) }); err != nil {
			return err
		}
	}
	if total == 0 {
		return u.nothing()
	}
	u.seen, u.deep = seen, now
	return u.advance(ctx, now.Add(ucmZones), now)
}

// nothing: cdrapi answers a query that it does not understand with an empty list.
func (u *ucm) nothing() error {
	if u.position.Read.IsZero() {
		return u.client.wrap(fmt.Errorf("cdrapi shows no call at all. Either there was none yet, or user %s may not see them: compare with the CDR page of the PBX", u.cfg.User))
	}
	return u.client.wrap(fmt.Errorf("cdrapi shows no call any more, not even those of %s that were collected. If the PBX's own CDR page is empty too, they were deleted, and all is well with the next call; else tell us the firmware",
		u.position.Newest.Format("2 January 2006 15:04")))
}

// advance moves the position; everything before upTo was published.
func (u *ucm) advance(ctx context.Context, upTo, now time.Time) error {
	if upTo.After(now) {
		upTo = now
	}
	next := u.position
	if upTo.After(next.Read) {
		next.Read = upTo
	}
	if u.anchored.After(next.Newest) {
		next.Newest = u.anchored
	}
	if next == u.position {
		return nil
	}
	if err := u.save(ctx, next); err != nil {
		return err
	}
	u.position = next
	u.Metrics.Position.Set(float64(next.Read.Unix()))
	return nil
}
