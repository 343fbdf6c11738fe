// Package write brings batches into ClickHouse: it tries for ever, sets aside
// only rows that ClickHouse refuses for their own content, and acknowledges when
// all rows are confirmed.
package write

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/metrics"
	"trunkline.internal/services/sink/internal/rows"
)

// Writer writes one batch at a time.
type Writer struct {
	Conn clickhouse.Conn
	// Table is a table's name in SQL.
	Table func(name string) string
	// Repair applies the migrations again.
	Repair func(ctx context.Context) error
	// Settings go with each insert.
	Settings []clickhouse.Setting
	// Health is told nil after a success that followed an error.
	Health  func(error)
	Log     *slog.Logger
	Metrics *metrics.Metrics
	// Backoff between retries; zero: 100 ms to 30 s.
	Backoff bus.Backoff
	// Timeout of one request; zero: 5 minutes.
	Timeout time.Duration
	// Ending is closed when the sink is to end: from then on what fails is not
	// tried again.
	Ending <-chan struct{}

	failing bool
	told    string
}

// Write returns when all rows of the batch are in ClickHouse and its messages
// are acknowledged, or with an error when the sink ends before.
func (w *Writer) Write(ctx context.Context, b *batch.Batch) error {
	if err := w.insertAll(ctx, b); err != nil {
		return err
	}
	now := time.Now()
	for i, m := range b.Messages {
		if err := m.Ack(); err != nil {
			w.Log.Debug("acknowledgement not sent, the receipt comes again", "error", err)
		}
		if t := b.Received[i]; t.Unix() > 0 {
			w.Metrics.Lag.Observe(now.Sub(t).Seconds())
		}
	}
	w.Metrics.Receipts.Add(float64(b.Receipts.Rows()))
	w.Metrics.Unreadable.Add(float64(b.Unreadable))
	w.Metrics.Redelivered.Add(float64(b.Redelivered))
	w.Metrics.BatchRows.Observe(float64(b.Rows()))
	w.Metrics.BatchBytes.Observe(float64(b.Bytes))
	w.Metrics.Pending.Set(float64(b.Pending))
	w.Metrics.LastInsert.Set(float64(now.UnixMilli()) / 1e3)
	return nil
}

// insertAll writes the tables in an order that keeps a receipt's row from
// standing before the rows it tells of.
func (w *Writer) insertAll(ctx context.Context, b *batch.Batch) error {
	if b.Revised || b.Redelivered > 0 {
		if err := w.bury(ctx, b); err != nil {
			return err
		}
	}
	if err := insertBlock(ctx, w, b.Others); err != nil {
		return err
	}
	refused, err := w.insertCdrs(ctx, b)
	if err != nil {
		return err
	}
	if refused.Rows() > 0 {
		if err := insertBlock(ctx, w, refused); err != nil {
			return err
		}
		w.Metrics.Refused.Add(float64(refused.Rows()))
		w.Log.Warn("rows that clickhouse refused for their content are kept in other_tickets", "rows", refused.Rows(), "reason", ReasonRefused)
	}
	if err := insertBlock(ctx, w, b.Receipts); err != nil {
		return err
	}
	return w.insertActs(ctx, b)
}

func insertBlock[R any](ctx context.Context, w *Writer, block *rows.Block[R]) error {
	return w.again(ctx, func(ctx context.Context) error { return insert(ctx, w, block) }, nil)
}

func insert[R any](ctx context.Context, w *Writer, block *rows.Block[R]) error {
	if block.Rows() == 0 {
		return nil
	}
	started := time.Now()
	n, err := w.Conn.Insert(ctx, w.Table(block.Table), block.Input(), w.Settings...)
	if err != nil {
		return fmt.Errorf("insert of %d rows into %s: %w", block.Rows(), block.Table, err)
	}
	w.Metrics.InsertSeconds.WithLabelValues(block.Table).Observe(time.Since(started).Seconds())
	w.Metrics.Inserts.WithLabelValues(block.Table).Inc()
	w.Metrics.Rows.WithLabelValues(block.Table).Add(float64(block.Rows()))
	w.Metrics.Bytes.WithLabelValues(block.Table).Add(float64(n))
	return nil
}

// again runs do until it succeeds or ctx ends, and tells the world meanwhile.
// An error for which giveUp is true is returned.
func (w *Writer) again(ctx context.Context, do func(context.Context) error, giveUp func(error) bool) error {
	back := w.Backoff
	if back.Max == 0 {
		back.Max = 30 * time.Second
	}
	timeout := w.Timeout
	if timeout == 0 {
		timeout = 5 * time.Minute
	}
	for {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return do(ctx)
		}()
		if err == nil {
			w.mended()
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if giveUp != nil && giveUp(err) {
			return err
		}
		w.Metrics.Retries.WithLabelValues(ReasonOf(err)).Inc()
		w.failed(err)
		if classify(err) == schemaMissing {
			if err := w.Repair(ctx); err != nil && ctx.Err() == nil {
				w.failed(err)
			}
		}
		if err := w.pause(ctx, back.Next()); err != nil {
			return err
		}
	}
}

var errEnding = errors.New("the sink ends before clickhouse took the rows")

func (w *Writer) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.Ending:
		return errEnding
	default:
	}
	select {
	case <-t.C:
		return nil
	case <-w.Ending:
		return errEnding
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Remedied adds to an error what a person can do about it.
func Remedied(err error) error {
	if remedy, ok := remedies[clickhouse.CodeOf(err)]; ok {
		return fmt.Errorf("%s: %w", remedy, err)
	}
	return err
}

func (w *Writer) failed(err error) {
	err = Remedied(err)
	w.failing = true
	w.Health(err)
	if reason := ReasonOf(err); reason != w.told {
		w.told = reason
		w.Log.Warn("clickhouse does not take rows, they wait", "error", err)
	}
}

func (w *Writer) mended() {
	if !w.failing {
		return
	}
	w.failing, w.told = false, ""
	w.Health(nil)
	w.Log.Info("clickhouse takes rows again")
}
