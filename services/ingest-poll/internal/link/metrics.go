package link

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Meters makes the metrics of every link of a service.
type Meters struct {
	tickets, bytes, incomplete, files, looks, resets, requests, logins *prometheus.CounterVec
	lastTicket, owned, waiting, oldest                                 *prometheus.GaugeVec
	position, newest                                                   *prometheus.GaugeVec
	seconds                                                            *prometheus.HistogramVec
}

// NewMeters registers the metrics; reg may be nil. Services that follow each
// other in one process share them.
func NewMeters(reg prometheus.Registerer) (*Meters, error) {
	m := &Meters{}
	var failed error
	labels := []string{"site", "link"}
	counter := func(name, help string, more ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "trunkline_poll_" + name, Help: help}, append(labels[:2:2], more...))
		return register(reg, v, &failed)
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return register(reg, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "trunkline_poll_" + name, Help: help}, labels), &failed)
	}
	m.tickets = counter("tickets_total", "Tickets acknowledged by JetStream.")
	m.bytes = counter("bytes_total", "Bytes of tickets acknowledged by JetStream.")
	m.incomplete = counter("incomplete_total", "Messages that hold no whole ticket, by why.", "reason")
	m.files = counter("files_total", "Files, by what became of them.", "result")
	m.looks = counter("looks_total", "Looks at the folder or the table, by how they ended.", "result")
	m.resets = counter("resets_total", "Times a table or a log was found to begin again behind our position.")
	m.requests = counter("requests_total", "Requests to a PBX's API, by how they ended: ok, refused, wait or error.", "result")
	m.logins = counter("logins_total", "Log-ins at our servers, by how they ended: ok, refused, resting, not_allowed or too_many.", "result")
	m.lastTicket = gauge("last_ticket_timestamp_seconds", "When tickets were last acknowledged.")
	m.owned = gauge("owned", "1 while this process holds the link's lease.")
	m.waiting = gauge("files_waiting", "Files that are there and not collected yet.")
	m.oldest = gauge("oldest_waiting_timestamp_seconds", "Modification time of the oldest file that waits; 0: none waits.")
	m.position = gauge("position", "The table's key up to which rows are acknowledged.")
	m.newest = gauge("newest", "The largest key in the table.")
	m.seconds = register(reg, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "trunkline_poll_look_seconds", Help: "How long a look took, publishing included.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
	}, labels), &failed)
	return m, failed
}

func register[C prometheus.Collector](reg prometheus.Registerer, c C, failed *error) C {
	if reg == nil {
		return c
	}
	err := reg.Register(c)
	var have prometheus.AlreadyRegisteredError
	if errors.As(err, &have) {
		if same, ok := have.ExistingCollector.(C); ok {
			return same
		}
	}
	*failed = errors.Join(*failed, err)
	return c
}

// Metrics are those of one link.
type Metrics struct {
	Tickets, Bytes, Resets              prometheus.Counter
	LastTicket, Owned, Waiting, Oldest  prometheus.Gauge
	Position, Newest                    prometheus.Gauge
	Seconds                             prometheus.Observer
	incomplete, filesResult, lookResult func(string) prometheus.Counter
	requestResult, loginResult          func(string) prometheus.Counter
}

// Of makes the metrics of a link.
func (m *Meters) Of(site, link string) *Metrics {
	by := func(v *prometheus.CounterVec) func(string) prometheus.Counter {
		return func(value string) prometheus.Counter { return v.WithLabelValues(site, link, value) }
	}
	return &Metrics{
		Tickets: m.tickets.WithLabelValues(site, link), Bytes: m.bytes.WithLabelValues(site, link),
		Resets: m.resets.WithLabelValues(site, link), LastTicket: m.lastTicket.WithLabelValues(site, link),
		Owned: m.owned.WithLabelValues(site, link), Waiting: m.waiting.WithLabelValues(site, link),
		Oldest: m.oldest.WithLabelValues(site, link), Position: m.position.WithLabelValues(site, link),
		Newest: m.newest.WithLabelValues(site, link), Seconds: m.seconds.WithLabelValues(site, link),
		incomplete: by(m.incomplete), filesResult: by(m.files), lookResult: by(m.looks),
		requestResult: by(m.requests), loginResult: by(m.logins),
	}
}

// Forget takes a link out.
func (m *Meters) Forget(site, link string) {
	of := prometheus.Labels{"site": site, "link": link}
	for _, v := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{
		m.tickets, m.bytes, m.incomplete, m.files, m.looks, m.resets, m.requests, m.logins,
		m.lastTicket, m.owned, m.waiting, m.oldest, m.position, m.newest, m.seconds,
	} {
		v.DeletePartialMatch(of)
	}
}

// File counts a file by what became of it.
func (m *Metrics) File(result string) { m.filesResult(result).Inc() }

// Look counts a look by how it ended.
func (m *Metrics) Look(result string) { m.lookResult(result).Inc() }

// Request counts a request to an API by how it ended.
func (m *Metrics) Request(result string) { m.requestResult(result).Inc() }

// Login counts a log-in at a server of ours by how it ended.
func (m *Metrics) Login(result string) { m.loginResult(result).Inc() }
