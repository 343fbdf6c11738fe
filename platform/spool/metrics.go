package spool

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	bytes, max, messages, oldest prometheus.Gauge
	forwarded, refused           prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		bytes:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_spool_bytes", Help: "Bytes of tickets that wait for the hub."}),
		max:       prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_spool_max_bytes", Help: "Bytes of tickets that may wait for the hub."}),
		messages:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_spool_messages", Help: "Messages that wait for the hub."}),
		oldest:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_spool_oldest_timestamp_seconds", Help: "When the oldest message that waits came into the spool; 0: none waits."}),
		forwarded: prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_spool_forwarded_total", Help: "Messages that the hub has taken."}),
		refused:   prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_spool_refused_total", Help: "Tries that the hub refused for the message's own sake: its link stands still."}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.bytes, m.max, m.messages, m.oldest, m.forwarded, m.refused} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) set(s state) {
	m.bytes.Set(float64(s.bytes))
	m.max.Set(float64(s.max))
	m.messages.Set(float64(s.messages))
	m.oldest.Set(0)
	if !s.oldest.IsZero() {
		m.oldest.Set(float64(s.oldest.UnixMilli()) / 1000)
	}
}
