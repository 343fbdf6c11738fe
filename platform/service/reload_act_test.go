package service

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// A reload is told once for each site whose links changed, under that site's name.
func TestReloadIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, other, _ := strings.Cut(strings.Replace(base, "lyon", "nice", 1), "sites:\n")
	write(base + desk("a", "1001") + desk("b", "1002") + other + desk("c", "1003"))
	load := func() (*config.Config, error) { return config.Load(file) }
	running, err := load()
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReloader(ReloadOptions{
		Load: load, Running: running, Log: slog.New(slog.DiscardHandler), Tickets: new(bus.Committer),
		Services: []Reloadable{&taker{links: []string{"lyon/a", "lyon/b", "nice/c"}}},
		Process:  func() *trunklinev1.Process { return &trunklinev1.Process{Service: "test", Host: "here"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	told := func() (out []string) {
		t.Helper()
		select {
		case msgs := <-r.acts:
			for _, msg := range msgs {
				m, err := bus.ReadTicketMessage(msg.Subject, msg.Header, msg.Data)
				if err != nil {
					t.Fatal(err)
				}
				var after map[string]any
				if err := json.Unmarshal([]byte(m.Act.After), &after); err != nil {
					t.Fatal(err)
				}
				out = append(out, fmt.Sprintf("%s %s %q %s %s %v", m.Act.What, m.Act.Site, m.Act.Link, m.Act.Who, m.Act.Before, after))
			}
		default:
		}
		return out
	}
	r.Reload("me@here")
	if got := told(); got != nil {
		t.Errorf("nothing changed, and the audit is told %q", got)
	}
	write(base + desk("a", "1001") + other + desk("c", "1003") + desk("d", "1004"))
	r.Reload("me@here")
	want := `[reload lyon "" me@here {"links":2} map[links:1 removed:[b]] reload nice "" me@here {"links":1} map[added:[d] links:2]]`
	if got := fmt.Sprint(told()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
