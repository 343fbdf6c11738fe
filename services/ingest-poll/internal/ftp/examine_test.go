package ftp

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

func TestExamine(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	yes := true
	e := &kit.Examined{TB: t}
	look := func(addr string, change ...func(*config.FTP)) *examine.Newest {
		t.Helper()
		defer kit.Unchanged(t, r.Dir)()
		cfg := &config.FTP{Remote: config.Remote{Addr: addr, User: "ftp", Secret: r.Secret(), Dir: r.Dir, Pattern: "gez*.txt", Grows: &yes}}
		for _, c := range change {
			c(cfg)
		}
		return Examine(t.Context(), e.Report(r.Clock.Now, rig.Canary), r.Link, cfg, r.Temp)
	}
	addr := vsftpd(r, append(writable, "anon_root=/")...)
	look(addr)
	e.Has("port", examine.OK)
	e.Has("log-in as ftp", examine.OK)
	e.Has("encryption", examine.Note, "in the clear")
	e.Has("rights", examine.Note, "does not show without trying")
	e.Has("files", examine.Warning, "the folder is empty")

	r.Write("other.log", "x\n")
	look(addr)
	e.Has("files gez*.txt", examine.Failed, "other.log")
	r.Write("gez.txt", strings.Repeat("21.11.26;09:00:00;01;201;00:00:01;00:01:00;0199001234;;1;;;\r\n", 5000)+"last;line\r\n")
	if n := look(addr); n == nil || string(n.Raw) != "last;line\r" {
		t.Errorf("%+v", n)
	}
	e.Has("newest ticket", examine.OK, "gez.txt")

	look(addr, func(c *config.FTP) { c.Secret = r.SecretOf("wrong") })
	e.Has("log-in as ftp", examine.Failed, "refused", "compare user ftp")
	look(addr, func(c *config.FTP) { c.Dir = filepath.Join(r.Dir, "nowhere") })
	e.Has("folder", examine.Failed, "cannot be entered")
	look(addr, func(c *config.FTP) { c.TLS = &config.TLS{} })
	e.Has("TLS", examine.Failed, "the server offers no TLS")
}

func TestExamineFTPS(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	cert, both := certificate(t)
	addr := vsftpd(r, "anon_root=/", "ssl_enable=YES", "allow_anon_ssl=YES", "force_anon_data_ssl=YES", "force_anon_logins_ssl=YES", "require_ssl_reuse=NO",
		"rsa_cert_file="+both, "rsa_private_key_file="+both)
	r.Write("gez.txt", "21.11.26;09:00:00;01;201;00:00:01;00:01:00;0199001234;;1;;;\r\n")
	e := &kit.Examined{TB: t}
	cfg := &config.FTP{Remote: config.Remote{Addr: addr, User: "ftp", Secret: r.Secret(), Dir: r.Dir, Pattern: "gez.txt"}, TLS: &config.TLS{}}
	Examine(t.Context(), e.Report(time.Now, rig.Canary), r.Link, cfg, r.Temp)
	e.Has("certificate", examine.Failed, "for 127.0.0.1, signed by itself", "tls: {ca: FILE}")
	cfg.TLS.CA = cert
	if n := Examine(t.Context(), e.Report(time.Now, rig.Canary), r.Link, cfg, r.Temp); n == nil || !strings.HasPrefix(string(n.Raw), "21.11.26;") {
		e.Has("newest ticket", examine.OK)
	}
	e.Has("certificate", examine.Warning, "expires soon", "SHA-256")
}

// Something else on the port, nothing there, and a name that nobody has.
func TestExamineWrongPort(t *testing.T) {
	r := rig.New(t, "unify-hipath")
	e := &kit.Examined{TB: t}
	look := func(addr string) {
		t.Helper()
		cfg := &config.FTP{Remote: config.Remote{Addr: addr, User: "ftp", Secret: r.Secret(), Pattern: "*"}}
		if n := Examine(t.Context(), e.Report(r.Clock.Now, rig.Canary), r.Link, cfg, r.Temp); n != nil {
			t.Errorf("%+v", n)
		}
	}
	look(kit.Greet(t, "SSH-2.0-OpenSSH_9.6\r\n"))
	e.Has("service", examine.Failed, "looks like SSH", "give the port of FTP")
	look(kit.Nothing(t))
	e.Has("port", examine.Failed, "nothing listens on this port", "the usual port is 21")
	look("pbx.invalid:21")
	e.Has("name pbx.invalid", examine.Failed, "name server")
}

func TestPermissions(t *testing.T) {
	for text, want := range map[string]string{
		"Listing /\n type=cdir;perm=el;modify=20261121090000; /\nEnd": "",
		" type=cdir;perm=cfmpel; /":                                   "create files, make folders, delete files, rename",
	} {
		if may, sure := permissions(text); may != want || !sure {
			t.Errorf("%q: %q %v", text, may, sure)
		}
	}
	if _, sure := permissions("type=cdir; /"); sure {
		t.Error("sure of nothing")
	}
}
