package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/disk"
)

// A backup is a folder: manifest.json tells what is in it, SHA256SUMS is for
// `sha256sum -c`. Until it is whole its name ends in .unfinished.
const (
	backupFormat   = 1
	manifestFile   = "manifest.json"
	sumsFile       = "SHA256SUMS"
	unfinishedName = ".unfinished"
)

type manifest struct {
	// Format is raised where an older version would restore a backup wrongly.
	Format int `json:"format"`
	// Made is when the backup began, UTC.
	Made    time.Time `json:"made"`
	Version string    `json:"version"`
	// Kind of the calls, real or demo; empty where only NATS was copied.
	Kind string `json:"kind,omitempty"`
	// Schema is the last migration of the database, Engine the version of ClickHouse.
	Schema   uint32       `json:"schema,omitempty"`
	Engine   string       `json:"clickhouse,omitempty"`
	Database string       `json:"database,omitempty"`
	Parts    []backupPart `json:"parts"`
}

// backupPart is a file of a backup: exactly one of the pointers tells what of.
type backupPart struct {
	File   string          `json:"file"`
	Bytes  int64           `json:"bytes"`
	SHA256 string          `json:"sha256"`
	Stream *bus.StreamCopy `json:"stream,omitempty"`
	Bucket *bus.BucketCopy `json:"bucket,omitempty"`
	Table  *tableCopy      `json:"table,omitempty"`
	Files  *filesCopy      `json:"files,omitempty"`
}

func (p *backupPart) name() string {
	switch {
	case p.Stream != nil:
		return "stream " + p.Stream.Stream
	case p.Bucket != nil:
		return "bucket " + p.Bucket.Bucket
	case p.Files != nil:
		return "received files"
	default:
		return "table " + p.Table.Name
	}
}

// count is how much is in it, and of what; a view has only its definition.
func (p *backupPart) count() (n int64, of string) {
	switch {
	case p.Stream != nil:
		return int64(p.Stream.Messages), "messages"
	case p.Bucket != nil:
		return int64(p.Bucket.Keys), "keys"
	case p.Files != nil:
		return int64(p.Files.Files), "files"
	case p.Table.holdsRows():
		return p.Table.Rows, "rows"
	default:
		return 0, ""
	}
}

// restored is how many bytes a part takes once it is put back.
func (p *backupPart) restored() int64 {
	if p.Stream != nil {
		return int64(p.Stream.Size)
	}
	return p.Bytes
}

// backupFolder is a backup that is being made.
type backupFolder struct {
	dir, temp string
	manifest  manifest
	show      *progress
	written   int64
	of        int64 // how much it will be, at most
}

func newBackupFolder(dir string, show *progress) (*backupFolder, error) {
	dir = filepath.Clean(dir)
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("%s is there already: give the name of a new folder", dir)
	}
	b := &backupFolder{dir: dir, temp: dir + unfinishedName, show: show}
	if err := os.RemoveAll(b.temp); err != nil { // of a backup that was cut
		return nil, err
	}
	if err := os.Mkdir(b.temp, 0o700); err != nil {
		return nil, err
	}
	return b, nil
}

// room says whether there is any for so many bytes more.
func (b *backupFolder) room(need int64) error {
	b.of = need
	return roomFor(b.temp, need)
}

// spare is what a disk must have left when we are done.
const spare = 64 << 20

func roomFor(dir string, need int64) error {
	free, _, err := disk.Space(dir)
	if err != nil {
		return fmt.Errorf("room in %s: %w", dir, err)
	}
	if free < uint64(need)+spare {
		return fmt.Errorf("%s has %d MiB free, and this takes up to %d MiB: make room, or choose another disk", dir, free>>20, (need+spare)>>20)
	}
	return nil
}

// part writes a file of the backup, and says what of.
func (b *backupFolder) part(file string, write func(w io.Writer, p *backupPart) error) error {
	f, err := os.OpenFile(filepath.Join(b.temp, file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	w := &summing{w: bufio.NewWriterSize(f, 1<<20), sum: sha256.New(), each: func(n int) {
		b.written += int64(n)
		b.show.bytes(b.written, b.of)
	}}
	p := backupPart{File: file}
	if err := write(w, &p); err != nil {
		return err
	}
	if err := errors.Join(w.w.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	p.Bytes, p.SHA256 = w.n, hex.EncodeToString(w.sum.Sum(nil))
	b.manifest.Parts = append(b.manifest.Parts, p)
	return nil
}

type summing struct {
	w    *bufio.Writer
	sum  hash.Hash
	n    int64
	each func(n int)
}

func (s *summing) Write(p []byte) (int, error) {
	s.sum.Write(p)
	s.n += int64(len(p))
	s.each(len(p))
	return s.w.Write(p)
}

// finish makes a backup of the folder: from then on it has its name.
func (b *backupFolder) finish() error {
	text, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	var sums strings.Builder
	for _, p := range b.manifest.Parts {
		fmt.Fprintf(&sums, "%s  %s\n", p.SHA256, p.File)
	}
	fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(text), manifestFile)
	for file, data := range map[string][]byte{manifestFile: text, sumsFile: []byte(sums.String())} {
		if err := os.WriteFile(filepath.Join(b.temp, file), data, 0o600); err != nil {
			return err
		}
	}
	if err := syncTree(b.temp); err != nil {
		return err
	}
	if err := os.Rename(b.temp, b.dir); err != nil {
		return err
	}
	return syncOne(filepath.Dir(b.dir))
}

// drop removes what was not finished.
func (b *backupFolder) drop() error { return os.RemoveAll(b.temp) }

// readBackup reads what is in a backup, and checks every byte of it.
func readBackup(dir string, show *progress) (*manifest, error) {
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	var all, done int64
	for _, p := range m.Parts {
		all += p.Bytes
	}
	for _, p := range m.Parts {
		if p.File != filepath.Base(p.File) {
			return nil, fmt.Errorf("backup %s: %q is no file of a backup", dir, p.File)
		}
		sum := sha256.New()
		w := &summing{w: bufio.NewWriter(io.Discard), sum: sum, each: func(n int) {
			done += int64(n)
			show.bytes(done, all)
		}}
		f, err := os.Open(filepath.Join(dir, p.File))
		if err != nil {
			return nil, fmt.Errorf("backup %s is not whole, and nothing was touched: %s is missing: %w", dir, p.name(), err)
		}
		_, err = io.Copy(w, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("backup %s: %w", dir, err)
		}
		if w.n != p.Bytes || hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
			return nil, fmt.Errorf("backup %s is damaged, and nothing was touched: %s (%s) has not the %d bytes that were written, by its SHA-256: take another copy", dir, p.File, p.name(), p.Bytes)
		}
	}
	return m, nil
}

func readManifest(dir string) (*manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is no whole backup: %s, which is written last, is missing", dir, manifestFile)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return nil, fmt.Errorf("backup %s is not whole: %w", dir, err)
	}
	if want := fmt.Appendf(nil, "%x  %s\n", sha256.Sum256(text), manifestFile); !bytes.Contains(sums, want) {
		return nil, fmt.Errorf("backup %s is damaged, and nothing was touched: %s is not what %s says: take another copy", dir, manifestFile, sumsFile)
	}
	var head struct {
		Format  int    `json:"format"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("backup %s: %s: %w", dir, manifestFile, err)
	}
	if head.Format != backupFormat {
		return nil, fmt.Errorf("backup %s has format %d, this version reads %d: restore it with trunkline %s, which made it, or a newer one", dir, head.Format, backupFormat, head.Version)
	}
	m := new(manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("backup %s: %s: %w", dir, manifestFile, err)
	}
	return m, nil
}

// bytes shows how much is copied, on a terminal.
func (p *progress) bytes(done, of int64) {
	if !p.terminal || time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	rate := float64(done) / max(0.001, time.Since(p.began).Seconds())
	line := fmt.Sprintf("%s of %s MiB, %s MiB a second", number(done>>20), number(max(done, of)>>20), number(int64(rate)>>20))
	fmt.Fprintf(p.w, "\r%-*s", p.width, line)
	p.width = len(line)
}
