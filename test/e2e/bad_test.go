package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

const goodTicket = "2026/11/20 10:00:00,00:00:10,5,2001,O,2002,2002,,1,1000001,0,E2001,Ann,E2002,Bob,0,0\r\n"

// Whatever comes in at a socket, its bytes are kept, and the neighbour's calls
// are too.
func TestBadBytes(t *testing.T) {
	t.Parallel()
	in := kit.Start(t, binary, kit.Config(t.TempDir(), site(
		`{id: good, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: bad, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
		`{id: closed, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0", allow: [192.0.2.0/24]}}`,
	)))
	send := func(link string, parts ...[]byte) {
		t.Helper()
		c, err := net.Dial("tcp", in.Listens["lyon/"+link])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, p := range parts {
			if _, err := c.Write(p); err != nil {
				return // the other side has seen enough
			}
		}
	}
	outcome := func(want int, condition string) {
		t.Helper()
		in.Await("SELECT count() FROM other_tickets FINAL WHERE link = 'bad' AND "+condition, want)
	}

	kx := "04/12/26 17:18    401 01 <I>0199001234        00:00'12 EU00000.00               "
	send("bad", []byte(kx+"\r\n"))
	outcome(1, "outcome = 'DEAD' AND reason = 'too_few_columns'")

	wide := strings.Repeat("x,", 299) + "x"
	send("bad", []byte("a,b,c\r\n"+wide+"\r\n"))
	outcome(2, "outcome = 'DEAD' AND (raw = 'a,b,c' OR raw = '"+wide+"')")

	send("bad", []byte(goodTicket[:40]))
	outcome(1, "reason = 'cut-off' AND raw = '"+goodTicket[:40]+"'")

	noise := make([]byte, 200<<10)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	before := in.Count("SELECT count() FROM other_tickets FINAL WHERE link = 'bad'")
	send("bad", noise)
	kit.Await(t, "the noise is kept", func() bool {
		return in.Count("SELECT count() FROM other_tickets FINAL WHERE link = 'bad'") > before+1000
	}, func() string { return "" })

	// A line without end: kept up to a bound, then the connection is closed.
	block := bytes.Repeat([]byte("9"), 1<<20)
	blocks := make([][]byte, 1024)
	for i := range blocks {
		blocks[i] = block
	}
	send("bad", blocks...)
	kit.Await(t, "the endless line is cut", func() bool {
		return in.Count("SELECT count() FROM other_tickets FINAL WHERE link = 'bad' AND reason = 'too-long'") >= 16
	}, func() string { return "" })
	if n := in.Count("SELECT count() FROM other_tickets FINAL WHERE link = 'bad' AND reason = 'too-long'"); n > 20 {
		t.Errorf("a line of a gigabyte gave %d pieces", n)
	}

	// Nobody outside the allow-list is read.
	send("closed", []byte(goodTicket))
	kit.Await(t, "the refusal is counted", func() bool {
		return in.Metric("trunkline_tcp_connections_total", `result="refused_not_allowed"`) >= 1
	}, func() string { return "" })
	if n := in.Count("SELECT count() FROM calls WHERE link = 'closed'"); n != 0 {
		t.Errorf("%d calls from an address that is not allowed", n)
	}

	send("good", []byte(goodTicket))
	in.Await("SELECT count() FROM calls WHERE link = 'good' AND calling_number = '2001' AND talk_seconds = 10", 1)
	if n := in.Count("SELECT count() FROM calls WHERE link = 'bad'"); n != 0 {
		t.Errorf("%d calls made of bad bytes", n)
	}
	if !strings.Contains(in.Log(), "lyon") || strings.Contains(in.Log(), "0199001234") {
		t.Error("the log names no site, or a whole number")
	}
}

// A folder with files that cannot be read goes on with those that can.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	seq, err := pbxsim.Tickets("cisco-cucm", pbxsim.Options{Seed: 3, Burst: true, Count: 5, Zone: paris, From: time.Now().Add(-48 * time.Hour), To: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for x := range seq {
		rows = append(rows, string(x.Bytes))
	}
	write("cdr_A_01_202611200900_1", strings.Join(rows, "\n")) // no head: by position
	write("cdr_A_01_202611200901_2", strings.Repeat("\"a head without end\",\n", 2000))
	write("cdr_A_01_202611200902_3", "1,2,3\n"+strings.Repeat("1,", 299)+"1\n")
	write("_cdr_A_01_202611200903_4", rows[0])
	if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, "cdr_A_01_202611200904_5")); err != nil {
		t.Fatal(err)
	}
	in := kit.Start(t, binary, kit.Config(t.TempDir(), site(fmt.Sprintf(`{id: cucm, model: cisco-cucm, files: {dir: %q, every: 100ms, settle: 100ms}}`, dir))))
	in.Await("SELECT count() FROM calls", len(rows))
	in.Await("SELECT count() FROM other_tickets FINAL WHERE outcome = 'DEAD'", 2)
	kit.Await(t, "the file with the endless head is set aside with its error", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, ".trunkline-aside", "cdr_A_01_202611200901_2.error"))
		return err == nil && len(text) > 0
	}, func() string { return "" })
	if _, err := os.Stat(filepath.Join(dir, "_cdr_A_01_202611200903_4")); err != nil {
		t.Error("a file that is still written was touched:", err)
	}
}

// A database that refuses is told with the remedy and without the password, and
// asked again until it lets us in.
func TestBadDatabase(t *testing.T) {
	t.Parallel()
	setenv(t, "WRONG_PASSWORD", "geheim-1234")
	in := kit.Start(t, binary, kit.Config(t.TempDir(), site(
		fmt.Sprintf(`{id: refused, model: asterisk, mysql: {addr: %q, database: x, user: nobody, password_env: WRONG_PASSWORD, every: 100ms}}`, db.Addr()),
		`{id: away, model: asterisk, mysql: {addr: "127.0.0.1:1", database: x, user: nobody, password_env: WRONG_PASSWORD, every: 100ms}}`,
		`{id: good, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`,
	)))
	for _, says := range []string{"link=refused", "link=away"} {
		kit.Await(t, "the log says "+says, func() bool { return strings.Contains(in.Log(), says) }, in.Log)
	}
	if strings.Contains(in.Log(), "geheim") {
		t.Error("the password is in the log")
	}
	c, err := net.Dial("tcp", in.Listens["lyon/good"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, goodTicket)
	in.Await("SELECT count() FROM calls WHERE link = 'good'", 1)
}

// Invented calls stay out of real data, and real ones out of the demo's.
func TestDemoKeepsApart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	in := kit.Start(t, binary, kit.Config(data, site(`{id: good, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`)))
	if err := in.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := kit.TryStart(t, binary, "", "--demo", "--data", data); err == nil || !strings.Contains(err.Error(), "real calls") {
		t.Errorf("a demo in a folder with real tickets: %v", err)
	}
	demo := strings.Replace(kit.Config(t.TempDir(), site(`{id: good, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`)), "id: lyon", "id: demo-lyon", 1)
	if _, err := kit.TryStart(t, binary, demo); err == nil || !strings.Contains(err.Error(), "demo-") {
		t.Errorf("a demo site in a real configuration: %v", err)
	}
}
