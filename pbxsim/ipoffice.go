package pbxsim

import (
	"context"
	"fmt"
)

// IPOffice is an Avaya IP Office. With Addr it dials the collector, keeps 500 records while that is away and, like
// the real one, tries again only with the next record, unless Retry is set or no record will follow. With Listen it
// waits for the collector.
type IPOffice struct {
	dialer *dialer
	srv    *server
}

const ipOfficeBuffer = 500

// NewIPOffice makes one; with Listen it opens the listening socket, which Run closes.
func NewIPOffice(o Options) (*IPOffice, error) {
	if err := o.complete(avayaIPOffice); err != nil {
		return nil, err
	}
	if (o.Addr == "") == (o.Listen == "") {
		return nil, fmt.Errorf("%s needs either Addr or Listen", avayaIPOffice)
	}
	enc, err := newAvaya(o)
	if err != nil {
		return nil, err
	}
	p := new(IPOffice)
	if o.Listen != "" {
		p.srv, err = newServer(o, enc, ipOfficeBuffer)
	} else {
		p.dialer, err = newDialer(avayaIPOffice, o, enc, ipOfficeBuffer)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Addr is host:port where the PBX listens; empty where it dials.
func (p *IPOffice) Addr() string {
	if p.srv != nil {
		return p.srv.Addr()
	}
	return ""
}

// Run emits tickets until the last one is handed over or ctx is done.
func (p *IPOffice) Run(ctx context.Context) error {
	if p.srv != nil {
		return p.srv.Run(ctx)
	}
	return p.dialer.run(ctx)
}
