package certs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	expiry = prometheus.NewDesc("trunkline_tls_certificate_expiry_timestamp_seconds",
		"When the certificate in use from this file expires; the first of several.", []string{"file"}, nil)
	failed = prometheus.NewDesc("trunkline_tls_reload_failures_total",
		"Times that a changed file could not be used, so that the certificate before stays.", []string{"file"}, nil)
)

// Collector tells of every file in use. To look at it is to look at the files, so
// that a broken one is found before somebody connects.
type Collector struct{}

// Describe implements prometheus.Collector.
func (Collector) Describe(ch chan<- *prometheus.Desc) { ch <- expiry; ch <- failed }

// Collect implements prometheus.Collector.
func (Collector) Collect(ch chan<- prometheus.Metric) {
	type state struct {
		expires time.Time
		failed  int64
	}
	// A file may be a certificate to one and an authority to another.
	all := make(map[string]state)
	for _, f := range used() {
		f.mu.Lock()
		f.look()
		now := state{f.expires, f.failures.Load()}
		f.mu.Unlock()
		if had, ok := all[f.cert]; ok {
			if had.expires.Before(now.expires) {
				now.expires = had.expires
			}
			now.failed += had.failed
		}
		all[f.cert] = now
	}
	for name, s := range all {
		ch <- prometheus.MustNewConstMetric(expiry, prometheus.GaugeValue, float64(s.expires.Unix()), name)
		ch <- prometheus.MustNewConstMetric(failed, prometheus.CounterValue, float64(s.failed), name)
	}
}
