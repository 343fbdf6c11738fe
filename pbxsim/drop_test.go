package pbxsim

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbxsim/mariadb"
)

var cucmName = regexp.MustCompile(`^(cdr|cmr)_StandAloneCluster_01_\d{12}_\d+$`)

// files reads what a collector may see.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "_") {
			continue
		}
		if !cucmName.MatchString(e.Name()) {
			t.Errorf("file name %s", e.Name())
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func TestCUCMFilesAreWhole(t *testing.T) {
	o := options(1500)
	o.Dir, o.Odd, o.Quality = t.TempDir(), 0, true
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, ciscoCUCM, o))
	seen := map[string]string{}
	for over := false; !over; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		for name, text := range files(t, o.Dir) {
			if old, ok := seen[name]; ok && old != text {
				t.Fatalf("%s was seen half written", name)
			}
			seen[name] = text
		}
	}
	want := map[string]string{}
	tables := map[string]*cucmTable{"cdr": newCUCMTable(cucmCDRColumns), "cmr": newCUCMTable(cucmCMRColumns)}
	for _, x := range log.sent {
		if want[x.File] == "" {
			want[x.File] = tables[x.File[:3]].head()
		}
		want[x.File] += "\n" + string(x.Bytes)
		if (x.Odd == OddQuality) != strings.HasPrefix(x.File, "cmr_") || (x.Odd == OddQuality) != (x.Want == WantIgnored) {
			t.Errorf("%s holds %+v", x.File, x)
		}
	}
	if len(want) < 20 || len(want) != len(seen) {
		t.Errorf("%d files seen, %d sent", len(seen), len(want))
	}
	ids := map[string]bool{}
	for name, text := range want {
		if seen[name] != text {
			t.Errorf("%s differs from what was sent", name)
		}
		if strings.HasPrefix(name, "cmr_") {
			continue
		}
		lines := strings.Split(text, "\n")
		for _, line := range lines[2:] {
			id := cucmRow(t, lines[0]+"\n"+lines[1], line)["pkid"]
			if ids[id] || len(id) != 36 {
				t.Errorf("pkid %q", id)
			}
			ids[id] = true
		}
	}
	if entries, _ := os.ReadDir(o.Dir); len(entries) != len(seen) {
		t.Error("a file keeps its temporary name")
	}
}

// A file that is written in place is seen growing, and is whole in the end.
func TestCUCMSlowly(t *testing.T) {
	o := options(20)
	o.Dir, o.Slowly, o.Odd = t.TempDir(), true, 0
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, ciscoCUCM, o))
	sizes := map[int]bool{}
	for over := false; !over; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		for _, text := range files(t, o.Dir) {
			sizes[len(text)] = true
		}
	}
	if len(sizes) < 3 {
		t.Errorf("only %d sizes were seen", len(sizes))
	}
	for name, text := range files(t, o.Dir) {
		if n := strings.Count(text, "\n"); n != 1+len(log.sent) || strings.HasSuffix(text, "\n") {
			t.Errorf("%s has %d line feeds for %d records", name, n, len(log.sent))
		}
	}
}

// Live, files come in intervals; what is left when the PBX is stopped comes too.
func TestCUCMLive(t *testing.T) {
	o := Options{Dir: t.TempDir(), Rate: 60_000, FileEvery: 20 * time.Millisecond, Seed: 4, Zone: paris}
	var log truth
	log.listen(&o)
	done, stop := running(t, newSim(t, ciscoCUCM, o))
	await(t, func() bool { return len(files(t, o.Dir)) >= 3 })
	stop()
	ended(t, done)
	records := 0
	for _, text := range files(t, o.Dir) {
		records += strings.Count(text, "\n") - 1
	}
	if sent, _ := log.count(); sent != records {
		t.Errorf("%d records in files, %d sent", records, sent)
	}
	if d := time.Since(log.sent[0].Call.End()); d < 0 || d > time.Minute {
		t.Errorf("a live call ended %s ago", d)
	}
}

func TestAsteriskDatabase(t *testing.T) {
	server, err := mariadb.Start(t.Context(), filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	o := options(700)
	o.DSN, o.CreateTable = server.DSN("asteriskcdrdb"), true
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, asterisk, o))
	ended(t, done)
	live := Options{DSN: o.DSN, CreateTable: true, Count: 5, Rate: 600_000, Seed: 6, Zone: paris}
	log.listen(&live)
	done, _ = running(t, newSim(t, asterisk, live))
	ended(t, done)

	db, err := sql.Open("mysql", o.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT * FROM cdr ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; rows.Next(); n++ {
		cells, into := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		if n >= len(log.sent) {
			continue
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(log.sent[n].Bytes, &want); err != nil {
			t.Fatal(err)
		}
		if len(want) != len(names) || log.sent[n].Row != int64(n+1) {
			t.Errorf("row %d: %d columns of %d, id %d", n+1, len(want), len(names), log.sent[n].Row)
		}
		for i, name := range names {
			text := string(want[name])
			if strings.HasPrefix(text, `"`) {
				if err := json.Unmarshal(want[name], &text); err != nil {
					t.Fatal(err)
				}
			}
			if cells[i].String != text || !cells[i].Valid {
				t.Errorf("row %d %s: %q, sent %q", n+1, name, cells[i].String, text)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n != len(log.sent) || n < 800 {
		t.Errorf("%d rows, %d sent", n, len(log.sent))
	}
}

func TestAsteriskWithoutServer(t *testing.T) {
	gone := listen(t, "127.0.0.1:0")
	addr := gone.Addr().String()
	gone.Close()
	s := newSim(t, asterisk, Options{DSN: "u:secret@tcp(" + addr + ")/asteriskcdrdb", CreateTable: true})
	err := s.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "asterisk: ") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}
