package engine

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	queries  *prometheus.CounterVec   // kind, result
	seconds  *prometheus.HistogramVec // kind
	inFlight *prometheus.GaugeVec     // kind
	rows     *prometheus.CounterVec   // direction
	bytes    *prometheus.CounterVec   // direction
	refused  *prometheus.CounterVec   // reason
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_engine_" + name, Help: help}, labels)
	}
	m := &metrics{
		queries: counter("queries_total", "Requests for SQL that ended, by kind (read, write) and result (ok, exception, gone).", "kind", "result"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "trunkline_engine_query_seconds", Help: "Duration of requests for SQL, without the wait for a slot.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"kind"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "trunkline_engine_queries_in_flight", Help: "Requests for SQL that run.",
		}, []string{"kind"}),
		rows:    counter("rows_total", "Rows that tables gave (read) and took (written).", "direction"),
		bytes:   counter("http_bytes_total", "Bytes of bodies as they passed the wire, in and out.", "direction"),
		refused: counter("refused_total", "Requests refused before they ran, by reason (host, password, busy, forbidden).", "reason"),
	}
	for _, c := range m.all() {
		if err := r.Register(c); err != nil {
			m.unregister(r)
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.queries, m.seconds, m.inFlight, m.rows, m.bytes, m.refused}
}

func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.all() {
		r.Unregister(c)
	}
}
