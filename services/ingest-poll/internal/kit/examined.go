package kit

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/examine"
)

// Examined are the steps of an examination.
type Examined struct {
	testing.TB
	mu    sync.Mutex
	steps []examine.Step
}

// Report is a new examination's. canary is a secret that no step may hold.
func (e *Examined) Report(now func() time.Time, canary string) *examine.Report {
	say := e.Steps()
	return examine.NewReport(func(s examine.Step) {
		if canary != "" && strings.Contains(fmt.Sprint(s), canary) {
			e.Errorf("a step tells a secret: %v", s)
		}
		say(s)
	}, now)
}

// Steps forgets the steps of before, and takes note of those that are told.
func (e *Examined) Steps() func(examine.Step) {
	e.steps = nil
	return func(s examine.Step) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.steps = append(e.steps, s)
	}
}

// Has makes sure of a step: its name begins so, and detail and remedy hold words.
func (e *Examined) Has(what string, result examine.Result, words ...string) {
	e.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var all strings.Builder
next:
	for _, s := range e.steps {
		fmt.Fprintf(&all, "%s %s: %s → %s\n", s.Result, s.What, s.Detail, s.Remedy)
		if !strings.HasPrefix(s.What, what) || s.Result != result {
			continue
		}
		for _, w := range words {
			if !strings.Contains(s.Detail+" → "+s.Remedy, w) {
				continue next
			}
		}
		return
	}
	e.Errorf("no step %q that is %s and says %q:\n%s", what, result, words, all.String())
}

// Unchanged takes note of all that is in a folder, and returns what makes sure
// that it is still the same.
func Unchanged(t testing.TB, dir string) (check func()) {
	t.Helper()
	before := snapshot(t, dir)
	return func() {
		t.Helper()
		if after := snapshot(t, dir); !maps.Equal(before, after) {
			t.Errorf("%s changed: %v, now %v", dir, before, after)
		}
	}
}

func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %x", sha256.Sum256(b))
		}
		out[name] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
