// Package metrics is what the sink tells about itself.
package metrics

import "github.com/prometheus/client_golang/prometheus"

// Metrics of a sink.
type Metrics struct {
	Rows, Inserts, Bytes           *prometheus.CounterVec
	InsertSeconds                  *prometheus.HistogramVec
	Retries                        *prometheus.CounterVec
	BatchRows, BatchBytes          prometheus.Histogram
	Lag                            prometheus.Histogram
	Receipts                       prometheus.Counter
	Pending, Unparsed              prometheus.Gauge
	Refused, Tombstones            prometheus.Counter
	Unreadable, Later, Redelivered prometheus.Counter
	LastInsert                     prometheus.Gauge
	Purged                         *prometheus.CounterVec
	Difference, Reconciled         prometheus.Gauge
}

// New registers the metrics; reg may be nil.
func New(reg prometheus.Registerer) (*Metrics, error) {
	byTable := []string{"table"}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Rows:    counters("trunkline_sink_rows_total", "Rows confirmed by ClickHouse.", byTable...),
		Inserts: counters("trunkline_sink_inserts_total", "Inserts confirmed by ClickHouse.", byTable...),
		Bytes:   counters("trunkline_sink_bytes_total", "Bytes of confirmed inserts, as encoded.", byTable...),
		InsertSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trunkline_sink_insert_seconds", Help: "How long a confirmed insert took.", Buckets: prometheus.ExponentialBuckets(0.005, 2, 15),
		}, byTable),
		Retries:     counters("trunkline_sink_retries_total", "Requests to ClickHouse tried again, by the exception's name.", "reason"),
		BatchRows:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "trunkline_sink_batch_rows", Help: "Rows in a batch, all tables.", Buckets: prometheus.ExponentialBuckets(1, 4, 10)}),
		BatchBytes:  prometheus.NewHistogram(prometheus.HistogramOpts{Name: "trunkline_sink_batch_bytes", Help: "Bytes of the receipts in a batch.", Buckets: prometheus.ExponentialBuckets(256, 4, 10)}),
		Lag:         prometheus.NewHistogram(prometheus.HistogramOpts{Name: "trunkline_sink_lag_seconds", Help: "From the receipt of a ticket message to its rows in ClickHouse.", Buckets: prometheus.ExponentialBuckets(0.1, 2.5, 16)}),
		Receipts:    counter("trunkline_sink_receipts_total", "Receipts whose rows ClickHouse has confirmed."),
		Pending:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_sink_pending_messages", Help: "Receipts in the stream that are not yet in ClickHouse."}),
		Unparsed:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_sink_unparsed_messages", Help: "Ticket messages in the stream that have no receipt yet."}),
		Refused:     counter("trunkline_sink_refused_rows_total", "Rows that ClickHouse refused for their content, kept in other_tickets."),
		Tombstones:  counter("trunkline_sink_tombstones_total", "Rows that mark a call moved or unmade by a replay."),
		Unreadable:  counter("trunkline_sink_unreadable_receipts_total", "Receipts that could not be decoded, kept raw in other_tickets."),
		Later:       counter("trunkline_sink_later_receipts_total", "Times a receipt of a newer schema was left for a newer sink."),
		Redelivered: counter("trunkline_sink_redelivered_receipts_total", "Receipts that came again."),
		LastInsert:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_sink_last_insert_timestamp_seconds", Help: "When ClickHouse last confirmed a batch."}),
		Purged:      counters("trunkline_sink_purged_messages_total", "Messages confirmed by ClickHouse that were removed from a stream that was filling up.", "stream"),
		Difference:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_sink_reconcile_difference", Help: "Tickets received today and yesterday (UTC) that have a receipt and no row, and parts of receipts that are missing; on the sink that compares."}),
		Reconciled:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_sink_reconcile_timestamp_seconds", Help: "When receipts and rows were last compared; 0 on a sink that does not."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.Rows, m.Inserts, m.Bytes, m.InsertSeconds, m.Retries, m.BatchRows, m.BatchBytes, m.Lag, m.Receipts, m.Pending, m.Unparsed,
		m.Refused, m.Tombstones, m.Unreadable, m.Later, m.Redelivered, m.LastInsert, m.Purged, m.Difference, m.Reconciled,
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
