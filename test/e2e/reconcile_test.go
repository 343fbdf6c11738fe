package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// write runs a statement as one who may write.
func (o *operator) write(in *kit.Instance, sql string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, "http://"+in.SQL, strings.NewReader(sql))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("X-ClickHouse-User", "trunkline")
	req.Header.Set("X-ClickHouse-Key", readFile(o.t, filepath.Join(o.data, "clickhouse.token")))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	if body, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: %s", res.Status, body)
	}
}

// withinADay lets a midnight pass that would come while a test counts by UTC days:
// what came before it and after it is of two days, and once a month of two statements.
func withinADay(t *testing.T, takes time.Duration) {
	t.Helper()
	now := time.Now().UTC()
	left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now)
	if left > takes {
		return
	}
	t.Logf("waiting %s for midnight UTC", left)
	select {
	case <-time.After(left + time.Second):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// TestReconcile: what came is there, who changed what is told, and a row that
// somebody takes away is named.
func TestReconcile(t *testing.T) {
	t.Parallel()
	withinADay(t, 90*time.Second)
	const files = 5
	folder, archive := t.TempDir(), t.TempDir()
	o := newOperator(t, "sites:\n")
	cucm := fmt.Sprintf(`{id: cucm, model: cisco-cucm, files: {dir: %q, every: 200ms, settle: 200ms, after: {delete: 0s}}}`, folder)
	head := strings.Replace(strings.TrimSuffix(readFile(t, o.file), "sites:\n"), `sql: {listen: "127.0.0.1:0"}`, fmt.Sprintf("sql: {listen: %q}", freePort(t)), 1)
	writeFile(t, o.file, head+site(cucm), 0o600)
	old := time.Now().Add(-48 * time.Hour).Truncate(time.Second)
	sums := make(map[string]string)
	for i := range files {
		name, text := fmt.Sprintf("cdr_%d", i), cdrFile(old.Add(time.Duration(i)*time.Minute), i)
		sum := sha256.Sum256([]byte(text))
		sums[name] = fmt.Sprintf("%d %s", len(text), hex.EncodeToString(sum[:]))
		writeFile(t, filepath.Join(folder, name), text, 0o600)
	}
	in := kit.StartFile(t, binary, o.file)
	in.Await("SELECT count() FROM calls", files)
	in.Await("SELECT count() FROM collected_files WHERE removal = 'deleted'", files)
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	for line := range strings.SplitSeq(in.MustQuery("SELECT name, toString(size) || ' ' || sha256, tickets, removed >= collected, site || '/' || link FROM collected_files"), "\n") {
		f := strings.Split(line, "\t")
		if sums[f[0]] != f[1] || f[2] != "1" || f[3] != "1" || f[4] != "lyon/cucm" {
			t.Errorf("a collected file: %q, want %s", f, sums[f[0]])
		}
	}

	// A reload, an import, a replay.
	writeFile(t, o.file, head+site(cucm, `{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`), 0o600)
	o.must("reload")
	writeFile(t, filepath.Join(archive, "cdr_old"), cdrFile(old.Add(time.Hour), 100), 0o600)
	o.must("import", "--link", "lyon/cucm", filepath.Join(archive, "cdr_old"))
	in.Await("SELECT count() FROM calls", files+1)
	now := time.Now().UTC()
	today, yesterday := now.Format(time.DateOnly), now.AddDate(0, 0, -1).Format(time.DateOnly)
	o.must("replay", "--site", "lyon", "--from", yesterday, "--to", today)
	in.Await("SELECT uniqExact(id) FROM audit FINAL WHERE what IN ('reload', 'import', 'replay') AND after != ''", 3)
	got := in.MustQuery("SELECT what, site, link, match(who, '^[^@ ]+@[^@ ]+$'), JSONExtractRaw(after, 'added'), JSONExtractInt(after, 'tickets'), JSONExtractInt(after, 'calls') FROM audit FINAL WHERE what NOT IN ('collected', 'removed') ORDER BY time")
	if want := "reload\tlyon\t\t1\t[\"desk\"]\t0\t0\nimport\tlyon\tcucm\t1\t\t1\t0\nreplay\tlyon\t\t1\t\t0\t6"; got != want {
		t.Errorf("the audit says\n%s\nwant\n%s", got, want)
	}

	// All of it is there, and the statement says exactly this, in the same bytes each
	// time.
	contains(t, o.must("status", "--reconcile"), "lyon/cucm", "RECEIVED")
	month := []string{"status", "--month", today[:7]}
	for _, format := range []string{"text", "csv", "json"} {
		one := o.must(append(month, "--format", format)...)
		if again := o.must(append(month, "--format", format)...); again != one {
			t.Errorf("%s: printed twice it differs:\n%s\n%s", format, one, again)
		}
		lines, last := one[:strings.LastIndex(strings.TrimSpace(one), "\n")+1], one[strings.LastIndex(strings.TrimSpace(one), "\n")+1:]
		if sum := sha256.Sum256([]byte(lines)); !strings.Contains(last, hex.EncodeToString(sum[:])) {
			t.Errorf("%s ends with %q, which is not the hash of its lines", format, last)
		}
		for name, sum := range sums {
			contains(t, one, name, sum[strings.Index(sum, " ")+1:])
		}
		contains(t, one, "reload", "import", "replay", "deleted")
	}
	contains(t, o.must(append(month, "--format", "csv")...), fmt.Sprintf("link,lyon,cucm,1,%d,%[1]d,%[1]d,0,0,0,%[1]d,0,0,%d\n", files+1, files))

	// A row that is taken away.
	id := in.MustQuery("SELECT ticket_id FROM calls WHERE call_id LIKE '%2' OR raw LIKE '%000000000002%' LIMIT 1")
	o.write(in, "OPTIMIZE TABLE trunkline.cdrs FINAL")
	o.write(in, "ALTER TABLE trunkline.cdrs DELETE WHERE ticket_id = '"+id+"' SETTINGS mutations_sync = 2")
	out, err := o.try("status", "--reconcile")
	if err == nil {
		t.Fatalf("a row is gone, and nothing says so:\n%s", out)
	}
	contains(t, out, "ticket "+id, "cdr_2", "1 ticket has no row", "trunkline replay --site lyon --link cucm")
	var told struct {
		Missing []struct {
			ID       string `json:"ticket_id"`
			Position string
		}
	}
	out, err = o.try("status", "--reconcile", "--json")
	if at := strings.LastIndex(out, "\ntrunkline: "); err == nil || at < 0 || json.Unmarshal([]byte(out[:at]), &told) != nil || len(told.Missing) != 1 || told.Missing[0].ID != id || !regexp.MustCompile(`^[0-9]+$`).MatchString(told.Missing[0].Position) {
		t.Errorf("as JSON: %v, %+v\n%s", err, told, out)
	}
	if out, err := o.try(month...); err == nil {
		t.Errorf("the statement does not fail:\n%s", out)
	}
	// As it says, a replay brings it back.
	o.must("replay", "--site", "lyon", "--link", "cucm", "--from", yesterday, "--to", today)
	o.must("status", "--reconcile")

	for want, args := range map[string][]string{
		"give text, csv or json": {"status", "--month", today[:7], "--format", "pdf"},
		"give one such as":       {"status", "--month", "October"},
		"goes with --month":      {"status", "--reconcile", "--format", "csv"},
		"is after --to":          {"status", "--reconcile", "--from", "2026-02-02", "--to", "2026-02-01"},
	} {
		if out, err := o.try(args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%v: %v\n%s\nwant %q", args, err, out, want)
		}
	}
}
