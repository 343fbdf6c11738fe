package engine

import (
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/klauspost/compress/zstd"
)

// defaultFormat is that of results whose format nobody names.
const defaultFormat = "TabSeparated"

// request is what a client asks for.
type request struct {
	writer   bool
	readonly bool // GET, which ClickHouse lets read only
	id       string
	database string
	format   string // where the statement names none
	settings []setting
	params   []param
	query    string    // from the URL
	body     io.Reader // decompressed
	out      encoding
	revision int  // client_protocol_version, 0 without
	wait     bool // wait_end_of_query
	session  bool // session_id
}

// encoding is how a response is packed.
type encoding struct {
	content string          // Content-Encoding: gzip, deflate, zstd or ""
	native  bool            // compress=1: ClickHouse's own frames
	method  compress.Method // of those frames
}

const (
	// maxReaderQuery and maxWriterQuery are the longest statements, data of an INSERT left aside.
	maxReaderQuery = 256 << 10
	maxWriterQuery = 32 << 20
	// idle is how long a client may take for the next piece of its body, or of our answer.
	idle = time.Minute
)

// changes says whether the request may change anything.
func (req *request) changes() bool { return req.writer && !req.readonly }

// limit is how long the statement may be.
func (req *request) limit() int {
	if req.writer {
		return maxWriterQuery
	}
	return maxReaderQuery
}

// authenticate says whether the client may write. Whoever gives no password reads; a wrong password is refused, and never reads.
func (e *Engine) authenticate(r *http.Request, q url.Values) (writer bool, err error) {
	user, password := r.Header.Get("X-ClickHouse-User"), r.Header.Get("X-ClickHouse-Key")
	if user == "" && password == "" {
		authorization := r.Header.Get("Authorization")
		if bearer, ok := strings.CutPrefix(authorization, "Bearer "); ok {
			password = bearer
		} else if u, p, ok := r.BasicAuth(); ok {
			user, password = u, p
		} else if authorization != "" {
			return false, exception(kindAuthentication, "The Authorization header is neither Basic nor Bearer")
		}
	}
	if user == "" && password == "" {
		user, password = q.Get("user"), q.Get("password")
	}
	if password == "" {
		if user == WriterUser {
			return false, exception(kindAuthentication, "%s: Authentication failed: the write token is missing", WriterUser)
		}
		return false, nil
	}
	right := subtle.ConstantTimeCompare([]byte(password), []byte(e.cfg.Token)) == 1
	if !right || user != WriterUser && user != "default" && user != "" {
		return false, exception(kindAuthentication, "Authentication failed: the password is not the write token of %s; leave it empty to read", WriterUser)
	}
	return true, nil
}

// hostSet prepares the names under which the front may be called.
func hostSet(names []string) map[string]bool {
	set := map[string]bool{}
	for _, n := range names {
		set[strings.ToLower(strings.TrimSuffix(n, "."))] = true
	}
	return set
}

// knownHost keeps web pages out that have their own name point at this machine. They need a name; an address cannot be theirs.
func (e *Engine) knownHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return e.hosts[host] || strings.HasSuffix(host, ".localhost")
}

// Parameters of the front that are no settings of the engine, and which it needs not heed: progress is in no header, and roles
// and quotas there are none.
var frontParams = map[string]bool{
	"user": true, "password": true, "quota_key": true, "role": true, "session_timeout": true, "session_check": true, "buffer_size": true,
	"send_progress_in_http_headers": true, "http_headers_progress_interval_ms": true, "cancel_http_readonly_queries_on_client_close": true,
	"http_write_exception_in_output_format": true, "http_zlib_compression_level": true, "network_zstd_compression_level": true,
	"stacktrace": true, "close_session": true, "http_wait_end_of_query": true, "http_response_buffer_size": true,
	"add_http_cors_header": true, "http_make_head_request": true, "http_receive_timeout": true, "http_send_timeout": true,
	"http_connection_timeout": true, "http_max_uri_size": true, "http_native_compression_disable_checksumming_on_decompress": true,
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// parse reads a request but for its body.
func (e *Engine) parse(r *http.Request, q url.Values, writer bool) (*request, error) {
	req := &request{
		writer: writer, readonly: r.Method != http.MethodPost, id: rand.Text(),
		database: r.Header.Get("X-ClickHouse-Database"), format: r.Header.Get("X-ClickHouse-Format"),
	}
	if err := req.readBody(r, q); err != nil {
		return req, err
	}
	acceptEncoding, native, method := false, false, "LZ4"
	for name, values := range q {
		value := values[len(values)-1]
		if p, ok := strings.CutPrefix(name, "param_"); ok {
			req.params = append(req.params, param{p, value})
			continue
		}
		switch name {
		case "query":
			req.query = value
		case "query_id":
			if value != "" {
				req.id = value
			}
		case "database":
			req.database = value
		case "default_format":
			req.format = value
		case "session_id":
			req.session = true
		case "wait_end_of_query":
			req.wait = isTrue(value)
		case "enable_http_compression":
			acceptEncoding = isTrue(value)
		case "compress":
			native = isTrue(value)
		case "decompress":
			if isTrue(value) && req.body != nil {
				req.body = newFrames(req.body)
			}
		case "network_compression_method":
			method = strings.ToUpper(value)
		case "client_protocol_version":
			revision, err := strconv.Atoi(value)
			if err != nil || revision < 0 {
				return req, exception(kindBadArguments, "client_protocol_version=%s is no number", value)
			}
			req.revision = revision
		default:
			if frontParams[name] {
				continue
			}
			if !settingName.MatchString(name) {
				return req, exception(kindBadArguments, "%q is no setting", name)
			}
			req.settings = append(req.settings, setting{name, value})
		}
	}
	if req.format == "" {
		req.format = defaultFormat
	}
	if !settingName.MatchString(req.format) {
		return req, exception(kindBadArguments, "%q is no format", req.format)
	}
	if strings.ContainsFunc(req.id, func(c rune) bool { return c < ' ' || c > '~' }) || len(req.id) > 256 {
		req.id = ""
		return req, exception(kindBadArguments, "query_id is longer than 256 or not printable ASCII")
	}
	return req, req.setEncoding(r, acceptEncoding, native, method)
}

func isTrue(s string) bool { return s == "1" || strings.EqualFold(s, "true") }

// readBody unpacks the body, and takes the fields of a form.
func (req *request) readBody(r *http.Request, q url.Values) error {
	if r.Method != http.MethodPost {
		return nil
	}
	var body io.Reader = r.Body
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		body = &lazyReader{open: func() (io.Reader, error) { return gzip.NewReader(r.Body) }}
	case "deflate":
		body = &lazyReader{open: func() (io.Reader, error) { return zlib.NewReader(r.Body) }}
	case "zstd":
		body = &lazyReader{open: func() (io.Reader, error) {
			d, err := zstd.NewReader(r.Body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		}}
	default:
		return exception(kindNotImplemented, "Content-Encoding %s is not supported: use gzip, deflate or zstd, or decompress=1", enc)
	}
	req.body = body
	kind, values, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil
	}
	form := multipart.NewReader(io.LimitReader(body, int64(req.limit())), values["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			req.body = nil
			return nil
		}
		if err != nil {
			return exception(kindCannotReadAll, "Cannot read the form: %v", err)
		}
		if part.FileName() != "" {
			return exception(kindNotImplemented, "External data for queries is not supported")
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return exception(kindCannotReadAll, "Cannot read the form: %v", err)
		}
		q.Set(part.FormName(), string(value))
	}
}

func (req *request) setEncoding(r *http.Request, accept, native bool, method string) error {
	if native {
		req.out.native = true
		switch method {
		case "LZ4", "LZ4HC":
			req.out.method = compress.LZ4
		case "ZSTD":
			req.out.method = compress.ZSTD
		default:
			return exception(kindNotImplemented, "network_compression_method %s is not supported: use LZ4 or ZSTD", method)
		}
		return nil
	}
	if accept {
		req.out.content = acceptedEncoding(r.Header.Get("Accept-Encoding"))
	}
	return nil
}

// acceptedEncoding picks of what a client accepts.
func acceptedEncoding(header string) string {
	accepted := map[string]bool{}
	for part := range strings.SplitSeq(header, ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		accepted[strings.ToLower(strings.TrimSpace(name))] = strings.TrimSpace(q) != "q=0"
	}
	for _, name := range []string{"zstd", "gzip", "deflate"} {
		if accepted[name] {
			return name
		}
	}
	return ""
}

// lazyReader opens a decompressor with the first Read: an empty body is no error.
type lazyReader struct {
	open func() (io.Reader, error)
	r    io.Reader
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if l.r == nil {
		r, err := l.open()
		if errors.Is(err, io.EOF) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, exception(kindCannotDecompress, "Cannot decompress the body: %v", err)
		}
		l.r = r
	}
	return l.r.Read(p)
}

// frames reads ClickHouse's compressed frames. Their reader wraps io.EOF, also amid a frame.
type frames struct {
	wire *countingReader
	r    *compress.Reader
}

func newFrames(r io.Reader) *frames {
	wire := &countingReader{r: r}
	return &frames{wire, compress.NewReader(wire)}
}

func (f *frames) Read(p []byte) (int, error) {
	before := f.wire.n
	n, err := f.r.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF) && f.wire.n == before:
		return n, io.EOF
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, io.ErrUnexpectedEOF
	default:
		return n, exception(kindCannotDecompress, "Cannot decompress the body: %v", err)
	}
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
