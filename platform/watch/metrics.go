package watch

import (
	"github.com/prometheus/client_golang/prometheus"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

var (
	statusDesc = prometheus.NewDesc("trunkline_link_status",
		"1 for the status that a link has: standby, waiting, silent, failing, collecting.",
		[]string{"site", "link", "model", "status"}, nil)
	usualDesc = prometheus.NewDesc("trunkline_link_usual_tickets",
		"How many tickets are usual in the time since the last one.",
		[]string{"site", "link"}, nil)
	lastDesc = prometheus.NewDesc("trunkline_link_last_ticket_timestamp_seconds",
		"When the last ticket came, also to an earlier process.",
		[]string{"site", "link"}, nil)
)

// collector tells the links' states when it is asked.
type collector struct{ *Watch }

func (c collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{statusDesc, usualDesc, lastDesc} {
		out <- d
	}
}

func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c.States(false) {
		for status := trunklinev1.LinkStatus_LINK_STATUS_STANDBY; status <= trunklinev1.LinkStatus_LINK_STATUS_COLLECTING; status++ {
			is := 0.0
			if s.Status == status {
				is = 1
			}
			out <- prometheus.MustNewConstMetric(statusDesc, prometheus.GaugeValue, is, s.Site, s.Link, s.Model, StatusName(status))
		}
		out <- prometheus.MustNewConstMetric(usualDesc, prometheus.GaugeValue, s.Usual, s.Site, s.Link)
		if s.LastTicketTime != nil {
			out <- prometheus.MustNewConstMetric(lastDesc, prometheus.GaugeValue, float64(s.LastTicketTime.AsTime().UnixMilli())/1000, s.Site, s.Link)
		}
	}
}
