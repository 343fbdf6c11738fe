package sink_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"trunkline.internal/platform/lifecycle"
	"trunkline.internal/services/sink"
)

// What a cluster is asked for is read by the real engine's parser, which has no
// cluster to do it on.
func TestClusteredMigrationsAreSQL(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var statements []string
	b.breakWith(func(w http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch sql := string(body); {
		case strings.HasPrefix(sql, "SELECT max(version)"): // nothing is applied yet
			return exception(60, "UNKNOWN_TABLE")(w, r)
		case strings.HasPrefix(sql, "SELECT"):
			r.Body = io.NopCloser(bytes.NewReader(body))
			return true
		default:
			mu.Lock()
			defer mu.Unlock()
			statements = append(statements, sql)
			return false
		}
	})
	cfg := b.config()
	cfg.Cluster = "main"
	s, err := sink.New(cfg, sink.Deps{Bus: b.bus, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context(), func() {}); !errors.Is(err, lifecycle.ErrDone) {
		t.Fatal(err)
	}
	parses := func(sql string) error {
		_, err := ask("EXPLAIN AST "+sql, b.database, shared.Token())
		return err
	}
	engines := map[string]int{"ENGINE = Replicated": 0, "ENGINE = Distributed": 0}
	for _, sql := range statements {
		if strings.HasPrefix(sql, "INSERT INTO ") {
			continue // of what was applied
		}
		if err := parses(sql); err != nil {
			t.Errorf("%v\n%s", err, sql)
		}
		if !strings.Contains(sql, "ON CLUSTER `main`") {
			t.Errorf("one server alone does this: %.100s", sql)
		} else if parses(strings.Replace(sql, "ON CLUSTER `main`", "ON CLUSTER CLUSTER `main`", 1)) == nil {
			t.Errorf("the engine does not read this: %.100s", sql)
		}
		for engine := range engines {
			engines[engine] += strings.Count(sql, engine)
		}
	}
	t.Logf("%d statements, %v", len(statements), engines)
	if engines["ENGINE = Replicated"] < 4 || engines["ENGINE = Distributed"] < 3 {
		t.Errorf("of %d statements: %v", len(statements), engines)
	}
}
