package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/spf13/cobra"

	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/service"
)

// demoPrefix begins the ids of sites that hold invented calls.
const demoPrefix = "demo-"

func simulateCommand() *cobra.Command {
	var model, file, site, link, addr string
	var real bool
	opts := pbxsim.Options{Retry: time.Second}
	cmd := &cobra.Command{
		Use:   "simulate --model ID --site SITE --link LINK",
		Short: "a simulated PBX against a link of a demo site",
		Long: "Sends the tickets of invented calls to a link, as a PBX of the model does. The link must be of a\n" +
			"site whose id begins with " + demoPrefix + ": an invented call in real data is a wrong invoice.\n" +
			"A link that dials wants the PBX's side at its address: the simulated PBX listens there.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !strings.HasPrefix(site, demoPrefix) && !real {
				return fmt.Errorf("site %q is no demo site: invented calls would stand among real ones; --yes-real if you mean it", site)
			}
			cfg, err := service.LoadConfig(file)
			if err != nil {
				return err
			}
			target, err := findLink(cfg, site+"/"+link)
			if err != nil {
				return err
			}
			if target.Model != model {
				return fmt.Errorf("link %s/%s is %s, not %s: a PBX of another model gives dead tickets", site, link, target.Model, model)
			}
			if err := aim(&opts, target, addr); err != nil {
				return fmt.Errorf("link %s/%s: %w", site, link, err)
			}
			// A real database has its table, made by its own PBX.
			opts.CreateTable = target.MySQL != nil && strings.HasPrefix(site, demoPrefix)
			return simulate(cmd, model, opts)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&model, "model", "", "PBX model: "+strings.Join(pbxsim.Models(), ", "))
	fl.StringVarP(&file, "config", "c", "", "configuration that has the link")
	fl.StringVar(&site, "site", "", "site of the link")
	fl.StringVar(&link, "link", "", "link to send to")
	fl.StringVar(&addr, "addr", "", "host:port to dial, or to listen on, where that is not the link's as seen from here")
	fl.BoolVar(&real, "yes-real", false, "send invented calls to a real site")
	fl.Float64Var(&opts.Rate, "rate", 6, "calls a minute")
	fl.IntVar(&opts.Count, "count", 0, "stop after so many calls; 0: go on")
	fl.BoolVar(&opts.Burst, "burst", false, "as fast as the wire takes them; needs --count")
	fl.Uint64Var(&opts.Seed, "seed", uint64(time.Now().UnixNano()), "same seed, same calls")
	fl.StringVar(&opts.Variant, "variant", "", "ticket layout, one of the model's")
	fl.Float64Var(&opts.Odd, "odd", 0.01, "share of odd lines, 0 to 1")
	for _, name := range []string{"model", "site", "link"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// aim points a simulated PBX at a link; addr, unless empty, is where the other
// end is for us, in another container for example.
func aim(o *pbxsim.Options, l config.LinkOf, addr string) (err error) {
	if addr != "" && (l.Files != nil || l.MySQL != nil) {
		return errors.New("--addr: it has no address: its place is in the configuration")
	}
	if o.Zone, err = time.LoadLocation(l.Site.Timezone); err != nil {
		return err
	}
	retry := o.Retry
	o.Retry = 0
	switch {
	case l.TCP != nil && l.TCP.Listen != "":
		o.Addr, o.Retry = cmp.Or(addr, local(l.TCP.Listen)), retry
	case l.TCP != nil:
		o.Listen = cmp.Or(addr, l.TCP.Dial)
		if l.Model == "panasonic-kx" {
			o.DateOrder = l.Parse.DateOrder
			if o.Password, err = l.TCP.Password(); err != nil {
				return err
			}
		}
	case l.OXE != nil:
		o.Listen = cmp.Or(addr, l.OXE.Dial[0])
		if len(l.OXE.Dial) > 1 {
			o.Standby = l.OXE.Dial[1]
		}
	case l.AHL != nil:
		if l.Layout == "" {
			return fmt.Errorf("it has no layout, and nobody has published a hotel link's tickets. Those of the simulated one are invented: put what follows into a file, and set parse.layout to it\n%s",
				pbxsim.AHLLayout(cmp.Or(l.AHL.Check, "lrc")))
		}
		o.Listen, o.Check = cmp.Or(addr, l.AHL.Dial), l.AHL.Check
	case l.HTTP != nil:
		return aimAPI(o, l.HTTP, addr)
	case l.HTTPServer != nil:
		o.Retry = retry
		scheme := "http"
		if l.HTTPServer.TLS != nil {
			scheme = "https"
		}
		path := cmp.Or(l.HTTPServer.Path, "/"+l.Site.ID+"/"+l.ID)
		o.URL = scheme + "://" + cmp.Or(addr, local(l.HTTPServer.Listen)) + path
		if o.User = l.HTTPServer.User; o.User != "" {
			if o.Password, err = l.HTTPServer.Password(); err != nil {
				return err
			}
		}
	case l.Files != nil:
		o.Dir = l.Files.Dir
		switch l.Model {
		case "alcatel-oxe", "cisco-cucm", "unify-hipath": // which gather calls for a file
			o.FileEvery = 10 * time.Second
		case "3cx":
			o.Grows = l.Files.Grows != nil && *l.Files.Grows
		}
	case l.MySQL != nil:
		password, err := l.MySQL.Password()
		if err != nil {
			return err
		}
		c := mysql.NewConfig()
		c.User, c.Passwd, c.Net, c.Addr, c.DBName = l.MySQL.User, password, "tcp", l.MySQL.Addr, l.MySQL.Database
		o.DSN = c.FormatDSN()
	case l.TFTP != nil && l.TFTP.Listen != "":
		o.URL, o.FileEvery = "tftp://"+cmp.Or(addr, local(l.TFTP.Listen)), 10*time.Second
	default:
		return fmt.Errorf("link %s/%s: no simulated PBX speaks its wire; there are tcp, oxe, ahl, http, http_server, files, tftp and mysql, as the model has them", l.Site.ID, l.ID)
	}
	return nil
}

// aimAPI lets a simulated PBX listen where its API is asked.
func aimAPI(o *pbxsim.Options, c *config.HTTP, addr string) (err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	o.TLS, o.User = u.Scheme == "https", c.User
	port := cmp.Or(u.Port(), map[bool]string{true: "443", false: "80"}[o.TLS])
	o.Listen = cmp.Or(addr, net.JoinHostPort(u.Hostname(), port))
	o.Password, err = c.Password()
	return err
}

// local is where something that listens on every address is reached from here.
func local(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || host != "" && host != "0.0.0.0" && host != "::" {
		return listen
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func simulate(cmd *cobra.Command, model string, o pbxsim.Options) error {
	var sent atomic.Int64
	o.Sent = func(pbxsim.Ticket, time.Time) { sent.Add(1) }
	sim, err := pbxsim.New(model, o)
	if err != nil {
		return err
	}
	out := cmd.ErrOrStderr()
	if a := sim.Addr(); a != "" {
		fmt.Fprintf(out, "%s listens on %s\n", model, a)
	}
	if p, ok := sim.(interface{ Pin() string }); ok && p.Pin() != "" {
		fmt.Fprintf(out, "its certificate signed itself: set pin: %s\n", p.Pin())
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	go func() {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fmt.Fprintf(out, "%s sent\n", many(sent.Load(), "ticket"))
			case <-ctx.Done():
				return
			}
		}
	}()
	err = sim.Run(ctx)
	fmt.Fprintf(out, "%s sent\n", many(sent.Load(), "ticket"))
	return err
}
