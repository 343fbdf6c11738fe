package parser

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	tickets    *prometheus.CounterVec
	waiting    *prometheus.CounterVec
	failures   prometheus.Counter
	pullErrors prometheus.Counter
	seconds    prometheus.Histogram
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		tickets:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_parser_tickets_total", Help: "Tickets answered, by outcome and reason."}, []string{"model", "site", "link", "outcome", "reason"}),
		waiting:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_parser_waits_total", Help: "Messages put back because their link is not known."}, []string{"site", "link"}),
		failures:   prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_parser_failures_total", Help: "Messages not answered this time."}),
		pullErrors: prometheus.NewCounter(prometheus.CounterOpts{Name: "trunkline_parser_pull_errors_total", Help: "Errors while messages were fetched."}),
		seconds:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "trunkline_parser_message_seconds", Help: "From a message's arrival to its receipt's commit.", Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9)}),
	}
	if reg != nil {
		reg.MustRegister(m.tickets, m.waiting, m.failures, m.pullErrors, m.seconds)
	}
	return m
}
