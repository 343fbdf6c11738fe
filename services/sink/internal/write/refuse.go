package write

import (
	"context"
	"errors"
	"fmt"

	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/rows"
)

// ReasonRefused is the reason of a ticket whose row ClickHouse refused.
const ReasonRefused = "refused_by_clickhouse"

// insertCdrs writes the CDRs. When ClickHouse refuses one for its content, the
// block is halved until the row is found; what is refused comes back as a block
// of other_tickets.
func (w *Writer) insertCdrs(ctx context.Context, b *batch.Batch) (*rows.Block[rows.Other], error) {
	refused := rows.NewOthers()
	err := w.insertOrRefuse(ctx, b.Cdrs)
	if err == nil {
		return refused, nil
	}
	if !aboutARow(err) {
		return nil, err
	}
	s := &search{w: w, b: b, all: b.Cdrs.Rows(), why: make(map[int]error)}
	if err := s.halves(ctx, 0, s.all, err); err != nil {
		return nil, err
	}
	if err := s.decide(ctx); err != nil {
		return nil, err
	}
	s.collect(refused)
	return refused, nil
}

func aboutARow(err error) bool {
	c := classify(err)
	return c == refusedRow || c == doubtfulRow
}

func (w *Writer) insertOrRefuse(ctx context.Context, block *rows.Block[rows.Cdr]) error {
	return w.again(ctx, func(ctx context.Context) error { return insert(ctx, w, block) }, aboutARow)
}

// search finds the rows of a batch that ClickHouse refuses.
type search struct {
	w   *Writer
	b   *batch.Batch
	all int
	// why are the refused rows, by their place in the block.
	why map[int]error
}

// halves writes the rows from lo to hi, of which at least one is refused.
func (s *search) halves(ctx context.Context, lo, hi int, err error) error {
	if hi-lo == 1 {
		s.why[lo] = err
		return nil
	}
	mid := lo + (hi-lo)/2
	for _, part := range [2][2]int{{lo, mid}, {mid, hi}} {
		err := s.w.insertOrRefuse(ctx, s.part(func(i int) bool { return i >= part[0] && i < part[1] }))
		if err == nil {
			continue
		}
		if !aboutARow(err) {
			return err
		}
		if err := s.halves(ctx, part[0], part[1], err); err != nil {
			return err
		}
	}
	return nil
}

// decide keeps from the search's end what is no row's own fault: a tombstone,
// and a doubtful row where the table took none. These are tried until they are
// taken.
func (s *search) decide(ctx context.Context) error {
	keep, none := make(map[int]bool), len(s.why) == s.all
	for i, err := range s.why {
		if none && classify(err) == doubtfulRow || i >= s.all-s.b.Tombstones() {
			keep[i] = true
			delete(s.why, i)
		}
	}
	if len(keep) == 0 {
		return nil
	}
	return insertBlock(ctx, s.w, s.part(func(i int) bool { return keep[i] }))
}

// part builds a block of some of the rows.
func (s *search) part(has func(i int) bool) *rows.Block[rows.Cdr] {
	block := rows.NewCdrs()
	for i, r := range s.b.EachCdr() {
		if has(i) {
			block.Add(r)
		}
	}
	return block
}

// collect makes other_tickets of the refused rows.
func (s *search) collect(into *rows.Block[rows.Other]) {
	i := 0
	for _, receipt := range s.b.Each() {
		for _, c := range receipt.Cdrs {
			if err, is := s.why[i]; is {
				receipt.Revision = max(receipt.Revision, c.Revision)
				into.Add(rows.Other{Receipt: receipt, OtherTicket: &v1.OtherTicket{
					TicketId: c.TicketId, Outcome: v1.Outcome_OUTCOME_DEAD, Reason: ReasonRefused, Error: wholeMessage(err), Raw: c.Raw, Position: c.Position,
				}})
			}
			i++
		}
	}
}

// wholeMessage is of what ClickHouse said, for the table.
func wholeMessage(err error) string {
	var e *clickhouse.Error
	if errors.As(err, &e) {
		return fmt.Sprintf("code %d, %s: %s", e.Code, e.Name, e.Message)
	}
	return err.Error()
}
