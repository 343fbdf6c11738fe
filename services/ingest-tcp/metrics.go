package ingesttcp

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	connections *prometheus.GaugeVec
	connected   *prometheus.CounterVec
	tickets     *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	incomplete  *prometheus.CounterVec
	last        *prometheus.GaugeVec
	dials       *prometheus.CounterVec
	frames      *prometheus.CounterVec
	refused     *prometheus.CounterVec
	lost        *prometheus.CounterVec
	publish     prometheus.Histogram
}

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_tcp_" + name, Help: help}, append([]string{"site", "link"}, labels...))
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "trunkline_tcp_" + name, Help: help}, []string{"site", "link"})
	}
	return &metrics{
		connections: gauge("connections", "Connected PBXs."),
		connected:   counter("connections_total", "Connections by how they began (accepted, dialled, refused_…) and ended (closed_…).", "result"),
		tickets:     counter("tickets_total", "Tickets acknowledged by NATS, incomplete ones included.", "model"),
		bytes:       counter("bytes_total", "Bytes of the acknowledged tickets, line ends included."),
		incomplete:  counter("incomplete_total", "Acknowledged pieces that are no whole ticket.", "reason"),
		last:        gauge("last_ticket_timestamp_seconds", "When the last acknowledged ticket came."),
		dials:       counter("dial_attempts_total", "Attempts to reach a PBX.", "result"),
		frames:      counter("frames_total", "What came beside new tickets on an oxe or ahl wire: keep_alive, role, unknown; wrong_check, repeated, broken, noise, enquiry, answer.", "kind"),
		refused:     counter("refused_messages_total", "Messages that NATS refused for their own sake; they are tried again."),
		lost:        counter("unpublished_bytes_total", "Bytes that came and were not published when a connection was ended by us."),
		publish: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "trunkline_tcp_publish_seconds", Help: "From the read to the acknowledgement, of all messages that were waiting.",
			Buckets: []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
		}),
	}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	var failed []error
	for _, c := range []prometheus.Collector{
		m.connections, m.connected, m.tickets, m.bytes, m.incomplete, m.last, m.dials, m.frames, m.refused, m.lost, m.publish,
	} {
		failed = append(failed, reg.Register(c))
	}
	return errors.Join(failed...)
}

// forget takes a link out.
func (m *metrics) forget(site, link string) {
	of := prometheus.Labels{"site": site, "link": link}
	for _, c := range []*prometheus.CounterVec{m.connected, m.tickets, m.bytes, m.incomplete, m.dials, m.frames, m.refused, m.lost} {
		c.DeletePartialMatch(of)
	}
	for _, g := range []*prometheus.GaugeVec{m.connections, m.last} {
		g.DeletePartialMatch(of)
	}
}
