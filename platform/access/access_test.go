package access_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/platform/access"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
)

func newFolder(t *testing.T) access.Folder {
	t.Helper()
	f, err := access.Create(filepath.Join(t.TempDir(), "operator"), access.Hub{Store: "/var/lib/nats", Etc: "/etc/nats"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func serve(t *testing.T, f access.Folder) string {
	t.Helper()
	s, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Auth: f.Server()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s.URL()
}

type client struct{ *nats.Conn }

func connect(t *testing.T, url, creds string) client {
	t.Helper()
	nc, err := nats.Connect(url, nats.UserCredentials(creds), nats.ReconnectWait(10*time.Millisecond), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatalf("%s: %v", creds, err)
	}
	t.Cleanup(nc.Close)
	return client{nc}
}

// may tries one thing. The server's refusal comes before its answer to the flush.
func (c client) may(t *testing.T, try func() error) bool {
	t.Helper()
	before := c.LastError()
	if err := try(); err != nil {
		t.Fatal(err)
	}
	if err := c.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	after := c.LastError()
	return after == before || !errors.Is(after, nats.ErrPermissionViolation) //nolint:errorlint // each refusal is an error of its own
}

// What each role may do, and that it may do nothing else.
func TestRoles(t *testing.T) {
	f := newFolder(t)
	url := serve(t, f)
	site := filepath.Join(t.TempDir(), "site.creds")
	if err := f.SiteCreds(site, "lyon", "lille"); err != nil {
		t.Fatal(err)
	}
	clients := map[string]client{access.SiteRole: connect(t, url, site)}
	for _, r := range access.Roles {
		if r.Name != access.SiteRole {
			clients[r.Name] = connect(t, url, f.Creds(r.Name))
		}
	}
	const js = "$JS.API."
	hub := []string{"ingest", "parser", "sink", "services", "operator"}
	for _, tc := range []struct {
		publish, subscribe string
		by                 []string
	}{
		{"tickets.v1.x.lyon.a", "", []string{"site", "ingest", "services", "operator"}},
		{"tickets.v1.x.lille.a", "", []string{"site", "ingest", "services", "operator"}},
		{"tickets.v1.x.paris.a", "", []string{"ingest", "services", "operator"}},
		{"$KV.links.lille.a", "", []string{"site", "ingest", "services", "operator"}},
		{"$KV.links.paris.a", "", []string{"ingest", "services", "operator"}},
		{"cdrs.v1.x.lyon.a", "", []string{"parser", "services", "operator"}},
		{wire.Event("lyon", "a", "silent"), "", []string{"site", "ingest", "services"}},
		{wire.Event("paris", "a", "silent"), "", []string{"ingest", "services"}},
		{"$KV.positions.lyon.a", "", []string{"ingest", "services", "operator"}},
		{"$KV.usual.lyon.a", "", []string{"ingest", "services", "operator"}},
		{"$KV.attempts.a", "", []string{"parser", "sink", "services", "operator"}},
		{"$KV.leases.a", "", []string{"ingest", "sink", "services", "operator"}},
		{"$KV.replays.a", "", []string{"operator"}},
		{"ask.v1.links", "", []string{"operator"}},
		{js + "STREAM.INFO.TICKETS", "", hub},
		{js + "CONSUMER.INFO.TICKETS.parser", "", hub},
		{js + "STREAM.CREATE.X", "", hub},
		{js + "STREAM.PURGE.TICKETS", "", []string{"sink", "services"}},
		{js + "STREAM.PURGE.KV_links", "", nil},
		{js + "STREAM.DELETE.TICKETS", "", nil},
		{js + "STREAM.MSG.DELETE.TICKETS", "", nil},
		{js + "STREAM.SNAPSHOT.TICKETS", "", []string{"operator"}},
		{"_INBOX_operator.x", "", nil},
		{"$SYS.REQ.CLAIMS.UPDATE", "", nil},
		{"", "ask.v1.links", []string{"site", "ingest", "services"}},
		{"", "ask.v1.reload", []string{"site", "ingest", "services"}},
		{"", "ask.v1.counts", []string{"sink", "services"}},
		{"", "events.v1.>", []string{"operator"}},
		{"", "tickets.v1.>", []string{"operator"}},
		{"", "_INBOX_lyon.>", []string{"site"}},
		{"", "_INBOX_lille.>", nil},
		{"", "_INBOX_sink.>", []string{"sink"}},
		{"", "_INBOX.>", nil},
		{"", ">", nil},
		{"", "$SYS.>", nil},
	} {
		for role, c := range clients {
			got := c.may(t, func() error {
				if tc.publish != "" {
					return c.Publish(tc.publish, []byte("{}"))
				}
				sub, err := c.SubscribeSync(tc.subscribe)
				if err == nil {
					t.Cleanup(func() { _ = sub.Unsubscribe() })
				}
				return err
			})
			if want := slices.Contains(tc.by, role); got != want {
				t.Errorf("%s: publish %q, subscribe %q: %v, want %v", role, tc.publish, tc.subscribe, got, want)
			}
		}
	}
}

// Permissions stand in the account: what another version allows counts for
// credentials that are out there.
func TestPermissionsAreRenewedAtTheHub(t *testing.T) {
	f := newFolder(t)
	url := serve(t, f)
	file := filepath.Join(t.TempDir(), "site.creds")
	if err := f.SiteCreds(file, "lyon"); err != nil {
		t.Fatal(err)
	}
	try := func() bool {
		c := connect(t, url, file)
		return c.may(t, func() error { return c.Publish("news.v2.lyon", nil) })
	}
	if try() {
		t.Error("it may already")
	}
	was := access.Roles[0].Publish
	t.Cleanup(func() { access.Roles[0].Publish = was })
	access.Roles[0].Publish = append(slices.Clone(was), "news.v2.{{tag(site)}}")
	if err := f.Refresh(); err != nil {
		t.Fatal(err)
	}
	if err := f.Push(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if !try() {
		t.Error("the same credentials may not")
	}
}

// One user of a thousand is put out at once, the others notice nothing, and a new
// site is let in by a server that was told nothing.
func TestRevoke(t *testing.T) {
	f := newFolder(t)
	url := serve(t, f)
	dir := t.TempDir()
	creds := func(name string) string { return filepath.Join(dir, name) }
	for name, site := range map[string]string{"old": "lyon", "other": "paris"} {
		if err := f.SiteCreds(creds(name), site); err != nil {
			t.Fatal(err)
		}
	}
	old, other := connect(t, url, creds("old")), connect(t, url, creds("other"))
	var away atomic.Int64
	other.SetDisconnectErrHandler(func(*nats.Conn, error) { away.Add(1) })
	if _, err := f.Revoke("lyon", true); err == nil || !strings.Contains(err.Error(), "newest") {
		t.Errorf("there is nothing old: %v", err)
	}
	if err := f.SiteCreds(creds("new"), "lyon"); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Revoke("lyon", true); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	if err := f.Push(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); old.IsConnected(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the old one is still in")
		}
	}
	connect(t, url, creds("new"))
	if away.Load() > 0 || !other.IsConnected() {
		t.Error("another site was put out")
	}
	if _, err := f.Revoke("nobody", false); err == nil {
		t.Error("nobody is revoked")
	}
}

// A server keeps what it was told, whatever its folder says after a restart.
func TestRevocationOutlivesARestart(t *testing.T) {
	f, dir := newFolder(t), t.TempDir()
	start := func() *natsd.Server {
		s, err := natsd.Start(natsd.Config{Dir: dir, Listen: "127.0.0.1:0", Auth: f.Server()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		return s
	}
	creds := filepath.Join(t.TempDir(), "site.creds")
	if err := f.SiteCreds(creds, "lyon"); err != nil {
		t.Fatal(err)
	}
	account := f.Path("server", access.FileAccount)
	before, err := os.ReadFile(account)
	if err != nil {
		t.Fatal(err)
	}
	s := start()
	connect(t, s.URL(), creds).Close()
	// Accounts are dated to the second, and the newer one counts.
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	if _, err := f.Revoke("lyon", false); err != nil {
		t.Fatal(err)
	}
	if err := f.Push(t.Context(), s.URL()); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if err := os.WriteFile(account, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if nc, err := nats.Connect(start().URL(), nats.UserCredentials(creds)); err == nil {
		nc.Close()
		t.Error("revoked credentials are let in")
	}
}

func TestCreateOverwritesNothing(t *testing.T) {
	f := newFolder(t)
	if _, err := access.Create(string(f), access.Hub{}); err == nil {
		t.Error("a folder is overwritten")
	}
	empty := t.TempDir()
	if _, err := access.Create(empty, access.Hub{Store: "/s", Etc: "/e"}); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
	file := filepath.Join(t.TempDir(), "site.creds")
	if err := f.SiteCreds(file, "lyon"); err != nil {
		t.Fatal(err)
	}
	if err := f.SiteCreds(file, "lyon"); err == nil {
		t.Error("credentials are overwritten")
	}
	for _, id := range []string{"", "Lyon", "a.b", "*", ">", "sink", "services", "operator", "system", "{{name()}}"} {
		if err := f.SiteCreds(filepath.Join(t.TempDir(), "x"), id); err == nil {
			t.Errorf("%q is taken for a site", id)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	err := filepath.WalkDir(string(f), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = fmt.Errorf("%s: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.Path("server", "keys")); err == nil {
		t.Error("seeds go to the server")
	}
	for _, name := range []string{"auth.conf", "nats.conf", access.FileAccount} {
		text, err := os.ReadFile(f.Path("server", name))
		if err != nil || strings.Contains(string(text), "SEED") || strings.Contains(string(text), "SA") && strings.Contains(string(text), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
