package post

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Every way in which curl posts.
func TestPost(t *testing.T) {
	r := newRig(t, func(r *rig) { r.cfg.User, r.cfg.Secret = "pbx", config.Secret{PasswordEnv: "POST_PASSWORD"} })
	login := []string{"-u", "pbx:" + canary}
	r.post(some("data", 3), login...)
	if status, text := r.curl(some("put", 3), "-u", login[1], "-T", "-"); status != "200" { // chunked
		t.Errorf("-T: %s %s", status, text)
	}
	r.post(some("chunked", 4), "-u", login[1], "-H", "Transfer-Encoding: chunked")
	r.post(gz(some("gzip", 5000)), "-u", login[1], "-H", "Content-Encoding: gzip")
	r.post(some("expect", 60_000), "-u", login[1], "-H", "Expect: 100-continue") // 1.7 MB
	r.post("unterminated 1", login...)
	status, text := r.curl(some("slash", 2), "-u", login[1], "--data-binary", "@-", r.url+"/?from=1")
	if status != "200" || !strings.Contains(text, "stored: 2 tickets") {
		t.Errorf("%s %s", status, text)
	}
	r.post("", login...)
	want := slices.Concat(texts("data", 3), texts("put", 3), texts("chunked", 4), texts("gzip", 5000), texts("expect", 60_000), texts("slash", 2), []string{"unterminated 1"})
	r.texts(want...)
	for _, one := range r.nats.Collected(t) {
		if one.Name != "127.0.0.1" || !strings.HasPrefix(one.Origin, "post:") {
			t.Fatalf("%+v", one)
		}
	}
	if h := r.health.Text(); h != "" {
		t.Error(h)
	}
	if s := r.end.State(); s.Tickets != uint64(len(want)) || s.LastTicket.IsZero() || s.Doing != link.Collecting {
		t.Errorf("%+v", s)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.cfg.User, r.cfg.Secret = "pbx", config.Secret{PasswordEnv: "POST_PASSWORD"}
		r.cfg.Path = "/cdr"
	})
	foreign := r.cfg
	foreign.Listen, foreign.Path = r.Addr(r.end).String(), "/other"
	foreign.Allow = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	defer r.run(r.endpoint("other", &foreign))()
	root := strings.TrimSuffix(r.url, "/cdr")
	bomb := gz(strings.Repeat("x", MaxBody+1))
	big := strings.Repeat("0123456789abcde\n", MaxBody/16+1)
	for name, tc := range map[string]struct {
		body   string
		args   []string
		status string
		want   string // in the head or the text
	}{
		"no password":      {"a\n", nil, "401", `Www-Authenticate: Basic realm="trunkline"`},
		"wrong password":   {"a\n", []string{"-u", "pbx:wrong"}, "401", "user or password"},
		"wrong user":       {"a\n", []string{"-u", "other:" + canary}, "401", "user or password"},
		"another path":     {"a\n", []string{"-u", "pbx:" + canary, root + "/nothing"}, "404", "path of the link"},
		"from elsewhere":   {"a\n", []string{"-u", "pbx:" + canary, root + "/other"}, "403", "allow"},
		"get":              {"", []string{"-u", "pbx:" + canary, "-X", "GET"}, "405", "Allow: POST, PUT"},
		"a form":           {"a\n", []string{"-u", "pbx:" + canary, "-F", "file=@-"}, "415", "not a form"},
		"an encoding":      {"a\n", []string{"-u", "pbx:" + canary, "-H", "Content-Encoding: br"}, "415", "gzip"},
		"large":            {big, []string{"-u", "pbx:" + canary}, "413", "16 MiB"},
		"large, no Expect": {big, []string{"-u", "pbx:" + canary, "-H", "Expect:"}, "413", "16 MiB"},
		"large, chunked":   {big, []string{"-u", "pbx:" + canary, "-H", "Transfer-Encoding: chunked"}, "413", "16 MiB"},
		"a bomb":           {bomb, []string{"-u", "pbx:" + canary, "-H", "Content-Encoding: gzip"}, "413", "16 MiB"},
		"damaged":          {gz(some("a", 900))[:90], []string{"-u", "pbx:" + canary}, "400", "damaged gzip"},
	} {
		args := tc.args
		if !slices.Contains(args, "-F") && !slices.Contains(args, "GET") {
			args = append(args, "--data-binary", "@-")
		}
		status, text, err := r.tryCurl(tc.body, args...)
		// Who sends on where nobody reads may be cut off behind the answer.
		if status != tc.status || !strings.Contains(text, tc.want) || err != nil && tc.status != "413" {
			t.Errorf("%s: %s, %v: %s", name, status, err, text)
		}
	}
	r.texts()
	kit.Await(t, "the state tells of it", func() bool { return strings.Contains(r.health.Text(), "from 127.0.0.1 was refused") })
	r.post("a\n", "-u", "pbx:"+canary)
	kit.Await(t, "the end of it", func() bool { return !strings.Contains(r.end.State().Problem, "refused") })
	if left := r.budget.left; left != maxHeld {
		t.Errorf("%d bytes are held", maxHeld-left)
	}
}

// What is posted again counts once if its sender got no answer, else twice.
func TestIdentity(t *testing.T) {
	r := newRig(t, func(r *rig) { r.timing.publish = time.Second })
	same := "01632960123 07:30 same\n"

	// Two calls that print the same.
	r.post(same)
	r.post(same)
	r.texts("01632960123 07:30 same", "01632960123 07:30 same")

	// NATS is away: the sender gives up, and another repetition gets a 503.
	r.door.close()
	body := some("late", 3)
	if _, _, err := r.tryCurl(body, "--data-binary", "@-", "--max-time", "0.2"); err == nil {
		t.Fatal("an answer while NATS is away")
	}
	kit.Await(t, "the end of the first", func() bool { return len(r.loose(body)) == 1 })
	status, text := r.curl(body, "--data-binary", "@-")
	if status != "503" || !strings.Contains(text, "Retry-After: 30") || !strings.Contains(text, "count once") {
		t.Fatalf("%s %s", status, text)
	}
	if n := r.door.asked(); n != 3 {
		t.Errorf("published %d times, want 3: two before, and one that waits", n)
	}
	r.door.open()
	r.post(body)
	r.texts(slices.Concat([]string{"01632960123 07:30 same", "01632960123 07:30 same"}, texts("late", 3))...)
	r.post(body) // answered before: it is another one
	r.texts(slices.Concat([]string{"01632960123 07:30 same", "01632960123 07:30 same"}, texts("late", 3), texts("late", 3))...)

	// NATS refuses: once it does not, the repetition counts once.
	r.door.refuse(fmt.Errorf("%w: no permission", bus.ErrRefused))
	if status, _ := r.curl("refused\n", "--data-binary", "@-"); status != "503" {
		t.Error(status)
	}
	kit.Await(t, "the state tells of it", func() bool { return strings.Contains(r.health.Text(), "permissions of our NATS user") })
	r.door.refuse(nil)
	r.post("refused\n")
	kit.Await(t, "the end of it", func() bool { return r.end.State().Problem == "" })
	r.texts(slices.Concat([]string{"01632960123 07:30 same", "01632960123 07:30 same", "refused"}, texts("late", 3), texts("late", 3))...)
	if left := r.budget.left; left != maxHeld {
		t.Errorf("%d bytes are held", maxHeld-left)
	}
}

func (r *rig) loose(body string) []*posted {
	r.end.book.mu.Lock()
	defer r.end.book.mu.Unlock()
	if p := r.end.book.pages[sumOf(body)]; p != nil {
		return p.loose
	}
	return nil
}

// A process that dies between acknowledgement and answer: the next one gives the
// repetition the same ids.
func TestDiesBeforeTheAnswer(t *testing.T) {
	r := newRig(t, func(r *rig) { r.timing.publish, r.timing.stop = 20*time.Second, 50*time.Millisecond })
	r.post(some("first", 2))
	body := some("second", 4)
	r.door.Publisher = after{r.nats.Tickets} // acknowledged, and never answered
	failed := make(chan error)
	go func() {
		_, _, err := r.tryCurl(body, "--data-binary", "@-")
		failed <- err
	}()
	kit.Await(t, "the tickets", func() bool { return len(r.nats.Collected(t)) == 6 })
	r.stop()
	if <-failed == nil {
		t.Fatal("an answer")
	}
	r.door.Publisher = r.nats.Tickets
	r.restart()
	r.post(body)
	r.texts(slices.Concat(texts("first", 2), texts("second", 4))...)
}

// after publishes, and hangs.
type after struct{ link.Publisher }

func (a after) Publish(ctx context.Context, msgs ...*nats.Msg) error {
	if err := a.Publisher.Publish(ctx, msgs...); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// Two who send the same at once and both wait for their answers are two.
func TestAtOnce(t *testing.T) {
	r := newRig(t)
	r.door.close()
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() { r.post("same\n") })
	}
	kit.Await(t, "both", func() bool { return r.door.asked() == 2 })
	r.door.open()
	running.Wait()
	r.texts("same", "same")
}

// Senders that die, dawdle or hang: nothing of theirs is taken, and others do not
// notice.
func TestBadSenders(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.timing.quiet, r.timing.header, r.timing.body = 150*time.Millisecond, 150*time.Millisecond, 400*time.Millisecond
	})
	addr := r.Addr(r.end).String()
	say := func(text string) net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, text)
		return conn
	}
	head := "POST " + r.end.cfg.Path + " HTTP/1.1\r\nHost: trunkline\r\n"
	for range 20 {
		say(head + "Content-Length: 5000\r\n\r\n" + some("dies", 9)).Close()
		say(head + "Transfer-Encoding: chunked\r\n\r\n20\r\n0123456789").Close()
		say("\x00\x01garbage").Close()
	}
	say(head)
	say("POST /")
	quiet := say(head + "Content-Length: 5000\r\n\r\nticket\n")
	slow := say(head + "Content-Length: 5000\r\n\r\n")
	go func() {
		for {
			if _, err := slow.Write([]byte("a")); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	r.post(some("good", 3))
	for name, conn := range map[string]net.Conn{"quiet": quiet, "slow": slow} {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 1000)
		if n, err := conn.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "408 Request Timeout") {
			t.Errorf("%s: %q, %v", name, buf[:n], err)
		}
	}
	r.texts(texts("good", 3)...)
	kit.Await(t, "all memory back", func() bool { r.budget.mu.Lock(); defer r.budget.mu.Unlock(); return r.budget.left == maxHeld })

	// curl with a slow line, killed in the middle.
	cmd := exec.Command("curl", "-s", "--limit-rate", "1k", "--data-binary", "@-", r.url)
	cmd.Stdin = strings.NewReader(some("killed", 1000))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kit.Await(t, "its begin", func() bool { r.budget.mu.Lock(); defer r.budget.mu.Unlock(); return r.budget.left < maxHeld })
	cmd.Process.Kill()
	cmd.Wait()
	r.texts(texts("good", 3)...)
	kit.Await(t, "it is told", func() bool { return strings.Contains(r.health.Text(), "from 127.0.0.1 broke off behind ") })
	r.post(some("again", 1))
	r.texts(append(texts("good", 3), texts("again", 1)...)...)
	kit.Await(t, "it is over", func() bool { return r.health.Text() == "" })
}

// Bodies that NATS does not take in are bounded: the next is refused at once.
func TestBudget(t *testing.T) {
	r := newRig(t, func(r *rig) { r.timing.publish = 10 * time.Millisecond })
	r.door.close()
	full := false
	for i := range 12 {
		status, text, err := r.tryCurl(strings.Repeat(fmt.Sprintf("ticket %07d\n", i), 600_000), "--data-binary", "@-")
		if status != "503" {
			t.Fatalf("%s %s %v", status, text, err)
		}
		full = full || strings.Contains(text, "too much is under way")
	}
	if !full {
		t.Error("there is no bound")
	}
	r.door.open()
	kit.Await(t, "all memory back", func() bool { r.budget.mu.Lock(); defer r.budget.mu.Unlock(); return r.budget.left == maxHeld })
	r.post("small\n")
}

// Who is refused in the middle of a body, and writes all of it before reading,
// gets the answer: not a reset connection.
func TestRefusedInTheMiddle(t *testing.T) {
	r := newRig(t)
	if !r.budget.take(maxHeld) {
		t.Fatal("there is no room to take")
	}
	body := make([]byte, 12<<20)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		conn, err := net.Dial("tcp", r.Addr(r.end).String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		answers := bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: trunkline\r\n%sContent-Length: %d\r\n\r\n", r.end.cfg.Path, expect, len(body))
		if expect != "" {
			if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
				t.Fatalf("%q, %v", line, err)
			}
			answers.ReadString('\n')
		}
		if n, err := conn.Write(body); err != nil {
			t.Fatalf("%q: %d bytes written: %v", expect, n, err)
		}
		answer, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%q: %v", expect, err)
		}
		why, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusServiceUnavailable || string(why) != errFull.Error()+"\n" {
			t.Errorf("%q: %s, %q, %v", expect, answer.Status, why, err)
		}
	}
	r.budget.give(maxHeld)
}

// Links share an address. One that goes does not disturb the others, and what is
// posted to it meanwhile is to come again.
func TestSharedAddress(t *testing.T) {
	r := newRig(t)
	cfg := config.HTTPServer{Listen: r.Addr(r.end).String()}
	r.cfg.Listen = cfg.Listen
	r.restart()
	second := r.endpoint("second", &cfg)
	stop := r.run(second)
	other := strings.TrimSuffix(r.url, r.end.cfg.Path) + second.cfg.Path
	r.post(some("a", 2))
	r.post(some("b", 2), other)
	stop()
	if status, text := r.curl("c\n", "--data-binary", "@-", other); status != "503" || !strings.Contains(text, "Retry-After") {
		t.Errorf("%s %s", status, text)
	}
	r.post(some("d", 2))
	stop = r.run(r.endpoint("second", &cfg))
	r.post(some("e", 2), other)
	r.texts(slices.Concat(texts("a", 2), texts("b", 2), texts("d", 2), texts("e", 2))...)
	stop()
	r.stop()
	if _, err := net.Dial("tcp", cfg.Listen); err == nil {
		t.Error("the port is open with no link behind it")
	}
}

func TestPortInUse(t *testing.T) {
	r := newRig(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := r.endpoint("second", &config.HTTPServer{Listen: busy.Addr().String()})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer func() { cancel(); running.Wait() }()
	tries := 0
	running.Go(func() {
		r.Run(ctx, e, func(context.Context) error {
			if tries++; tries == 1 {
				return errors.New("nats is away")
			}
			return nil
		}, func() {})
	})
	kit.Await(t, "an alarm", func() bool { return strings.Contains(e.State().Problem, "another program") })
	busy.Close()
	kit.Await(t, "the end of it", func() bool {
		status, _, err := r.tryCurl("a\n", "--data-binary", "@-", "http://"+busy.Addr().String()+"/lyon/second")
		return err == nil && status == "200"
	})
	if tries < 2 {
		t.Error("it was open before the settings were published")
	}
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certify(t, cert, key)
	r := newRig(t, func(r *rig) { r.cfg.TLS = &config.TLS{Cert: cert, Key: key} })
	r.post(some("a", 2), "--cacert", cert)
	certify(t, cert, key) // renewed
	if err := os.Chtimes(cert, time.Time{}, time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r.post(some("b", 2), "--cacert", cert)
	r.texts(append(texts("a", 2), texts("b", 2)...)...)
}

func certify(t *testing.T, cert, key string) {
	t.Helper()
	c, err := kit.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{cert: c.PEM, key: c.Key} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A UCM posts a record a request; cdrapi's answers hold many.
func TestGrandstream(t *testing.T) {
	r := newRig(t, func(r *rig) { r.model = "grandstream-ucm" })
	one := `{"AcctId":"41","src":"2001","dst":"01632960123","start":"2026-11-20 10:00:00","uniqueid":"1.1","disposition":"ANSWERED"}`
	two := strings.ReplaceAll(one, `"41"`, `"42"`)
	r.post(one, "-H", "Content-Type: application/json")
	r.post(`{"cdr_root":[`+two+`,`+strings.ReplaceAll(one, `"41"`, `"43"`)+`]}`, "-H", "Content-Type: application/json")
	r.texts(one, two, strings.ReplaceAll(one, `"41"`, `"43"`))
}

func TestConfiguration(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]config.HTTPServer{
		"listen":           {Listen: "8080"},
		"path":             {Listen: ":8080", Path: "cdr"},
		"unclean path":     {Listen: ":8080", Path: "/a/../b"},
		"user only":        {Listen: ":8080", User: "pbx"},
		"password only":    {Listen: ":8080", Secret: config.Secret{PasswordEnv: "POST_PASSWORD"}},
		"path of a folder": {Listen: ":8080", Path: "/cdr/"},
	} {
		if _, err := New(r.end.Link, &c); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
