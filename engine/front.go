package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// handler is the front: what ClickHouse offers at its HTTP port.
func (e *Engine) handler() http.Handler {
	ok := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "Ok.\n") }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", ok)
	mux.HandleFunc("GET /replicas_status", ok)
	mux.HandleFunc("GET /{$}", e.serveSQL)
	mux.HandleFunc("POST /{$}", e.serveSQL)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "use GET or POST", http.StatusMethodNotAllowed)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, fmt.Sprintf("There is no handle %s\n\nUse / or /ping for health checks.\nSend queries from your program with the POST method or the GET method with the query parameter.", r.URL.Path), http.StatusNotFound)
	})
	// Pages of other sites may not post here with a visitor's browser; what they GET they cannot read.
	guarded := http.NewCrossOriginProtection().Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.gate.RLock()
		defer e.gate.RUnlock()
		if e.closed {
			http.Error(w, "the engine is closed", http.StatusServiceUnavailable)
			return
		}
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(idle)) // that of the request before is old
		if !e.knownHost(r.Host) {
			e.metrics.refused.WithLabelValues("host").Inc()
			http.Error(w, fmt.Sprintf("this front is not known as %q: use its address, or name it in the configuration (sql: hosts)", r.Host), http.StatusForbidden)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// serveSQL answers a request for SQL.
func (e *Engine) serveSQL(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if r.Method != http.MethodPost && q.Get("query") == "" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	received := &countedBody{ReadCloser: r.Body, rc: http.NewResponseController(w)}
	r.Body = received
	writer, err := e.authenticate(r, q)
	req := &request{}
	if err != nil {
		e.metrics.refused.WithLabelValues("password").Inc()
	} else {
		req, err = e.parse(r, q, writer)
	}
	rep := newReply(w, req.out)
	h := w.Header()
	h.Set("X-ClickHouse-Server-Display-Name", e.hostname)
	h.Set("X-ClickHouse-Timezone", "UTC")
	h.Set("X-ClickHouse-Exception-Tag", rep.tag)
	if req.id != "" {
		h.Set("X-ClickHouse-Query-Id", req.id)
	}
	kind := "read"
	if req.changes() {
		kind = "write"
	}
	var sum summary
	if err == nil {
		sum, err = e.take(r.Context(), req, rep, kind)
	}
	if err == nil {
		err = rep.finish(sum)
	}
	broken, outcome := false, "ok"
	if err != nil {
		broken, outcome = rep.fail(asException(err)), "exception"
		if r.Context().Err() != nil {
			outcome = "gone"
		}
	}
	e.metrics.queries.WithLabelValues(kind, outcome).Inc()
	e.metrics.rows.WithLabelValues("read").Add(float64(sum.readRows))
	e.metrics.rows.WithLabelValues("written").Add(float64(sum.writtenRows))
	e.metrics.bytes.WithLabelValues("in").Add(float64(received.n))
	e.metrics.bytes.WithLabelValues("out").Add(float64(rep.sent))
	if broken {
		panic(http.ErrAbortHandler) // the client sees a broken answer, not a whole one
	}
}

// take runs a request when there is a place for it. The statement is read before, for a slow client must not hold a place.
func (e *Engine) take(ctx context.Context, req *request, rep *reply, kind string) (summary, error) {
	text, rest, err := req.text()
	if err != nil {
		return summary{}, err
	}
	slots := e.readers
	if req.changes() {
		slots = e.writers
	}
	if err := slots.take(ctx, req.changes()); err != nil {
		if ctx.Err() == nil {
			e.metrics.refused.WithLabelValues("busy").Inc()
		}
		return summary{}, err
	}
	defer slots.give()
	started := time.Now()
	e.metrics.inFlight.WithLabelValues(kind).Inc()
	defer func() {
		e.metrics.inFlight.WithLabelValues(kind).Dec()
		e.metrics.seconds.WithLabelValues(kind).Observe(time.Since(started).Seconds())
	}()
	return e.run(ctx, req, rep, text, rest)
}

// countedBody counts what a client sends, and gives it up when it stops.
type countedBody struct {
	io.ReadCloser
	rc *http.ResponseController
	n  int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	_ = b.rc.SetReadDeadline(time.Now().Add(idle))
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// run runs a request on a connection of its own.
func (e *Engine) run(ctx context.Context, req *request, rep *reply, text string, rest io.Reader) (summary, error) {
	mark := req.id + "/" + strconv.FormatUint(e.queries.Add(1), 10)
	c, err := e.connect(req, mark)
	if err != nil {
		return summary{}, err
	}
	defer c.close()
	if req.changes() {
		if ins, is, _ := parseInsertion(text, false); is {
			return e.insert(c, req, ins, io.MultiReader(strings.NewReader(text[ins.data:]), rest))
		}
	}
	printed, class, err := e.examine(c, req, text)
	if err != nil {
		return summary{}, err
	}
	if class != classReads {
		return e.change(c, req, rep, text, mark)
	}
	return e.selection(ctx, c, req, rep, parseSelection(printed, req.format), mark)
}

// text gives the statement, and what follows the part of it that was read: the data of an INSERT.
func (req *request) text() (string, io.Reader, error) {
	var b strings.Builder
	b.WriteString(req.query)
	limit := req.limit()
	if req.body == nil {
		if b.Len() > limit {
			return "", nil, exception(kindQueryIsTooLarge, "The query is longer than %d bytes", limit)
		}
		return b.String(), strings.NewReader(""), nil
	}
	if req.writer {
		// The head of an INSERT is in the URL: the body is data from its first byte.
		head := strings.TrimRight(req.query, " \t\r\n")
		if ins, is, _ := parseInsertion(head, false); is && ins.data == len(head) && (ins.format != "" || req.format != defaultFormat) {
			return head, req.body, nil
		}
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := req.body.Read(buf)
		b.Write(buf[:n])
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return "", nil, readFailed(err)
		}
		if req.writer {
			if _, is, undecided := parseInsertion(b.String(), !ended); is && !undecided {
				return b.String(), req.body, nil
			}
		}
		if b.Len() > limit {
			return "", nil, exception(kindQueryIsTooLarge, "The query is longer than %d bytes", limit)
		}
		if ended {
			return b.String(), strings.NewReader(""), nil
		}
	}
}

func readFailed(err error) error {
	var e *Exception
	if errors.As(err, &e) {
		return e
	}
	return exception(kindCannotReadAll, "Cannot read the body of the request: %v", err)
}

// examine says what a statement does, and how the engine prints it. A reader's must pass the guard.
func (e *Engine) examine(c *conn, req *request, text string) (printed string, class statementClass, err error) {
	if strings.TrimSpace(text) == "" {
		return "", 0, exception(kindSyntaxError, "Empty query")
	}
	n, class := c.classify(text)
	if n > 1 {
		return "", 0, exception(kindSyntaxError, "Syntax error (Multi-statements are not allowed): send one statement at a time")
	}
	if req.session && class == classControls {
		first := tokens(text)
		if len(first) > 0 && (first[0].is("SET") || first[0].is("USE")) {
			return "", 0, exception(kindNotImplemented, "Sessions are not kept: %s would have no effect on the next request; give settings and database with each", strings.ToUpper(first[0].text))
		}
	}
	if class == classReads || class == classUnknown {
		// The formatter answers with the syntax error where there is one.
		b, _, err := c.exec("SELECT formatQuerySingleLine({q:String})", "RawBLOB", param{"q", escapeParam(text)})
		if err != nil {
			return "", 0, err
		}
		printed = string(b)
	}
	if req.writer {
		return printed, class, nil
	}
	if class != classReads || n != 1 {
		e.metrics.refused.WithLabelValues("forbidden").Inc()
		return "", 0, exception(kindReadonly, "Cannot execute query in readonly mode: writing needs the token of %s, and POST", WriterUser)
	}
	if err := errors.Join(checkReader(printed, e.denied), checkReaderParams(printed, req.params)); err != nil {
		e.metrics.refused.WithLabelValues("forbidden").Inc()
		return "", 0, err
	}
	return printed, class, nil
}

// escapeParam writes text as a parameter's value: as a tab-separated field.
func escapeParam(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\x00", `\0`).Replace(s)
}

// selection runs a statement with output, and sends the output as it comes.
func (e *Engine) selection(ctx context.Context, c *conn, req *request, rep *reply, s selection, mark string) (summary, error) {
	h := rep.w.Header()
	h.Set("X-ClickHouse-Format", s.format)
	h.Set("Content-Type", contentType(s.format))
	res, err := c.query(s, req.params)
	if err != nil {
		return summary{}, err
	}
	kill := sync.OnceFunc(func() { e.kill(mark, res.done) })
	stop := context.AfterFunc(ctx, kill)
	var out io.Writer = rep
	var kept *spool
	if req.wait {
		kept = &spool{dir: e.cfg.DataDir}
		defer kept.close()
		out = kept
	}
	if s.format == "Native" && req.revision > 0 {
		err = copyNative(out, res, req.revision)
	} else {
		_, err = io.Copy(out, res)
	}
	if err == nil && kept != nil {
		err = kept.copyTo(rep)
	}
	if err != nil {
		go kill()
	}
	res.close() // a statement that waits for its reader does not hear the kill
	if err != nil || !stop() {
		kill()
	}
	return res.summary, err
}

// change runs a statement of a writer that gives little or nothing. It goes on when its client goes away, but not when the engine closes.
func (e *Engine) change(c *conn, req *request, rep *reply, sql, mark string) (summary, error) {
	ended := make(chan struct{})
	kill := sync.OnceFunc(func() { e.kill(mark, ended) })
	stop := context.AfterFunc(e.ctx, kill)
	body, sum, err := c.exec(sql, req.format, req.params...)
	close(ended)
	if !stop() {
		kill()
	}
	if err == nil {
		_, err = rep.Write(body)
	}
	return sum, err
}

// fill reads until b is full, or r fails or ends. io.ReadFull would say the same of an
// end and of a client that broke off, whose rows must not be committed.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}

// insert streams the data of an INSERT into the engine.
func (e *Engine) insert(c *conn, req *request, ins insertion, data io.Reader) (summary, error) {
	format := ins.format
	if format == "" {
		format = "Values"
		if req.format != defaultFormat {
			format = req.format
		}
	}
	i, err := c.insert(ins.sql, format, req.params)
	if err != nil {
		return summary{}, err
	}
	defer i.close()
	buf := make([]byte, 256<<10)
	for {
		n, err := fill(data, buf)
		if !i.append(buf[:n]) || errors.Is(err, io.EOF) {
			break // commit says what went wrong, if anything did
		}
		if err != nil {
			return summary{}, readFailed(err) // and what came is given up
		}
	}
	return i.commit()
}
