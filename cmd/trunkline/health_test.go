package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"testing"

	"trunkline.internal/platform/telemetry"
)

func TestHealth(t *testing.T) {
	tel := telemetry.New("test", io.Discard, slog.LevelInfo, true)
	server := httptest.NewServer(tel.Handler())
	defer server.Close()
	file := write(t, "trunkline.yaml", fmt.Sprintf("metrics: {listen: %q}\n", server.Listener.Addr()))

	tel.Health.Set("nats", nil)
	if out := mustRun(t, "health", "-c", file); out != "ready\n" {
		t.Errorf("printed %q", out)
	}
	tel.Health.Set("nats", errors.New("not connected"))
	wantError(t, "", []string{"health", "-c", file}, "not ready", "not connected")
	t.Setenv("TRUNKLINE_CONFIG", file)
	wantError(t, "", []string{"health"}, "not ready")
	tel.Health.Set("nats", nil)
	mustRun(t, "health")

	t.Run("the demo, which has no configuration, and heeds the environment", func(t *testing.T) {
		t.Setenv("TRUNKLINE_CONFIG", "")
		t.Setenv("TRUNKLINE_METRICS_LISTEN", server.Listener.Addr().String())
		mustRun(t, "health")
	})

	server.Close()
	wantError(t, "", []string{"health", "-c", file}, "refused")
	wantError(t, "", []string{"health", "-c", write(t, "off.yaml", "metrics: {listen: \"off\"}\n")}, "metrics.listen is off")
}
