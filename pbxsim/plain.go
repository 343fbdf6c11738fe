package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// plain is a PBX whose wires have no dialogue. With Addr it dials the collector, with Listen it waits for it, and
// with Dir it leaves its tickets in a folder, or with URL pushes files.
type plain struct {
	dialer *dialer
	srv    *server
	folder *folder
}

// newPlain makes the PBX of a model that keeps so many records while nobody takes them; in is how it fills a folder,
// nil where it never does.
func newPlain(model string, o Options, render func(Options) (encoder, error), buffer int, in func(Options) (*folder, error)) (*plain, error) {
	if err := o.complete(model); err != nil {
		return nil, err
	}
	k, _ := kinds(model)
	var places []string
	ways := 0
	for _, way := range []struct{ name, value string }{{"Addr", o.Addr}, {"Listen", o.Listen}, {"Dir", o.Dir}, {"URL", o.URL}} {
		if slices.Contains(k.takes, way.name) {
			places = append(places, way.name)
		}
		if way.value != "" {
			ways++
		}
	}
	switch {
	case ways == 1:
	case len(places) == 1:
		return nil, fmt.Errorf("%s needs %s", model, places[0])
	default:
		return nil, fmt.Errorf("%s needs either %s", model, strings.Join(places, " or "))
	}
	enc, err := render(o)
	if err != nil {
		return nil, err
	}
	p := new(plain)
	switch {
	case o.Dir != "" || o.URL != "":
		if o.Faults != (Faults{}) {
			return nil, fmt.Errorf("%s: faults are of TCP; files can be written Slowly", model)
		}
		if p.folder, err = in(o); err == nil {
			p.folder.enc = enc
		}
	case o.Slowly || o.Grows:
		return nil, fmt.Errorf("%s: Slowly and Grows are of a folder", model)
	case o.Listen != "":
		p.srv, err = newServer(o, enc, buffer)
	default:
		p.dialer, err = newDialer(model, o, enc, buffer)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Addr is host:port where the PBX listens; empty where it does not.
func (p *plain) Addr() string {
	if p.srv != nil {
		return p.srv.Addr()
	}
	return ""
}

// Run emits tickets until the last one is handed over or ctx is done.
func (p *plain) Run(ctx context.Context) error {
	switch {
	case p.srv != nil:
		return p.srv.Run(ctx)
	case p.dialer != nil:
		return p.dialer.run(ctx)
	}
	return p.folder.run(ctx)
}

// over tells an error from the end of a run.
func over(err error) bool {
	return err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
