package bus

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	connected  prometheus.Gauge
	errors     prometheus.Counter
	forbidden  *prometheus.CounterVec
	committed  *prometheus.CounterVec
	commits    *prometheus.CounterVec
	retries    *prometheus.CounterVec
	refused    *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	waiting    *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	byStream := []string{"stream"}
	m := &metrics{
		connected:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "trunkline_nats_connected", Help: "1 while connected to NATS."}),
		errors:     prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_nats_errors_total", Help: "Asynchronous errors of the NATS client."}),
		forbidden:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_nats_forbidden_total", Help: "What the permissions of our NATS user forbade, by publish or subscribe."}, []string{"what"}),
		committed:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_commit_messages_total", Help: "Messages acknowledged by JetStream."}, byStream),
		commits:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_commits_total", Help: "Commits, of one message or an atomic batch."}, byStream),
		retries:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_commit_retries_total", Help: "Commits tried again, by why."}, []string{"stream", "reason"}),
		refused:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_commit_refused_total", Help: "Messages that NATS refused for their own sake: forbidden, or unfit for the stream."}, []string{"stream", "reason"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_commit_duplicates_total", Help: "Messages that the stream had already."}, byStream),
		waiting:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "trunkline_commit_waiting", Help: "Messages waiting for their acknowledgement."}, byStream),
	}
	for _, what := range []string{"publish", "subscribe"} {
		m.forbidden.WithLabelValues(what) // to be seen before the first
	}
	if reg != nil {
		reg.MustRegister(m.connected, m.errors, m.forbidden, m.committed, m.commits, m.retries, m.refused, m.duplicates, m.waiting)
	}
	return m
}
