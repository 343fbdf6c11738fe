package sink_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"

	v1 "trunkline.internal/proto/trunkline/v1"
)

// bridge speaks the server's side of ClickHouse's native protocol and has the
// engine do the work: the engine itself listens for HTTP only.
type bridge struct {
	t        *testing.T
	listener net.Listener
	wg       sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
	inserts  int
	// refuse answers inserts with an exception.
	refuse *proto.Exception
}

func newBridge(t *testing.T) *bridge {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{t: t, listener: l, conns: map[net.Conn]bool{}}
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns[c] = true
			b.mu.Unlock()
			b.wg.Go(func() {
				defer c.Close()
				p := &peer{bridge: b, conn: c, r: proto.NewReader(c), w: compress.NewWriter(compress.LevelZero, compress.LZ4)}
				if err := p.serve(); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
					t.Errorf("bridge: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); b.cut(); b.wg.Wait() })
	return b
}

// cut breaks all connections.
func (b *bridge) cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		c.Close()
	}
	clear(b.conns)
}

type peer struct {
	*bridge
	conn     net.Conn
	r        *proto.Reader
	w        *compress.Writer
	revision int
	password string
}

func (p *peer) send(encode func(*proto.Buffer)) error {
	var buf proto.Buffer
	encode(&buf)
	_, err := p.conn.Write(buf.Buf)
	return err
}

func (p *peer) fail(e *proto.Exception) error {
	return p.send(func(b *proto.Buffer) { proto.ServerCodeException.Encode(b); e.EncodeAware(b, p.revision) })
}

func (p *peer) serve() error {
	if code, err := p.r.UVarInt(); err != nil || proto.ClientCode(code) != proto.ClientCodeHello {
		return errors.Join(err, errors.New("no hello"))
	}
	var hello proto.ClientHello
	if err := hello.Decode(p.r); err != nil {
		return err
	}
	p.revision, p.password = hello.ProtocolVersion, hello.Password
	if e := p.ask("SELECT 1", nil, nil, nil); e != nil {
		return p.fail(e)
	}
	server := proto.ServerHello{Name: "ClickHouse", Major: 24, Minor: 8, Revision: p.revision, Timezone: "UTC", DisplayName: "bridge"}
	if err := p.send(func(b *proto.Buffer) { server.EncodeAware(b, p.revision) }); err != nil {
		return err
	}
	if _, err := p.r.Str(); err != nil { // the addendum
		return err
	}
	for {
		code, err := p.r.UVarInt()
		if err != nil {
			return err
		}
		if proto.ClientCode(code) != proto.ClientCodeQuery {
			return fmt.Errorf("packet %d", code)
		}
		var q proto.Query
		if err := q.DecodeAware(p.r, p.revision); err != nil {
			return err
		}
		if rows, err := p.data(nil); err != nil || rows != 0 { // the end of external data
			return errors.Join(err, errors.New("external data"))
		}
		if err := p.query(q); err != nil {
			return err
		}
	}
}

// data reads one block.
func (p *peer) data(into proto.Results) (rows int, err error) {
	code, err := p.r.UVarInt()
	if err != nil || proto.ClientCode(code) != proto.ClientCodeData {
		return 0, errors.Join(err, fmt.Errorf("packet %d, want data", code))
	}
	var head proto.ClientData
	if err := head.DecodeAware(p.r, p.revision); err != nil {
		return 0, err
	}
	p.r.EnableCompression()
	defer p.r.DisableCompression()
	var block proto.Block
	if err := block.DecodeBlock(p.r, p.revision, into); err != nil {
		return 0, err
	}
	return block.Rows, nil
}

// give sends one block.
func (p *peer) give(rows int, columns proto.Input) error {
	return p.send(func(b *proto.Buffer) {
		proto.ServerCodeData.Encode(b)
		b.PutString("")
		var plain proto.Buffer
		block := proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: len(columns), Rows: rows}
		if err := block.EncodeBlock(&plain, p.revision, columns); err != nil {
			p.t.Error(err)
		}
		if err := p.w.Compress(plain.Buf); err != nil {
			p.t.Error(err)
		}
		b.PutRaw(p.w.Data)
	})
}

var insertHead = regexp.MustCompile("^INSERT INTO `([^`]+)`.`([^`]+)` \\((.*)\\) VALUES$")

func (p *peer) query(q proto.Query) error {
	settings := url.Values{}
	for _, s := range q.Settings {
		settings.Set(s.Key, s.Value)
	}
	var failed *proto.Exception
	if m := insertHead.FindStringSubmatch(q.Body); m != nil {
		columns := p.columns(m[1], m[2], m[3])
		if len(columns) == 0 {
			return p.fail(&proto.Exception{Code: proto.ErrUnknownTable, Name: "DB::Exception", Message: "no table " + m[2]})
		}
		var input proto.Input
		for _, c := range columns {
			input = append(input, proto.InputColumn{Name: c.Name, Data: c.Data.(proto.ColInput)})
		}
		if err := p.give(0, input); err != nil {
			return err
		}
		if _, err := p.data(columns); err != nil {
			return err
		}
		var body proto.Buffer
		if err := (proto.Block{Columns: len(input), Rows: input[0].Data.Rows()}).EncodeRawBlock(&body, 0, input); err != nil {
			return err
		}
		if rows, err := p.data(nil); err != nil || rows != 0 {
			return errors.Join(err, errors.New("more data"))
		}
		p.mu.Lock()
		p.inserts++
		failed = p.refuse
		p.mu.Unlock()
		if failed == nil {
			failed = p.ask(strings.TrimSuffix(q.Body, "VALUES")+"FORMAT Native", body.Buf, settings, nil)
		}
	} else {
		var result bytes.Buffer
		body := q.Body
		if strings.HasPrefix(body, "SELECT") {
			body += " FORMAT Native"
		}
		failed = p.ask(body, nil, settings, &result)
		for r := proto.NewReader(&result); failed == nil; {
			var results proto.Results
			var block proto.Block
			if err := block.DecodeRawBlock(r, 0, results.Auto()); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
			var columns proto.Input
			for _, c := range results {
				columns = append(columns, proto.InputColumn{Name: c.Name, Data: c.Data.(proto.ColInput)})
			}
			if err := p.give(block.Rows, columns); err != nil {
				return err
			}
		}
	}
	if failed != nil {
		return p.fail(failed)
	}
	return p.send(func(b *proto.Buffer) { proto.ServerCodeEndOfStream.Encode(b) })
}

// columns are those that an insert names, as the table has them.
func (p *peer) columns(database, table, names string) proto.Results {
	var out bytes.Buffer
	if e := p.ask("SELECT name, type FROM system.columns WHERE database = '"+database+"' AND table = '"+table+"' FORMAT TSVRaw", nil, nil, &out); e != nil {
		p.t.Error(e)
	}
	types := map[string]string{}
	for line := range strings.Lines(out.String()) {
		name, typ, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		types[name] = typ
	}
	if len(types) == 0 {
		return nil
	}
	var columns proto.Results
	for name := range strings.SplitSeq(names, ", ") {
		name = strings.Trim(name, "`")
		if types[name] == "Map(LowCardinality(String), String)" {
			columns = append(columns, proto.ResultColumn{Name: name, Data: proto.NewMap[string, string](proto.NewLowCardinality[string](new(proto.ColStr)), new(proto.ColStr))})
			continue
		}
		var auto proto.ColAuto
		if err := auto.Infer(proto.ColumnType(types[name])); err != nil {
			p.t.Error(name, err)
		}
		columns = append(columns, proto.ResultColumn{Name: name, Data: auto.Data})
	}
	return columns
}

var exceptionCode = regexp.MustCompile(`^Code: \d+\. DB::Exception: `)

// ask has the engine run a statement.
func (p *peer) ask(sql string, body []byte, settings url.Values, out io.Writer) *proto.Exception {
	q := url.Values{"wait_end_of_query": {"1"}}
	for k, v := range settings {
		q[k] = v
	}
	if body == nil {
		body = []byte(sql)
	} else {
		q.Set("query", sql)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+shared.Addr()+"/?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
	}
	req.Header.Set("X-ClickHouse-Key", p.password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Error(err)
		return &proto.Exception{Code: proto.ErrNetworkError}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Error(err)
	}
	if resp.StatusCode != http.StatusOK {
		code, _ := strconv.Atoi(resp.Header.Get("X-ClickHouse-Exception-Code"))
		return &proto.Exception{Code: proto.Error(code), Name: "DB::Exception", Message: exceptionCode.ReplaceAllString(string(text), "")}
	}
	if out != nil {
		out.Write(text) //nolint:errcheck // a buffer
	}
	return nil
}

// TestNativeProtocol: the same sink over ClickHouse's own protocol.
func TestNativeProtocol(t *testing.T) {
	b, native := newBench(t), newBridge(t)
	cfg := b.config()
	cfg.Protocol, cfg.Addr = "native", []string{"127.0.0.1:1", native.listener.Addr().String()}
	b.start(cfg)
	b.publish(receipt(0, []*v1.Cdr{call("a", day, 0), call("b", day, 0)}, other("o", v1.Outcome_OUTCOME_DEAD)))
	b.settled()
	b.publish(receipt(1, []*v1.Cdr{call("a", day.AddDate(0, 1, 0), 1), call("o", day, 1)}))
	b.settled()
	const calls = "SELECT ticket_id, toYYYYMM(start_time), attributes FROM DB.calls ORDER BY ticket_id"
	if got, want := b.sql(calls), "a\t202604\t{}\nb\t202603\t{}\no\t202603\t{}"; got != want {
		t.Errorf("calls %q, want %q", got, want)
	}
	if got := b.sql("SELECT count() FROM DB.other_tickets FINAL"); got != "0" {
		t.Errorf("%s other tickets", got)
	}

	// A broken connection, then a full disk, then a lost table.
	native.cut()
	b.publish(receipt(0, []*v1.Cdr{call("c", day, 0)}))
	b.settled()
	native.mu.Lock()
	native.refuse = &proto.Exception{Code: proto.ErrNotEnoughSpace, Name: "DB::Exception", Message: "made by the test"}
	native.mu.Unlock()
	b.publish(receipt(0, []*v1.Cdr{call("d", day, 0)}))
	b.until("it says that the disk is full", func() bool {
		err := b.healthOf("clickhouse")
		return err != nil && strings.Contains(err.Error(), "disk is full") && strings.Contains(err.Error(), "code 243, NOT_ENOUGH_SPACE")
	})
	native.mu.Lock()
	native.refuse = nil
	native.mu.Unlock()
	b.settled()
	if got := b.sql("SELECT count() FROM DB.calls"); got != "5" {
		t.Errorf("%s calls", got)
	}
	b.sql("DROP TABLE DB.cdrs SYNC")
	b.publish(receipt(0, []*v1.Cdr{call("e", day, 0)}))
	b.await("SELECT ticket_id FROM DB.calls", "e")

	// Another password.
	t.Setenv("SINK_TEST_TOKEN", "not-the-right-token")
	native.cut()
	b.publish(receipt(0, []*v1.Cdr{call("f", day, 0)}))
	b.until("it says that the password is wrong", func() bool {
		err := b.healthOf("clickhouse")
		return err != nil && strings.Contains(err.Error(), "password")
	})
	t.Setenv("SINK_TEST_TOKEN", shared.Token())
	b.settled()
	b.await("SELECT count() FROM DB.calls", "2")
}
