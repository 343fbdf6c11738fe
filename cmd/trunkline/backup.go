package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
	"trunkline.internal/platform/telemetry"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

type backupFlags struct {
	file, data string
	streams    bool
}

func backupCommand() *cobra.Command {
	var f backupFlags
	cmd := &cobra.Command{
		Use:   "backup [-c FILE | --data DIR] FOLDER",
		Short: "a copy of all that a running `trunkline run` keeps",
		Long: "Copies tickets, receipts, positions and calls of a `trunkline run` into a new folder, while it takes tickets: whatever has\n" +
			"a row in `calls` when it begins is in it. Configuration and secrets are not. --streams copies only what NATS keeps, of any\n" +
			"NATS server: beside ClickHouse's own backup, which is to be taken after it.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration of trunkline run")
	fl.StringVar(&f.data, "data", "", "its data folder, over the configuration's, or without one")
	fl.BoolVar(&f.streams, "streams", false, "only streams and key-value buckets, of the NATS server of the configuration")
	return cmd
}

// backupConfig reads the configuration; a data folder alone has the addresses that
// are usual.
func backupConfig(file, data string) (*config.Config, error) {
	if file == "" && data != "" {
		cfg, err := config.Parse("--data", []byte("{}\n"))
		if err == nil {
			cfg.Data = data
		}
		return cfg, err
	}
	cfg, err := service.LoadConfig(file)
	if err == nil && data != "" {
		cfg.Data = data
	}
	return cfg, err
}

func (f *backupFlags) run(ctx context.Context, dir string, out, errOut io.Writer) error {
	cfg, err := backupConfig(f.file, f.data)
	if err != nil {
		return err
	}
	b, cdrs, stop, err := connectBus(ctx, cfg, "backup", wire.StreamCdrs, errOut)
	if err != nil {
		return err
	}
	defer stop()
	job := &backup{cfg: cfg, bus: b, cdrs: cdrs, show: newProgress(errOut)}
	if !f.streams {
		if job.front, err = openFront(cfg); err != nil {
			return err
		}
	}
	patience := time.AfterFunc(2*time.Second, func() {
		job.show.say("a replay or another backup is at work, or was cut some seconds ago: this one waits for it")
	})
	defer patience.Stop()
	// A replay moves rows from one table to another, which are not copied at one
	// moment.
	err = b.Leases.Hold(ctx, leaseReplay, bus.Who(), func(ctx context.Context) error {
		patience.Stop()
		return replayed{job.run(ctx, dir)}
	})
	if done, ok := err.(replayed); ok { //nolint:errorlint // it is never wrapped
		err = done.err
	}
	job.show.end()
	switch {
	case job.whole:
	case ctx.Err() != nil:
		return errors.New("interrupted: there is no backup")
	case errors.Is(err, context.Canceled):
		return errors.New("the backup was cut, since NATS was away for too long: run it again")
	case err != nil:
		return err
	}
	printParts(out, &job.folder.manifest)
	fmt.Fprintf(out, "backup %s is whole: %s in %s\n", job.folder.dir, size(uint64(job.folder.written)), time.Since(job.show.began).Round(time.Second/10))
	return nil
}

// backup is one backup. What is older is harmless beside what is newer, and not the
// other way round: a position that is older than the tickets is read again, a
// consumer that is older than the rows writes them again, and the ids make one of
// two. So received files and positions come first, then tickets, then receipts,
// and the tables last.
type backup struct {
	cfg    *config.Config
	bus    *bus.Bus
	cdrs   *bus.Committer
	front  *sqlFront // nil: only what NATS keeps
	show   *progress
	folder *backupFolder
	whole  bool
}

func (b *backup) run(ctx context.Context, dir string) (err error) {
	if b.folder, err = newBackupFolder(dir, b.show); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.folder.drop())
		}
	}()
	b.folder.manifest = manifest{Format: backupFormat, Made: time.Now().UTC(), Version: telemetry.Version}
	streams, need, err := b.streams(ctx)
	if err != nil {
		return err
	}
	var t *tables
	if b.front != nil {
		if t, err = b.describe(ctx); err != nil {
			return err
		}
		files, err := sizeOfFiles(b.cfg.Data)
		if err != nil {
			return err
		}
		need += t.size() + files
	}
	if err := b.folder.room(need); err != nil {
		return err
	}
	if err := b.copyNATS(ctx, streams); err != nil {
		return err
	}
	if t != nil {
		if err := b.copyTables(ctx, t); err != nil {
			return err
		}
	}
	if err := b.folder.finish(); err != nil {
		return err
	}
	m := &b.folder.manifest
	b.whole = true
	if err := b.cdrs.Publish(ctx, actOf(bus.ActBackup, filepath.Base(b.folder.dir), m.Made, m)); err != nil {
		b.show.say("the audit does not tell of this backup: " + err.Error())
	}
	return nil
}

// streams are those to copy, in this order, and how many bytes they have at most.
func (b *backup) streams(ctx context.Context) (names []string, size int64, err error) {
	for _, name := range []string{wire.StreamSpool, wire.StreamTickets, wire.StreamCdrs} {
		s, err := b.bus.JS.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, 0, fmt.Errorf("stream %s: %w", name, err)
		}
		names, size = append(names, name), size+int64(s.CachedInfo().State.Bytes)
	}
	return names, size, nil
}

// describe says of what the backup is.
func (b *backup) describe(ctx context.Context) (*tables, error) {
	m, database := &b.folder.manifest, b.cfg.ClickHouse.Database
	kind, err := os.ReadFile(filepath.Join(b.cfg.Data, "kind"))
	if err != nil {
		return nil, err
	}
	m.Kind, m.Database = string(kind), database
	t, err := listTables(ctx, b.front, database, filepath.Join(b.cfg.Data, "clickhouse"))
	if err != nil {
		return nil, err
	}
	return t, b.front.rows(ctx, "SELECT version() AS engine, max(version) AS schema FROM "+sqlName(database, "migrations"), func(d *json.Decoder) error {
		var row struct {
			Engine string
			Schema uint32
		}
		err := d.Decode(&row)
		m.Engine, m.Schema = row.Engine, row.Schema
		return err
	})
}

func (b *backup) copyNATS(ctx context.Context, streams []string) error {
	if b.front != nil {
		err := b.folder.part("files.tar", func(w io.Writer, p *backupPart) (err error) {
			p.Files, err = copyFiles(b.cfg.Data, w)
			return err
		})
		if err != nil {
			return err
		}
	}
	buckets, err := bus.BucketsToCopy(ctx, b.bus.JS)
	if err != nil {
		return err
	}
	bucket := func(name string) error {
		return b.folder.part("bucket-"+name+".jsonl", func(w io.Writer, p *backupPart) (err error) {
			p.Bucket, err = bus.CopyBucket(ctx, b.bus.Conn, name, w)
			return err
		})
	}
	if i := slices.Index(buckets, wire.BucketPositions); i >= 0 {
		buckets = slices.Delete(buckets, i, i+1)
		if err := bucket(wire.BucketPositions); err != nil {
			return err
		}
	}
	for _, name := range streams {
		err := b.folder.part("stream-"+name+".snapshot", func(w io.Writer, p *backupPart) (err error) {
			p.Stream, err = bus.CopyStream(ctx, b.bus.Conn, name, w)
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, name := range buckets {
		if err := bucket(name); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) copyTables(ctx context.Context, t *tables) (err error) {
	// Also when we are interrupted: links keep what is merged away.
	defer func() { err = errors.Join(err, t.unfreeze(context.WithoutCancel(ctx))) }()
	if err := t.freeze(ctx); err != nil {
		return err
	}
	for i, one := range t.list {
		err := b.folder.part(fmt.Sprintf("table-%02d-%s.tar", i, fileName(one.Name)), func(w io.Writer, p *backupPart) (err error) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			p.Table, err = t.copyTable(one, w)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fileName makes a name of a table fit for a file; the number before it tells two
// apart.
func fileName(table string) string { return bus.SourceKey(strings.ToLower(table)) }

func printParts(w io.Writer, m *manifest) {
	for _, p := range m.Parts {
		if n, of := p.count(); of != "" {
			fmt.Fprintf(w, "  %-24s %12s %-8s %14s bytes\n", p.name(), number(n), of, number(p.Bytes))
		}
	}
}

// actOf is a row of the audit: of a backup, or of what was made of one.
func actOf(what, object string, at time.Time, m *manifest) *nats.Msg {
	counts := make(map[string]int64)
	for _, p := range m.Parts {
		counts[p.name()], _ = p.count()
	}
	act := bus.Act(what, bus.Who(), fmt.Sprintf("%s, made %s by %s", object, m.Made.Format(time.RFC3339), m.Version), at, nil, counts)
	act.Id = rand.Text()
	data, err := proto.Marshal(&trunklinev1.CdrBatch{Act: act})
	if err != nil {
		panic(err) // texts of our own
	}
	return &nats.Msg{Subject: actAddress.CdrSubject(), Header: nats.Header{jetstream.MsgIDHeader: []string{act.Id + ".end"}}, Data: data}
}
