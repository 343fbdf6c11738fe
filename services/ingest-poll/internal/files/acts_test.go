package files

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/config"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// told is what the audit was told, an act a line: what, name, size, tickets.
func (r *rig) told() (out []string) {
	r.t.Helper()
	for _, a := range r.nats.Acts(r.t) {
		var f fileAct
		if err := json.Unmarshal([]byte(a.After), &f); err != nil {
			r.t.Fatalf("%v: %v", a, err)
		}
		if a.Site != "lyon" || a.Link != "pbx" || !strings.HasPrefix(a.Who, "ingest-poll@") || a.Object != f.Name {
			r.t.Errorf("act %v", a)
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %d %d %s", a.What, f.Name, f.Size, f.Tickets, f.Removal)))
	}
	return out
}

func (r *rig) tells(want ...string) {
	r.t.Helper()
	if got := r.told(); !slices.Equal(got, want) {
		r.t.Errorf("the audit is told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestCollectedAndRemoved(t *testing.T) {
	now := time.Duration(0)
	for removal, after := range map[string]config.After{"deleted": {Delete: &now}, "renamed": {Rename: true}, "moved": {Move: "done"}} {
		t.Run(removal, func(t *testing.T) {
			r := newRig(t, "cisco-cucm", func(c *config.Files) {
				if c.After = after; after.Move != "" {
					c.After.Move = filepath.Join(c.Dir, "done")
				}
			})
			r.write("cdr_1", "1,1\n1,2\n")
			r.settleAndLook()
			r.tells("collected cdr_1 8 2", "removed cdr_1 8 2 "+removal)
			acts := r.nats.Acts(t)
			if acts[0].After != acts[1].Before || acts[0].Time.AsTime().After(acts[1].Time.AsTime()) {
				t.Errorf("%v\n%v", acts[0], acts[1])
			}
			r.restart()
			r.look()
			r.tells("collected cdr_1 8 2", "removed cdr_1 8 2 "+removal)
		})
	}
}

// mute loses every act, and what comes behind it.
type mute struct{ link.Publisher }

func (m mute) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	for _, msg := range msgs {
		if msg.Header.Get(wire.HeaderAct) != "" {
			return errors.New("nats is away")
		}
	}
	return m.Publisher.Publish(ctx, msgs...)
}

// A file is not done before its act is told, and one that was removed when the
// process died is told by the next.
func TestActsSurviveACrash(t *testing.T) {
	now := time.Duration(0)
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Delete = &now })
	publisher := r.nats.Tickets
	r.restart(func(o *link.Options) { o.Publisher = mute{publisher} })
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	if err := r.try(t.Context()); err == nil {
		t.Fatal("the act is lost, and nothing says so")
	}
	if _, err := os.Stat(filepath.Join(r.dir, "cdr_1")); err != nil {
		t.Fatalf("removed before its act was told: %v", err)
	}
	r.tells()

	// It dies between the removal and its act.
	r.restart()
	r.settleAndLook()
	r.tells("collected cdr_1 4 1", "removed cdr_1 4 1 deleted")
	r.write("cdr_2", "1,2\n")
	r.look()
	r.clock.Add(DefaultSettle)
	published := 0
	r.restart(func(o *link.Options) { o.Publisher = after{publisher, &published} })
	r.look()
	r.clock.Add(DefaultSettle)
	if err := r.try(t.Context()); err == nil {
		t.Fatal("the second act is lost, and nothing says so")
	}
	if _, err := os.Stat(filepath.Join(r.dir, "cdr_2")); err == nil {
		t.Fatal("it is not removed")
	}
	r.restart()
	r.look()
	r.look()
	r.clock.Add(forgetWhole)
	r.look()
	r.tells("collected cdr_1 4 1", "removed cdr_1 4 1 deleted", "collected cdr_2 4 1", "removed cdr_2 4 1 deleted")
	r.texts("1,1", "1,2")
}

// after lets one act through.
type after struct {
	link.Publisher
	acts *int
}

func (a after) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	if msgs[0].Header.Get(wire.HeaderAct) != "" {
		if *a.acts++; *a.acts > 1 {
			return errors.New("nats is away")
		}
	}
	return a.Publisher.Publish(ctx, msgs...)
}

// A log is told once a day on which it gave tickets.
func TestLogsAreToldDaily(t *testing.T) {
	r := newRig(t, "avaya-ipoffice")
	const line = "2026/11/20 10:00:0%d,00:00:30,4,0199001122,I,203,0199001234,,0,1,0,E203,A,T9005,L,0,0\r\n"
	r.write("SMDR.csv", fmt.Sprintf(line, 1)+fmt.Sprintf(line, 2))
	r.look()
	r.tells()
	r.clock.Add(24 * time.Hour)
	r.look()
	r.look()
	size := 2 * len(fmt.Sprintf(line, 1))
	first := fmt.Sprintf("collected SMDR.csv %d 2", size)
	r.tells(first)
	r.restart()
	r.clock.Add(24 * time.Hour)
	r.look()
	r.tells(first) // nothing new
	r.append("SMDR.csv", fmt.Sprintf(line, 3))
	r.look()
	r.clock.Add(24 * time.Hour)
	r.look()
	r.tells(first, fmt.Sprintf("collected SMDR.csv %d 3", size/2*3))
	if a := r.nats.Acts(t); a[0].Id == a[1].Id {
		t.Errorf("two days are one act: %v", []*trunklinev1.Act{a[0], a[1]})
	}
}

// flaky does what it is asked, and the answer is lost.
type flaky struct {
	Source
	err error
}

func (f flaky) Delete(ctx context.Context, e Entry) error {
	return errors.Join(f.Source.Delete(ctx, e), f.err)
}

// A file that was removed while the line dropped is told as removed.
func TestRemovedWithoutAnswer(t *testing.T) {
	for _, answer := range []error{ErrAway, os.ErrNotExist} {
		t.Run(answer.Error(), func(t *testing.T) {
			now := time.Duration(0)
			r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Delete = &now })
			r.write("cdr_1", "1,1\n")
			r.look()
			r.clock.Add(DefaultSettle)
			r.Source = flaky{r.Source, answer}
			if err := r.try(t.Context()); err != nil && !errors.Is(err, ErrAway) {
				t.Fatal(err)
			}
			r.restart()
			r.look()
			r.look()
			r.clock.Add(forgetWhole)
			r.look()
			r.tells("collected cdr_1 4 1", "removed cdr_1 4 1 deleted")
		})
	}
}

// mayNot refuses to delete.
type mayNot struct{ Source }

func (mayNot) Delete(context.Context, Entry) error { return os.ErrPermission }

// What somebody else clears away is not told as ours, also where we tried.
func TestRemovedByOthers(t *testing.T) {
	now := time.Duration(0)
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Delete = &now })
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	r.Source = mayNot{r.Source}
	r.look()
	if err := os.Remove(filepath.Join(r.dir, "cdr_1")); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.clock.Add(forgetWhole)
	r.look()
	r.tells("collected cdr_1 4 1")
}

// A process that died was about to delete a file; the next is told to move it.
func TestAnnouncedBeforeAChange(t *testing.T) {
	now := time.Duration(0)
	r := newRig(t, "cisco-cucm", func(c *config.Files) { c.After.Delete = &now })
	r.write("cdr_1", "1,1\n")
	r.look()
	r.clock.Add(DefaultSettle)
	ctx, die := context.WithCancel(t.Context())
	r.Source = dying{r.Source, die}
	if err := r.try(ctx); err == nil {
		t.Fatal("it does not die")
	}
	r.cfg.After = config.After{Move: filepath.Join(r.dir, "done")}
	r.restart()
	r.look()
	if text, err := os.ReadFile(filepath.Join(r.dir, "done", "cdr_1")); err != nil || string(text) != "1,1\n" {
		t.Fatalf("the file that was to be moved: %q, %v", text, err)
	}
	r.tells("collected cdr_1 4 1", "removed cdr_1 4 1 moved")
}

// dying ends its process before it deletes.
type dying struct {
	Source
	die context.CancelFunc
}

func (d dying) Delete(ctx context.Context, _ Entry) error {
	d.die()
	return ctx.Err()
}
