package web

import (
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
		defer kit.Unchanged(t, n.dir)()
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

	hourAgo := time.Now().Add(-time.Hour) // the server tells times to the second
	for i := range 60 {
		name := "t" + string(rune('a'+i/26)) + string(rune('a'+i%26))
		n.write(name, "ticket of a file\r\n")
		if err := os.Chtimes(filepath.Join(n.dir, name), hourAgo, hourAgo); err != nil {
			t.Fatal(err)
		}
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
	ssh := kit.Greet(t, "SSH-2.0-dropbear\r\n")
	e := &kit.Examined{TB: t}
	of := kit.Start(t).Link(t, "mitel-a5000-v2", time.Now)
	for scheme, what := range map[string]string{"http": "service", "https": "TLS"} {
		Examine(t.Context(), e.Report(time.Now, canary), of, &config.HTTP{URL: scheme + "://" + ssh})
		e.Has(what, examine.Failed, "looks like SSH")
	}
}
