package config

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"trunkline.internal/pbx"
)

// Receiver is a server of ours that files are pushed to.
type Receiver struct {
	// Listen is host:port. Links may share it.
	Listen string `yaml:"listen"`
	// Allow lists the addresses that may connect; empty: any.
	Allow []netip.Prefix `yaml:"allow"`
	// User logs in; empty: the link's id.
	User string `yaml:"user"`
	// Secret is the user's password.
	Secret `yaml:",inline"`
	// Pattern of base names as of path.Match; empty: the model's.
	Pattern string `yaml:"pattern"`
	// Grows tells a log that is appended to; nil: as the model writes.
	Grows *bool `yaml:"grows"`
	// After is what becomes of a received file once it is collected; the zero
	// value deletes it after 30 days.
	After After `yaml:"after"`
}

// FTPServer receives files over FTP. Links that share an address have the same
// Passive, Public and TLS.
type FTPServer struct {
	Receiver `yaml:",inline"`
	// Passive is the range of ports for transfers, such as 50000-50099; empty: any.
	Passive string `yaml:"passive"`
	// Public is the IPv4 address that passive transfers are told to connect to;
	// empty: the one that the client connected to.
	Public string `yaml:"public"`
	// TLS has our certificate and key: then only FTPS is taken; nil: plain only.
	TLS *TLS `yaml:"tls"`
}

// SFTPServer receives files over SFTP.
type SFTPServer struct {
	Receiver `yaml:",inline"`
	// AuthorizedKeys is a file of public keys that may log in.
	AuthorizedKeys string `yaml:"authorized_keys"`
}

// HTTPServer receives tickets in POST requests.
type HTTPServer struct {
	// Listen is host:port. Links may share it.
	Listen string         `yaml:"listen"`
	Allow  []netip.Prefix `yaml:"allow"`
	// Path of the URL; empty: /<site>/<link>.
	Path string `yaml:"path"`
	// User and Secret are asked for (Basic); empty: nothing is.
	User   string `yaml:"user"`
	Secret `yaml:",inline"`
	// TLS has our certificate and key; nil: plain.
	TLS *TLS `yaml:"tls"`
}

// TFTP is a PBX that pushes files to us, or a file that we fetch.
type TFTP struct {
	// Listen is host:port, of UDP. Links may share it with Allow ranges that do not
	// overlap.
	Listen string `yaml:"listen"`
	// Allow lists the addresses that may send; empty: any.
	Allow []netip.Prefix `yaml:"allow"`
	// Fetch is the PBX's host:port, and File what is fetched there.
	Fetch string `yaml:"fetch"`
	File  string `yaml:"file"`
	// Every is how often it is fetched; 0: 15 minutes.
	Every Duration `yaml:"every"`
	// After is what becomes of a received file; the zero value deletes it after 30
	// days.
	After After `yaml:"after"`
}

// receiver takes note of a server of ours that links may share, each by a name
// of its own.
func (u *uses) receiver(wire, listen, as string, at, name string) {
	if !u.in.address(at+".listen", listen) {
		return
	}
	_, port, _ := net.SplitHostPort(listen)
	if port == "0" {
		return
	}
	if other, ok := u.servers[port]; ok && (other.wire != wire || other.listen != listen) {
		u.in.problemAt(at+".listen", "%s.listen: link %s listens on port %s with %s, and link %s with %s on %s: give another port, or the same address", at, name, port, wire, other.name, other.wire, other.listen)
		return
	}
	u.servers[port] = server{wire, listen, name}
	key := wire + " " + port + " " + as
	if other, ok := u.folders[key]; ok {
		u.in.problemAt(at, "%s: links %s and %s are both %s on port %s: nothing tells them apart", at, other, name, as, port)
	}
	u.folders[key] = name
}

func (u *uses) push(wire string, r *Receiver, l *Link, model *pbx.Model, at, name string) {
	if r.User == "" {
		r.User = l.ID
	}
	u.in.secret(at, r.Secret)
	u.fileSet(r.Pattern, r.Grows, r.After, model, at)
	u.receiver(wire, r.Listen, "user "+r.User, at, name)
}

func (u *uses) ftpServer(f *FTPServer, l *Link, model *pbx.Model, at, name string) {
	u.push("ftp_server", &f.Receiver, l, model, at, name)
	if !f.Set() {
		u.in.problemAt(at, "%s: give password_env or password_file: the PBX logs in with it", at)
	}
	if f.Passive != "" {
		if _, _, err := PortRange(f.Passive); err != nil {
			u.in.problemAt(at+".passive", "%s.passive: %v", at, err)
		}
	}
	if ip, err := netip.ParseAddr(f.Public); f.Public != "" && (err != nil || !ip.Is4()) {
		u.in.problemAt(at+".public", "%s.public: %q: give the IPv4 address that the PBX reaches us at", at, f.Public)
	}
	if f.TLS != nil && (f.TLS.Cert == "" || f.TLS.Key == "") {
		u.in.problemAt(at+".tls", "%s.tls: give our certificate (cert) and its key (key)", at)
	}
	if _, port, _ := net.SplitHostPort(f.Listen); port != "0" {
		var tls TLS
		if f.TLS != nil {
			tls = *f.TLS
		}
		key, same := "ftp options "+port, fmt.Sprintf("%s %s %+v", f.Passive, f.Public, tls)
		if other, ok := u.folders[key]; ok && other != same {
			u.in.problemAt(at, "%s: links that share port %s must have the same passive, public and tls", at, port)
		}
		u.folders[key] = same
	}
}

// PortRange reads `50000-50099`.
func PortRange(s string) (first, last int, err error) {
	a, b, ok := strings.Cut(s, "-")
	first, err1 := strconv.Atoi(a)
	last, err2 := strconv.Atoi(b)
	if !ok || err1 != nil || err2 != nil || first < 1 || last > 65535 || first > last {
		return 0, 0, fmt.Errorf("%q: give a range of ports such as 50000-50099", s)
	}
	return first, last, nil
}

func (u *uses) sftpServer(f *SFTPServer, l *Link, model *pbx.Model, at, name string) {
	u.push("sftp_server", &f.Receiver, l, model, at, name)
	if !f.Set() && f.AuthorizedKeys == "" {
		u.in.problemAt(at, "%s: give password_env, password_file or authorized_keys: the PBX logs in with it", at)
	}
}

func (u *uses) httpServer(h *HTTPServer, at, name string) {
	if h.Path == "" {
		h.Path = "/" + name
	}
	if h.Path[0] != '/' || path.Clean(h.Path) != h.Path {
		u.in.problemAt(at+".path", "%s.path: %q: give one such as /cdr", at, h.Path)
	}
	if h.User == "" && h.Set() || h.User != "" && !h.Set() {
		u.in.problemAt(at, "%s: give user together with password_env or password_file, or none of them", at)
	}
	u.in.secret(at, h.Secret)
	if h.TLS != nil && (h.TLS.Cert == "" || h.TLS.Key == "") {
		u.in.problemAt(at+".tls", "%s.tls: give our certificate (cert) and its key (key)", at)
	}
	u.receiver("http_server", h.Listen, h.Path, at, name)
}

func (u *uses) tftp(t *TFTP, at, name string) {
	in := u.in
	switch {
	case (t.Listen == "") == (t.Fetch == ""):
		in.problemAt(at, "%s: give listen (the PBX pushes its files) or fetch (we fetch one)", at)
	case t.Fetch != "":
		if in.address(at+".fetch", t.Fetch) {
			if host, _, _ := net.SplitHostPort(t.Fetch); host == "" {
				in.problemAt(at+".fetch", "%s.fetch: %q: give the PBX's address and port, such as 10.1.0.9:69", at, t.Fetch)
			}
		}
		if t.File == "" {
			in.problemAt(at, "%s.file: give the name of the file to fetch, such as gez.txt", at)
		}
		if len(t.Allow) > 0 {
			in.problemAt(at+".allow", "%s.allow: only a link that listens has an allow-list", at)
		}
		u.source("tftp "+t.Fetch+"/"+t.File, at, name)
	case t.File != "" || t.Every != 0:
		in.problemAt(at, "%s: file and every go with fetch: whoever listens takes what comes", at)
	case in.address(at+".listen", t.Listen):
		host, port, _ := net.SplitHostPort(t.Listen)
		u.listens = append(u.listens, listen{host, "udp " + port, t.Allow, at + ".listen", name})
	}
}
