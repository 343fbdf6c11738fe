package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
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

// HTTP is a server that gives tickets: a folder of files, or the model's API.
type HTTP struct {
	URL  string `yaml:"url"`
	User string `yaml:"user"`
	// Secret is the user's password.
	Secret `yaml:",inline"`
	// TokenURL is where a token is had, if not below URL.
	TokenURL string `yaml:"token_url"`
	// Tenant is the UUID of the tenant whose calls are wanted; empty: the user's.
	Tenant string `yaml:"tenant"`
	// Recurse takes the calls of the tenants below it, too; nil: yes.
	Recurse *bool `yaml:"recurse"`
	// Lookback is how long a call may last whose record is told by its begin: so
	// far back an API is asked again each hour; 0: a day.
	Lookback Duration `yaml:"lookback"`
	// Epoch is raised by an operator after an API's ids began again.
	Epoch int `yaml:"epoch"`
	TLS   TLS `yaml:"tls"`
	// Pin is the SHA-256 of the server's certificate, 64 hex digits: for one that
	// signed itself.
	Pin string `yaml:"pin"`
	// Pattern of base names as of path.Match; empty: the model's.
	Pattern string `yaml:"pattern"`
	// Grows tells logs that are appended to; nil: as the model writes. Packed files
	// are whole.
	Grows *bool `yaml:"grows"`
	// Every is how often the server is asked; 0: 1 minute.
	Every Duration `yaml:"every"`
	// Settle is how long a whole file must not have changed, 0: 5 s; and how long
	// ago a call of Wazo's ended, which may make its record anew, 0: 1 minute.
	Settle Duration `yaml:"settle"`
}

// httpAPI are the models whose HTTP wire is an API, with the keys of HTTP that not
// all have; of the others it is a folder of files.
var httpAPI = map[string][]string{
	"wazo":            {"token_url", "tenant", "recurse", "settle", "epoch"},
	"grandstream-ucm": {"lookback", "epoch"},
}

// HTTPAPI tells whether the HTTP wire of a model is an API, not a folder of files.
func HTTPAPI(model string) bool { return httpAPI[model] != nil }

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

func (u *uses) http(h *HTTP, model *pbx.Model, at, name string) {
	in := u.in
	in.url(at+".url", h.URL, "https://wazo.example")
	if h.TokenURL != "" {
		in.url(at+".token_url", h.TokenURL, "https://wazo.example/api/auth/0.1/token")
	}
	if h.Pin != "" && (len(h.Pin) != 64 || strings.Trim(strings.ToLower(h.Pin), "0123456789abcdef") != "") {
		in.problemAt(at+".pin", "%s.pin: give the SHA-256 of the server's certificate, 64 hex digits", at)
	}
	if h.Pin != "" && (h.TLS.CA != "" || h.TLS.Insecure) {
		in.problemAt(at+".pin", "%s.pin: give it without tls.ca and tls.insecure: it says by itself which certificate is right", at)
	}
	if (h.TLS.Cert == "") != (h.TLS.Key == "") {
		in.problemAt(at+".tls", "%s.tls: give our certificate (cert) together with its key (key), or none of them", at)
	}
	if h.User == "" && h.Set() {
		in.problemAt(at, "%s: a password without a user: give user too", at)
	}
	in.secret(at, h.Secret)
	u.httpKeys(h, model, at)
	if HTTPAPI(model.ID) {
		if h.User == "" || !h.Set() {
			in.problemAt(at, "%s: give user, and password_env or password_file: those of the API's user on the PBX", at)
		}
		u.source(h.URL+" "+h.Tenant, at, name)
		return
	}
	u.fileSet(h.Pattern, h.Grows, After{}, model, at)
	u.source(h.URL+" "+pattern(h.Pattern, model), at, name)
}

// httpKeys finds keys that the model's HTTP wire does not have.
func (u *uses) httpKeys(h *HTTP, model *pbx.Model, at string) {
	keys, ok := httpAPI[model.ID]
	if !ok {
		keys = []string{"pattern", "grows", "settle"}
	}
	for _, k := range []struct {
		key   string
		given bool
	}{
		{"pattern", h.Pattern != ""},
		{"grows", h.Grows != nil},
		{"settle", h.Settle != 0},
		{"token_url", h.TokenURL != ""},
		{"tenant", h.Tenant != ""},
		{"recurse", h.Recurse != nil},
		{"lookback", h.Lookback != 0},
		{"epoch", h.Epoch != 0},
	} {
		if k.given && !slices.Contains(keys, k.key) {
			u.in.problemAt(at+"."+k.key, "%s.%s: the HTTP wire of %s has no such key: leave it out", at, k.key, model.ID)
		}
	}
	if h.Tenant != "" && !tenantID.MatchString(h.Tenant) {
		u.in.problemAt(at+".tenant", "%s.tenant: %q: give the tenant's UUID, such as 4eb57648-b914-446b-a69f-58643ae08dd4", at, h.Tenant)
	}
	if h.Epoch < 0 {
		u.in.problemAt(at+".epoch", "%s.epoch: %d: give 0 or more", at, h.Epoch)
	}
}

var tenantID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func (in *reading) url(at, text, example string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		in.problemAt(at, "%s: %q: give a URL such as %s", at, HideURL(text), example)
		return
	}
	if u.User != nil {
		in.problemAt(at, "%s: a URL holds no password: give user, and password_env or password_file", at)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		in.problemAt(at, "%s: %q: give a URL without ? and #", at, HideURL(text))
	}
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
