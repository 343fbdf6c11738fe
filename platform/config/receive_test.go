package config

import (
	"strings"
	"testing"

	"trunkline.internal/pbx"
)

func TestReceivers(t *testing.T) {
	secret := Secret{PasswordEnv: "P"}
	ftp := func(listen, user string, change func(*FTPServer)) Link {
		f := &FTPServer{Receiver: Receiver{Listen: listen, User: user, Secret: secret}}
		if change != nil {
			change(f)
		}
		return Link{FTPServer: f}
	}
	sftp := func(r Receiver, keys string) Link {
		return Link{SFTPServer: &SFTPServer{Receiver: r, AuthorizedKeys: keys}}
	}
	grows := true
	delay := After{Rename: true}
	for name, c := range map[string]struct {
		links []Link
		want  string // empty: well
	}{
		"one":                 {[]Link{ftp(":21", "", nil)}, ""},
		"share an address":    {[]Link{ftp(":21", "a", nil), ftp(":21", "b", nil)}, ""},
		"all of it":           {[]Link{ftp(":21", "", func(f *FTPServer) { f.Passive, f.Public, f.TLS = "50000-50099", "192.0.2.7", &TLS{Cert: "c", Key: "k"} })}, ""},
		"keys":                {[]Link{sftp(Receiver{Listen: ":22"}, "keys")}, ""},
		"no port":             {[]Link{ftp("10.1.0.9", "", nil)}, "give an address and a port"},
		"no password":         {[]Link{ftp(":21", "", func(f *FTPServer) { f.Secret = Secret{} })}, "give password_env or password_file"},
		"no password, no key": {[]Link{sftp(Receiver{Listen: ":22"}, "")}, "password_env, password_file or authorized_keys"},
		"passive":             {[]Link{ftp(":21", "", func(f *FTPServer) { f.Passive = "50099-50000" })}, "links[0].ftp_server.passive: \"50099-50000\""},
		"public":              {[]Link{ftp(":21", "", func(f *FTPServer) { f.Public = "pbx.example" })}, "links[0].ftp_server.public: \"pbx.example\""},
		"half a certificate":  {[]Link{ftp(":21", "", func(f *FTPServer) { f.TLS = &TLS{Cert: "c"} })}, "links[0].ftp_server.tls"},
		"one user":            {[]Link{ftp(":21", "a", nil), ftp(":21", "a", nil)}, "are both user a on port 21"},
		"two wires":           {[]Link{ftp(":21", "a", nil), sftp(Receiver{Listen: ":21", Secret: secret}, "")}, "give another port"},
		"two ranges":          {[]Link{ftp(":21", "a", nil), ftp(":21", "b", func(f *FTPServer) { f.Passive = "50000-50099" })}, "the same passive, public and tls"},
		"a log that goes":     {[]Link{sftp(Receiver{Listen: ":22", Secret: secret, Grows: &grows, After: delay}, "")}, "only ever kept"},
	} {
		t.Run(name, func(t *testing.T) {
			u := uses{in: &reading{places: map[string]place{"": {"x.yaml", 1}}}, folders: make(map[string]string), servers: make(map[string]server)}
			model, _ := pbx.Lookup("cisco-cucm")
			for i := range c.links {
				l := &c.links[i]
				at, name := "links["+string(rune('0'+i))+"]", "lyon/"+string(rune('a'+i))
				if l.FTPServer != nil {
					u.ftpServer(l.FTPServer, l, model, at+".ftp_server", name)
				} else {
					u.sftpServer(l.SFTPServer, l, model, at+".sftp_server", name)
				}
			}
			var got []string
			for _, p := range u.in.problems {
				got = append(got, p.Error())
			}
			if all := strings.Join(got, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("%q, want %q", all, c.want)
			}
		})
	}
}
