package clickhouse

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/platform/config"
)

// httpConn speaks Native blocks over ClickHouse's HTTP interface.
type httpConn struct {
	cfg    Config
	addrs  addresses
	scheme string
	client *http.Client
}

func newHTTP(cfg Config) *httpConn {
	scheme := "http"
	dialer := &net.Dialer{Timeout: dialTimeout}
	var dialTLS func(ctx context.Context, network, addr string) (net.Conn, error)
	if cfg.TLS != nil {
		scheme = "https"
		dialTLS = func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return (&tls.Dialer{NetDialer: dialer, Config: cfg.TLS.ConfigFor(addr)}).DialContext(ctx, network, addr)
		}
	}
	return &httpConn{
		cfg: cfg, addrs: addresses{list: cfg.Addr}, scheme: scheme,
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:           dialer.DialContext,
				DialTLSContext:        dialTLS,
				MaxIdleConnsPerHost:   poolSize,
				IdleConnTimeout:       time.Minute,
				ResponseHeaderTimeout: readTimeout,
				DisableCompression:    true,
			},
			// The password must not travel on.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

func (c *httpConn) Close() { c.client.CloseIdleConnections() }

func (c *httpConn) Exec(ctx context.Context, sql string, settings ...Setting) error {
	return c.send(ctx, "", []byte(sql), settings, nil)
}

func (c *httpConn) Query(ctx context.Context, sql string, result proto.Results, onBlock func() error, settings ...Setting) error {
	return c.send(ctx, "", []byte(sql+" FORMAT Native"), settings, func(body io.Reader) error {
		r := proto.NewReader(body)
		for {
			for _, col := range result {
				col.Data.Reset()
			}
			var block proto.Block
			err := block.DecodeRawBlock(r, 0, result)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("%w: result: %w", errUnreachable, err)
			}
			if block.Rows == 0 {
				continue
			}
			if err := onBlock(); err != nil {
				return err
			}
		}
	})
}

func (c *httpConn) Insert(ctx context.Context, table string, block proto.Input, settings ...Setting) (int, error) {
	buf := buffers.Get().(*proto.Buffer)
	defer buffers.Put(buf)
	token, err := encode(buf, block)
	if err != nil {
		return 0, fmt.Errorf("clickhouse: block of %s: %w", table, err)
	}
	settings = append(settings[:len(settings):len(settings)], Setting{tokenSetting, token})
	return len(buf.Buf), c.send(ctx, insertInto(table, block)+" FORMAT Native", buf.Buf, settings, nil)
}

// send posts to the addresses in order. The statement is in the URL or, when
// that is empty, in the body.
func (c *httpConn) send(ctx context.Context, statement string, body []byte, settings []Setting, read func(io.Reader) error) error {
	password, err := c.cfg.Password()
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	// Without waiting for the end an exception may come behind a good status.
	q := url.Values{"wait_end_of_query": {"1"}}
	if statement != "" {
		q.Set("query", statement)
	}
	for _, s := range settings {
		q.Set(s.Name, s.Value)
	}
	return c.addrs.try(ctx, func(addr string) error {
		u := url.URL{Scheme: c.scheme, Host: addr, Path: "/", RawQuery: q.Encode()}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
		if err != nil {
			return fmt.Errorf("clickhouse: %w", err)
		}
		if c.cfg.User != "" {
			req.Header.Set("X-ClickHouse-User", c.cfg.User)
		}
		if password != "" {
			req.Header.Set("X-ClickHouse-Key", password)
		}
		resp, err := c.client.Do(req)
		if err != nil {
			var inner *url.Error
			if errors.As(err, &inner) {
				err = inner.Err // the URL holds the statement
			}
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
		defer resp.Body.Close()
		if code := resp.Header.Get("X-ClickHouse-Exception-Code"); resp.StatusCode != http.StatusOK || code != "" {
			text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
			// A proxy may repeat what it was given.
			return ofHTTP(resp.StatusCode, code, config.Hide(string(text), c.cfg.User, password))
		}
		if read != nil {
			return read(resp.Body)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return fmt.Errorf("%w: %w", errUnreachable, err)
		}
		return nil
	})
}
