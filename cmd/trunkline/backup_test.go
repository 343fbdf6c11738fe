package main

import (
	"archive/tar"
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Where a key has two rows of one version the one that is attached later counts.
func TestFrozenParts(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"202611_9_9_0", "202611_10_12_1", "all_1_3_1_15", "20260101-5_4_4_0"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got, err := frozenParts(dir)
	if want := []string{"all_1_3_1_15", "20260101-5_4_4_0", "202611_9_9_0", "202611_10_12_1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := frozenParts(filepath.Join(dir, "none")); err != nil || len(got) > 0 {
		t.Errorf("a table without rows: %v, %v", got, err)
	}
}

// madeBackup is a backup of a bucket.
func madeBackup(t *testing.T, format int) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	b, err := newBackupFolder(dir, newProgress(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	b.manifest = manifest{Format: format, Version: "9.1.0", Made: time.Now()}
	if err := b.part("files.tar", func(w io.Writer, p *backupPart) (err error) {
		p.Files, err = copyFiles(t.TempDir(), w)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := readManifest(b.temp); err == nil || !strings.Contains(err.Error(), "is no whole backup") {
		t.Errorf("it is one before it is finished: %v", err)
	}
	if err := b.finish(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestBackupOfAnotherFormat(t *testing.T) {
	if _, err := readBackup(madeBackup(t, backupFormat), newProgress(io.Discard)); err != nil {
		t.Errorf("our own: %v", err)
	}
	_, err := readBackup(madeBackup(t, backupFormat+1), newProgress(io.Discard))
	if err == nil || !strings.Contains(err.Error(), "restore it with trunkline 9.1.0") {
		t.Errorf("a newer one: %v", err)
	}
}

func TestBackupRoom(t *testing.T) {
	dir := t.TempDir()
	if err := roomFor(dir, 1); err != nil {
		t.Error(err)
	}
	if err := roomFor(dir, math.MaxInt64-spare); err == nil || !strings.Contains(err.Error(), "make room") {
		t.Errorf("more than any disk has: %v", err)
	}
}

// What of the data folder is nobody else's goes into a backup, with the times by
// which tickets without a year are dated.
func TestCopyFiles(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	old := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, text := range map[string]string{"inbox/lyon/oxe/TAX": "tickets", "ssh/key": "secret", "nats/jetstream/x": "no", "clickhouse/x": "no", "kind": "real", "clickhouse.token": "no"} {
		file := filepath.Join(from, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
	var archive bytes.Buffer
	if c, err := copyFiles(from, &archive); err != nil || c.Files != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := unpack(&archive, to, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(to, "inbox/lyon/oxe/TAX"))
	if err != nil || string(text) != "tickets" {
		t.Errorf("%q, %v", text, err)
	}
	if info, err := os.Stat(filepath.Join(to, "inbox/lyon/oxe/TAX")); err != nil || !info.ModTime().Equal(old) || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if have, _ := os.ReadDir(to); len(have) != 2 {
		t.Errorf("there are %v", have)
	}
}

func TestUnpackElsewhere(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "../x", Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := unpack(&archive, t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "is no name of a file") {
		t.Errorf("a file beside the folder: %v", err)
	}
}
