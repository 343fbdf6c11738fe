package telemetry

import (
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandler(t *testing.T) {
	tel := New("test", io.Discard, slog.LevelInfo, true)
	broken := error(nil)
	tel.Health.Watch("nats", func() error { return broken })
	tel.Health.Set("clickhouse", nil)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/healthz"); code != 200 || body != "ok\n" {
		t.Errorf("healthz %d %q", code, body)
	}
	if code, body := get("/readyz"); code != 200 || !strings.Contains(body, `"clickhouse":"ready"`) {
		t.Errorf("readyz %d %q", code, body)
	}
	tel.Health.Note("hub", func() string { return "away" })
	if code, body := get("/readyz"); code != 200 || !strings.Contains(body, `"hub":"away"`) {
		t.Errorf("a note is no reason not to be ready: %d %q", code, body)
	}
	broken = errors.New("not connected")
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, `"nats":"not connected"`) {
		t.Errorf("readyz %d %q", code, body)
	}
	tel.Health.Set("clickhouse", errors.New("away"))
	for path, want := range map[string]int{"?part=metrics": 503, "?part=nats": 503, "?part=clickhouse&part=nats": 503, "": 503} {
		if code, body := get("/readyz" + path); code != want {
			t.Errorf("readyz%s %d %q, want %d", path, code, body, want)
		}
	}
	broken = nil
	if code, body := get("/readyz?part=nats"); code != 200 || !strings.Contains(body, `"clickhouse":"away"`) {
		t.Errorf("one part of readyz %d %q", code, body)
	}
	broken = errors.New("not connected")
	tel.Health.Set("clickhouse", nil)
	if err := tel.Health.Ready(); err == nil || err.Error() != "nats: not connected" {
		t.Errorf("ready: %v", err)
	}
	if code, body := get("/metrics"); code != 200 || !strings.Contains(body, `trunkline_build_info{service="test"`) {
		t.Errorf("metrics %d %q", code, body)
	}
}
