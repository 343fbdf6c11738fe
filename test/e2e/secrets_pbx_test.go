package e2e

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/test/kit"
)

// wiretap is a set of links with secrets, and PBXs that repeat what they hear.
type wiretap struct {
	t   *testing.T
	dir string
	birds

	mu       sync.Mutex
	asked    map[string]int
	quietly  []string // links whose PBX was not asked yet
	troubled []string // links whose state tells of trouble
	servers  map[string]string
	passes   map[string]string
}

// heard notes that a PBX was told its password, right or wrong.
func (w *wiretap) heard(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[id]++
}

// quiet are the PBXs that nobody logged in to.
func (w *wiretap) quiet() (out []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range w.quietly {
		if w.asked[id] == 0 {
			out = append(out, id)
		}
	}
	return out
}

// env gives a link its password in a variable, and file in a file as Windows
// writes it.
func (w *wiretap) env(id, user string) (password, yaml string) {
	password = w.hatch(id, user)
	name := "CANARY_" + strings.ToUpper(strings.ReplaceAll(id, "-", "_"))
	setenv(w.t, name, password)
	return password, "password_env: " + name
}

func (w *wiretap) file(id, user string) (password, yaml string) {
	w.t.Helper()
	password = w.hatch(id, user)
	name := filepath.Join(w.dir, id)
	writeFile(w.t, name, password+"\r\n", 0o600)
	return password, fmt.Sprintf("password_file: %q", name)
}

// links makes the PBXs, and the configuration of their links.
func (w *wiretap) links() (links []string) {
	w.asked, w.servers, w.passes = make(map[string]int), make(map[string]string), make(map[string]string)
	add := func(id, model, wire string, trouble bool) {
		links = append(links, fmt.Sprintf("{id: %s, model: %s, %s}", id, model, wire))
		if trouble {
			w.troubled = append(w.troubled, id)
		}
	}
	// fetched is a link to a PBX, each second one with its password in a file.
	fetched := func(id, model, user string, trouble bool, serve func(id, user, password string) (wire string)) {
		secret := w.env
		if len(links)%2 == 1 {
			secret = w.file
		}
		password, yaml := secret(id, user)
		add(id, model, strings.Replace(serve(id, user, password), "{secret}", yaml, 1), trouble)
		w.quietly = append(w.quietly, id)
	}
	for _, how := range []string{"right", "wrong", "hangs"} {
		fetched("kx-"+how, "panasonic-kx", "SMDR", how != "right", w.panasonic)
	}
	fetched("ftp-right", "unify-hipath", "reader", true, w.ftp)
	fetched("ftp-wrong", "unify-hipath", "reader", true, w.ftp)
	fetched("sftp-right", "unify-hipath", "reader", true, w.sftp)
	fetched("sftp-wrong", "unify-hipath", "reader", true, w.sftp)
	for _, how := range []string{"basic-right", "basic-wrong", "basic-odd", "digest-right", "digest-wrong"} {
		fetched("web-"+how, "mitel-a5000-v2", "reader", true, w.web)
	}
	for _, how := range []string{"away", "wrong", "odd"} {
		fetched("wazo-"+how, "wazo", "reader", true, w.wazo)
	}
	for _, how := range []string{"old-right", "old-wrong", "new-right", "new-wrong"} {
		fetched("ucm-"+how, "grandstream-ucm", "reader", true, w.ucm)
	}
	mysql := func(id, secret string) {
		add(id, "asterisk", fmt.Sprintf("mysql: {addr: %q, database: information_schema, table: %s, user: %s, %s, every: 1s}", db.Addr(), strings.ReplaceAll(id, "-", "_"), db.User(), secret), true)
	}
	w.all = append(w.all, canary{"mysql-right", db.User(), db.Password()})
	mysql("mysql-right", "password_env: CDR_PASSWORD")
	_, wrong := w.file("mysql-wrong", db.User())
	mysql("mysql-wrong", wrong)
	for _, wire := range []string{"ftp_server", "sftp_server", "http_server"} {
		id, model := strings.ReplaceAll(wire, "_", "-"), "cisco-cucm"
		if wire == "http_server" {
			model = "grandstream-ucm"
		}
		password, yaml := w.file(id, id)
		w.servers[id], w.passes[id] = freePort(w.t), password
		if wire == "http_server" {
			yaml += ", user: " + id
		}
		add(id, model, fmt.Sprintf("%s: {listen: %q, %s}", wire, w.servers[id], yaml), true)
	}
	add("front", "avaya-ipoffice", `tcp: {listen: "127.0.0.1:0"}`, false)
	add("file-missing", "panasonic-kx", fmt.Sprintf("tcp: {dial: %q, password_file: %q}", freePort(w.t), filepath.Join(w.dir, "none")), true)
	return links
}

// serve accepts until the test ends.
func (w *wiretap) serve(talk func(net.Conn)) (addr string) {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var talking sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	talking.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			talking.Go(func() {
				defer c.Close()
				talk(c)
			})
		}
	})
	w.t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		talking.Wait()
	})
	return l.Addr().String()
}

// panasonic is a PBX that echoes what is typed, and tells what was typed last time.
func (w *wiretap) panasonic(id, _, password string) string {
	var mu sync.Mutex
	last := "nothing"
	addr := w.serve(func(c net.Conn) {
		in := bufio.NewReader(c)
		mu.Lock()
		fmt.Fprintf(c, "\r\nlast typed: %s\r\n-", last)
		mu.Unlock()
		typed := func() string {
			text, err := in.ReadString('\r')
			if err != nil {
				return ""
			}
			fmt.Fprintf(c, "%s\r\n", strings.TrimSuffix(text, "\r"))
			return strings.TrimSuffix(text, "\r")
		}
		typed()
		io.WriteString(c, "Enter Password:")
		given := typed()
		mu.Lock()
		last = given
		mu.Unlock()
		if given != password {
			w.t.Errorf("%s heard %q", id, given)
		}
		switch {
		case strings.HasSuffix(id, "right"):
			fmt.Fprintf(c, "welcome, %s, 1 of 2\r\n", given)
			fmt.Fprintf(c, "11/20/26 10:15AM   201   01   %s               00:01'05\"\r\n", number)
			w.heard(id)
			io.Copy(io.Discard, in)
		case strings.HasSuffix(id, "hangs"):
			fmt.Fprintf(c, "%q is the wrong password, try 1 of 3\r\n", given)
			w.heard(id)
		default:
			fmt.Fprintf(c, "sorry, %s is wrong\r\n-", given)
			w.heard(id)
			io.Copy(io.Discard, in)
		}
	})
	return fmt.Sprintf("tcp: {dial: %q, {secret}}", addr)
}

// ftp is a server that repeats PASS in all that it says.
func (w *wiretap) ftp(id, _, password string) string {
	addr := w.serve(func(c net.Conn) {
		in := textproto.NewReader(bufio.NewReader(c))
		fmt.Fprint(c, "220 ready\r\n")
		given := ""
		for {
			line, err := in.ReadLine()
			if err != nil {
				return
			}
			command, rest, _ := strings.Cut(line, " ")
			switch strings.ToUpper(command) {
			case "USER":
				fmt.Fprint(c, "331 password\r\n")
			case "PASS":
				given = rest
				if given != password {
					w.t.Errorf("%s heard %q", id, given)
				}
				if strings.HasSuffix(id, "wrong") {
					fmt.Fprintf(c, "530 no, PASS %s is wrong\r\n", given)
					w.heard(id)
					continue
				}
				fmt.Fprintf(c, "230 welcome, %s\r\n", given)
			case "QUIT":
				return
			default:
				fmt.Fprintf(c, "550 no %s for %s\r\n", command, given)
				if given != "" {
					w.heard(id)
				}
			}
		}
	})
	return fmt.Sprintf("ftp: {addr: %q, user: reader, {secret}, dir: /cdr, every: 1s}", addr)
}

// sftp is a server that repeats the password in its banner and its refusals.
func (w *wiretap) sftp(id, _, password string) string {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		w.t.Fatal(err)
	}
	addr := w.serve(func(c net.Conn) {
		given := ""
		conf := &ssh.ServerConfig{PasswordCallback: func(_ ssh.ConnMetadata, typed []byte) (*ssh.Permissions, error) {
			given = string(typed)
			w.heard(id)
			if given != password {
				w.t.Errorf("%s heard %q", id, given)
			}
			if strings.HasSuffix(id, "wrong") {
				return nil, &ssh.BannerError{Err: fmt.Errorf("no %s", typed), Message: fmt.Sprintf("%s is wrong\r\n", typed)}
			}
			return nil, nil
		}}
		conf.AddHostKey(key)
		conn, channels, requests, err := ssh.NewServerConn(c, conf)
		if err != nil {
			return
		}
		defer conn.Close()
		go ssh.DiscardRequests(requests)
		for ch := range channels {
			ch.Reject(ssh.Prohibited, "nothing here for "+given)
		}
	})
	return fmt.Sprintf("sftp: {addr: %q, user: reader, {secret}, host_key: %q, dir: /cdr, every: 1s}", addr, ssh.FingerprintSHA256(key.PublicKey()))
}

func (w *wiretap) http(handle http.HandlerFunc) (addr string) {
	s := httptest.NewServer(handle)
	w.t.Cleanup(s.Close)
	return s.URL
}

// web is a server that repeats what it was given in addresses, headers and bodies.
func (w *wiretap) web(id, user, password string) string {
	addr := w.http(func(out http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization")
		ask := `Basic realm="tickets"`
		if strings.Contains(id, "digest") {
			ask = `Digest realm="tickets", nonce="5550100", qop="auth", algorithm=MD5`
		}
		if auth == "" {
			out.Header().Set("WWW-Authenticate", ask)
			out.WriteHeader(http.StatusUnauthorized)
			return
		}
		if u, p, ok := r.BasicAuth(); ok && (u != user || p != password) {
			w.t.Errorf("%s heard %q", id, p)
		}
		w.heard(id)
		switch {
		case strings.HasSuffix(id, "odd"):
			out.Header().Add("WWW-Authenticate", password)
			out.Header().Add("WWW-Authenticate", strings.TrimPrefix(auth, "Basic "))
			out.WriteHeader(http.StatusUnauthorized)
		case strings.HasSuffix(id, "wrong"):
			out.Header().Set("WWW-Authenticate", ask+`, said="`+password+`"`)
			out.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(out, "no %s %s", auth, password)
		case strings.Contains(id, "digest"):
			c, _, err := out.(http.Hijacker).Hijack()
			if err != nil {
				w.t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "HTTP/1.1 403 no %s for %s\r\nContent-Length: 0\r\n\r\n", password, auth)
		default:
			http.Redirect(out, r, "/login/"+password+"/"+strings.TrimPrefix(auth, "Basic ")+"/?pw="+password, http.StatusFound)
		}
	})
	return fmt.Sprintf("http: {url: %q, user: reader, {secret}, every: 1s}", addr+"/tickets/")
}

// wazo gives a token, and repeats it and the password.
func (w *wiretap) wazo(id, user, password string) string {
	token := w.hatch(id+"-token", user)
	addr := w.http(func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			if _, p, _ := r.BasicAuth(); p != password {
				w.t.Errorf("%s heard %q", id, p)
			}
			switch {
			case strings.HasSuffix(id, "wrong"):
				w.heard(id)
				http.Error(out, fmt.Sprintf(`{"message": "no %s, %s"}`, password, r.Header.Get("Authorization")), http.StatusUnauthorized)
			case strings.HasSuffix(id, "odd"):
				w.heard(id)
				fmt.Fprintf(out, `{"data": {"token": {"%s": 1}}, "reason": "%s"}`, password, r.Header.Get("Authorization"))
			default:
				fmt.Fprintf(out, `{"data": {"token": %q}}`, token)
			}
			return
		}
		w.heard(id)
		http.Redirect(out, r, "/login/"+r.Header.Get("X-Auth-Token")+"/"+password+"/?token="+token, http.StatusFound)
	})
	return fmt.Sprintf("http: {url: %q, user: reader, {secret}, every: 1s}", addr)
}

// ucm gives a cookie, and repeats it and the password.
func (w *wiretap) ucm(id, user, password string) string {
	cookie := w.hatch(id+"-cookie", user)
	right := strings.HasSuffix(id, "right")
	addr := w.http(func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // the old one
			auth := r.Header.Get("Authorization")
			if auth == "" || !right {
				out.Header().Set("WWW-Authenticate", `Digest realm="PBX", nonce="5550100", qop="auth", algorithm=MD5, opaque="`+password+`"`)
				out.WriteHeader(http.StatusUnauthorized)
			}
			if auth != "" {
				w.heard(id)
				fmt.Fprintf(out, `{"cdr": %q, "error": %q}`, password, auth)
			}
			return
		}
		var body struct{ Request map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest) // a look whether anybody is there
			return
		}
		switch body.Request["action"] {
		case "challenge":
			fmt.Fprint(out, `{"response": {"challenge": "5550100"}, "status": 0}`)
		case "login":
			if !right {
				w.heard(id)
				fmt.Fprintf(out, `{"response": {"body": %q}, "status": -37}`, password+body.Request["token"])
				return
			}
			fmt.Fprintf(out, `{"response": {"cookie": %q}, "status": 0}`, cookie)
		default:
			w.heard(id)
			http.Redirect(out, r, "/login/"+body.Request["cookie"]+"/"+password+"/", http.StatusFound)
		}
	})
	api := "/api"
	if strings.Contains(id, "old") {
		api = "/cdrapi"
	}
	return fmt.Sprintf("http: {url: %q, user: reader, {secret}, every: 1s}", addr+api)
}

// visit lets PBXs come to the servers, with the right password, a wrong one, and
// one that was typed into the wrong field.
func (w *wiretap) visit(in *kit.Instance) {
	w.t.Helper()
	t := w.t
	conn, err := net.Dial("tcp", in.Listens["lyon/front"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "2026/11/20 09:00:00,00:01:05,4,%s,I,201,201,,0,1000001,0,E201,Extn201,T9001,Line 1.1,0,0,,,,,,,,,,,,,\r\n", number)
	fmt.Fprintf(conn, "not a ticket of %s\r\n", number)

	for id, right := range w.passes {
		wrong := w.hatch(id+"-given", id)
		for _, login := range [][2]string{{id, right}, {id, wrong}, {wrong, right}, {right, wrong}} {
			switch id {
			case "ftp-server":
				w.ftpLogin(w.servers[id], login[0], login[1], login[0] == id && login[1] == right)
			case "sftp-server":
				w.sftpLogin(w.servers[id], login[0], login[1], login[0] == id && login[1] == right)
			default:
				for _, path := range []string{"/lyon/http-server", "/else?password=" + wrong} {
					body := fmt.Sprintf(`{"AcctId":"1","src":"201","dst":%q,"start":"2026-11-20 09:00:00"}`+"\n", number)
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+w.servers[id]+path, strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					req.SetBasicAuth(login[0], login[1])
					res, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					text, _ := io.ReadAll(res.Body)
					res.Body.Close()
					w.search(t, "the answer to a post", string(text))
					if ok := res.StatusCode == http.StatusOK; ok != (login == [2]string{id, right} && path == "/lyon/http-server") {
						t.Errorf("a post of %s to %s: %s", login, path, res.Status)
					}
				}
			}
		}
	}
}

func (w *wiretap) ftpLogin(addr, user, password string, right bool) {
	w.t.Helper()
	c, err := textproto.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	said := ""
	for _, line := range []string{"", "USER " + user, "PASS " + password} {
		if line != "" {
			if err := c.PrintfLine("%s", line); err != nil {
				w.t.Fatal(err)
			}
		}
		code, text, err := c.ReadResponse(0)
		if err != nil {
			w.t.Fatal(err)
		}
		said += text
		if strings.HasPrefix(line, "PASS") && (code == 230) != right {
			w.t.Errorf("ftp as %s: %d %s", user, code, text)
		}
	}
	w.search(w.t, "the answer to a log-in", strings.ReplaceAll(said, user, ""))
}

func (w *wiretap) sftpLogin(addr, user, password string, right bool) {
	w.t.Helper()
	said := ""
	c, err := ssh.Dial("tcp", addr, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 10 * time.Second,
		BannerCallback: func(m string) error { said += m; return nil },
	})
	if (err == nil) != right {
		w.t.Errorf("sftp as %s: %v", user, err)
	}
	w.search(w.t, "the banner of a log-in", said)
	if err == nil {
		c.Close()
	}
}
