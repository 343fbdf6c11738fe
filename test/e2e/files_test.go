package e2e

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/services/parser/formats/formatstest"
)

// The other ways of a wire.
const (
	separate = "separate" // a file a ticket
	growing  = "growing"  // one log, of a PBX that usually writes whole files
	fetched  = "fetched"  // we ask for the file that the PBX would push
)

var otherWays = map[string]map[catalogue.Wire][]string{
	"3cx":          {catalogue.Files: {separate, growing}},
	"unify-hipath": {catalogue.TFTP: {fetched}},
}

// files tells a wire on which a folder of files is collected.
func (d *delivery) files() bool {
	switch d.wire {
	case catalogue.Files, catalogue.FTP, catalogue.SFTP:
		return true
	}
	return d.wire == catalogue.HTTP && !d.api()
}

// grows tells that the file is a log.
func (d *delivery) grows() bool {
	return d.way == growing || d.model.Files.Grows && (d.files() || d.pushed()) && d.wire != catalogue.TFTP
}

// folder is a new one with the file, a log's first half.
func (d *delivery) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d.path = filepath.Join(dir, d.fileName(t))
	if d.way == separate {
		d.scatter(t)
		return dir
	}
	d.write(t, d.half)
	return dir
}

// scatter writes a file for each ticket.
func (d *delivery) scatter(t *testing.T) {
	t.Helper()
	for i, raw := range d.tickets {
		one := *d
		one.given = append(slices.Clone(raw), d.end...)
		one.path = fmt.Sprintf("%s.%d%s", strings.TrimSuffix(d.path, filepath.Ext(d.path)), i, filepath.Ext(d.path))
		one.write(t, len(one.given))
	}
}

// fileName is the usual name, or one as the pattern says.
func (d *delivery) fileName(t *testing.T) string {
	t.Helper()
	switch d.way {
	case growing:
		return "cdr.log"
	case fetched:
		return "gez.txt"
	}
	pattern := d.model.Files.Pattern
	name := strings.NewReplacer("*", "20261120", "[dm]", "d").Replace(pattern)
	if ok, err := path.Match(pattern, name); err != nil || !ok {
		t.Fatalf("%s is no name as %s: %v", name, pattern, err)
	}
	return name
}

// written is when the file was.
func (d *delivery) written() time.Time {
	if d.file.Near.IsZero() {
		return formatstest.Near // every file was written at some time
	}
	return d.file.Near
}

// write puts the first n bytes into the file, at once and as written when the
// golden tickets were, since years may be inferred from that: so a log grows by a
// longer copy that is renamed over it.
func (d *delivery) write(t *testing.T, n int) {
	t.Helper()
	temp := filepath.Join(filepath.Dir(d.path), "_"+filepath.Base(d.path))
	if err := os.WriteFile(temp, d.given[:n], 0o644); err != nil {
		t.Fatal(err)
	}
	// A log that grows gets a later time.
	at := d.written().Add(time.Duration(n-len(d.given)) * time.Microsecond)
	if err := os.Chtimes(temp, at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temp, d.path); err != nil {
		t.Fatal(err)
	}
}
