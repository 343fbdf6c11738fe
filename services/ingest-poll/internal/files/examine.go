package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/unpack"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/pack"
)

// Examine looks at a folder of this machine and takes nothing; nil: there is no
// ticket to show.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.Files) *examine.Newest {
	set, err := SetOf(l, c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	d, err := newDisk(c.Dir, c.After.Move)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	found := ExamineFolder(ctx, r, l, Folders{Source: d, Where: d.dir, Set: set})
	if c.After != (config.After{}) {
		if err := writable(d.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.Fail("after", fmt.Sprintf("collected files are to leave %s, which we may not change: %v", d.dir, err), "let the user that runs trunkline write there, or leave out after")
		}
	}
	if l.Model == "alcatel-oxo" {
		examineDriver(r, d.dir)
	}
	return found
}

// Folders is a folder that is examined.
type Folders struct {
	// Source lists everything that is in the folder.
	Source
	// Where is the folder, for people.
	Where string
	Set   pbx.FileSet
	// Wants leaves out what the pattern matches and is no ticket file; nil: nothing.
	Wants func(name string) bool
	// Rough tells that times in the listing are.
	Rough bool
}

func (f *Folders) collects(name string) bool {
	return Collects(f.Set, name) && (f.Wants == nil || f.Wants(name))
}

// ExamineFolder looks at what a source lists, and reads its newest ticket.
func ExamineFolder(ctx context.Context, r *examine.Report, l *link.Link, f Folders) *examine.Newest {
	what := "folder " + f.Where
	entries, err := f.List(ctx)
	if err != nil {
		r.Fail(what, strings.TrimPrefix(err.Error(), what+" "), "")
		return nil
	}
	r.OK(what, counted(len(entries), "file"))
	newest := f.newest(r, l, entries)
	if newest == nil {
		return nil
	}
	return f.read(ctx, r, l, *newest)
}

// newest finds the newest file, and tells what else there is.
func (f *Folders) newest(r *examine.Report, l *link.Link, entries []Entry) *Entry {
	var newest *Entry
	var others []string
	matched, empty := 0, 0
	for i, e := range entries {
		switch {
		case !f.collects(e.Name):
			if !never(e.Name) {
				others = append(others, e.Name)
			}
		case e.Err != nil:
			r.Warn("file "+e.Name, e.Err.Error(), "")
		case e.Size == 0 && !e.Written.IsZero():
			empty++
		default:
			if matched++; newest == nil || !e.Written.Before(newest.Written) {
				newest = &entries[i]
			}
		}
	}
	what := "files " + f.Set.Pattern
	switch {
	case len(entries) == 0:
		r.Warn(what, "the folder is empty", "the PBX writes nothing there yet. "+strings.Join(l.PBX.Setup, " "))
		return nil
	case newest == nil && empty > 0:
		r.Warn(what, counted(empty, "file")+" without a byte: none is written yet", "make a call and look again")
		return nil
	case newest == nil && len(others) == 0:
		r.Warn(what, "none; the others are hidden, half written or put aside (.tmp, .part, .old), and never collected", "is the PBX or its transfer still writing? Names must end without .tmp when they are whole")
		return nil
	case newest == nil:
		pattern, model := examine.Pattern(f.Set.Pattern, others)
		remedy := fmt.Sprintf("give pattern: %q if these are the ticket files", pattern)
		if model != "" {
			remedy = fmt.Sprintf("files such as %s are written by %s: is it that model? Else %s", pattern, model, remedy)
		}
		r.Fail(what, fmt.Sprintf("no file has such a name, but there is %s", few(others)), remedy)
		return nil
	}
	detail := fmt.Sprintf("%d, the newest %s, %d bytes, of %s UTC", matched, newest.Name, newest.Size, newest.Written.UTC().Format(time.DateTime))
	if len(others) > 0 {
		detail += fmt.Sprintf("; not collected: %s", few(others))
	}
	ahead := newest.Written.Sub(r.Now())
	if ahead > 5*time.Minute && !f.Rough {
		remedy := "set the clock of the machine that writes it"
		if hours := examine.WholeHours(ahead); hours != 0 {
			remedy = fmt.Sprintf("%s ahead is a zone, not a clock: set the zone of the machine that writes it", hours)
		}
		r.Warn(what, detail+": that is in the future", remedy)
	} else {
		r.OK(what, detail)
	}
	return newest
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// few names the last ones.
func few(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[len(names)-most:], ", "), len(names)-most)
}

const newestStep = "newest ticket"

// read reads the newest ticket of a file: its last, where at most 64 KiB need be
// read for it.
func (f *Folders) read(ctx context.Context, r *examine.Report, l *link.Link, e Entry) *examine.Newest {
	fail := func(err error, remedy string) *examine.Newest {
		r.Fail(newestStep, fmt.Sprintf("file %s: %v", e.Name, err), remedy)
		return nil
	}
	file, err := f.Open(ctx, e)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fail(err, "let the user read the files, not only the folder")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrChanged):
		r.Note(newestStep, fmt.Sprintf("file %s changed or went away meanwhile", e.Name), "look again")
		return nil
	case err != nil:
		return fail(err, "")
	}
	defer file.Close()
	p, err := part(file, e.Size, f.Set.Grows && !e.Whole)
	if err != nil {
		return fail(err, "")
	}
	cutting := l.Cutting
	head, _, err := pack.Head(cutting.Split, cutting.Head, p.head, p.whole)
	if err != nil {
		return fail(err, "is it the right model, and the right pattern?")
	}
	n := &examine.Newest{
		Name: e.Name, Written: e.Written, Preamble: bytes.Clone(p.head[:head]), Begin: bytes.Clone(p.head[:min(len(p.head), wire.MaxPreamble)]),
		Live: f.Set.Grows && !f.Rough,
	}
	rest := p.head[head:]
	if p.tail != nil {
		rest = p.tail
	}
	tickets := 0
	err = cut.Each(cutting.Split, rest, func(at int, ticket []byte) bool {
		end := at + len(ticket)
		ended := cut.Terminated(rest, end)
		if !ended && end == len(rest) && (!p.whole || f.Set.Grows && !e.Whole && !cutting.Unterminated) {
			return true // it goes on
		}
		if p.tail != nil && at == 0 {
			return true // its begin is not there
		}
		if ended {
			end++
		}
		n.Raw = rest[at:min(end, at+wire.MaxTicket)]
		tickets++
		return true
	})
	if err != nil {
		return fail(err, "is it the right model?")
	}
	if tickets == 0 {
		r.Warn(newestStep, fmt.Sprintf("file %s has %d bytes and no whole ticket", e.Name, e.Size), "make a call and look again; if it stays so, is it the right model?")
		return nil
	}
	n.Raw = bytes.Clone(n.Raw)
	r.OK(newestStep, fmt.Sprintf("%d bytes of %s%s", len(n.Raw), e.Name, p.which))
	return n
}

// parts is what was read of a file: its begin, and where that is not all of a
// log its end.
type parts struct {
	head, tail []byte
	// whole tells that it is all.
	whole bool
	which string
}

func part(file io.ReaderAt, size int64, log bool) (*parts, error) {
	begin := make([]byte, min(size, examine.MaxNewest))
	if log && size > examine.MaxNewest {
		begin = begin[:wire.MaxPreamble+1]
	}
	if err := readAt(file, begin, 0); err != nil {
		return nil, err
	}
	p := &parts{head: begin, whole: size <= examine.MaxNewest}
	switch {
	case unpack.Packed(begin):
		in, err := unpack.Reader(bytes.NewReader(begin))
		if err != nil && p.whole {
			return nil, err
		}
		text := make([]byte, examine.MaxNewest)
		n := 0
		if err == nil {
			n, err = io.ReadFull(in, text)
		}
		damaged := err != nil && err != io.EOF && err != io.ErrUnexpectedEOF
		if damaged && p.whole {
			return nil, err
		}
		p.head, p.whole = text[:n], p.whole && n < len(text)
		p.which = ", unpacked"
	case log && !p.whole:
		p.tail = make([]byte, examine.MaxNewest-len(begin))
		if err := readAt(file, p.tail, size-int64(len(p.tail))); err != nil {
			return nil, err
		}
		p.tail = written(p.tail)
	case log:
		p.head = written(p.head)
	}
	if !p.whole && p.tail == nil {
		p.which += fmt.Sprintf(", the last of its first %d KiB", examine.MaxNewest>>10)
	}
	return p, nil
}

// examineDriver looks at the settings and the log of the driver that writes the
// files of an OXO, where they stand beside them.
func examineDriver(r *examine.Report, dir string) {
	found := false
	for _, d := range []string{dir, filepath.Dir(dir)} {
		conf, err := os.ReadFile(filepath.Join(d, "OHLDriver.conf"))
		if err == nil {
			found = true
			examineDriverConf(r, filepath.Join(d, "OHLDriver.conf"), conf)
		}
		if line := lastLines(filepath.Join(d, "log.txt")); line != "" {
			found = true
			r.Note("driver's log "+filepath.Join(d, "log.txt"), line, "")
		}
		if found {
			return
		}
	}
	r.Note("driver", "OHLDriver.conf and log.txt are not beside the folder", `the Office Link Driver keeps them in C:\Alcatel\OHL Driver: DRIVER_RUNNING_MODE=Metering and METERING_COLLECTOR_MAX_TICKET=1; log.txt says why it writes nothing`)
}

func examineDriverConf(r *examine.Report, file string, conf []byte) {
	what := "driver's settings " + file
	settings := make(map[string]string)
	for line := range strings.Lines(string(conf)) {
		key, value, ok := strings.Cut(line, "=")
		if key = strings.ToUpper(strings.TrimSpace(key)); ok {
			settings[key] = strings.TrimSpace(value)
		}
	}
	mode, most := settings["DRIVER_RUNNING_MODE"], settings["METERING_COLLECTOR_MAX_TICKET"]
	switch {
	case !strings.EqualFold(mode, "Metering"):
		r.Fail(what, fmt.Sprintf("DRIVER_RUNNING_MODE is %q", mode), "set DRIVER_RUNNING_MODE=Metering and start the driver again: in another mode it writes no tickets")
	case most != "1":
		r.Warn(what, fmt.Sprintf("METERING_COLLECTOR_MAX_TICKET is %q", most), "set METERING_COLLECTOR_MAX_TICKET=1: tickets come at once, not by the batch")
	default:
		r.OK(what, "Metering, a file a ticket")
	}
}

// lastLines are the last three lines of a log, cut to what people read.
func lastLines(name string) string {
	f, err := openRegular(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	tail := make([]byte, min(info.Size(), 4096))
	if err := readAt(f, tail, info.Size()-int64(len(tail))); err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(tail), "\r\n"), "\n")
	lines = lines[max(0, len(lines)-3):]
	for i, line := range lines {
		if line = strings.TrimSpace(line); len(line) > 160 {
			line = line[:160] + "…"
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}
