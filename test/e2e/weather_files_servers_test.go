package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// often is how every server is asked.
const often = "every: 200ms, settle: 200ms"

// anFTP is a link that fetches from an FTP server.
func anFTP(addr string, more ...string) string {
	if len(more) == 0 {
		more = []string{"password_env: CDR_PASSWORD"}
	}
	return fmt.Sprintf("model: avaya-ipoffice, ftp: {addr: %q, user: cdr, grows: false, %s, %s}", addr, often, strings.Join(more, ", "))
}

// The transfer is reset at places of chance: five times, of which three in a row
// are told.
func ftpCut(t *testing.T) *storm {
	text := smdr(longAgo, 0, 60)
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": text}, password: db.Password()})
	for _, p := range pieces(3, text, 1000)[:5] {
		d.cuts = append(d.cuts, len(p))
	}
	return &storm{anFTP(d.addr), func(t *testing.T, s *sky) {
		s.told(t, "ftp-cut", "file SMDR_1.csv cannot be collected, attempt 1 of 5", "the transfer broke after")
	}, ticketsOf(text)}
}

// The server answers 550 to one file, and gives the others.
func ftpUnreadable(t *testing.T) *storm {
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": smdr(longAgo, 0, 5)}, password: db.Password(), denied: true})
	return &storm{anFTP(d.addr), func(t *testing.T, s *sky) {
		s.told(t, "ftp-550", "file SMDR_1.csv cannot be collected, attempt 1 of 5", "550 Permission denied")
		d.change(func() { d.denied = false })
		s.over(t, "ftp-550", "550 Permission denied")
	}, ticketsOf(smdr(longAgo, 0, 5))}
}

// Answers and files come a byte at a time.
func ftpBytewise(t *testing.T) *storm {
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": smdr(longAgo, 0, 20)}, password: db.Password(), bytewise: true})
	return &storm{anFTP(d.addr), nil, ticketsOf(smdr(longAgo, 0, 20))}
}

// The log-in is refused three times. Then it is left alone until another password
// is there.
func ftpLogin(t *testing.T) *storm {
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": smdr(longAgo, 0, 5)}, password: db.Password()})
	secret := wrongSecret(t)
	return &storm{anFTP(d.addr, fmt.Sprintf("password_file: %q", secret)), func(t *testing.T, s *sky) {
		thrice(t, s, "ftp-login", func() (n int) {
			d.change(func() { n = d.refused })
			return n
		}, "the log-in is refused", "compare user cdr and its password with the server's")
		writeFile(t, secret, db.Password(), 0o600)
		s.over(t, "ftp-login", "the log-in is refused")
	}, ticketsOf(smdr(longAgo, 0, 5))}
}

// wrongSecret is the file of a password that is not right yet.
func wrongSecret(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	writeFile(t, path, "yesterday's", 0o600)
	return path
}

// thrice makes sure that three log-ins are refused, that status tells why, and
// that at most one a minute is tried after that.
func thrice(t *testing.T, s *sky, link string, refused func() int, says ...string) {
	t.Helper()
	s.told(t, link, says...)
	s.looks(t, link, 5)
	if n, minutes := refused(), int(time.Since(s.began)/time.Minute); n < 3 || n > 3+minutes {
		t.Errorf("%d log-ins were tried", n)
	}
}

// Behind the port is another service for a while.
func ftpGreeting(t *testing.T) *storm {
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": smdr(longAgo, 0, 5)}, password: db.Password()})
	g := newGale(t, d.addr, func(int) gust { return gust{says: "SSH-2.0-OpenSSH_9.6\r\n"} })
	return &storm{anFTP(g.addr), g.until("ftp-greeting", "the server gives no greeting: is this its FTP port"), ticketsOf(smdr(longAgo, 0, 5))}
}

// until is weather that lasts until status tells the reason.
func (g *gale) until(link string, says ...string) func(*testing.T, *sky) {
	return func(t *testing.T, s *sky) {
		s.told(t, link, says...)
		g.calm()
		s.over(t, link, says...)
	}
}

// Among 100,000 files of others are ours.
func ftpHundredThousand(t *testing.T) *storm {
	files := map[string]string{}
	for i := range 5 {
		files[fmt.Sprintf("SMDR_%d.csv", i)] = smdr(longAgo, i, 1)
	}
	d := newFTPD(t, &ftpd{files: files, password: db.Password(), others: 100_000})
	return &storm{anFTP(d.addr), nil, ticketsOf(smdr(longAgo, 0, 5))}
}

// Its clock is ahead: a file is from the future.
func ftpClockAhead(t *testing.T) *storm {
	d := newFTPD(t, &ftpd{files: map[string]string{"SMDR_1.csv": smdr(longAgo, 0, 5)}, password: db.Password(), ahead: time.Since(longAgo) + time.Hour})
	return &storm{anFTP(d.addr), nil, ticketsOf(smdr(longAgo, 0, 5))}
}

var addrOf = regexp.MustCompile(`addr: "([^"]+)"`)

// anSFTP is a link that fetches from an OpenSSH through weather.
func anSFTP(t *testing.T, text string, blow func(int) gust) (string, *gale) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "SMDR_1.csv", text)
	login := sshd(t)
	g := newGale(t, addrOf.FindStringSubmatch(login)[1], blow)
	return fmt.Sprintf("model: avaya-ipoffice, sftp: {%s, dir: %q, grows: false, %s}", addrOf.ReplaceAllString(login, fmt.Sprintf("addr: %q", g.addr)), dir, often), g
}

// Connections are reset at places of chance within the file until status tells.
func sftpCut(t *testing.T) *storm {
	text := smdr(longAgo, 0, 1500)
	wire, g := anSFTP(t, text, func(n int) gust { return gust{cut: 15_000 + chance(4, n, 20_000)} })
	return &storm{wire, g.until("sftp-cut", "file SMDR_1.csv cannot be collected, attempt 1 of 5"), ticketsOf(text)}
}

func sftpBytewise(t *testing.T) *storm {
	wire, _ := anSFTP(t, smdr(longAgo, 0, 20), func(int) gust { return gust{bytes: 1} })
	return &storm{wire, nil, ticketsOf(smdr(longAgo, 0, 20))}
}

func sftpGreeting(t *testing.T) *storm {
	wire, g := anSFTP(t, smdr(longAgo, 0, 5), func(int) gust { return gust{says: "220 ProFTPD ready\r\n"} })
	return &storm{wire, g.until("sftp-greeting", "no SSH with the server: is this its SSH port?"), ticketsOf(smdr(longAgo, 0, 5))}
}

// The key is not among those that are let in.
func sftpLogin(t *testing.T) *storm {
	wire, g := anSFTP(t, smdr(longAgo, 0, 5), func(int) gust { return gust{} })
	other := filepath.Join(t.TempDir(), "other")
	if out, err := exec.Command(kit.Program(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", other).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	wire = regexp.MustCompile(`key_file: "[^"]+"`).ReplaceAllString(wire, fmt.Sprintf("key_file: %q", other))
	return &storm{wire, func(t *testing.T, s *sky) {
		thrice(t, s, "sftp-login", func() int { return int(g.conns.Load()) }, "the log-in is refused", "its password or key")
	}, nil}
}

// aWebFolder is a link that fetches buffered files, which are kept for a layout.
func aWebFolder(addr string, more ...string) string {
	return fmt.Sprintf("model: mitel-a5000-v2, http: {%s}", strings.Join(append([]string{fmt.Sprintf("url: %q", "http://"+addr+"/tickets/"), often}, more...), ", "))
}

// webFolder is a web server with the file and a directory index.
func webFolder(t *testing.T, text string, through func(http.Handler) http.Handler) (addr, dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "t1", text)
	h := http.StripPrefix("/tickets", http.FileServer(http.Dir(dir)))
	if through != nil {
		h = through(h)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), dir
}

// The first connections are reset within the index, later ones within the file.
func httpCut(t *testing.T) *storm {
	text := smdr(longAgo, 0, 1500)
	addr, _ := webFolder(t, text, nil)
	g := newGale(t, addr, func(n int) gust {
		switch {
		case n <= 4:
			return gust{cut: int64(100 + n)}
		case n <= 8:
			return gust{cut: 1000 + chance(5, n, 30_000)}
		}
		return gust{}
	})
	return &storm{aWebFolder(g.addr), func(t *testing.T, s *sky) {
		s.told(t, "http-cut", "it cannot be reached")
	}, ticketsOf(text)}
}

func httpBytewise(t *testing.T) *storm {
	addr, _ := webFolder(t, smdr(longAgo, 0, 20), nil)
	g := newGale(t, addr, func(int) gust { return gust{bytes: 1, pause: 20 * time.Microsecond} })
	return &storm{aWebFolder(g.addr), nil, ticketsOf(smdr(longAgo, 0, 20))}
}

func httpReset(t *testing.T) *storm {
	addr, _ := webFolder(t, smdr(longAgo, 0, 5), nil)
	g := newGale(t, addr, func(int) gust { return gust{reset: true} })
	return &storm{aWebFolder(g.addr), g.until("http-reset", "it cannot be reached", "connection reset"), ticketsOf(smdr(longAgo, 0, 5))}
}

func httpGreeting(t *testing.T) *storm {
	addr, _ := webFolder(t, smdr(longAgo, 0, 5), nil)
	g := newGale(t, addr, func(int) gust { return gust{says: "220 mail.example ESMTP\r\n"} })
	return &storm{aWebFolder(g.addr), g.until("http-greeting", "malformed HTTP"), ticketsOf(smdr(longAgo, 0, 5))}
}

// The log-in is refused three times.
func httpLogin(t *testing.T) *storm {
	var refused atomic.Int32
	addr, _ := webFolder(t, smdr(longAgo, 0, 5), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch _, password, asked := r.BasicAuth(); {
			case password == db.Password():
				h.ServeHTTP(w, r)
				return
			case asked:
				refused.Add(1)
			}
			w.Header().Set("WWW-Authenticate", `Basic realm="tickets"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
		})
	})
	secret := wrongSecret(t)
	return &storm{aWebFolder(addr, "user: cdr", fmt.Sprintf("password_file: %q", secret)), func(t *testing.T, s *sky) {
		thrice(t, s, "http-login", func() int { return int(refused.Load()) }, "the log-in is refused", "does not take user cdr with this password")
		writeFile(t, secret, db.Password(), 0o600)
		s.over(t, "http-login", "the log-in is refused")
	}, ticketsOf(smdr(longAgo, 0, 5))}
}

// The index has 100,000 links, of which one is ours.
func httpHundredThousand(t *testing.T) *storm {
	var index strings.Builder
	index.WriteString("<html><body><pre>\n")
	for i := range 100_000 {
		fmt.Fprintf(&index, "<a href=\"v%06d.wav\">v%06d.wav</a>  2026-01-01 00:00  1.0K\n", i, i)
	}
	index.WriteString("<a href=\"t1\">t1</a>  2026-01-01 00:00  1.0K\n</pre></body></html>\n")
	addr, _ := webFolder(t, smdr(longAgo, 0, 5), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/tickets/" {
				fmt.Fprint(w, index.String())
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	return &storm{aWebFolder(addr, "pattern: \"t*\""), nil, ticketsOf(smdr(longAgo, 0, 5))}
}

// The server's clock is an hour ahead.
func httpClockAhead(t *testing.T) *storm {
	ahead := time.Now().Add(time.Hour)
	addr, dir := webFolder(t, smdr(longAgo, 0, 5), func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", ahead.UTC().Format(http.TimeFormat))
			h.ServeHTTP(w, r)
		})
	})
	if err := os.Chtimes(filepath.Join(dir, "t1"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	return &storm{aWebFolder(addr), nil, ticketsOf(smdr(longAgo, 0, 5))}
}
