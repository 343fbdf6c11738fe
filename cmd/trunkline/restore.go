package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
)

type restoreFlags struct {
	file, data string
	streams    bool
}

func restoreCommand() *cobra.Command {
	var f restoreFlags
	cmd := &cobra.Command{
		Use:   "restore (--data DIR | --streams -c FILE) FOLDER",
		Short: "a data folder out of a backup",
		Long: "Makes the data folder of a `trunkline run` out of a backup, once every byte of that is checked. The folder must not hold\n" +
			"tickets. --streams puts streams and key-value buckets back into a NATS server that has none of them.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.streams && f.data != "":
				return errors.New("--data is for a `trunkline run`, --streams for a NATS server: give one of them")
			case f.streams:
				return f.runStreams(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
			case f.data == "":
				return errors.New("give --data, the folder to make, or --streams")
			}
			return f.runAll(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "with --streams: the configuration that says where NATS is")
	fl.StringVar(&f.data, "data", "", "the data folder to make")
	fl.BoolVar(&f.streams, "streams", false, "only streams and key-value buckets, into the NATS server of the configuration")
	return cmd
}

// restore puts a backup's parts back.
type restore struct {
	dir      string
	manifest *manifest
	show     *progress

	done, of int64
}

func openBackup(dir string, show *progress) (*restore, error) {
	m, err := readBackup(dir, show)
	if err != nil {
		return nil, err
	}
	r := &restore{dir: dir, manifest: m, show: show}
	for _, p := range m.Parts {
		r.of += p.Bytes
	}
	return r, nil
}

// need is how much room all parts take.
func (r *restore) need() (n int64) {
	for _, p := range r.manifest.Parts {
		n += p.restored()
	}
	return n
}

// age is how old the backup is.
func (r *restore) age() time.Duration { return max(0, time.Since(r.manifest.Made)) }

// read gives a part's file to one who reads it.
func (r *restore) read(p *backupPart, use func(io.Reader) error) error {
	f, err := os.Open(filepath.Join(r.dir, p.File))
	if err != nil {
		return err
	}
	defer f.Close()
	return use(readerFunc(func(b []byte) (int, error) {
		n, err := f.Read(b)
		r.done += int64(n)
		r.show.bytes(r.done, r.of)
		return n, err
	}))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// nats puts streams and buckets back, and the row of the audit among the receipts.
func (r *restore) nats(ctx context.Context, nc *nats.Conn, replicas int) error {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		return err
	}
	as := bus.Restored{Age: r.age(), Replicas: replicas}
	for _, p := range r.manifest.Parts {
		err := r.read(&p, func(in io.Reader) (err error) {
			switch {
			case p.Stream != nil:
				p.Stream.Messages, err = bus.RestoreStream(ctx, nc, p.Stream, as, in)
			case p.Bucket != nil:
				err = bus.RestoreBucket(ctx, js, p.Bucket, as, in)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	_, err = js.PublishMsg(ctx, actOf(bus.ActRestore, filepath.Base(r.dir), time.Now(), r.manifest))
	return err
}

// runStreams restores into a NATS server that runs.
func (f *restoreFlags) runStreams(ctx context.Context, dir string, out, errOut io.Writer) error {
	cfg, err := service.LoadConfig(f.file)
	if err != nil {
		return err
	}
	show := newProgress(errOut)
	defer show.end()
	r, err := openBackup(dir, show)
	if err != nil {
		return err
	}
	nc, err := connect(cfg, "restore")
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(30*time.Second))
	if err != nil {
		return err
	}
	var there []string
	for _, p := range r.manifest.Parts {
		name := ""
		switch {
		case p.Stream != nil:
			name = p.Stream.Stream
		case p.Bucket != nil:
			name = "KV_" + p.Bucket.Bucket
		default:
			continue
		}
		switch _, err := js.Stream(ctx, name); {
		case err == nil:
			there = append(there, name)
		case !errors.Is(err, jetstream.ErrStreamNotFound):
			return fmt.Errorf("stream %s: %w", name, err)
		}
	}
	if len(there) > 0 {
		return fmt.Errorf("NATS has %s already, and nothing was touched: restore into a server without them, before any service is started", strings.Join(there, ", "))
	}
	if err := r.nats(ctx, nc, cfg.NATS.Replicas); err != nil {
		return err
	}
	show.end()
	m := *r.manifest
	m.Parts = nil
	for _, p := range r.manifest.Parts {
		if p.Stream != nil || p.Bucket != nil {
			m.Parts = append(m.Parts, p)
		}
	}
	printParts(out, &m)
	fmt.Fprintf(out, "restored what NATS kept on %s\n", m.Made.Format(time.RFC3339))
	return nil
}

const kindRestoring = "restoring"

// empty refuses a data folder that holds anything, but for what a restore left that
// was cut.
func empty(data string) error {
	have, err := os.ReadDir(data)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(have) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	kind, err := os.ReadFile(filepath.Join(data, "kind"))
	switch {
	case err == nil && string(kind) == kindRestoring:
		return nil
	case err == nil:
		return fmt.Errorf("data folder %s holds %s tickets already, and nothing was touched: give a new folder (--data)", data, kind)
	case len(have) == 1 && have[0].Name() == "lost+found":
		return nil
	}
	return fmt.Errorf("data folder %s is not empty, and nothing was touched: give a new folder (--data)", data)
}

// clearFolder makes an empty data folder that no `trunkline run` takes.
func clearFolder(data string) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(data, "kind"), []byte(kindRestoring), 0o600); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	have, err := os.ReadDir(data)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	for _, e := range have {
		if e.Name() == "kind" || e.Name() == "lost+found" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(data, e.Name())); err != nil {
			return fmt.Errorf("data folder: %w", err)
		}
	}
	return syncOne(data)
}

// settle gives the folder its kind, once all else is on disk.
func settle(data, kind string) error {
	if err := syncTree(data); err != nil {
		return err
	}
	next := filepath.Join(data, "kind.next")
	if err := os.WriteFile(next, []byte(kind), 0o600); err != nil {
		return err
	}
	if err := syncOne(next); err != nil {
		return err
	}
	if err := os.Rename(next, filepath.Join(data, "kind")); err != nil {
		return err
	}
	return syncOne(data)
}

// whole refuses what is no backup of a `trunkline run`.
func (m *manifest) whole() error {
	tickets, calls := false, false
	for _, p := range m.Parts {
		tickets = tickets || p.Stream != nil && p.Stream.Stream == wire.StreamTickets
		calls = calls || p.Table != nil && p.Table.Name == "cdrs"
	}
	if !tickets || !calls || m.Kind == "" {
		return errors.New("this backup holds only what NATS kept: restore it with --streams")
	}
	return nil
}
