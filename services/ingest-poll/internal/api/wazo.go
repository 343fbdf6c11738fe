package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/window"
)

const (
	wazoCalls = "/api/call-logd/1.0/cdr"
	wazoToken = "/api/auth/0.1/token"
	// wazoPage is how many calls are asked for at once, call-logd's own usual page.
	wazoPage = 1000
	// wazoOverlap is how many ids behind the last one are read again: ids become
	// visible in another order than they were given when transactions overlap.
	wazoOverlap = 200
	// wazoSettle is how long ago a call ended before it is taken: until all that
	// belongs to it has ended, call-logd may make its record anew.
	wazoSettle = time.Minute
)

// wazo collects the call logs of Wazo Platform 20 to 26 through call-logd's API
// 1.0: in the order of their ids, from the last one on. A call gets its id when
// it has ended, and another one when call-logd makes its record anew.
type wazo struct {
	cursor
	client *client
	cfg    *config.HTTP
	calls  *url.URL
	tokens string
	origin string
	settle time.Duration

	token    string
	renew    time.Time
	limit    int
	position *window.Window
	wasReset bool
}

func newWazo(l *link.Link, c *config.HTTP, base *url.URL, cl *client) link.Collector {
	// The address as people have it: of the server, or of the API.
	before, _, _ := strings.Cut(base.Path+"/", "/api/")
	before = strings.TrimSuffix(before, "/")
	calls, at := *base, *base
	calls.Path, at.Path = before+wazoCalls, before+wazoToken
	tokens := c.TokenURL
	if tokens == "" {
		tokens = at.String()
	}
	source := fmt.Sprintf("wazo-%s-%d", strings.ToLower(c.Tenant), c.Epoch)
	if !recurses(c) {
		source += "-alone"
	}
	return &wazo{
		cursor: newCursor(l, source), client: cl, cfg: c, calls: &calls, tokens: tokens,
		// Ids are a server's own, whoever's calls they are.
		origin: identity.Table(base.Host, "call-logd", c.Epoch),
		settle: c.Settle.Or(wazoSettle), limit: wazoPage,
	}
}

func recurses(c *config.HTTP) bool { return c.Recurse == nil || *c.Recurse }

// Load reads the position.
func (w *wazo) Load(ctx context.Context) error {
	stored := new(window.Window)
	found, err := w.load(ctx, stored)
	switch {
	case err != nil:
		return err
	case !found:
		w.position = window.New(wazoOverlap)
	case !stored.Valid():
		return fmt.Errorf("position %s is unreadable", w.key)
	default:
		w.position = stored.Resized(wazoOverlap)
	}
	return nil
}

// Save has nothing to do: a position is written with each page.
func (w *wazo) Save(context.Context) error { return nil }

// Look publishes the calls that are new, and those behind the position that
// became visible late.
func (w *wazo) Look(ctx context.Context) error {
	from, first := int64(0), true
	if w.position.Last != window.Nothing {
		from = max(0, w.position.Low())
	}
	for {
		p, err := w.page(ctx, from)
		if err != nil {
			return err
		}
		if first && len(p.calls) == 0 && w.position.Last != window.Nothing {
			return w.gone(ctx)
		}
		first = false
		if err := w.sameAsBefore(p.calls); err != nil {
			return err
		}
		w.wasReset = false
		settled := w.settled(p)
		if err := w.publish(ctx, p.calls[:settled]); err != nil {
			return err
		}
		if !p.more || settled < len(p.calls) {
			return nil
		}
		from = p.calls[len(p.calls)-1].id + 1
	}
}

// call is one call log.
type call struct {
	id                 int64
	raw                []byte
	tenant, start, end string
}

// settled is how many calls of a page ended long enough ago, by the PBX's clock.
// None behind the first that did not is taken, so that the position stays before
// it. An end in the future holds nothing up: that clock is wrong.
func (w *wazo) settled(p *page) int {
	for i, c := range p.calls {
		ended, err := time.Parse(time.RFC3339Nano, c.end)
		if age := p.at.Sub(ended); err == nil && age > -w.settle && age < w.settle && !w.position.Has(c.id) {
			return i
		}
	}
	return len(p.calls)
}

// publish sends what was not published yet, and then advances the position.
func (w *wazo) publish(ctx context.Context, calls []call) error {
	var payload []byte
	var ends []int
	var fresh []call
	for _, c := range calls {
		if !w.position.Has(c.id) {
			payload = append(append(payload, c.raw...), '\n')
			ends, fresh = append(ends, len(payload)), append(fresh, c)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	var out link.Batch
	out.AddRows(bus.TicketMessage{Address: w.Address, Received: w.Now(), Origin: w.origin, Name: w.calls.Host}, payload, ends, func(i int) string {
		return identity.RowPosition("id", strconv.FormatInt(fresh[i].id, 10))
	})
	if err := w.Send(ctx, &out); err != nil {
		return err
	}
	for _, c := range fresh {
		if c.id >= w.position.Last {
			w.position.Guard = c.guard()
		}
		w.position.Add(c.id)
	}
	if err := w.save(ctx, w.position); err != nil {
		return err
	}
	w.Metrics.Position.Set(float64(w.position.Last))
	w.Update(func(s *link.State) { s.Position = w.position.Last })
	return nil
}

// guard is a hash of what never changes in a call's record.
func (c *call) guard() string {
	start := c.start
	if t, err := time.Parse(time.RFC3339Nano, start); err == nil {
		start = t.UTC().Format(time.RFC3339Nano)
	}
	sum := sha256.Sum256([]byte(c.tenant + " " + start))
	return hex.EncodeToString(sum[:8])
}

// sameAsBefore makes sure that the id at the position is still the call that it
// was: if not, ids began again, and others below it were never read.
func (w *wazo) sameAsBefore(calls []call) error {
	for _, c := range calls {
		if c.id == w.position.Last && w.position.Guard != "" && c.guard() != w.position.Guard {
			return w.reset(fmt.Sprintf("the call with id %d is not the one that was collected", c.id))
		}
	}
	return nil
}

// gone looks why nothing is left of the ids that were read last.
func (w *wazo) gone(ctx context.Context) error {
	q := w.query(0, 1)
	q.Set("direction", "desc")
	p, err := w.get(ctx, q)
	switch {
	case err != nil:
		return err
	case len(p.calls) == 0:
		return w.client.wrap(fmt.Errorf("calls up to id %d were collected, and now it shows none at all: may user %s not see them any more, or were all call logs deleted? New calls are collected as soon as there are some", w.position.Last, w.cfg.User))
	case p.calls[0].id >= w.position.Low():
		return nil // it came meanwhile
	}
	return w.reset(fmt.Sprintf("the largest id is %d", p.calls[0].id))
}

func (w *wazo) reset(now string) error {
	if !w.wasReset {
		w.wasReset = true
		w.Metrics.Resets.Inc()
	}
	return w.client.wrap(fmt.Errorf("calls up to id %d were collected, but now %s: an older copy was restored, or call logs were deleted. If ids began again, raise epoch to %d in the link's configuration: then all calls that it has are read, and those that were collected count once",
		w.position.Last, now, w.cfg.Epoch+1))
}

func (w *wazo) query(from int64, limit int) url.Values {
	return url.Values{
		"from_id": {strconv.FormatInt(from, 10)}, "order": {"id"}, "direction": {"asc"},
		"limit": {strconv.Itoa(limit)}, "recurse": {strconv.FormatBool(recurses(w.cfg))},
	}
}

// page is calls in the order of their ids.
type page struct {
	calls []call
	more  bool
	at    time.Time // by the PBX's clock
}

// page asks for the calls from an id on. Pages that do not come whole are asked
// for smaller, down to a call each.
func (w *wazo) page(ctx context.Context, from int64) (*page, error) {
	for {
		limit := w.limit
		p, err := w.get(ctx, w.query(from, limit))
		if errors.Is(err, errHeavy) {
			w.limit = max(1, limit/2)
			if errors.Is(err, errTooMuch) && limit > 1 {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		w.limit = min(wazoPage, 2*limit)
		p.more = len(p.calls) > 0 && (p.more || len(p.calls) >= limit)
		if err := inOrder(p, from); err != nil {
			return nil, w.client.wrap(err)
		}
		if n := len(p.calls); n > 0 {
			w.Metrics.Newest.Set(float64(p.calls[n-1].id))
			w.Update(func(s *link.State) { s.Newest = p.calls[n-1].id })
		}
		return p, nil
	}
}

// inOrder makes sure that the server answers what was asked: a position that
// advances over other answers would lose calls.
func inOrder(p *page, from int64) error {
	const remedy = "does something between us and call-logd change the query, or answer from a cache?"
	kept := p.calls[:0]
	for _, c := range p.calls {
		n := len(kept)
		switch {
		case c.id < from:
			return fmt.Errorf("calls from id %d on were asked for, and one with id %d came: %s", from, c.id, remedy)
		case n > 0 && c.id == kept[n-1].id && bytes.Equal(c.raw, kept[n-1].raw):
			continue
		case n > 0 && c.id <= kept[n-1].id:
			return fmt.Errorf("calls were asked for in the order of their ids, and %d came behind %d: %s", c.id, kept[n-1].id, remedy)
		}
		kept = append(kept, c)
	}
	p.calls = kept
	return nil
}

// get asks call-logd, with a new token if it does not take the one we have.
func (w *wazo) get(ctx context.Context, q url.Values) (*page, error) {
	for {
		fresh, err := w.logIn(ctx)
		if err != nil {
			return nil, err
		}
		u := *w.calls
		u.RawQuery = q.Encode()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("X-Auth-Token", w.token)
		if w.cfg.Tenant != "" {
			req.Header.Set("Wazo-Tenant", w.cfg.Tenant)
		}
		a, err := w.client.do(req)
		if err != nil {
			return nil, err
		}
		if a.StatusCode == http.StatusUnauthorized {
			if w.token = ""; !fresh {
				continue
			}
			return nil, w.client.refused(fmt.Errorf("call-logd does not take the token that it was given: has user %s the access call-logd.cdr.read, and is the tenant one of its own?", w.cfg.User))
		}
		if err := w.client.check(a); err != nil {
			return nil, err
		}
		w.client.gate.Accepted()
		p, err := readWazo(a.body)
		if err != nil {
			return nil, w.client.wrap(err)
		}
		p.at = w.client.clock(a)
		return p, nil
	}
}

// readWazo reads a list of call logs.
func readWazo(body []byte) (*page, error) {
	var list struct {
		Items    *[]json.RawMessage `json:"items"`
		Filtered int                `json:"filtered"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, broken(err)
	}
	if list.Items == nil {
		return nil, errors.New("it answers no list of calls: is url the address of call-logd's API 1.0?")
	}
	p := &page{calls: make([]call, 0, len(*list.Items)), more: list.Filtered > len(*list.Items)}
	for _, raw := range *list.Items {
		c := call{raw: oneLine(raw)}
		var id string
		err := scan(c.raw, func(name, value string) {
			switch name {
			case "id":
				id = value
			case "tenant_uuid":
				c.tenant = value
			case "start":
				c.start = value
			case "end":
				c.end = value
			}
		})
		if err == nil {
			c.id, err = strconv.ParseInt(id, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("it lists a call that has no id: is url the address of call-logd's API 1.0? %w", err)
		}
		p.calls = append(p.calls, c)
	}
	return p, nil
}
