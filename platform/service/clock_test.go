package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/platform/telemetry"
)

func TestWrongClock(t *testing.T) {
	of := func(model string) []config.LinkOf {
		return []config.LinkOf{{Link: &config.Link{ID: "a", Model: model}, Site: &config.Site{ID: "lyon"}}}
	}
	for _, c := range []struct {
		ahead time.Duration
		model string
		wrong bool
	}{
		{5 * time.Second, "mitel-3300", false},
		{6 * time.Second, "mitel-3300", true},
		{-6 * time.Second, "mitel-3300", true},
		{time.Hour, "avaya-ipoffice", false},
	} {
		err := wrongClock(c.ahead, of(c.model))
		if (err != nil) != c.wrong || err != nil && !strings.Contains(err.Error(), "mitel-3300") {
			t.Errorf("%s, %s: %v", c.ahead, c.model, err)
		}
	}
}

// A clock that jumps while the process runs is seen within the hour, and its
// return within a minute.
func TestClockThatJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		tel := telemetry.New("test", io.Discard, slog.LevelInfo, true)
		var mu sync.Mutex
		ahead, told, failed := time.Duration(0), 0.0, errors.New("no answer")
		clock := func(d time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			ahead, failed = d, err
		}
		ask := func(context.Context) (time.Duration, bool, error) {
			mu.Lock()
			defer mu.Unlock()
			return ahead, true, failed
		}
		set := func(seconds float64) {
			mu.Lock()
			defer mu.Unlock()
			told = seconds
		}
		go watchClock(ctx, tel, ask, set,
			func() []config.LinkOf {
				return []config.LinkOf{{Link: &config.Link{ID: "a", Model: "mitel-3300"}, Site: &config.Site{ID: "lyon"}}}
			})
		after := func(d time.Duration, ready bool) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if err := tel.Health.Ready(); (err == nil) != ready {
				t.Errorf("%s ahead: %v", ahead, err)
			}
			if failed == nil && told != ahead.Seconds() {
				t.Errorf("%s ahead, and %v s are told", ahead, told)
			}
		}
		after(time.Second, true)
		clock(0, nil)
		after(clockAgain, true)
		clock(-time.Hour, nil)
		after(clockEvery, false)
		clock(-time.Hour, errors.New("no answer")) // is no sign of a right clock
		after(clockEvery, false)
		clock(0, nil)
		after(clockAgain, true)
	})
}
