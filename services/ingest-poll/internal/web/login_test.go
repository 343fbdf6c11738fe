package web

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/icholy/digest"
)

// The examples of RFC 7616, 3.9.1, and RFC 2617, 3.5.
func TestVectors(t *testing.T) {
	rfc7616 := `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	for name, tc := range map[string]struct{ challenge, password, cnonce, want string }{
		"MD5":     {fmt.Sprintf(rfc7616, "MD5"), "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec"},
		"SHA-256": {fmt.Sprintf(rfc7616, "SHA-256"), "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
		"RFC 2617": {
			`Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"`,
			"Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1",
		},
	} {
		c, _ := choose([]string{tc.challenge})
		if c == nil {
			t.Fatalf("%s: not answered", name)
		}
		got, err := answerOf(c, digest.Options{Method: "GET", URI: "/dir/index.html", Count: 1, Username: "Mufasa", Password: tc.password, Cnonce: tc.cnonce})
		if err != nil || !strings.Contains(got, `response="`+tc.want+`"`) || !strings.Contains(got, "qop=auth,") && !strings.HasSuffix(got, "qop=auth") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

func TestChallenges(t *testing.T) {
	for header, want := range map[string][]string{
		`Basic realm="a, b"`: {`Basic realm="a, b"`},
		`Digest realm="x", nonce="n,1", qop="auth", Basic realm="y"`: {`Digest realm="x", nonce="n,1", qop="auth"`, `Basic realm="y"`},
		`Negotiate, NTLM , Basic realm="say \"hi, Basic x\""`:        {`Negotiate`, `NTLM`, `Basic realm="say \"hi, Basic x\""`},
		`Digest nonce="a" , stale = false, algorithm=MD5`:            {`Digest nonce="a" , stale = false, algorithm=MD5`},
		"": nil, ",,": nil,
	} {
		if got := challenges(http.Header{"Www-Authenticate": {header}}); !slices.Equal(got, want) {
			t.Errorf("%s: %q", header, got)
		}
	}
	c, basic := choose([]string{`Digest realm="x", nonce="1", algorithm=MD5`, `Digest realm="x", nonce="2", algorithm=SHA-256`, `Digest nonce="3", qop="auth-int"`, `Digest nonce="4", algorithm=X`, "Basic", "NTLM"})
	if c == nil || c.Nonce != "2" || !basic {
		t.Errorf("%+v, %v", c, basic)
	}
}

// digestServer asks for Digest, which nginx does not know.
type digestServer struct {
	http.Handler
	algorithm, qop string
	uses           int // of a nonce before it is stale; 0: for ever

	mu       sync.Mutex
	nonce    int
	count    int
	answers  []int
	password string
}

func (d *digestServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	ok, stale := d.check(r)
	if !ok {
		d.nonce++
		d.count = 0
		challenge := fmt.Sprintf(`Digest realm="web \"management\"", nonce="n%d", opaque="o"`, d.nonce)
		if d.algorithm != "" {
			challenge += ", algorithm=" + d.algorithm
		}
		if d.qop != "" {
			challenge += `, qop="` + d.qop + `"`
		}
		if stale {
			challenge += ", stale=true"
		}
		w.Header().Add("WWW-Authenticate", `Basic realm="weak"`)
		w.Header().Add("WWW-Authenticate", challenge)
		d.answers = append(d.answers, 401)
		d.mu.Unlock()
		w.WriteHeader(401)
		return
	}
	d.answers = append(d.answers, 200)
	d.mu.Unlock()
	d.Handler.ServeHTTP(w, r)
}

func (d *digestServer) check(r *http.Request) (ok, stale bool) {
	c, err := digest.ParseCredentials(r.Header.Get("Authorization"))
	if err != nil {
		return false, false
	}
	if c.Nonce != fmt.Sprintf("n%d", d.nonce) {
		return false, true
	}
	sum := func() hash.Hash { return md5.New() }
	if strings.HasPrefix(d.algorithm, "SHA-256") {
		sum = sha256.New
	}
	h := func(s string) string {
		x := sum()
		x.Write([]byte(s))
		return fmt.Sprintf("%x", x.Sum(nil))
	}
	a1 := h("collector:" + `web "management"` + ":" + d.password)
	if strings.HasSuffix(d.algorithm, "-sess") {
		a1 = h(a1 + ":" + c.Nonce + ":" + c.Cnonce)
	}
	want := h(a1 + ":" + c.Nonce + ":" + h(r.Method+":"+c.URI))
	if d.qop != "" {
		want = h(fmt.Sprintf("%s:%s:%08x:%s:auth:%s", a1, c.Nonce, c.Nc, c.Cnonce, h(r.Method+":"+c.URI)))
	}
	if c.Response != want || c.URI != r.URL.RequestURI() || c.Username != "collector" || c.Opaque != "o" {
		return false, false
	}
	if d.qop != "" && c.Nc <= d.count {
		return false, false // played again
	}
	if d.count = c.Nc; d.uses > 0 && d.count > d.uses {
		return false, true
	}
	return true, false
}

// Digest in every way. That the server asks as it should is what curl says.
func TestDigest(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal("this test needs curl: make servers installs it")
	}
	for name, tc := range map[string]*digestServer{
		"MD5": {algorithm: "MD5", qop: "auth"}, "no algorithm": {qop: "auth"}, "no qop": {}, "MD5-sess": {algorithm: "MD5-sess", qop: "auth,auth-int"},
		"SHA-256": {algorithm: "SHA-256", qop: "auth"}, "SHA-256-sess": {algorithm: "SHA-256-sess", qop: "auth"}, "stale": {algorithm: "MD5", qop: "auth", uses: 3},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.put("a", lines("a", 0, 40))
			f.put("b.gz", gz(lines("b", 0, 40)))
			tc.Handler, tc.password = f, canary
			srv := httptest.NewServer(tc)
			defer srv.Close()
			if out, err := exec.Command(curl, "-sS", "-f", "--digest", "-u", "collector:"+canary, srv.URL+folder+"a").CombinedOutput(); err != nil || string(out) != lines("a", 0, 40) {
				t.Fatalf("curl: %v: %s", err, out)
			}
			r := newRig(t, srv.URL)
			r.look()
			r.texts(slices.Concat(texts("a", 0, 40), texts("b", 0, 40))...)
			for _, got := range f.seen("Basic") {
				t.Errorf("with Basic: %s", got)
			}
			refused := 0
			for _, a := range tc.answers {
				if a == 401 {
					refused++
				}
			}
			if tc.uses == 0 && refused > 2 {
				t.Errorf("%d questions: a nonce is not used again", refused)
			}

			// A wrong password is one log-in a look, and told.
			t.Setenv("PBX_PASSWORD", "wrong-"+canary)
			tc.answers = nil
			if err := r.try(context.Background()); err == nil || !strings.Contains(err.Error(), "does not take user collector") {
				t.Error(err)
			}
			if len(tc.answers) > 2 {
				t.Errorf("answers %d: more than a log-in", tc.answers)
			}
		})
	}
}
