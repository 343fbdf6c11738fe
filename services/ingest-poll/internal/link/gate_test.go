package link_test

import (
	"errors"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

func TestGate(t *testing.T) {
	clock, password := kit.NewClock(), "old"
	no := errors.New("refused")
	g := link.Gate{Password: func() (string, error) { return password, nil }, Now: clock.Now, Pause: time.Minute}
	try := func(want string, closed bool) {
		t.Helper()
		got, err := g.Open()
		if closed && !errors.Is(err, no) || !closed && (err != nil || got != want) {
			t.Errorf("%q, %v", got, err)
		}
		if err == nil {
			g.Refused(no)
		}
	}
	for range 3 {
		try("old", false)
	}
	try("", true)
	clock.Add(59 * time.Second)
	try("", true)
	clock.Add(time.Second)
	try("old", false)
	try("", true)
	password = "new" // at once, and three times again
	for range 3 {
		try("new", false)
	}
	try("", true)
	clock.Add(time.Minute)
	if _, err := g.Open(); err != nil {
		t.Fatal(err)
	}
	g.Accepted()
	for range 3 {
		try("new", false)
	}
	try("", true)
}
