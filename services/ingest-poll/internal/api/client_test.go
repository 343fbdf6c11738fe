package api

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// The configuration and this package agree on which models have an API.
func TestModels(t *testing.T) {
	for _, m := range pbx.Models() {
		if _, ok := vendors[m.ID]; ok != config.HTTPAPI(m.ID) {
			t.Errorf("%s: %t here, %t in the configuration", m.ID, ok, !ok)
		}
		if _, ok := m.Offer(pbx.HTTP); !ok && vendors[m.ID] != nil {
			t.Errorf("the catalogue has no HTTP for %s", m.ID)
		}
	}
}

func TestConfiguration(t *testing.T) {
	file := config.Secret{PasswordFile: "p"}
	for want, c := range map[string]config.HTTP{
		"":                  {URL: "https://h", User: "u", Secret: file},
		"http: url":         {URL: "h:8089", User: "u", Secret: file},
		"http: token_url":   {URL: "https://h", TokenURL: "h", User: "u", Secret: file},
		"give user":         {URL: "https://h", Secret: file},
		"and password_env":  {URL: "https://h", User: "u"},
		"tls ca":            {URL: "https://h", User: "u", Secret: file, TLS: config.TLS{CA: "/nowhere/ca.pem"}},
		"has no API that t": {URL: "https://h", User: "u", Secret: file, Epoch: 9},
	} {
		model := "wazo"
		if c.Epoch == 9 {
			model = "asterisk"
		}
		_, err := New((&kit.NATS{}).Link(t, model, time.Now), &c)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Whoever the PBX sends us to sees neither us nor the password.
func TestRedirects(t *testing.T) {
	for _, to := range []string{"token", "calls"} {
		seen := 0
		other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen++ }))
		t.Cleanup(other.Close)
		r, f := wazoRig(t)
		want := f.some(1, 3)
		away := true
		r.server.pbx = redirecting{f, func(req *http.Request) string {
			if away && f.isCalls(req) == (to == "calls") {
				return other.URL + "/login"
			}
			return ""
		}}
		r.fails("sends us elsewhere, to "+other.URL+"/login", "the password does not follow")
		if seen != 0 {
			t.Errorf("%s: %d requests went elsewhere", to, seen)
		}
		away = false
		r.look()
		same(t, r.texts(), want)
	}
}

type redirecting struct {
	*fakeWazo
	to func(*http.Request) string
}

func (f redirecting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if to := f.to(r); to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	f.fakeWazo.ServeHTTP(w, r)
}

// certificate is one that signed itself.
func certificate(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	c, err := kit.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(c.PEM, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair, c.PEM
}

func TestCertificates(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 3)
	r.look()
	old := r.cfg.Pin
	pair, ca := certificate(t)
	r.server.TLS.Certificates = []tls.Certificate{pair}
	r.server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return &tls.Config{Certificates: []tls.Certificate{pair}}, nil
	}
	r.server.CloseClientConnections()
	want = append(want, f.some(3, 4)...)
	pin := fmt.Sprintf("%x", sha256.Sum256(pair.Certificate[0]))
	r.fails("not the pinned one but "+pin, "give that as pin")

	r.cfg.Pin = ""
	r.restart()
	r.fails("pin: " + pin)
	r.server.count()
	r.fails("pin: " + pin)
	if n := r.server.count(); n != 0 {
		t.Errorf("%d requests to a server that is not trusted", n)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	r.cfg.TLS.CA = file
	r.restart()
	r.look()
	same(t, r.texts(), want)

	r.cfg.TLS.CA, r.cfg.Pin = "", strings.ToUpper(pin)
	r.restart()
	r.look()
	r.cfg.Pin = old
	r.restart()
	r.fails("not the pinned one")
}

// A PBX that is not there, or speaks something else.
func TestUnreachable(t *testing.T) {
	r, f := wazoRig(t)
	want := f.some(1, 3)
	right := r.cfg.URL
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	r.timing.dial = 200 * time.Millisecond
	for url, say := range map[string]string{
		"https://" + kit.Nothing(t):                      "nothing listens on that port",
		"https://" + silent.Addr().String():              "does the firewall let us through",
		strings.Replace(plain.URL, "http:", "https:", 1): "is it http://",
		"https://pbx.invalid":                            "is the name right",
		strings.Replace(right, "https:", "http:", 1):     "400",
	} {
		r.cfg.URL = url
		r.restart()
		r.fails(say, strings.SplitN(url, "/", 4)[2])
	}
	r.cfg.URL = right
	r.restart()
	r.look()
	same(t, r.texts(), want)
}
