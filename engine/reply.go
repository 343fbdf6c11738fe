package engine

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
)

const (
	// holdBack is how much of a result is kept until its status is sent, and holdTime how long: a result that ends within these
	// tells its exception by the status, and its counts in the header.
	holdBack = 64 << 10
	holdTime = 50 * time.Millisecond
)

// reply is the answer to a request: it packs, and sends on what comes within holdTime.
type reply struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	out     encoding
	tag     string // marks an exception amid a result
	started time.Time
	sent    int64 // bytes on the wire

	mu        sync.Mutex
	held      bytes.Buffer
	committed bool
	ended     bool
	timer     *time.Timer
	packer    packer
	err       error
}

// packer is one way to pack a body.
type packer interface {
	io.WriteCloser
	Flush() error
}

func newReply(w http.ResponseWriter, out encoding) *reply {
	return &reply{
		w: w, rc: http.NewResponseController(w), out: out,
		tag: strings.ToLower(rand.Text()[:16]), started: time.Now(),
	}
}

func (r *reply) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	if r.timer == nil {
		r.timer = time.AfterFunc(holdTime, r.flush)
	}
	if !r.committed && r.held.Len()+len(p) <= holdBack {
		return r.held.Write(p)
	}
	r.commit(http.StatusOK)
	return len(p), r.pack(p)
}

// flush sends what was written, holdTime after the first of it.
func (r *reply) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.err != nil {
		return
	}
	r.timer = nil
	r.commit(http.StatusOK)
	r.send()
}

func (r *reply) send() {
	if r.err == nil {
		r.err = r.packer.Flush()
	}
	if r.err == nil {
		r.err = r.rc.Flush()
	}
}

// commit sends the status, and what was held back.
func (r *reply) commit(status int) {
	if r.committed {
		return
	}
	r.committed = true
	h := r.w.Header()
	wire := &wire{r}
	switch {
	case r.out.native:
		r.packer = &framer{c: compress.NewWriter(compress.LevelZero, r.out.method), wire: wire}
	case r.out.content == "gzip":
		r.packer = gzip.NewWriter(wire)
	case r.out.content == "deflate":
		r.packer = zlib.NewWriter(wire)
	case r.out.content == "zstd":
		z, err := zstd.NewWriter(wire, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
		if err != nil {
			r.err = err
			return
		}
		r.packer = z
	default:
		r.packer = plain{wire}
	}
	if r.out.content != "" && !r.out.native {
		h.Set("Content-Encoding", r.out.content)
	}
	r.w.WriteHeader(status)
	if r.held.Len() > 0 {
		_ = r.pack(r.held.Bytes())
		r.held = bytes.Buffer{}
	}
}

func (r *reply) pack(p []byte) error {
	if r.err == nil {
		_, r.err = r.packer.Write(p)
	}
	return r.err
}

// finish ends a good answer.
func (r *reply) finish(s summary) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	empty := !r.committed && r.held.Len() == 0
	if !r.committed {
		r.w.Header().Set("X-ClickHouse-Summary", s.header(time.Since(r.started)))
	}
	if empty {
		r.w.Header().Set("Content-Length", "0")
		r.out.content = "" // there is nothing to pack
	}
	r.commit(http.StatusOK)
	if r.err == nil && !empty {
		r.err = r.packer.Close()
	}
	return r.err
}

// fail ends an answer with an exception, and says whether the connection must be broken, for the status is out and said all is well.
func (r *reply) fail(e *Exception) (broken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop()
	text := strings.TrimRight(e.Text, "\n") + "\n"
	if r.committed {
		// Clients know an exception by the tag, which no result can foresee.
		_ = r.pack([]byte(fmt.Sprintf("\r\n__exception__\r\n%s\r\n%s%d %s\r\n__exception__\r\n", r.tag, text, len(text), r.tag)))
		if r.err == nil {
			r.err = r.packer.Close()
		}
		if r.err == nil {
			r.err = r.rc.Flush()
		}
		return true
	}
	h := r.w.Header()
	h.Del("X-ClickHouse-Format")
	h.Del("X-ClickHouse-Summary")
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("X-ClickHouse-Exception-Code", strconv.Itoa(e.Code))
	r.held.Reset()
	r.held.WriteString(text)
	r.commit(e.status())
	if r.err == nil {
		r.err = r.packer.Close()
	}
	return r.err != nil
}

func (r *reply) stop() {
	r.ended = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// header is the X-ClickHouse-Summary.
func (s summary) header(elapsed time.Duration) string {
	return fmt.Sprintf(`{"read_rows":"%d","read_bytes":"%d","written_rows":"%d","written_bytes":"%d","total_rows_to_read":"0",`+
		`"result_rows":"%d","result_bytes":"0","elapsed_ns":"%d"}`,
		s.readRows, s.readBytes, s.writtenRows, s.writtenBytes, s.resultRows, elapsed.Nanoseconds())
}

// wire is the end of the packing: the connection, on which a client that stopped reading is given up.
type wire struct{ r *reply }

func (w *wire) Write(p []byte) (int, error) {
	_ = w.r.rc.SetWriteDeadline(time.Now().Add(idle)) // where there are no deadlines, there are none
	n, err := w.r.w.Write(p)
	w.r.sent += int64(n)
	return n, err
}

type plain struct{ io.Writer }

func (plain) Flush() error { return nil }
func (plain) Close() error { return nil }

// framer packs into ClickHouse's own compressed frames.
type framer struct {
	buf  []byte
	c    *compress.Writer
	wire io.Writer
}

const frameSize = 256 << 10

func (f *framer) Write(p []byte) (int, error) {
	f.buf = append(f.buf, p...)
	if len(f.buf) < frameSize {
		return len(p), nil
	}
	return len(p), f.Flush()
}

func (f *framer) Flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	if err := f.c.Compress(f.buf); err != nil {
		return fmt.Errorf("compress: %w", err)
	}
	f.buf = f.buf[:0]
	_, err := f.wire.Write(f.c.Data)
	return err
}

func (f *framer) Close() error { return f.Flush() }

// spool keeps a whole result for wait_end_of_query: a little in memory, more in a file.
type spool struct {
	dir  string
	mem  bytes.Buffer
	file *os.File
	size int64
}

const (
	spoolMemory = 4 << 20
	spoolMax    = 1 << 30
)

func (s *spool) Write(p []byte) (int, error) {
	if s.size += int64(len(p)); s.size > spoolMax {
		return 0, exception(kindTooManyBytes, "The result is larger than %d MiB: ask for it without wait_end_of_query", spoolMax>>20)
	}
	if s.file == nil && s.mem.Len()+len(p) <= spoolMemory {
		return s.mem.Write(p)
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "result.")
		if err != nil {
			return 0, fmt.Errorf("keep a result: %w", err)
		}
		s.file = f
		if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
			return 0, fmt.Errorf("keep a result: %w", err)
		}
	}
	return s.file.Write(p)
}

func (s *spool) copyTo(w io.Writer) error {
	if _, err := w.Write(s.mem.Bytes()); err != nil {
		return err
	}
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("keep a result: %w", err)
	}
	_, err := io.Copy(w, s.file)
	return err
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
