package lifecycle

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, s)
}

func (d *diary) part(name string) Part {
	return Part{Name: name, Run: func(ctx context.Context, ready func()) error {
		d.write("start " + name)
		ready()
		<-ctx.Done()
		d.write("stop " + name)
		return nil
	}}
}

func TestOrder(t *testing.T) {
	var d diary
	ctx, cancel := context.WithCancel(t.Context())
	last := Part{Name: "c", Run: func(ctx context.Context, ready func()) error {
		ready()
		cancel()
		<-ctx.Done()
		d.write("stop c")
		return nil
	}}
	early := d.part("b")
	early.Early = true
	if err := Run(ctx, d.part("a"), early, last); err != nil {
		t.Fatal(err)
	}
	if want := []string{"start b", "start a", "stop c", "stop b", "stop a"}; !slices.Equal(d.lines, want) {
		t.Errorf("%v, want %v", d.lines, want)
	}
}

func TestOneFails(t *testing.T) {
	var d diary
	broken := errors.New("broken")
	for name, p := range map[string]Part{
		"at start": {Name: "x", Run: func(context.Context, func()) error { return broken }},
		"later":    {Name: "x", Run: func(_ context.Context, ready func()) error { ready(); return broken }},
	} {
		d.lines = nil
		err := Run(t.Context(), d.part("a"), p)
		if !errors.Is(err, broken) || !strings.Contains(err.Error(), "x: ") {
			t.Errorf("%s: %v", name, err)
		}
		if want := []string{"start a", "stop a"}; !slices.Equal(d.lines, want) {
			t.Errorf("%s: %v, want %v", name, d.lines, want)
		}
	}
	err := Run(t.Context(), Part{Name: "y", Run: func(_ context.Context, ready func()) error { ready(); return nil }})
	if err == nil || !strings.Contains(err.Error(), "y: ended by itself") {
		t.Errorf("a part that ends: %v", err)
	}
}

func TestStuck(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	block := make(chan struct{})
	defer close(block)
	err := Run(ctx, Part{Name: "z", Grace: 10 * time.Millisecond, Run: func(_ context.Context, ready func()) error {
		ready()
		cancel()
		<-block
		return nil
	}})
	if !errors.Is(err, ErrStuck) {
		t.Errorf("%v, want ErrStuck", err)
	}
}

// A part that has done its work ends the process in good order.
func TestOneIsDone(t *testing.T) {
	var d diary
	done := Part{Name: "x", Run: func(_ context.Context, ready func()) error { ready(); return ErrDone }}
	if err := Run(t.Context(), d.part("a"), done); err != nil {
		t.Error(err)
	}
	if want := []string{"start a", "stop a"}; !slices.Equal(d.lines, want) {
		t.Errorf("%v, want %v", d.lines, want)
	}
}
