package service

import (
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
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
