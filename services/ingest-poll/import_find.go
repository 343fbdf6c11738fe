package ingestpoll

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// find adds a file, or those in a folder and below. Links, pipes and devices in
// it are left: a file would be there under two names.
func (i *importer) find(ctx context.Context, root string) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			i.report.failed(fmt.Errorf("%s cannot be read: %s: %w", path, remedyOf(err), err))
			return nil
		case e.IsDir():
			return nil
		case path != root && (files.NeverCollected(e.Name()) || !files.Matches(i.set, e.Name()) || !e.Type().IsRegular()):
			i.report.PassedOver.add(path)
			return nil
		case files.NeverCollected(e.Name()):
			i.report.failed(fmt.Errorf("%s: files that begin with _ or . or end in .old, .tmp, .part, .filepart or .crdownload are never collected: is it collected already, or not complete? Else rename it", path))
			return nil
		}
		info, err := os.Stat(path)
		if err != nil {
			i.report.failed(fmt.Errorf("%s cannot be read: %s: %w", path, remedyOf(err), err))
			return nil
		}
		if !info.Mode().IsRegular() {
			i.report.failed(fmt.Errorf("%s is no regular file (%s): give the file itself, or the folder", path, info.Mode().Type()))
			return nil
		}
		if info.Size() > 0 {
			i.found = append(i.found, &ImportFile{Given: files.Given{Path: path, Size: info.Size(), Modified: info.ModTime()}})
		}
		return nil
	})
}

func remedyOf(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "look at the path"
	case errors.Is(err, fs.ErrPermission):
		return "let your user read it"
	case errors.Is(err, files.ErrChanged):
		return "somebody writes it: wait until that is over, and import again"
	}
	return "look at the file and the disk"
}

// dates decides which time goes with the tickets of each file: the modification
// time, as the link itself would take it, unless the name shows another date.
func (i *importer) dates() {
	var first, last time.Time
	modified, now := 0, time.Now()
	for _, f := range i.found {
		f.Written, f.From = f.Modified, FromModified
		switch {
		case !i.Written.IsZero():
			f.Written, f.From = i.Written, FromOption
		case i.Year != 0:
			// A ticket without a year is of at most a day after this.
			f.Written, f.From = time.Date(i.Year, 12, 31, 0, 0, 0, 0, i.zone), FromOption
		default:
			shown := files.Dates(f.Name(), i.zone, now)
			switch {
			case slices.ContainsFunc(shown, func(p files.Period) bool { return p.Fits(f.Modified) }):
			case len(shown) == 1:
				f.Written, f.From = shown[0].To, FromName
			case len(shown) > 1:
				i.report.Undated.add(f.Path)
			}
			if f.From == FromModified && len(shown) == 0 {
				if modified++; modified == 1 || f.Modified.Before(first) {
					first = f.Modified
				}
				if f.Modified.After(last) {
					last = f.Modified
				}
			}
		}
		i.report.From[f.From]++
	}
	i.report.OneTime = modified > 2 && last.Sub(first) < 24*time.Hour
}
