package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// filesCopy describes what of the data folder is neither NATS' nor ClickHouse's:
// files that PBXs have sent and that are kept for a while, and host keys.
type filesCopy struct {
	Files int `json:"files"`
}

// notCopied is what has copies of its own in a backup, or is made at each start.
var notCopied = []string{"nats", "clickhouse", "clickhouse.token", "kind", "lock"}

func eachFile(data string, do func(path, name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(data, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // moved or removed meanwhile
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(data, path)
		if err != nil {
			return err
		}
		if slices.Contains(notCopied, name) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || name == "." {
			return nil
		}
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			return err
		}
		return do(path, name, info)
	})
}

func sizeOfFiles(data string) (n int64, err error) {
	err = eachFile(data, func(_, _ string, info fs.FileInfo) error {
		n += info.Size()
		return nil
	})
	return n, err
}

func copyFiles(data string, w io.Writer) (*filesCopy, error) {
	c := new(filesCopy)
	t := tar.NewWriter(w)
	err := eachFile(data, func(path, name string, info fs.FileInfo) error {
		n, err := addFile(t, path, name, info)
		c.Files += n
		return err
	})
	return c, errors.Join(err, t.Close())
}

// addFile adds a folder or a file as long as it is now.
func addFile(t *tar.Writer, path, name string, info fs.FileInfo) (n int, err error) {
	var f *os.File
	if !info.IsDir() {
		f, err = os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if info, err = f.Stat(); err != nil {
			return 0, err
		}
	}
	h, err := tar.FileInfoHeader(info, "")
	if err != nil {
		return 0, err
	}
	h.Name, h.Format = filepath.ToSlash(name), tar.FormatPAX
	h.Uname, h.Gname, h.Uid, h.Gid = "", "", 0, 0
	if err := t.WriteHeader(h); err != nil || f == nil {
		return 0, err
	}
	if _, err := io.CopyN(t, f, info.Size()); err != nil {
		return 0, fmt.Errorf("%s became shorter while it was copied: run the backup again: %w", path, err)
	}
	return 1, nil
}

// unpack writes what is in an archive below a folder; names tells each file's.
func unpack(r io.Reader, dir string, names func(name string)) error {
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%q is no name of a file in a backup", h.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(strings.TrimSuffix(h.Name, "/")))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, h.FileInfo().Mode().Perm()|0o700); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := unpackFile(t, path, h); err != nil {
			return err
		}
		if names != nil {
			names(h.Name)
		}
	}
}

func unpackFile(r io.Reader, path string, h *tar.Header) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	// A ticket without a year is dated by the time of its file.
	return errors.Join(err, f.Close(), os.Chtimes(path, h.ModTime, h.ModTime))
}

// syncTree puts all files of a folder on disk.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		return syncOne(path)
	})
}

func syncOne(path string) error {
	if runtime.GOOS == "windows" { // what is only read cannot be synced there
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}
