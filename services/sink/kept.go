package sink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/sink/internal/clickhouse"
	"trunkline.internal/services/sink/internal/kept"
	"trunkline.internal/services/sink/internal/schema"
)

// Kept reads the tickets that ClickHouse keeps. It only reads.
type Kept struct {
	kept.Reader
}

// What Kept takes and gives.
type (
	KeptSelection = kept.Selection
	KeptLink      = kept.Link
	KeptCounts    = kept.Counts
	KeptMessage   = kept.Message
	KeptTicket    = kept.Ticket
	AsideGroup    = kept.Group
)

// Why tickets cannot be parsed again from what ClickHouse holds.
const (
	NoPlace   = kept.NoPlace
	NoHeaders = kept.NoHeaders
)

const (
	keptSchema  = 4
	keptTimeout = 10 * time.Second
)

// OpenKept opens the first of several ClickHouse servers that has our tables. The
// error names what was tried.
func OpenKept(ctx context.Context, servers ...config.ClickHouse) (*Kept, error) {
	var errs []string
	for _, cfg := range servers {
		k, err := openKept(ctx, cfg)
		if err == nil {
			return k, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		errs = append(errs, fmt.Sprintf("%s at %s: %v", cfg.Protocol, strings.Join(cfg.Addr, ", "), err))
	}
	return nil, errors.New(strings.Join(errs, "; "))
}

func openKept(ctx context.Context, cfg config.ClickHouse) (*Kept, error) {
	tlsConfig, err := tlsOf(cfg.TLS)
	if err != nil {
		return nil, fmt.Errorf("clickhouse.tls: %w", err)
	}
	target := schema.Target{Database: cfg.Database, Cluster: cfg.Cluster}
	if err := target.Validate(); err != nil {
		return nil, err
	}
	conn, err := clickhouse.New(clickhouse.Config{Addr: cfg.Addr, Protocol: cfg.Protocol, User: cfg.User, Password: cfg.Password, TLS: tlsConfig})
	if err != nil {
		return nil, err
	}
	k := &Kept{kept.Reader{Conn: conn, Table: target.Name}}
	asking, cancel := context.WithTimeout(ctx, keptTimeout)
	defer cancel()
	version, err := k.SchemaVersion(asking)
	if err == nil && version < keptSchema {
		err = fmt.Errorf("its schema is %d, this needs %d: let a sink of this version run first", version, keptSchema)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return k, nil
}

// Close ends the connection.
func (k *Kept) Close() { k.Conn.Close() }
