package sftp

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

func TestExamine(t *testing.T) {
	r := rig.New(t, "cisco-cucm")
	s := newSSHD(r)
	e := &kit.Examined{TB: t}
	look := func(change ...func(*config.SFTP)) *examine.Newest {
		t.Helper()
		defer kit.Unchanged(t, r.Dir)()
		cfg := &config.SFTP{Remote: config.Remote{Addr: s.addr, User: s.user, Dir: r.Dir}, KeyFile: s.keyFile, HostKey: ssh.FingerprintSHA256(s.hostKey)}
		for _, c := range change {
			c(cfg)
		}
		return Examine(t.Context(), e.Report(r.Clock.Now, rig.Canary), r.Link, cfg, r.Temp)
	}
	r.Write("cdr_1", "1,\"a\"\n1,\"b\"\n")
	if n := look(); n == nil || string(n.Raw) != "1,\"b\"\n" {
		t.Errorf("%+v", n)
	}
	e.Has("host key", examine.OK, "SHA256:")
	e.Has("log-in as", examine.OK)
	e.Has("files c[dm]r_*", examine.OK, "cdr_1")
	look(func(c *config.SFTP) { c.HostKey = "" })
	e.Has("host key", examine.Failed, `host_key: "`+ssh.FingerprintSHA256(s.hostKey))
	look(func(c *config.SFTP) { c.KeyFile, c.Secret = "", r.Secret() })
	e.Has("log-in as", examine.Failed, "refused")
	look(func(c *config.SFTP) { c.Dir = "/nowhere" })
	e.Has("folder", examine.Failed, "look at dir")
	if err := os.Chmod(r.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if look(); s.user != "root" {
		e.Has("rights", examine.Warning, "do more than read")
	}

	ftp := kit.Greet(t, "220 (vsFTPd 3.0.5)\r\n")
	look(func(c *config.SFTP) { c.Addr = ftp })
	e.Has("service", examine.Failed, "looks like FTP")
	look(func(c *config.SFTP) { c.KeyFile = filepath.Join(r.Dir, "no key") })
	e.Has("key_file", examine.Failed)
}
