package ftp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"trunkline.internal/services/ingest-poll/internal/remote"
)

const (
	// maxReply bounds the bytes of one answer.
	maxReply = 64 << 10
	// maxNoise bounds the lines before the greeting that are none.
	maxNoise = 100
)

// Answers of a server that mean something to us.
const (
	codeGoOn        = 350
	codeNoTransfer  = 425
	codeBusy        = 450
	codeUnavailable = 550
)

// refusal is an answer that says no.
type refusal struct {
	command string // its first word
	code    int
	text    string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %d %s", r.command, r.code, r.text) }

// unknown tells that the server does not know a command.
func unknown(err error) bool {
	var r *refusal
	return errors.As(err, &r) && (r.code == 500 || r.code == 501 || r.code == 502 || r.code == 504)
}

func saysCode(err error, code int) bool {
	var r *refusal
	return errors.As(err, &r) && r.code == code
}

// conn is a control connection.
type conn struct {
	*server
	raw      net.Conn
	net      net.Conn // raw, or TLS on it
	in       *textproto.Reader
	left     *io.LimitedReader
	password string
	features map[string]string
	// What the server turned out not to know.
	noEPSV, noMLSD, noTimes, noSizes bool
	broken                           atomic.Bool
}

func (s *server) connect(ctx context.Context, password string) (*conn, error) {
	d := net.Dialer{Timeout: s.step}
	raw, err := d.DialContext(ctx, "tcp", s.cfg.Addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil, noGreeting(err) // taken, and dropped before we knew
	}
	if err != nil {
		return nil, fmt.Errorf("the server does not answer: is it on, is its FTP service started, does the firewall let us through? %w", err)
	}
	return s.over(ctx, raw, password)
}

func noGreeting(err error) error {
	return fmt.Errorf("the server gives no greeting: is this its FTP port, and is our address among those that it lets in (on an OmniPCX Enterprise: netadmin -m, trusted hosts)? %w", err)
}

// over makes a control connection of one that is open.
func (s *server) over(ctx context.Context, raw net.Conn, password string) (*conn, error) {
	c := &conn{server: s, raw: raw, password: password}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if c.use(raw); s.cfg.Implicit {
		if err := c.secure(ctx); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	if err := c.greeting(); err != nil {
		_ = c.Close()
		return nil, noGreeting(err)
	}
	if s.tls != nil && !s.cfg.Implicit {
		err := c.expect(ctx, 2, "AUTH TLS")
		if err == nil && c.in.R.Buffered() > 0 {
			err = errors.New("bytes that are not encrypted follow its answer: somebody stands between")
		}
		if err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("the server offers no TLS: set it up there, or take tls out of the link's configuration: %w", err)
		}
		if err := c.secure(ctx); err != nil {
			_ = c.Close()
			return nil, err
		}
	}
	return c, nil
}

// use makes a connection the control connection.
func (c *conn) use(n net.Conn) {
	c.net = n
	c.left = &io.LimitedReader{R: n}
	c.in = textproto.NewReader(bufio.NewReaderSize(c.left, 4096))
}

func (c *conn) secure(ctx context.Context) error {
	t, err := handshake(ctx, c.net, c.tls(), c.step)
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf("the server's certificate is not trusted: give its authority, or the certificate itself where it signed itself, as tls: {ca: FILE}: %w", err)
	case err != nil:
		return fmt.Errorf("no TLS with the server: port 990 wants implicit: true, port 21 does not: %w", err)
	}
	c.use(t)
	return nil
}

func handshake(ctx context.Context, n net.Conn, cfg *tls.Config, limit time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t := tls.Client(n, cfg)
	return t, t.HandshakeContext(ctx)
}

// greeting waits for the server's first answer. Some print lines before it.
func (c *conn) greeting() error {
	c.left.N = maxReply
	if err := c.net.SetDeadline(time.Now().Add(c.step)); err != nil {
		return err
	}
	for range maxNoise {
		start, err := c.in.R.Peek(4)
		if err != nil {
			return c.fail(err)
		}
		if !isCode(start) {
			if _, err := c.in.R.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
				return c.fail(err)
			}
			continue
		}
		code, text, err := c.answer()
		switch {
		case err != nil:
			return err
		case code/100 == 1: // it will be ready in a moment
		case code/100 == 2:
			return nil
		default:
			return &refusal{"greeting", code, text}
		}
	}
	return c.fail(errors.New("what it says is not FTP"))
}

func isCode(b []byte) bool {
	for _, d := range b[:3] {
		if d < '0' || d > '9' {
			return false
		}
	}
	return b[0] >= '1' && b[0] <= '5' && (b[3] == ' ' || b[3] == '-')
}

// fail notes that the connection is of no more use.
func (c *conn) fail(err error) error {
	_ = c.Close()
	if errors.Is(err, io.EOF) && c.left.N <= 0 {
		return fmt.Errorf("an answer of more than %d bytes", maxReply)
	}
	return fmt.Errorf("the connection broke: %w", err)
}

func (c *conn) Alive() bool { return !c.broken.Load() }

func (c *conn) Close() error {
	if c.broken.Swap(true) {
		return nil
	}
	return c.raw.Close()
}

// answer reads one answer; the caller has set the deadline.
func (c *conn) answer() (code int, text string, err error) {
	code, text, err = c.in.ReadResponse(0)
	if err != nil {
		var said *textproto.Error
		if !errors.As(err, &said) {
			return 0, "", c.fail(err)
		}
		code, text = said.Code, said.Msg
	}
	return code, text, nil
}

// clean makes the server's words fit for people: short, printable, and without
// our password, should it repeat it.
func (c *conn) clean(text string) string {
	if c.password != "" {
		text = strings.ReplaceAll(text, c.password, "…")
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if r := []rune(text); len(r) > 200 {
		text = string(r[:200]) + "…"
	}
	return text
}

// send sends a command and reads the answer.
func (c *conn) send(ctx context.Context, command string) (code int, text string, err error) {
	if !c.Alive() {
		return 0, "", net.ErrClosed
	}
	if strings.ContainsAny(command, "\r\n\x00") {
		return 0, "", errors.New("a name with a line end")
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	c.left.N = maxReply
	if err := c.net.SetDeadline(time.Now().Add(c.step)); err != nil {
		return 0, "", c.fail(err)
	}
	if _, err := io.WriteString(c.net, command+"\r\n"); err != nil {
		return 0, "", c.fail(err)
	}
	return c.answer()
}

// ask sends a command whose answer must be of a class: 1 to 3.
func (c *conn) ask(ctx context.Context, class int, command string) (text string, err error) {
	code, text, err := c.send(ctx, command)
	if err != nil {
		return "", err
	}
	return text, c.must(class, command, code, text)
}

func (c *conn) must(class int, command string, code int, text string) error {
	if code/100 == class {
		return nil
	}
	word, _, _ := strings.Cut(command, " ")
	if code == 421 {
		_ = c.Close() // it says good-bye
	}
	return &refusal{word, code, c.clean(text)}
}

func (c *conn) expect(ctx context.Context, class int, command string) error {
	_, err := c.ask(ctx, class, command)
	return err
}

// enter logs in and goes to the folder.
func (c *conn) enter(ctx context.Context) error {
	if err := c.login(ctx); err != nil {
		return err
	}
	return c.prepare(ctx)
}

// prepare finds out what the server knows, and goes to the folder.
func (c *conn) prepare(ctx context.Context) error {
	c.features = make(map[string]string)
	// A server that does not know FEAT has no features.
	if text, err := c.ask(ctx, 2, "FEAT"); err == nil {
		for line := range strings.Lines(text) {
			name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			c.features[strings.ToUpper(name)] = rest
		}
	} else if !c.Alive() {
		return err
	}
	if _, ok := c.features["UTF8"]; ok {
		if err := c.expect(ctx, 2, "OPTS UTF8 ON"); err != nil && !c.Alive() {
			return err
		}
	}
	if err := c.expect(ctx, 2, "TYPE I"); err != nil {
		return err
	}
	if c.tls != nil {
		for _, command := range []string{"PBSZ 0", "PROT P"} {
			if err := c.expect(ctx, 2, command); err != nil {
				return fmt.Errorf("the server does not encrypt transfers: %w", err)
			}
		}
	}
	if c.dir != "" {
		if err := c.expect(ctx, 2, "CWD "+c.dir); err != nil {
			return fmt.Errorf("folder %s cannot be entered: look at dir in the link's configuration, and let user %s read it: %w", c.dir, c.cfg.User, err)
		}
	}
	return nil
}

func (c *conn) login(ctx context.Context) error {
	code, text, err := c.send(ctx, "USER "+c.cfg.User)
	if err != nil {
		return err
	}
	if code/100 == 3 {
		// What went over the wire must stand in no error.
		if code, text, err = c.send(ctx, "PASS "+c.password); err != nil {
			return err
		}
	}
	if code/100 == 2 {
		return nil
	}
	no := c.must(2, "log-in", code, text)
	if code == 421 || code/100 == 4 {
		return fmt.Errorf("the server lets nobody in at the moment: too many connections? %w", no)
	}
	return fmt.Errorf("%w: compare user %s and its password with the server's, and may it use FTP? %w", remote.ErrRefused, c.cfg.User, no)
}
