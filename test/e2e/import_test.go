package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// smdr are lines of an Avaya IP Office, one each minute from a time on.
func smdr(at time.Time, first, n int) string {
	var b strings.Builder
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&b, "%s,00:00:30,4,0199001122,I,203,0199001234,,0,%d,0,E203,Accueil,T9005,Line 5.1,0,0\r\n",
			at.Add(time.Duration(i)*time.Minute).In(paris).Format("2006/01/02 15:04:05"), 1_000_000+i)
	}
	return b.String()
}

// cdrFile is a file of a CUCM with one call.
func cdrFile(at time.Time, id int) string {
	return fmt.Sprintf("\"cdrRecordType\",\"globalCallID_callManagerId\",\"globalCallID_callId\",\"origLegCallIdentifier\",\"dateTimeOrigination\",\"pkid\",\"callingPartyNumber\","+
		"\"originalCalledPartyNumber\",\"finalCalledPartyNumber\",\"dateTimeConnect\",\"dateTimeDisconnect\",\"duration\",\"origDeviceName\",\"destDeviceName\"\n"+
		"INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,UNIQUEIDENTIFIER,VARCHAR(50),VARCHAR(50),VARCHAR(50),INTEGER,INTEGER,INTEGER,VARCHAR(129),VARCHAR(129)\n"+
		"1,1,%[1]d,%[1]d,%[2]d,\"00000000-0000-0000-0000-%012[1]d\",\"2001\",\"2002\",\"2002\",%[3]d,%[4]d,60,\"SEP1\",\"SEP2\"\n",
		id, at.Unix(), at.Unix()+5, at.Unix()+65)
}

// imported runs `trunkline import`.
func imported(t *testing.T, config string, args ...string) string {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append([]string{"import", "-c", config}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("import %q: %v\n%s%s", args, err, &out, &errOut)
	}
	return out.String()
}

// What the link collects live and what is imported of the same PBX, whole files and
// a log, some of it both ways, is in `calls` once each; an import that is killed
// and one that is run twice change nothing.
func TestImport(t *testing.T) {
	t.Parallel()
	const days = 24 * time.Hour
	old := time.Now().Add(-60 * days).Truncate(time.Minute)
	whole, log, archive := t.TempDir(), t.TempDir(), t.TempDir()
	write := func(path, text string, at time.Time) {
		t.Helper()
		err := os.WriteFile(path+".tmp", []byte(text), 0o600)
		if err = errors.Join(err, os.Chtimes(path+".tmp", at, at), os.Rename(path+".tmp", path)); err != nil {
			t.Fatal(err)
		}
	}
	nats := freePort(t)
	file := filepath.Join(t.TempDir(), "trunkline.yaml")
	config := fmt.Sprintf("data: %q\nnats: {listen: %q, url: %q}\nsql: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"127.0.0.1:0\"}\n%s",
		t.TempDir(), nats, "nats://"+nats, site(
			fmt.Sprintf(`{id: cucm, model: cisco-cucm, files: {dir: %q, every: 200ms, settle: 200ms}}`, whole),
			fmt.Sprintf(`{id: smdr, model: avaya-ipoffice, files: {dir: %q, every: 200ms, settle: 200ms}}`, log)))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// Live: files 0 to 9, and a log of 200 lines, of which 150 come at first.
	for i := range 10 {
		write(filepath.Join(whole, fmt.Sprintf("cdr_%d", i)), cdrFile(old, i), old)
	}
	write(filepath.Join(log, "SMDR.csv"), smdr(old, 0, 150), old)
	in := kit.Start(t, binary, config)
	in.Await("SELECT count() FROM calls WHERE link = 'cucm'", 10)
	in.Await("SELECT count() FROM calls WHERE link = 'smdr'", 150)

	// The archive: the same files and 40 older ones, the log, longer and packed, and
	// one from before.
	for i := range 50 {
		write(filepath.Join(archive, fmt.Sprintf("cdr_%d", i)), cdrFile(old, i), old)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(smdr(old, 0, 200))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(archive, "SMDR_1.csv.gz"), packed.String(), old)
	write(filepath.Join(archive, "SMDR_0.csv"), smdr(old.Add(-20*days), 0, 20_000), old)

	dry := imported(t, file, "--dry-run", "--link", "lyon/smdr", archive)
	if !strings.Contains(dry, "20,200 tickets found; nothing was published") {
		t.Errorf("dry run:\n%s", dry)
	}
	if n := in.Count("SELECT count() FROM calls"); n != 160 {
		t.Errorf("%d calls after a dry run", n)
	}

	// Killed somewhere, maybe before it began.
	cut := exec.Command(binary, "import", "-c", file, "--link", "lyon/smdr", archive)
	if err := cut.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(150*time.Millisecond, func() { _ = cut.Process.Kill() })
	_ = cut.Wait()

	// --again publishes also what the link has collected: it must be the same.
	for _, args := range [][]string{nil, {"--again"}} {
		imported(t, file, append(args, "--link", "lyon/cucm", archive)...)
		imported(t, file, append(args, "--link", "lyon/smdr", archive)...)
	}
	in.Await("SELECT count() FROM calls WHERE link = 'cucm'", 50)
	in.Await("SELECT count() FROM calls WHERE link = 'smdr'", 20_200)
	// The log grows to what was imported of it, and beyond.
	write(filepath.Join(log, "SMDR.csv"), smdr(old, 0, 210), old)
	in.Await("SELECT count() FROM calls WHERE link = 'smdr'", 20_210)

	// All receipts are in, of what came twice too: each call is there once, and no
	// ticket is anything else.
	settled := func() string {
		return in.MustQuery("SELECT sum(ticket_count) FROM receipts FINAL")
	}
	before := ""
	kit.Await(t, "all receipts", func() bool {
		now := settled()
		same := now == before
		before = now
		time.Sleep(500 * time.Millisecond)
		return same
	}, func() string { return before })
	for query, want := range map[string]int{
		"SELECT count() FROM calls WHERE link = 'cucm'":                           50,
		"SELECT uniqExact(ticket_id) FROM calls WHERE link = 'cucm'":              50,
		"SELECT count() FROM calls WHERE link = 'smdr'":                           20_210,
		"SELECT uniqExact(ticket_id) FROM calls WHERE link = 'smdr'":              20_210,
		"SELECT uniqExact(start_time, raw) FROM calls WHERE link = 'smdr'":        20_210,
		"SELECT count() FROM other_tickets FINAL WHERE outcome = 'dead'":          0,
		"SELECT count() FROM calls WHERE link = 'smdr' AND start_time > now64(3)": 0,
	} {
		if n := in.Count(query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}
