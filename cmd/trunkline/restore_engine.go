//go:build linux && amd64 && !edge

package main

import (
	"context"
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

	"trunkline.internal/engine"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/platform/service"
)

// runAll restores the data folder of a `trunkline run`.
func (f *restoreFlags) runAll(ctx context.Context, dir string, out, errOut io.Writer) error {
	service.TuneMemory(memory, growth)
	show := newProgress(errOut)
	defer show.end()
	if err := empty(f.data); err != nil {
		return err
	}
	m, err := readManifest(dir)
	if err != nil {
		return err
	}
	if err := m.whole(); err != nil {
		return err
	}
	r, err := openBackup(dir, show)
	if err != nil {
		return err
	}
	if err := roomFor(existing(f.data), r.need()); err != nil {
		return err
	}
	if err := clearFolder(f.data); err != nil {
		return err
	}
	for _, step := range []func(context.Context, string) error{r.files, r.server, r.engine} {
		if err == nil {
			err = step(ctx, f.data)
		}
	}
	if err == nil {
		err = settle(f.data, r.manifest.Kind)
	}
	show.end()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s is not whole, and no trunkline takes it; run it again", f.data)
	case err != nil:
		return fmt.Errorf("%w; %s is not whole, and no trunkline takes it: run it again", err, f.data)
	}
	printParts(out, r.manifest)
	fmt.Fprintf(out, "restored what was there on %s into %s (%s calls); start trunkline run on it\n", r.manifest.Made.Format(time.RFC3339), f.data, r.manifest.Kind)
	return nil
}

// existing is the folder, or the nearest one above it that is there.
func existing(dir string) string {
	for dir = filepath.Clean(dir); ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

func (r *restore) files(_ context.Context, data string) error {
	for _, p := range r.manifest.Parts {
		if p.Files == nil {
			continue
		}
		if err := r.read(&p, func(in io.Reader) error { return unpack(in, data, nil) }); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	return nil
}

// server fills the folder of the embedded NATS server.
func (r *restore) server(ctx context.Context, data string) (err error) {
	srv, err := natsd.StartFill(filepath.Join(data, "nats"))
	if err != nil {
		return err
	}
	defer srv.Stop()
	nc, err := nats.Connect("nats://embedded", srv.Option(), nats.Name("trunkline restore"))
	if err != nil {
		return err
	}
	defer nc.Close()
	return r.nats(ctx, nc, 1)
}

// engine fills the folder of the embedded ClickHouse.
func (r *restore) engine(ctx context.Context, data string) (err error) {
	e, err := engine.Open(engine.Config{DataDir: filepath.Join(data, "clickhouse"), Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- e.Run(serving) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()
	front := newFront(e.URL(), e.Token())
	database := r.manifest.Database
	if err := front.exec(ctx, "CREATE DATABASE "+sqlName(database)); err != nil {
		return err
	}
	var views []*backupPart
	for i := range r.manifest.Parts {
		p := &r.manifest.Parts[i]
		if p.Table == nil {
			continue
		}
		if !p.Table.holdsRows() {
			views = append(views, p)
			continue
		}
		if err := r.table(ctx, front, p); err != nil {
			return fmt.Errorf("%s: %w", p.name(), err)
		}
	}
	return makeViews(ctx, front, views)
}

func (r *restore) table(ctx context.Context, front *sqlFront, p *backupPart) error {
	if err := front.exec(ctx, p.Table.Create); err != nil {
		return err
	}
	var path string
	err := front.rows(ctx, "SELECT data_paths[1] AS path FROM system.tables WHERE database = "+sqlText(r.manifest.Database)+" AND name = "+sqlText(p.Table.Name), func(d *json.Decoder) error {
		var row struct{ Path string }
		err := d.Decode(&row)
		path = row.Path
		return err
	})
	if err != nil {
		return err
	}
	var parts []string
	err = r.read(p, func(in io.Reader) error {
		return unpack(in, filepath.Join(path, "detached"), func(name string) {
			part, _, _ := strings.Cut(name, "/")
			if !slices.Contains(parts, part) {
				parts = append(parts, part)
			}
		})
	})
	if err != nil {
		return err
	}
	return attach(ctx, front, r.manifest.Database, p.Table, parts)
}

// makeViews makes views, of which one may look at another.
func makeViews(ctx context.Context, front *sqlFront, views []*backupPart) error {
	for len(views) > 0 {
		var left []*backupPart
		var last error
		for _, v := range views {
			if err := front.exec(ctx, v.Table.Create); err != nil {
				left, last = append(left, v), fmt.Errorf("%s: %w", v.name(), err)
			}
		}
		if len(left) == len(views) {
			return last
		}
		views = left
	}
	return nil
}
