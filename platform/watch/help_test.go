package watch

import (
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
)

func natsOption(s *natsd.Server) []nats.Option { return []nats.Option{s.Option()} }

// newWatch makes a watch that NATS has answered.
func newWatch(t *testing.T, at *clock, reg prometheus.Registerer, b *bus.Bus) *Watch {
	t.Helper()
	w, err := New(Options{Service: "test", Log: slog.New(slog.DiscardHandler), Metrics: reg, Now: at.Now})
	if err != nil {
		t.Fatal(err)
	}
	w.hub, w.usual = b, b.Usual
	return w
}

// gathered is a link's status metric; -1: there is none.
func gathered(t *testing.T, reg *prometheus.Registry, status string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "trunkline_link_status" {
			continue
		}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if l.GetName() == "status" && l.GetValue() == status {
					return m.Gauge.GetValue()
				}
			}
		}
	}
	return -1
}
