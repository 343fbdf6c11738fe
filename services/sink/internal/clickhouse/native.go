package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"
)

// nativeConn speaks ClickHouse's own protocol on one connection, dialled when
// it is needed.
type nativeConn struct {
	cfg   Config
	addrs addresses
	// turn is held by whoever uses client.
	turn   chan struct{}
	client *ch.Client
}

func (c *nativeConn) Close() {
	c.turn <- struct{}{}
	c.drop()
	<-c.turn
}

// drop closes a connection of which nobody knows what it would say next.
func (c *nativeConn) drop() {
	if c.client != nil {
		c.client.Close() //nolint:errcheck // it is given up
		c.client = nil
	}
}

func (c *nativeConn) Exec(ctx context.Context, sql string, settings ...Setting) error {
	return c.do(ctx, ch.Query{Body: sql, Settings: native(settings)})
}

func (c *nativeConn) Query(ctx context.Context, sql string, result proto.Results, onBlock func() error, settings ...Setting) error {
	return c.do(ctx, ch.Query{Body: sql, Result: result, Settings: native(settings), OnResult: func(_ context.Context, b proto.Block) error {
		if b.Rows == 0 {
			return nil
		}
		if err := onBlock(); err != nil {
			return stopped{err}
		}
		return nil
	}})
}

func (c *nativeConn) Insert(ctx context.Context, table string, block proto.Input, settings ...Setting) (int, error) {
	buf := buffers.Get().(*proto.Buffer)
	token, err := encode(buf, block)
	size := len(buf.Buf)
	buffers.Put(buf)
	if err != nil {
		return 0, fmt.Errorf("clickhouse: block of %s: %w", table, err)
	}
	settings = append(settings[:len(settings):len(settings)], Setting{tokenSetting, token})
	return size, c.do(ctx, ch.Query{Body: insertInto(table, block) + " VALUES", Input: block, Settings: native(settings)})
}

// stopped is the caller's own error, on its way through the client.
type stopped struct{ error }

func (s stopped) Unwrap() error { return s.error }

func (c *nativeConn) do(ctx context.Context, q ch.Query) error {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-c.turn }()
	if c.client == nil || c.client.IsClosed() {
		if err := c.dial(ctx); err != nil {
			return err
		}
	}
	err := c.client.Do(ctx, q)
	if err == nil {
		return nil
	}
	var s stopped
	if errors.As(err, &s) {
		c.drop()
		return s.error
	}
	err = ofNative(err)
	if unreachable(err) {
		c.drop()
	}
	return err
}

func (c *nativeConn) dial(ctx context.Context) error {
	password, err := c.cfg.Password()
	if err != nil {
		return fmt.Errorf("clickhouse: %w", err)
	}
	return c.addrs.try(ctx, func(addr string) error {
		var secure *tls.Config
		if c.cfg.TLS != nil {
			secure = c.cfg.TLS.ConfigFor(addr)
		}
		client, err := ch.Dial(ctx, ch.Options{
			Address: addr, User: c.cfg.User, Password: password, TLS: secure,
			ClientName: "trunkline", Compression: ch.CompressionLZ4,
			DialTimeout: dialTimeout, HandshakeTimeout: dialTimeout, ReadTimeout: readTimeout,
		})
		if err != nil {
			return ofNative(err)
		}
		c.client = client
		return nil
	})
}

func native(settings []Setting) []ch.Setting {
	out := make([]ch.Setting, len(settings))
	for i, s := range settings {
		// Important: a server that does not know it must not ignore it.
		out[i] = ch.Setting{Key: s.Name, Value: s.Value, Important: true}
	}
	return out
}
