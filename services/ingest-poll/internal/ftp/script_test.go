package ftp

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/remote"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// scripted is a server that behaves as it is told: for what no real one does on
// command. Without being told it behaves well.
type scripted struct {
	addr string
	// greet greets; nil: `220 ready`.
	greet func(net.Conn)
	// features are the lines of FEAT.
	features string
	// on answers a command in place of the usual; an empty string: as usual.
	on func(verb, arg string) string
	// send sends data in place of the usual.
	send func(data net.Conn, verb string, content []byte)
	// listing makes LIST or MLSD.
	listing func(verb string) string

	mu    sync.Mutex
	files map[string]scriptedFile
	said  []string // commands that came
	sent  int64    // bytes of data
}

type scriptedFile struct {
	content string
	time    time.Time
}

func newScripted(t testing.TB, s *scripted) *scripted {
	t.Helper()
	if s.files == nil {
		s.files = make(map[string]scriptedFile)
	}
	s.addr = kit.Serve(t, s.serve)
	return s
}

func (s *scripted) put(name, content string, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = scriptedFile{content, at}
}

func (s *scripted) get(name string) (scriptedFile, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[name]
	return f, ok
}

// commands are those that came, that begin so.
func (s *scripted) commands(prefix string) (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.said {
		if strings.HasPrefix(c, prefix) {
			out = append(out, c)
		}
	}
	return out
}

func (s *scripted) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent
}

func (s *scripted) mlsd() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for name, f := range s.files {
		fmt.Fprintf(&b, "type=file;size=%d;modify=%s; %s\r\n", len(f.content), f.time.UTC().Format("20060102150405"), name)
	}
	return b.String()
}

func (s *scripted) serve(c net.Conn) {
	say := func(format string, args ...any) { fmt.Fprintf(c, format+"\r\n", args...) }
	if s.greet != nil {
		s.greet(c)
	} else {
		say("220 ready")
	}
	var passive net.Listener
	var active string
	rest := 0
	closePassive := func() {
		if passive != nil {
			_ = passive.Close()
			passive = nil
		}
	}
	defer closePassive()
	in := bufio.NewScanner(c)
	for in.Scan() {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		s.mu.Lock()
		s.said = append(s.said, in.Text())
		s.mu.Unlock()
		if s.on != nil {
			switch text := s.on(verb, arg); text {
			case "":
			case "vanish":
				return
			default:
				say("%s", text)
				continue
			}
		}
		f, there := s.get(arg)
		switch verb {
		case "USER":
			say("331 password?")
		case "PASS":
			if arg != rig.Canary {
				say("530 no")
				continue
			}
			say("230 welcome")
		case "FEAT":
			say("211-I can\r\n%s211 End", s.features)
		case "TYPE", "CWD", "OPTS", "NOOP":
			say("250 fine")
		case "EPSV", "PASV":
			closePassive()
			var err error
			if passive, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
				say("425 %v", err)
				continue
			}
			port := passive.Addr().(*net.TCPAddr).Port
			if verb == "EPSV" {
				say("229 here (|||%d|)", port)
			} else {
				say("227 here 10,0,0,1,%d,%d", port>>8, port&255)
			}
		case "PORT":
			f := strings.Split(arg, ",")
			high, _ := strconv.Atoi(f[4])
			low, _ := strconv.Atoi(f[5])
			active = fmt.Sprintf("%s:%d", strings.Join(f[:4], "."), high<<8|low)
			say("200 fine")
		case "REST":
			rest, _ = strconv.Atoi(arg)
			say("350 from %d", rest)
		case "SIZE", "MDTM", "MLST":
			switch {
			case !there:
				say("550 no such file")
			case verb == "SIZE":
				say("213 %d", len(f.content))
			case verb == "MDTM":
				say("213 %s", f.time.UTC().Format("20060102150405"))
			default:
				say("250-here\r\n type=file;size=%d;modify=%s; %s\r\n250 end", len(f.content), f.time.UTC().Format("20060102150405"), arg)
			}
		case "LIST", "MLSD", "RETR":
			if verb == "RETR" && !there {
				say("550 no such file")
				continue
			}
			content := []byte(f.content)
			if verb != "RETR" {
				if s.listing != nil {
					content = []byte(s.listing(verb))
				} else {
					content = []byte(s.mlsd())
				}
			}
			content = content[min(rest, len(content)):]
			rest = 0
			say("150 here it comes")
			if !s.transfer(passive, active, verb, content) {
				say("426 it broke")
			} else {
				say("226 that was it")
			}
			closePassive()
		case "DELE", "RNFR", "RNTO", "MKD":
			say("550 no")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("502 what?")
		}
	}
}

func (s *scripted) transfer(passive net.Listener, active, verb string, content []byte) bool {
	var data net.Conn
	var err error
	if passive != nil {
		_ = passive.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
		data, err = passive.Accept()
	} else {
		data, err = net.Dial("tcp", active)
	}
	if err != nil {
		return false
	}
	defer data.Close()
	counted := &counting{data, s}
	if s.send != nil {
		s.send(counted, verb, content)
		return true
	}
	_, err = counted.Write(content)
	return err == nil
}

type counting struct {
	net.Conn
	s *scripted
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.s.mu.Lock()
	c.s.sent += int64(n)
	c.s.mu.Unlock()
	return n, err
}

// reset ends a data connection as a crash does.
func reset(data net.Conn) {
	_ = data.(*counting).Conn.(*net.TCPConn).SetLinger(0)
	_ = data.Close()
}

// hasty is a collector whose steps are short.
func hasty(r *rig.Rig, addr string, change ...func(*config.FTP)) *remote.Collector {
	r.Helper()
	cfg := &config.FTP{Remote: config.Remote{Addr: addr, User: "ftp", Secret: r.Secret(), Dir: "/tickets"}}
	for _, c := range change {
		c(cfg)
	}
	s, err := newServer(r.Link, cfg)
	if err != nil {
		r.Fatal(err)
	}
	s.step, s.pace = 400*time.Millisecond, remote.Pace{Idle: 400 * time.Millisecond, Grace: 400 * time.Millisecond, Rate: 1 << 20}
	c, err := remote.New(r.Link, remote.Options{Config: &cfg.Remote, URL: "ftp://" + addr, Dial: s.dial, Temp: r.Temp})
	if err != nil {
		r.Fatal(err)
	}
	return c
}

// drip writes a byte at a time.
func drip(w io.Writer, text string, pause time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(w, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(pause)
	}
}
