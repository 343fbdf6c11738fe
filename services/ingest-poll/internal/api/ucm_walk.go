package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ucmSpan is the shortest piece of time that is read by its begin and end.
const ucmSpan = time.Minute

// walk reads the records that began between two moments, one piece of time behind
// the other, each so short that it comes in one answer: pages by offset shift when
// a record is added or removed meanwhile.
func (u *ucm) walk(ctx context.Context, from, to time.Time, done func(upTo time.Time, records []record) error) error {
	for span := to.Sub(from); from.Before(to); {
		end := from.Add(span)
		if end.After(to) {
			end = to
		}
		p, err := u.piece(ctx, from, end)
		if err != nil {
			return err
		}
		if p.full && end.Sub(from) > ucmSpan {
			span = max(end.Sub(from)/2, ucmSpan)
			continue
		}
		for more := p.full; more; {
			next, err := u.ask(ctx, from, end, p.elements)
			if err != nil {
				return err
			}
			p.records = append(p.records, next.records...)
			p.elements += next.elements
			if more = next.elements > 0; len(p.records) > 100*ucmPage {
				return u.client.wrap(fmt.Errorf("more than %d records began within a minute, %s: does the PBX go by startTime and endTime? Tell us its firmware", 100*ucmPage, from.Format(time.DateTime)))
			}
		}
		if err := done(end, p.records); err != nil {
			return err
		}
		if len(p.records) < u.limit/4 {
			span = min(2*span, to.Sub(from))
		}
		from = end
	}
	return nil
}

// ucmList is what cdrapi answers.
type ucmList struct {
	records []record
	// elements of the list: a record each, or the records of a call.
	elements int
	// full tells that there may be more.
	full bool
}

// piece asks for one piece of time.
func (u *ucm) piece(ctx context.Context, from, to time.Time) (*ucmList, error) {
	p, err := u.ask(ctx, from, to, 0)
	if err != nil {
		return nil, err
	}
	if err := p.within(from, to); err != nil {
		return nil, u.client.wrap(err)
	}
	if p.full || p.elements == 0 || p.elements%50 != 0 && len(p.records)%50 != 0 {
		return p, nil
	}
	// A round number: is it all, or all that this firmware gives at once?
	next, err := u.ask(ctx, from, to, p.elements)
	if err != nil {
		return nil, err
	}
	p.full = next.elements > 0
	return p, nil
}

// ask asks for a page. Answers that do not come whole are asked for smaller.
func (u *ucm) ask(ctx context.Context, from, to time.Time, offset int) (*ucmList, error) {
	for {
		limit := u.limit
		// A minute more: whether the end belongs to it is not told.
		body, err := u.asker.ask(ctx, query{from.Format(queryTime), to.Add(ucmSpan).Format(queryTime), limit, offset})
		var p *ucmList
		if err == nil {
			if p, err = readUCM(body); err != nil {
				err = u.client.wrap(err)
			}
		}
		if errors.Is(err, errHeavy) {
			u.limit = max(10, limit/2)
			if errors.Is(err, errTooMuch) && u.limit < limit {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		u.limit = min(ucmPage, 2*limit)
		p.full = p.elements >= limit || len(p.records) >= limit
		return p, nil
	}
}

// queryTime is the form that all firmwares have in common.
const queryTime = "2006-01-02T15:04:05"

// within makes sure that the PBX goes by the times it was asked for, in whatever
// zone: an answer to another question would be taken for all there is. A record
// alone proves nothing, since those of one call may begin hours apart.
func (p *ucmList) within(from, to time.Time) error {
	var starts []time.Time
	for _, r := range p.records {
		if !r.start.IsZero() {
			starts = append(starts, r.start)
		}
	}
	if len(starts) == 0 {
		return nil
	}
	slices.SortFunc(starts, time.Time.Compare)
	middle := starts[len(starts)/2]
	// Clocks that are set back in autumn spread what belongs together.
	spread := to.Sub(from) + 2*time.Hour
	outside := 0
	for _, s := range starts {
		if s.Before(from.Add(-ucmZones)) || s.After(to.Add(ucmZones)) || s.Sub(middle).Abs() > spread {
			outside++
		}
	}
	if outside*2 > len(starts) {
		return fmt.Errorf("cdrapi was asked for calls from %s to %s, and answers others: it does not go by startTime and endTime. Tell us the PBX's firmware", from.Format(time.DateTime), to.Format(time.DateTime))
	}
	return nil
}
