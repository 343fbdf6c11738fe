package ingestpoll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/journal"
)

// ImportOptions say what is imported, and how.
type ImportOptions struct {
	// Paths of files, and of folders with everything below them.
	Paths []string
	// Written is the moment at or shortly after which all tickets were written, and
	// Year the year that they are of; zero: each file's name or modification time
	// tells.
	Written time.Time
	Year    int
	// Again imports also what the link's own collecting has taken.
	Again bool
}

// ImportDeps is what an import works with.
type ImportDeps struct {
	// Bus and Tickets, a running committer of the import's own, publish; nil: a dry
	// run.
	Bus     *bus.Bus
	Tickets *bus.Committer
	// Who imports, for the audit.
	Who string
	// Batch sees messages before they are published. An error stops the import
	// before that.
	Batch func([]ImportMessage) error
	// Progress hears how far it is, now and then, from one goroutine at a time.
	Progress func(ImportProgress)
	// Say tells a person what the import waits for.
	Say func(string)
}

// ImportMessage is a message and the file that it is of.
type ImportMessage struct {
	*bus.TicketMessage
	File *ImportFile
}

// ImportFile is one file of an import.
type ImportFile struct {
	files.Given
	// Written goes with its tickets, From tells where it is from.
	Written time.Time
	From    WrittenFrom
}

// WrittenFrom is where the time that goes with tickets is from.
type WrittenFrom string

// Where it may be from.
const (
	FromOption   WrittenFrom = "told"
	FromName     WrittenFrom = "name"
	FromModified WrittenFrom = "modification time"
)

// Import publishes the tickets of old files, as if the link had collected them: a
// file that it did collect, or that is imported twice, is the same tickets. What
// is wrong with a single file is in the report; an error ends the import, and the
// next one begins anew and changes nothing that is there.
func Import(ctx context.Context, of config.LinkOf, o ImportOptions, d ImportDeps) (*ImportReport, error) {
	i, err := newImporter(of, o, d)
	if err != nil {
		return nil, fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, err)
	}
	if err := i.run(ctx); err != nil {
		return i.report, fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, err)
	}
	return i.report, nil
}

type importer struct {
	ImportOptions
	ImportDeps
	of     config.LinkOf
	zone   *time.Location
	set    pbx.FileSet
	reader files.Reader
	report *ImportReport
	// packedWhole tells that a packed file is a whole one also among logs, as the
	// link's wire has it.
	packedWhole bool
	known       map[string]*journal.Entry

	found   []*ImportFile
	file    *ImportFile // that is being read
	batch   importBatch
	publish *importPublisher
	origins map[string]bool
	sums    map[[32]byte]bool
}

func newImporter(of config.LinkOf, o ImportOptions, d ImportDeps) (*importer, error) {
	if len(o.Paths) == 0 {
		return nil, errors.New("import: give files or folders")
	}
	if (d.Bus == nil) != (d.Tickets == nil) {
		return nil, errors.New("import: the bus and the committer go together")
	}
	if d.Batch == nil {
		d.Batch = func([]ImportMessage) error { return nil }
	}
	if d.Progress == nil {
		d.Progress = func(ImportProgress) {}
	}
	if d.Say == nil {
		d.Say = func(string) {}
	}
	cutting, err := of.Settings().Cutting()
	if err != nil {
		return nil, err
	}
	name := cmp.Or(of.Parse.Timezone, of.Site.Timezone)
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %q: %w", name, err)
	}
	i := &importer{
		ImportOptions: o, ImportDeps: d, of: of, zone: zone, set: importSet(of), packedWhole: of.HTTP != nil,
		report:  &ImportReport{From: make(map[WrittenFrom]int)},
		origins: make(map[string]bool), sums: make(map[[32]byte]bool),
	}
	i.reader = files.Reader{
		Address: wire.Address{Model: of.Model, Site: of.Site.ID, Link: of.ID}, Cutting: cutting, Now: time.Now, Yield: i.add,
	}
	return i, nil
}

// importSet is which files a link collects. What a link without files would
// collect stands in whole files: lines that somebody captured.
func importSet(of config.LinkOf) pbx.FileSet {
	var c *config.Files
	switch {
	case of.Files != nil:
		c = of.Files
	case of.FTP != nil:
		c = &config.Files{Pattern: of.FTP.Pattern, Grows: of.FTP.Grows}
	case of.SFTP != nil:
		c = &config.Files{Pattern: of.SFTP.Pattern, Grows: of.SFTP.Grows}
	case of.FTPServer != nil:
		c = &config.Files{Pattern: of.FTPServer.Pattern, Grows: of.FTPServer.Grows}
	case of.SFTPServer != nil:
		c = &config.Files{Pattern: of.SFTPServer.Pattern, Grows: of.SFTPServer.Grows}
	case of.HTTP != nil && !config.HTTPAPI(of.Model):
		c = &config.Files{Pattern: of.HTTP.Pattern, Grows: of.HTTP.Grows}
	default:
		return pbx.FileSet{Pattern: "*"}
	}
	set := pbx.FileSet{Pattern: c.Pattern}
	if m, ok := pbx.Lookup(of.Model); ok {
		set.Pattern, set.Grows = cmp.Or(c.Pattern, m.Files.Pattern), m.Files.Grows
	}
	if c.Grows != nil {
		set.Grows = *c.Grows
	}
	return set
}

func (i *importer) run(ctx context.Context) error {
	for _, p := range i.Paths {
		if err := i.find(ctx, p); err != nil {
			return err
		}
	}
	if len(i.found) == 0 && i.report.FailedCount == 0 {
		return fmt.Errorf("there is no file to import%s", i.report.PassedOver.hint(i.set.Pattern))
	}
	i.report.Of = len(i.found)
	i.dates()
	slices.SortStableFunc(i.found, func(a, b *ImportFile) int {
		return cmp.Or(a.Written.Compare(b.Written), cmp.Compare(a.Path, b.Path))
	})
	if i.Bus == nil {
		return i.read(ctx)
	}
	if err := i.Bus.Ready(ctx); err != nil {
		return err
	}
	if err := i.Bus.Links.Put(ctx, i.of.Settings()); err != nil {
		return fmt.Errorf("the link's settings cannot be published: %w", err)
	}
	var err error
	if i.known, err = collected(ctx, i.Bus.Positions, i.of); err != nil {
		return err
	}
	act := i.act()
	if err := i.publishAct(ctx, act, "begin"); err != nil {
		return err
	}
	i.publish = newImportPublisher(ctx, i.ImportDeps)
	err = i.read(ctx)
	if failed := i.publish.wait(); err == nil {
		err = failed
	}
	i.tell()
	if err != nil {
		return err
	}
	act.After = bus.ActCounts(importCounts{i.report.Of, i.report.Published, i.report.Collected + i.report.Copies, i.report.FailedCount})
	return i.publishAct(ctx, act, "end")
}

func (n Names) hint(pattern string) string {
	if n.Count == 0 {
		return ""
	}
	return fmt.Sprintf(": %d files, such as %s, are not like %s, the pattern of the link: name them one by one, or as *.log of a shell", n.Count, n.First[0], pattern)
}

// collected is what the link's own collecting has taken: by name where the file
// is whole, by origin where it is a log.
func collected(ctx context.Context, p *bus.Positions, of config.LinkOf) (map[string]*journal.Entry, error) {
	keys, err := p.Keys(ctx, of.Site.ID, of.ID)
	if err != nil {
		return nil, err
	}
	known := make(map[string]*journal.Entry)
	for name := range journalNames(keys, bus.PositionKey(of.Site.ID, of.ID, "")) {
		j, err := journal.OpenNamed(ctx, p, of.Site.ID, of.ID, name)
		if err != nil {
			return nil, err
		}
		for e := range j.All() {
			if have := known[e.Key]; have == nil || have.Offset < e.Offset {
				known[e.Key] = e
			}
		}
	}
	return known, nil
}

// fail takes note of a file that cannot be read. It returns an error only where
// that is not the file's fault.
func (i *importer) fail(ctx context.Context, path string, err error) error {
	var stop *stopError
	if errors.As(err, &stop) || ctx.Err() != nil {
		return err
	}
	i.report.failed(fmt.Errorf("%s cannot be read to its end: %s: %w", path, remedyOf(err), err))
	return nil
}

// stopError ends an import.
type stopError struct{ error }

func (e *stopError) Unwrap() error { return e.error }

func (i *importer) read(ctx context.Context) error {
	logs, err := i.logs(ctx)
	if err != nil {
		return err
	}
	for _, f := range i.found {
		if l, ok := logs[f]; ok {
			err = i.log(ctx, f, l)
		} else {
			err = i.whole(ctx, f)
		}
		if err != nil {
			if err = i.fail(ctx, f.Path, err); err != nil {
				return err
			}
		}
		i.report.Files++
		if i.report.Files%64 == 0 {
			i.tell()
		}
	}
	if err := i.flush(); err != nil {
		return err
	}
	i.tell()
	return nil
}

func (i *importer) whole(ctx context.Context, f *ImportFile) error {
	o, err := files.Open(&f.Given)
	if err != nil {
		return err
	}
	defer o.Close()
	sha, err := o.Sum(ctx)
	if err != nil {
		return err
	}
	origin := identity.WholeFile(f.Name(), sha)
	if i.origins[origin] {
		i.report.Copies++
		return nil
	}
	if e := i.known[f.Name()]; e != nil && !i.Again && e.Done != 0 && e.Sum == fmt.Sprintf("%x", sha) {
		i.report.Collected++
		return nil
	}
	if i.sums[sha] {
		i.report.Twins.add(f.Path)
	}
	i.origins[origin], i.sums[sha] = true, true
	i.file = f
	_, err = i.reader.Read(ctx, o, files.Reading{Origin: origin, Written: f.Written})
	return err
}

// importBatch is messages that are published together.
type importBatch struct {
	messages []ImportMessage
	tickets  int64
	bytes    int
}

// A batch is about what one commit holds.
const (
	batchMessages = 1000
	batchBytes    = 2 << 20
)

func (i *importer) add(m *bus.TicketMessage, tickets int) error {
	b := &i.batch
	b.messages = append(b.messages, ImportMessage{m, i.file})
	b.tickets += int64(tickets)
	b.bytes += len(m.Payload) + len(m.Preamble)
	i.report.Tickets += int64(tickets)
	i.report.Bytes += int64(len(m.Payload))
	if len(b.messages) < batchMessages && b.bytes < batchBytes {
		return nil
	}
	return i.flush()
}

func (i *importer) flush() error {
	b := i.batch
	if len(b.messages) == 0 {
		return nil
	}
	i.batch = importBatch{}
	if err := i.Batch(b.messages); err != nil {
		return &stopError{err}
	}
	if i.publish != nil {
		if err := i.publish.send(b); err != nil {
			return &stopError{err}
		}
	}
	i.tell()
	return nil
}

func (i *importer) tell() {
	if i.publish != nil {
		i.report.Published, i.report.Messages = i.publish.published.Load(), i.publish.messages.Load()
	}
	i.Progress(i.report.ImportProgress)
}
