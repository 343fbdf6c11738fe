package web

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func TestExamine(t *testing.T) {
	n := startNginx(t, true, basic)
	password := filepath.Join(t.TempDir(), "password")
	secret := func(text string) {
		if err := os.WriteFile(password, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	secret(canary)
	e := &kit.Examined{TB: t}
	l := kit.Start(t).Link(t, "mitel-a5000-v2", time.Now)
	look := func(change ...func(*config.HTTP)) *examine.Newest {
		t.Helper()
		check := kit.Unchanged(t, n.dir)
		defer check()
		c := &config.HTTP{URL: "https://" + n.addr, User: "collector", Secret: config.Secret{PasswordFile: password}, Pin: n.pin, Pattern: "t*"}
		for _, f := range change {
			f(c)
		}
		return Examine(t.Context(), e.Report(time.Now, canary), l, c)
	}
	look()
	e.Has("certificate", examine.Warning, n.pin)
	e.Has("log-in as collector", examine.OK)
	e.Has("clock", examine.OK, "as here")
	e.Has("files t*", examine.Warning, "the folder is empty")

	for i := range 60 {
		n.write("t"+string(rune('a'+i/26))+string(rune('a'+i%26)), "ticket of a file\r\n")
	}
	n.write("tzz", strings.Repeat("21/11/26 09:00:00 ticket\r\n", 10_000)+"the last one\r\n")
	if got := look(); got == nil || got.Name != "tzz" || !strings.HasPrefix(string(got.Raw), "the last one") && !strings.HasPrefix(string(got.Raw), "21/11/26") {
		t.Errorf("%+v", got)
	}
	e.Has("files t*", examine.OK, "61, the newest tzz")

	look(func(c *config.HTTP) { c.Pin = "" })
	e.Has("certificate", examine.Failed, "signed by itself", "pin: "+n.pin)
	look(func(c *config.HTTP) { c.Pin = strings.Repeat("0", 64) })
	e.Has("certificate", examine.Failed, n.pin)
	look(func(c *config.HTTP) { c.URL = "http://" + n.addr; c.Pin = "" })
	e.Has("folder", examine.Failed, "400")
	secret("wrong")
	look()
	e.Has("folder", examine.Failed, "does not take user collector")
}

// A server of another kind on the port.
func TestExamineOther(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("SSH-2.0-dropbear\r\n"))
			_ = c.Close()
		}
	}()
	e := &kit.Examined{TB: t}
	of := kit.Start(t).Link(t, "mitel-a5000-v2", time.Now)
	for scheme, what := range map[string]string{"http": "service", "https": "TLS"} {
		Examine(t.Context(), e.Report(time.Now, canary), of, &config.HTTP{URL: scheme + "://" + l.Addr().String()})
		e.Has(what, examine.Failed, "looks like SSH")
	}
}
