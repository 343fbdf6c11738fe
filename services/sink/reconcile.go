package sink

import (
	"context"
	"errors"
	"fmt"
	"time"

	"trunkline.internal/platform/bus"
	v1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/reconcile"
	"trunkline.internal/services/sink/internal/rows"
)

// What a reconciliation takes and gives.
type (
	ReconcileSelection = reconcile.Selection
	ReconciledDay      = reconcile.Day
	MissingTicket      = reconcile.Ticket
	AuditSpan          = reconcile.Span
	AuditAct           = reconcile.Act
	CollectedFile      = reconcile.File
	SequenceGap        = reconcile.Gap
	TicketsMessage     = reconcile.Message
)

// Reconciler compares receipts and rows, and reads the audit. It only reads.
type Reconciler struct{ reconcile.Reader }

const reconcileSchema = 5

// Reconciler is of the same ClickHouse.
func (k *Kept) Reconciler(ctx context.Context) (*Reconciler, error) {
	version, err := k.SchemaVersion(ctx)
	if err == nil && version < reconcileSchema {
		err = fmt.Errorf("clickhouse's schema is %d, this needs %d: let a sink of this version run first", version, reconcileSchema)
	}
	return &Reconciler{reconcile.Reader{Conn: k.Conn, Table: k.Table}}, err
}

const (
	reconcileEvery = 10 * time.Minute
	reconcileNamed = 5
	leaseReconcile = "reconcile"
)

// reconcile holds today's and yesterday's receipts against the rows, on one of the
// sinks, and tells the difference as a metric: `trunkline status --reconcile` says
// which tickets they are.
func (s *Service) reconcile(ctx context.Context) {
	err := s.deps.Bus.Leases.Hold(ctx, leaseReconcile, owner(), func(ctx context.Context) error {
		defer s.metrics.Reconciled.Set(0)
		defer s.metrics.Difference.Set(0)
		told, failing := uint64(0), false
		for ; ctx.Err() == nil; _ = bus.Wait(ctx, reconcileEvery) {
			missing, some, err := s.compare(ctx, time.Now())
			if err != nil {
				if ctx.Err() == nil && !failing {
					failing = true
					s.deps.Log.Warn("receipts and rows cannot be compared, it is tried again", "error", err)
				}
				continue
			}
			failing = false
			if missing > told {
				s.deps.Log.Error("tickets and rows differ: see trunkline status --reconcile", "tickets", missing, "first", some)
			}
			told = missing
			s.metrics.Difference.Set(float64(missing))
			s.metrics.Reconciled.SetToCurrentTime()
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		s.deps.Log.Warn("receipts and rows are not compared", "error", err)
	}
}

// compare counts the tickets of today and yesterday that have no row, and names the
// first.
func (s *Service) compare(ctx context.Context, now time.Time) (missing uint64, some []string, err error) {
	r := reconcile.Reader{Conn: s.asking, Table: s.schema.Name}
	for _, day := range []time.Time{now.UTC().AddDate(0, 0, -1), now.UTC()} {
		days, tickets, err := r.Day(ctx, reconcile.Selection{Day: day}, reconcileNamed)
		if err != nil {
			return 0, nil, err
		}
		for _, d := range days {
			missing += d.Difference()
		}
		for _, t := range tickets {
			some = append(some, t.Site+"/"+t.Link+" "+t.ID)
		}
	}
	return missing, some, nil
}

// tell writes acts of our own into the audit.
func (s *Service) tell(ctx context.Context, acts []*v1.Act) error {
	block := rows.NewActs()
	for _, a := range acts {
		block.Add(a)
	}
	_, err := s.asking.Insert(ctx, s.schema.Name(block.Table), block.Input(), s.writer.Settings...)
	return err
}
