package files

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"path"
	"strings"
	"testing"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// wholes is a folder whose packed files are whole, though the others grow.
type wholes struct{ Source }

func (w wholes) List(ctx context.Context) ([]Entry, error) {
	entries, err := w.Source.List(ctx)
	for i := range entries {
		entries[i].Whole = path.Ext(entries[i].Name) == ".gz"
	}
	return entries, err
}

func newMixed(t *testing.T) *rig {
	grows := true
	r := newRig(t, "mitel-3300", func(c *config.Files) { c.Grows = &grows })
	r.Source = wholes{r.Source}
	return r
}

func (r *rig) again() {
	r.restart()
	r.Source = wholes{r.Source}
}

func packedText(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func some(of string, from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "%s ticket %d\n", of, i)
	}
	return b.String()
}

func texts(of string, n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("%s ticket %d", of, i))
	}
	return out
}

// A packed file that is packed anew with more in it goes on, a packed log too.
func TestPackedAgainWithMore(t *testing.T) {
	r := newMixed(t)
	r.write("a.gz", packedText(some("a", 0, 40)))
	r.write("b.txt", some("b", 0, 30))
	r.settleAndLook()
	r.texts(append(texts("a", 40), texts("b", 30)...)...)

	r.again()
	r.write("a.gz", packedText(some("a", 0, 90)))
	r.rename("b.txt", "b.gz")
	r.write("b.gz", packedText(some("b", 0, 35)))
	r.settleAndLook()
	r.texts(append(texts("a", 90), texts("b", 35)...)...)

	r.again()
	r.write("b.gz", packedText(some("b", 0, 36)))
	r.write("a.gz", packedText(some("a", 0, 90))) // the same, written again
	r.settleAndLook()
	r.texts(append(texts("a", 90), texts("b", 36)...)...)
}

// A file that only begins like one before is another one.
func TestPackedBeginsAlike(t *testing.T) {
	r := newMixed(t)
	head := "TICKETS\n"
	r.write("log", head+some("log", 0, 20))
	r.write("a.gz", packedText(head+some("a", 0, 20)))
	r.settleAndLook()
	r.write("b.gz", packedText(head+some("b", 0, 3)))
	r.write("a.gz", packedText(head+some("x", 0, 50)))
	r.settleAndLook()
	want := []string{"TICKETS", "TICKETS", "TICKETS", "TICKETS"}
	for of, n := range map[string]int{"log": 20, "a": 20, "b": 3, "x": 50} {
		want = append(want, texts(of, n)...)
	}
	r.texts(want...)
}

// A process that dies inside a packed file goes on there.
func TestPackedWithKills(t *testing.T) {
	r := newMixed(t)
	n := 200_000
	r.write("a.gz", packedText(some("a", 0, n/2)))
	r.settleAndLook()
	r.write("a.gz", packedText(some("a", 0, n)))
	kills, sent := 0, 0
	for i := range 4 {
		ctx, cancel := context.WithCancel(t.Context())
		r.restart(func(o *link.Options) {
			o.Publisher = &killer{Publisher: r.nats.Tickets, after: 2, kill: cancel, lost: i%2 == 0, sent: &sent}
		})
		r.Source = wholes{r.Source}
		if r.try(ctx) == nil {
			r.clock.Add(DefaultSettle)
			if r.try(ctx) != nil {
				kills++
			}
		}
		cancel()
	}
	if kills < 2 {
		t.Fatalf("%d kills: the test proves nothing", kills)
	}
	r.again()
	r.settleAndLook()
	r.texts(texts("a", n)...)
}

func TestDamagedPackedFile(t *testing.T) {
	r := newMixed(t)
	good := packedText(some("a", 0, 40))
	r.write("a.gz", good[:len(good)-12])
	r.settleAndLook()
	if r.health.Text() == "" {
		t.Error("nothing is said of a damaged file")
	}
	r.write("a.gz", good)
	r.settleAndLook()
	r.texts(texts("a", 40)...)
}
