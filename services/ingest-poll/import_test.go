package ingestpoll

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// imports imports with a bus and a committer of its own, as a command does.
func imports(t testing.TB, n *kit.NATS, of config.LinkOf, o ImportOptions) *ImportReport {
	t.Helper()
	other := kit.Connect(t, n.Server)
	r, err := Import(t.Context(), of, o, ImportDeps{Bus: other.Bus, Tickets: other.Tickets})
	if err != nil {
		t.Fatal(err)
	}
	if r.FailedCount > 0 {
		t.Fatal(errors.Join(r.Failed...))
	}
	return r
}

// collect runs the link's own collecting until it has so many tickets, and has
// saved that.
func collect(t testing.TB, n *kit.NATS, of config.LinkOf, want uint64) {
	t.Helper()
	s := newService(t, n, nil, of)
	stop := run(t, s)
	kit.Await(t, "collecting", func() bool {
		l := s.Links()[0]
		return l.Tickets == want && l.LastLook.After(l.LastTicket)
	})
	stop()
}

func tcp(id, model string) config.LinkOf {
	return config.LinkOf{Link: &config.Link{ID: id, Model: model, TCP: &config.TCP{Dial: "192.0.2.1:1752"}}, Site: site()}
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func age(t testing.TB, at time.Time, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// What was collected live and is imported, or is imported twice, are the same
// tickets, of the same time.
func TestImportAfterCollecting(t *testing.T) {
	for _, c := range []struct{ model, name string }{{"cisco-cucm", "cdr_1"}, {"avaya-ipoffice", "SMDR.csv"}} {
		t.Run(c.model, func(t *testing.T) {
			n, dir := kit.Start(t), t.TempDir()
			of := folder("pbx", c.model, dir)
			write(t, dir, c.name, body(0, 1500))
			collect(t, n, of, 1500)
			before := n.Collected(t)
			if r := imports(t, n, of, ImportOptions{Paths: []string{dir}}); r.Collected != 1 || r.Published != 0 {
				t.Errorf("%+v", r)
			}
			if r := imports(t, n, of, ImportOptions{Paths: []string{filepath.Join(dir, c.name)}, Again: true}); r.Published != 1500 {
				t.Errorf("%+v", r)
			}
			// Cut differently it has other message ids, and comes to the parser again.
			after := n.Collected(t)
			if len(after) != len(before) {
				t.Fatalf("%d tickets, %d before", len(after), len(before))
			}
			for i := range after {
				a, b := after[i], before[i]
				if a.ID != b.ID || a.Origin != b.Origin || !a.Written.Equal(b.Written) {
					t.Fatalf("%+v was %+v", a, b)
				}
			}
			expect(t, n, body(0, 1500))
		})
	}
}

// A log of which the link has collected the begin, and which it goes on
// collecting after the import.
func TestImportOfAGrowingLog(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := folder("smdr", "avaya-ipoffice", dir)
	write(t, dir, "SMDR.csv", body(0, 40))
	collect(t, n, of, 40)
	at := time.Now().Add(-2 * time.Hour)
	write(t, dir, "SMDR.csv", body(0, 100)+"0000100,2026")
	age(t, at, filepath.Join(dir, "SMDR.csv"))
	r := imports(t, n, of, ImportOptions{Paths: []string{dir}})
	if r.Published != 60 || r.Collected != 1 || r.Open.Count != 1 {
		t.Errorf("%+v", r)
	}
	expect(t, n, body(0, 100))
	write(t, dir, "SMDR.csv", body(0, 120))
	age(t, at, filepath.Join(dir, "SMDR.csv"))
	collect(t, n, of, 80)
	expect(t, n, body(0, 120))
}

func TestImportWithoutLiveCollecting(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	old := time.Date(2020, 5, 1, 0, 0, 0, 0, time.UTC)
	files := map[string]string{
		"2019/SMDR.csv":          body(0, 700),
		"2020/SMDR.csv.gz":       gzipped(t, body(1000, 1700)),
		"2021/SMDR.csv":          body(1000, 1300), // a copy from earlier, not packed
		"2022/SMDR.csv":          body(2000, 2010) + "cut off he",
		"2022/_SMDR.csv":         body(9000, 9010),
		"2022/notes.txt":         "no tickets",
		"2023/SMDR_20200501.csv": body(3000, 3001),
	}
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Dir(p), filepath.Base(p), text)
		age(t, old, p)
	}
	of := folder("smdr", "avaya-ipoffice", "/nowhere")
	for range 2 {
		r := imports(t, n, of, ImportOptions{Paths: []string{dir}})
		if r.Copies != 1 || r.PassedOver.Count != 2 || r.Files != 5 || r.Published != 700+700+10+1+1 {
			t.Fatalf("%+v", r)
		}
	}
	cutOff := 0
	for _, one := range n.Collected(t) {
		if one.Incomplete == wire.IncompleteCutOff {
			cutOff++
		}
		if !one.Written.Equal(old) {
			t.Fatalf("written %s", one.Written)
		}
	}
	if cutOff != 1 {
		t.Errorf("%d cut off", cutOff)
	}
	// A name that is never collected is an error where it is given by itself.
	r, err := Import(t.Context(), of, ImportOptions{Paths: []string{filepath.Join(dir, "2022/_SMDR.csv"), filepath.Join(dir, "away")}}, ImportDeps{})
	if err != nil || r.FailedCount != 2 || !strings.Contains(errors.Join(r.Failed...).Error(), "rename it") {
		t.Errorf("%+v, %v", r, err)
	}
}

// Lines that were captured of a PBX that talks over TCP are whole files: equal
// bytes under two names are two.
func TestImportOfCapturedLines(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := tcp("plant", "mitel-3300")
	write(t, dir, "a.log", body(0, 10))
	write(t, dir, "b.log", body(0, 10))
	if err := os.Mkdir(filepath.Join(dir, "copy"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "copy"), "a.log", body(0, 10))
	write(t, dir, "c.log.gz", gzipped(t, body(10, 20)+"the last line"))
	for range 2 {
		r := imports(t, n, of, ImportOptions{Paths: []string{dir}})
		if r.Copies != 1 || r.Twins.Count != 1 || r.Published != 31 {
			t.Errorf("%+v", r)
		}
	}
	got := n.Collected(t)
	if len(got) != 31 {
		t.Errorf("%d tickets", len(got))
	}
	for _, one := range got {
		if !strings.HasPrefix(one.Origin, "file:") || one.Incomplete != "" {
			t.Errorf("%+v", one)
		}
	}
	// The parser hears of the link.
	kv, err := n.JS.KeyValue(t.Context(), wire.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(t.Context(), wire.LinkKey("lyon", "plant")); err != nil {
		t.Error(err)
	}
}

// Logs that begin alike and go on differently: nothing of either is lost, and
// what they share counts once.
func TestImportOfLogsThatPart(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := folder("smdr", "avaya-ipoffice", "/nowhere")
	old := time.Now().AddDate(0, -3, 0)
	for name, text := range map[string]string{
		"SMDR_a.csv": body(0, 100), "SMDR_b.csv": body(0, 10) + body(500, 520), "SMDR_c.csv": body(0, 10) + body(500, 505), "SMDR_d.csv": body(0, 1) + body(700, 701),
	} {
		write(t, dir, name, text)
		age(t, old, filepath.Join(dir, name))
	}
	for range 2 {
		r := imports(t, n, of, ImportOptions{Paths: []string{dir}})
		if r.Apart.Count != 2 || r.Copies != 1 || r.Published != 121 {
			t.Errorf("%+v", r)
		}
	}
	expect(t, n, body(0, 100)+body(500, 520)+body(700, 701))
}

// A log that the link has collected in another form is not read under its name.
func TestImportOfALogThatWasCut(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := folder("smdr", "avaya-ipoffice", dir)
	write(t, dir, "SMDR.csv", body(0, 100))
	collect(t, n, of, 100)
	for text, want := range map[string]string{body(0, 10) + body(200, 205): "an older copy", body(0, 10) + body(200, 400): "goes on differently"} {
		write(t, dir, "SMDR.csv", text)
		r, err := Import(t.Context(), of, ImportOptions{Paths: []string{dir}}, ImportDeps{Bus: n.Bus, Tickets: n.Tickets})
		if err != nil || r.FailedCount != 1 || r.Published != 0 || !strings.Contains(r.Failed[0].Error(), want) {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

// Interrupted and run again, it is as if it had not been.
func TestImportThatIsInterrupted(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	of := folder("cucm", "cisco-cucm", "/nowhere")
	want := body(0, 150_000)
	write(t, dir, "cdr_big", want)
	for i := range 200 {
		part := body(1_000_000+i, 1_000_000+i+1)
		write(t, dir, fmt.Sprintf("cdr_%d", i), part)
		want += part
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	other := kit.Connect(t, n.Server)
	r, err := Import(ctx, of, ImportOptions{Paths: []string{dir}}, ImportDeps{Bus: other.Bus, Tickets: other.Tickets, Progress: func(p ImportProgress) {
		if p.Published > 20_000 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || r.Published == 0 || r.Published >= 150_200 {
		t.Fatalf("%+v, %v", r.ImportProgress, err)
	}
	if r := imports(t, n, of, ImportOptions{Paths: []string{dir}}); r.Published != 150_200 {
		t.Errorf("%+v", r.ImportProgress)
	}
	expect(t, n, want)
}

// What a check of the first messages refuses is not published.
func TestImportThatIsRefused(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	write(t, dir, "cdr_1", body(0, 10))
	no := errors.New("another model's")
	_, err := Import(t.Context(), folder("cucm", "cisco-cucm", dir), ImportOptions{Paths: []string{dir}}, ImportDeps{
		Bus: n.Bus, Tickets: n.Tickets, Batch: func([]ImportMessage) error { return no },
	})
	if !errors.Is(err, no) || len(n.Messages(t)) > 0 {
		t.Errorf("%v, %d messages", err, len(n.Messages(t)))
	}
}

// An import leaves room in the stream, and goes on when there is more.
func TestImportLeavesRoom(t *testing.T) {
	n, dir := kit.Start(t), t.TempDir()
	s, err := n.JS.Stream(t.Context(), wire.StreamTickets)
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = 16 << 20
	if _, err := n.JS.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "cdr_1", body(0, 600_000)) // 28 MB
	var mu sync.Mutex
	var said []string
	filled := uint64(0)
	r, err := Import(t.Context(), folder("cucm", "cisco-cucm", dir), ImportOptions{Paths: []string{dir}}, ImportDeps{
		Bus: n.Bus, Tickets: n.Tickets, Say: func(text string) {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, text)
			if strings.Contains(text, "waits") {
				info, err := s.Info(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				filled = max(filled, info.State.Bytes)
				if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(info.State.LastSeq)); err != nil {
					t.Error(err)
				}
			}
		},
	})
	if err != nil || r.Published != 600_000 {
		t.Fatalf("%+v, %v", r.ImportProgress, err)
	}
	if filled < 10<<20 || filled > 14<<20 {
		t.Errorf("it stopped at %d bytes of 16 MiB", filled)
	}
	if len(said) < 2 || !strings.Contains(said[0], "stream TICKETS") || !strings.Contains(said[1], "goes on") {
		t.Errorf("%q", said)
	}
}

func TestImportWritten(t *testing.T) {
	dir := t.TempDir()
	copied := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"smdr_201906.log", "smdr_20261101.log", "smdr.log", "smdr_190512.log"} {
		write(t, dir, name, body(0, 1))
		age(t, copied, filepath.Join(dir, name))
	}
	written := func(o ImportOptions) (map[string]time.Time, *ImportReport) {
		got := make(map[string]time.Time)
		o.Paths = []string{dir}
		r, err := Import(t.Context(), tcp("plant", "mitel-3300"), o, ImportDeps{Batch: func(b []ImportMessage) error {
			for _, m := range b {
				got[m.Name] = m.Written
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return got, r
	}
	got, r := written(ImportOptions{})
	for name, want := range map[string]time.Time{
		"smdr_201906.log": time.Date(2019, 7, 1, 0, 0, 0, 0, paris), "smdr_20261101.log": copied, "smdr.log": copied, "smdr_190512.log": copied,
	} {
		if !got[name].Equal(want) {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if r.From[FromName] != 1 || r.From[FromModified] != 3 || r.Undated.Count != 1 {
		t.Errorf("%+v", r)
	}
	if got, _ := written(ImportOptions{Year: 2019}); !got["smdr.log"].Equal(time.Date(2019, 12, 31, 0, 0, 0, 0, paris)) {
		t.Errorf("%v", got)
	}
	if got, _ := written(ImportOptions{Written: copied}); !got["smdr_201906.log"].Equal(copied) {
		t.Errorf("%v", got)
	}
}

// A damaged file costs what stands behind the damage, and no other file.
func TestImportOfADamagedFile(t *testing.T) {
	dir := t.TempDir()
	packed := gzipped(t, body(0, 1000))
	write(t, dir, "a.log.gz", packed[:len(packed)-6])
	write(t, dir, "b.log", body(2000, 2010))
	r, err := Import(t.Context(), tcp("plant", "mitel-3300"), ImportOptions{Paths: []string{dir}}, ImportDeps{})
	if err != nil || r.FailedCount != 1 || r.Tickets < 10 || !strings.Contains(r.Failed[0].Error(), "a.log.gz cannot be read to its end") {
		t.Errorf("%+v, %v", r, err)
	}
}
