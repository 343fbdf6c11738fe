//go:build linux && amd64 && !edge

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/pbxsim/mariadb"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/lifecycle"
)

func isDemo(site string) bool { return strings.HasPrefix(site, demoPrefix) }

// demo is an invented company: five PBXs, and the configuration that collects
// from them.
type demo struct {
	dir  string
	db   *mariadb.Server // nil where the machine has no MariaDB
	sims []demoPBX
}

type demoPBX struct {
	model, link string
	options     pbxsim.Options
	sim         pbxsim.Simulator
}

const (
	demoSite     = demoPrefix + "lyon"
	demoDatabase = "asteriskcdrdb"
	// demoRate is each PBX's calls a minute.
	demoRate = 12
)

// newDemo starts the PBXs that listen, so that the configuration can name their
// addresses.
func newDemo(ctx context.Context, dir string) (d *demo, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d = &demo{dir: dir}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return nil, err
	}
	cdrs := filepath.Join(dir, "cucm")
	if err := os.MkdirAll(cdrs, 0o755); err != nil {
		return nil, err
	}
	seed := uint64(time.Now().UnixNano())
	base := pbxsim.Options{Zone: zone, Rate: demoRate, Odd: 0.01}
	for i, p := range []demoPBX{
		{model: "avaya-ipoffice", link: "front-desk", options: pbxsim.Options{Addr: freeAddr("127.0.0.1:1080"), Retry: time.Second}},
		{model: "mitel-3300", link: "warehouse", options: pbxsim.Options{Listen: "127.0.0.1:0"}},
		{model: "panasonic-kx", link: "plant", options: pbxsim.Options{Listen: "127.0.0.1:0", DateOrder: "dmy"}},
		{model: "cisco-cucm", link: "head-office", options: pbxsim.Options{Dir: cdrs, FileEvery: 10 * time.Second}},
	} {
		o := p.options
		o.Zone, o.Rate, o.Odd, o.Seed = base.Zone, base.Rate, base.Odd, seed+uint64(i)
		p.options = o
		if p.sim, err = pbxsim.New(p.model, o); err != nil {
			return nil, fmt.Errorf("simulated %s: %w", p.model, err)
		}
		d.sims = append(d.sims, p)
	}
	if d.db, err = mariadb.Start(context.WithoutCancel(ctx), filepath.Join(dir, "mariadb")); err != nil {
		fmt.Fprintln(os.Stderr, "the demo goes without Asterisk:", err)
		d.db = nil
		return d, nil
	}
	if err := os.WriteFile(d.passwordFile(), []byte(d.db.Password()), 0o600); err != nil {
		return nil, err
	}
	o := base
	o.DSN, o.Seed = d.db.DSN(demoDatabase), seed+99
	sim, err := pbxsim.NewAsterisk(o)
	if err == nil {
		err = sim.Create(ctx) // before the link looks for its table
	}
	if err != nil {
		return nil, fmt.Errorf("simulated %w", err)
	}
	d.sims = append(d.sims, demoPBX{model: "asterisk", link: "hotline", options: o, sim: sim})
	return d, nil
}

func (d *demo) passwordFile() string { return filepath.Join(d.dir, "mariadb.password") }

// config writes the demo's configuration, as a user would have, and reads it.
func (d *demo) config() (*config.Config, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by `trunkline run --demo` at each start.\ndata: %q\n", d.dir)
	fmt.Fprintf(&b, "sites:\n  - id: %s\n    timezone: Europe/Paris\n    country: %s\n    outside_prefix: %q\n    links:\n", demoSite, pbxsim.Country, pbxsim.OutsidePrefix)
	for _, p := range d.sims {
		fmt.Fprintf(&b, "      - id: %s\n        model: %s\n", p.link, p.model)
		switch p.model {
		case "avaya-ipoffice":
			fmt.Fprintf(&b, "        tcp: {listen: %q, allow: [127.0.0.0/8]}\n", p.options.Addr)
		case "mitel-3300":
			fmt.Fprintf(&b, "        tcp: {dial: %q}\n", p.sim.Addr())
		case "panasonic-kx":
			fmt.Fprintf(&b, "        parse: {date_order: dmy}\n        tcp: {dial: %q}\n", p.sim.Addr())
		case "cisco-cucm":
			fmt.Fprintf(&b, "        parse: {inside: {devices: [%s]}, trunks: {devices: [%s]}}\n        files: {dir: %q, every: 1s, settle: 1s}\n", pbxsim.CUCMVoicemail, strings.Join(pbxsim.CUCMGateways, ", "), p.options.Dir)
		case "asterisk":
			fmt.Fprintf(&b, "        parse: {inside: {lengths: [%d]}, trunks: {names: [%s]}}\n", pbxsim.ExtensionLength, strings.Join(pbxsim.AsteriskTrunks, ", "))
			fmt.Fprintf(&b, "        mysql: {addr: %q, database: %s, user: %s, password_file: %q, every: 1s}\n", d.db.Addr(), demoDatabase, d.db.User(), d.passwordFile())
		}
	}
	file := filepath.Join(d.dir, "trunkline.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return config.Load(file)
}

// part runs the simulated PBXs. One that fails stops the process: a demo that
// shows less than it says is no demo.
func (d *demo) part() lifecycle.Part {
	return lifecycle.Part{Name: "demo", Run: func(ctx context.Context, ready func()) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		errs := make(chan error, len(d.sims))
		var running sync.WaitGroup
		for _, p := range d.sims {
			running.Go(func() {
				if err := p.sim.Run(ctx); err != nil && ctx.Err() == nil {
					errs <- fmt.Errorf("simulated %s: %w", p.model, err)
					cancel()
				}
			})
		}
		ready()
		running.Wait()
		close(errs)
		var all []error
		for err := range errs {
			all = append(all, err)
		}
		return errors.Join(all...)
	}}
}

func (d *demo) close() {
	if d.db != nil {
		if err := d.db.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "trunkline:", err)
		}
	}
}

// freeAddr is the address, or one with a free port where that is taken.
func freeAddr(addr string) string {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return addr
		}
	}
	defer l.Close()
	return l.Addr().String()
}
