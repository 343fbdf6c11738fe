package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"

	"trunkline.internal/pbx"
)

// Remote is a folder of ticket files on a server.
type Remote struct {
	// Addr is host:port.
	Addr string `yaml:"addr"`
	User string `yaml:"user"`
	// Secret is the user's password.
	Secret `yaml:",inline"`
	// Dir is the folder; empty: the model's.
	Dir string `yaml:"dir"`
	// Pattern of base names as of path.Match; empty: the model's.
	Pattern string `yaml:"pattern"`
	// Grows tells a log that is appended to; nil: as the model writes.
	Grows *bool `yaml:"grows"`
	// After is what becomes of a collected file on the server; nothing unless told.
	After After `yaml:"after"`
	// Every is how often the folder is looked at; 0: 5 minutes.
	Every Duration `yaml:"every"`
	// Settle is how long a whole file must not have changed; 0: 5 s.
	Settle Duration `yaml:"settle"`
}

// FTP is a folder on an FTP server.
type FTP struct {
	Remote `yaml:",inline"`
	// Active lets the server connect back for each transfer.
	Active bool `yaml:"active"`
	// ActivePorts is the range of our ports that it connects back to, such as
	// 50000-50099; empty: any.
	ActivePorts string `yaml:"active_ports"`
	// ActiveAddress is our IP address as the server sees it; empty: the one that
	// we connect from.
	ActiveAddress string `yaml:"active_address"`
	// TLS makes it FTPS; nil: plain.
	TLS *TLS `yaml:"tls"`
	// Implicit speaks TLS from the first byte, as on port 990.
	Implicit bool `yaml:"implicit"`
}

// SFTP is a folder on an SSH server.
type SFTP struct {
	Remote `yaml:",inline"`
	// KeyFile is a private key in place of a password.
	KeyFile string `yaml:"key_file"`
	// HostKey is the server's fingerprint, `SHA256:…`, or a line of known_hosts.
	HostKey string `yaml:"host_key"`
	// Legacy also takes algorithms that are broken, for servers that have no other.
	Legacy bool `yaml:"legacy"`
}

// OXE is the real-time ticket output of an OmniPCX Enterprise.
type OXE struct {
	// Dial is host:port of its call servers, the main one first.
	Dial []string `yaml:"dial"`
}

// AHL is an Alcatel hotel link.
type AHL struct {
	Dial string `yaml:"dial"`
	// Check is how frames are checked: `none`, `lrc` or `lrc-hex`; empty: lrc.
	Check string `yaml:"check"`
}

func (u *uses) remote(r *Remote, model *pbx.Model, at, name string) {
	in := u.in
	if r.Addr == "" {
		in.problemAt(at, "%s.addr: give the server's address, such as 10.1.0.9:21", at)
	} else if in.address(at+".addr", r.Addr) {
		if host, _, _ := net.SplitHostPort(r.Addr); host == "" {
			in.problemAt(at+".addr", "%s.addr: %q: give the server's address and port, such as 10.1.0.9:21", at, r.Addr)
		}
	}
	if r.User == "" {
		in.problemAt(at, "%s.user: give a user that may read the ticket files", at)
	}
	in.secret(at, r.Secret)
	u.fileSet(r.Pattern, r.Grows, r.After, model, at)
	dir := r.Dir
	if dir == "" {
		dir = model.Files.Dir
	}
	u.source(r.Addr+path.Join("/", dir)+"/"+pattern(r.Pattern, model), at, name)
}

func (u *uses) ftp(f *FTP, model *pbx.Model, at, name string) {
	in := u.in
	u.remote(&f.Remote, model, at, name)
	if f.Implicit && f.TLS == nil {
		in.problemAt(at+".implicit", "%s.implicit: give tls too: tls: {ca: FILE}", at)
	}
	if !f.Active && (f.ActivePorts != "" || f.ActiveAddress != "") {
		in.problemAt(at, "%s: active_ports and active_address are for active: true", at)
	}
	if f.ActivePorts != "" {
		if _, _, err := PortRange(f.ActivePorts); err != nil {
			in.problemAt(at+".active_ports", "%s.active_ports: %v", at, err)
		}
	}
	if f.ActiveAddress != "" {
		if _, err := netip.ParseAddr(f.ActiveAddress); err != nil {
			in.problemAt(at+".active_address", "%s.active_address: %q: give our IP address, such as 10.1.0.20", at, f.ActiveAddress)
		}
	}
}

func (u *uses) sftp(s *SFTP, model *pbx.Model, at, name string) {
	u.remote(&s.Remote, model, at, name)
	if !s.Set() && s.KeyFile == "" {
		u.in.problemAt(at, "%s: give password_env, password_file or key_file: we log in with it", at)
	}
	if k := s.HostKey; k != "" && !strings.HasPrefix(k, "SHA256:") && len(strings.Fields(k)) < 2 {
		u.in.problemAt(at+".host_key", "%s.host_key: %q: give the server's fingerprint, SHA256:…, or its line of known_hosts", at, k)
	}
}

func pattern(given string, model *pbx.Model) string {
	if given == "" {
		return model.Files.Pattern
	}
	return given
}

// fileSet checks what all wires that collect files have.
func (u *uses) fileSet(given string, grows *bool, after After, model *pbx.Model, at string) {
	if _, err := path.Match(given, ""); err != nil {
		u.in.problemAt(at+".pattern", "%s.pattern: %q: give one such as cdr_* or SMDR*.csv", at, given)
	}
	g := model.Files.Grows
	if grows != nil {
		g = *grows
	}
	if g && after != (After{}) {
		u.in.problemAt(at+".after", "%s.after: a file that grows is only ever kept", at)
	}
}

// source makes sure that what is collected belongs to one link.
func (u *uses) source(key, at, name string) {
	if other, ok := u.folders[key]; ok {
		u.in.problemAt(at, "%s: link %s collects %s, and so does link %s: each file belongs to one link", at, name, key, other)
	}
	u.folders[key] = name
}

func (u *uses) oxe(o *OXE, at, name string) {
	if len(o.Dial) < 1 || len(o.Dial) > 2 {
		u.in.problemAt(at, "%s.dial: give one address, or two where the call server is doubled: [10.1.0.9:2533, 10.1.0.10:2533]", at)
	}
	for i, a := range o.Dial {
		if i > 0 && a == o.Dial[0] {
			u.in.problemAt(at, "%s.dial: %q twice: give each call server's own address", at, a)
		} else if u.in.dial(fmt.Sprintf("%s.dial[%d]", at, i), a, "10.1.0.9:2533") {
			u.source("oxe "+a, at, name)
		}
	}
}

func (u *uses) ahl(a *AHL, at, name string) {
	if a.Dial == "" {
		u.in.problemAt(at, "%s.dial: give the PBX's address and port, such as 10.1.0.9:2561", at)
	} else if u.in.dial(at+".dial", a.Dial, "10.1.0.9:2561") {
		u.source("ahl "+a.Dial, at, name)
	}
	u.in.oneOf(at+".check", a.Check, "none", "lrc", "lrc-hex")
}

// dial checks host:port of a PBX.
func (in *reading) dial(at, addr, example string) bool {
	if !in.address(at, addr) {
		return false
	}
	host, _, _ := net.SplitHostPort(addr)
	if host == "" {
		in.problemAt(at, "%s: %q: give the PBX's address and port, such as %s", at, addr, example)
	}
	return host != ""
}
