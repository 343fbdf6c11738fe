package pbxsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// UCM is a Grandstream UCM6xxx. With Listen it answers cdrapi, the old one and the new one; with Addr it dials the
// collector, and with URL it posts to it, a record each, and keeps 10,000 of them while that is away.
type UCM struct {
	o    Options
	api  *cdrapi
	dial *dialer
	post *poster
}

const ucmBuffer = 10_000

// NewUCM makes one; with Listen it opens the listening socket, which Run closes.
func NewUCM(o Options) (*UCM, error) {
	if o.Variant == "" && o.Listen != "" {
		o.Variant = ucmAsked
	}
	if err := o.complete(grandstream); err != nil {
		return nil, err
	}
	ways := 0
	for _, way := range []string{o.Listen, o.Addr, o.URL} {
		if way != "" {
			ways++
		}
	}
	if ways != 1 {
		return nil, fmt.Errorf("%s needs one of Listen, Addr and URL", grandstream)
	}
	if (o.Listen != "") != (o.Variant == ucmAsked) {
		return nil, fmt.Errorf("%s: variant %s goes with Listen, and the others with Addr or URL", grandstream, ucmAsked)
	}
	enc, err := newUCM(o)
	if err != nil {
		return nil, err
	}
	p := &UCM{o: o}
	switch {
	case o.Listen != "":
		if o.Faults != (Faults{}) {
			return nil, fmt.Errorf("%s: faults are of TCP: of an API there are Life and FailEvery", grandstream)
		}
		p.api, err = newCDRAPI(o, enc)
	case o.Addr != "":
		if o.Faults.Terminator == "" {
			o.Faults.Terminator = "\n"
		}
		p.dial, err = newDialer(grandstream, o, enc, ucmBuffer)
	default:
		p.post, err = newPoster(o, enc)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Addr is host:port where the PBX listens; empty where it dials or posts.
func (p *UCM) Addr() string {
	if p.api != nil {
		return p.api.Addr()
	}
	return ""
}

// Pin is the SHA-256 of the certificate, in hexadecimal; empty without TLS.
func (p *UCM) Pin() string {
	if p.api != nil {
		return p.api.Pin()
	}
	return ""
}

// Run gives records until the last one is handed over or ctx is done.
func (p *UCM) Run(ctx context.Context) error {
	switch {
	case p.api != nil:
		return p.api.Run(ctx)
	case p.dial != nil:
		return p.dial.run(ctx)
	}
	return p.post.run(ctx)
}

// poster posts a record each, again until it is taken.
type poster struct {
	o      Options
	enc    encoder
	ring   *ring
	client *http.Client
}

const (
	postWithin = 10 * time.Second
	postRetry  = time.Second
)

func newPoster(o Options, enc encoder) (*poster, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: URL: give the collector's, such as http://10.1.0.2:8089/lyon/ucm", grandstream)
	}
	if o.Retry == 0 {
		o.Retry = postRetry
	}
	return &poster{o: o, enc: enc, ring: newRing(ucmBuffer, o), client: &http.Client{Timeout: postWithin}}, nil
}

func (p *poster) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer p.client.CloseIdleConnections()
	produced := make(chan error, 1)
	go func() {
		produced <- p.o.produce(ctx, p.enc, p.ring.push)
		p.ring.end()
	}()
	p.give(ctx)
	stop()
	if err := <-produced; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

func (p *poster) give(ctx context.Context) {
	for ctx.Err() == nil {
		ts, ended, changed := p.ring.take()
		if len(ts) == 0 {
			if ended {
				return
			}
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		for i, t := range ts {
			if err := p.send(ctx, t); err != nil {
				p.ring.giveBack(ts[i:])
				p.o.Log.Debug("simulated pbx: a record is not taken", "why", err)
				_ = sleep(ctx, p.o.Retry)
				break
			}
			p.o.Sent(t, time.Now())
		}
	}
}

func (p *poster) send(ctx context.Context, t Ticket) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.o.URL, bytes.NewReader(t.Bytes))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.o.User != "" {
		req.SetBasicAuth(p.o.User, p.o.Password)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", res.Status)
	}
	return nil
}
