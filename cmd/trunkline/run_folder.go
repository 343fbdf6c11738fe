//go:build linux && amd64 && !edge

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"trunkline.internal/platform/disk"
)

// claim takes a data folder for this process, and marks it as real or as the
// demo's, for ever: an invented call must never stand among real ones.
func claim(dir string, demo bool) (*os.File, error) {
	if err := keepKind(dir, demo); err != nil {
		return nil, err
	}
	lock, err := disk.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %w", err)
	}
	return lock, nil
}

func keepKind(dir string, demo bool) error {
	kind := "real"
	if demo {
		kind = "demo"
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	file := filepath.Join(dir, "kind")
	have, err := os.ReadFile(file)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("data folder: %w", err)
	case len(have) == 0: // not there, or the machine died while it was written, before all else
		return mark(dir, file, kind)
	case string(have) == kindRestoring:
		return fmt.Errorf("data folder %s is not whole: a trunkline restore into it was cut; run that again", dir)
	case string(have) != kind:
		return fmt.Errorf("data folder %s holds %s calls, and this would add %s ones: choose another (--data)", dir, have, kind)
	}
	return nil
}

// mark claims a folder; the demo takes only an empty one.
func mark(dir, file, kind string) error {
	left, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	strange := slices.ContainsFunc(left, func(e os.DirEntry) bool { return e.Name() != filepath.Base(file) })
	if strange && kind == "demo" {
		return fmt.Errorf("data folder %s is not empty: the demo wants one of its own (--data)", dir)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	_, err = f.WriteString(kind)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}
