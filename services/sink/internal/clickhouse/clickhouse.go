// Package clickhouse is the sink's client: typed Native blocks over either of
// ClickHouse's two doors, with errors told alike.
package clickhouse

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/platform/certs"
)

// Conn talks to one ClickHouse. It is safe for use by several goroutines; the
// native protocol takes one request at a time.
type Conn interface {
	// Exec runs a statement without result.
	Exec(ctx context.Context, sql string, settings ...Setting) error
	// Query runs a SELECT. onBlock is called for each block, which stands in
	// result; columns must be of plain types.
	Query(ctx context.Context, sql string, result proto.Results, onBlock func() error, settings ...Setting) error
	// Insert writes one block into a table, named as in SQL. It returns when
	// ClickHouse has confirmed the rows. The hash of the encoded block is the
	// insert's deduplication token: a plain retry of a block counts once. It
	// tells the block's size in bytes.
	Insert(ctx context.Context, table string, block proto.Input, settings ...Setting) (int, error)
	Close()
}

// Setting of one request.
type Setting struct{ Name, Value string }

// Protocols.
const (
	Native = "native"
	HTTP   = "http"
)

// Config says how to reach ClickHouse.
type Config struct {
	// Addr lists host:port, tried in order; the one that answers is kept to.
	Addr []string
	// Protocol is Native or HTTP.
	Protocol string
	User     string
	// Password is read anew for each log-in.
	Password func() (string, error)
	// TLS is nil for a plain connection. Its files are looked at for each connection.
	TLS *certs.Client
}

const (
	dialTimeout = 10 * time.Second
	// readTimeout bounds the silence within an answer.
	readTimeout = 3 * time.Minute
	// poolSize of idle HTTP connections.
	poolSize = 4
)

// New makes a client; it does not connect yet.
func New(cfg Config) (Conn, error) {
	if len(cfg.Addr) == 0 {
		return nil, errors.New("clickhouse: no address: give clickhouse.addr as host:port")
	}
	for _, a := range cfg.Addr {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return nil, fmt.Errorf("clickhouse: address %q: give host:port", a)
		}
	}
	if cfg.Password == nil {
		cfg.Password = func() (string, error) { return "", nil }
	}
	switch cfg.Protocol {
	case Native:
		return &nativeConn{cfg: cfg, addrs: addresses{list: cfg.Addr}, turn: make(chan struct{}, 1)}, nil
	case HTTP:
		return newHTTP(cfg), nil
	}
	return nil, fmt.Errorf("clickhouse: protocol %q: give native or http", cfg.Protocol)
}

// Name quotes an identifier.
func Name(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteByte('`')
		escape.WriteString(&b, p) //nolint:errcheck // a Builder does not fail
		b.WriteByte('`')
	}
	return b.String()
}

// Text quotes a string literal.
func Text(s string) string { return "'" + escape.Replace(s) + "'" }

var escape = strings.NewReplacer(`\`, `\\`, "'", `\'`, "`", "\\`", "\x00", `\0`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// insertInto is the statement that a block follows. It names the columns, so
// that a table may have more of them.
func insertInto(table string, block proto.Input) string {
	var b strings.Builder
	b.WriteString("INSERT INTO " + table + " (")
	for i, c := range block {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(Name(c.Name))
	}
	b.WriteString(")")
	return b.String()
}

// tokenSetting carries the hash of the block.
const tokenSetting = "insert_deduplication_token"

// encode is the block as FORMAT Native has it, and its token.
func encode(buf *proto.Buffer, block proto.Input) (token string, err error) {
	buf.Reset()
	if err := (proto.Block{Columns: len(block), Rows: block[0].Data.Rows()}).EncodeRawBlock(buf, 0, block); err != nil {
		return "", err
	}
	sum := sha256.Sum256(buf.Buf)
	return hex.EncodeToString(sum[:16]), nil
}

var buffers = sync.Pool{New: func() any { return new(proto.Buffer) }}

// addresses are tried in order, beginning with the one that answered last.
type addresses struct {
	list []string
	last atomic.Int32
}

// try goes on until one answers, whatever it answers.
func (a *addresses) try(ctx context.Context, ask func(addr string) error) error {
	var errs []error
	first := int(a.last.Load())
	for i := range a.list {
		at := (first + i) % len(a.list)
		err := ask(a.list[at])
		if err == nil || !unreachable(err) {
			a.last.Store(int32(at))
			return err
		}
		errs = append(errs, fmt.Errorf("%s: %w", a.list[at], err))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// errUnreachable marks what another address may do better.
var errUnreachable = errors.New("no answer")

func unreachable(err error) bool { return errors.Is(err, errUnreachable) }
