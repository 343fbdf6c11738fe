package config

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"trunkline.internal/pbx"
)

func (in *reading) validate(c *Config) {
	if p := c.ClickHouse.Protocol; p != "native" && p != "http" {
		in.problemAt("clickhouse.protocol", "clickhouse.protocol: %q: give native or http", p)
	}
	for i, a := range c.ClickHouse.Addr {
		in.address(fmt.Sprintf("clickhouse.addr[%d]", i), a)
	}
	in.secret("clickhouse", c.ClickHouse.Secret)
	in.address("sql.listen", c.SQL.Listen)
	if c.Metrics.Listen != "off" {
		in.address("metrics.listen", c.Metrics.Listen)
	}
	for at, t := range map[string]*TLS{"nats.listen_tls": c.NATS.ListenTLS, "sql.tls": c.SQL.TLS, "metrics.tls": c.Metrics.TLS} {
		if t != nil && (t.Cert == "" || t.Key == "") {
			in.problemAt(at, "%s: give our certificate (cert) and its key (key)", at)
		}
	}
	if r := c.NATS.Replicas; r < 0 || r > 5 {
		in.problemAt("nats.replicas", "nats.replicas: %d: give 1, 3 or 5", r)
	}
	if p := c.NATS.InboxPrefix; p != "" && !inboxPrefix.MatchString(p) {
		in.problemAt("nats.inbox_prefix", "nats.inbox_prefix: %q: give what the user may subscribe to without its .>, such as _INBOX_lyon", p)
	}
	if s := c.NATS.Spool; s != nil && s.MaxBytes != 0 && s.MaxBytes < minSpool {
		in.problemAt("nats.spool.max_bytes", "nats.spool.max_bytes: %d: give at least 16MiB, and what a day or more without the hub brings", s.MaxBytes)
	}
	u := uses{in: in, sites: map[string]string{}, folders: map[string]string{}, tables: map[string]string{}, servers: map[string]server{}}
	for i := range c.Sites {
		u.site(&c.Sites[i], fmt.Sprintf("sites[%d]", i))
	}
	u.ports()
}

// minSpool holds a few of the largest batches.
const minSpool = 16 << 20

// inboxPrefix matches what nats.inbox_prefix may be: tokens of a subject, no
// wildcard.
var inboxPrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// uses remembers what the links use, to find what two of them claim.
type uses struct {
	in      *reading
	sites   map[string]string
	folders map[string]string
	tables  map[string]string
	listens []listen
	servers map[string]server // by port
}

// server is one of ours that links share.
type server struct{ wire, listen, name string }

func (u *uses) site(s *Site, at string) {
	in := u.in
	if !pbx.ValidID(s.ID) {
		in.problemAt(at+".id", "%s.id: %q: a site's id has 1 to 63 of a-z, 0-9 and -, and never changes", at, s.ID)
	} else if other, ok := u.sites[s.ID]; ok {
		in.problemAt(at+".id", "%s.id: site %q is there already, at %s", at, s.ID, other)
	} else {
		u.sites[s.ID] = in.where(at + ".id")
	}
	in.timezone(at+".timezone", s.Timezone, true)
	if c := s.Country; c != "" && (len(c) != 2 || strings.ToUpper(c) != c) {
		in.problemAt(at+".country", "%s.country: %q: give an ISO 3166 code of two capitals, such as FR", at, c)
	}
	for _, r := range s.OutsidePrefix {
		if !strings.ContainsRune("0123456789*#", r) {
			in.problemAt(at+".outside_prefix", "%s.outside_prefix: %q: give the keys that people press, such as \"0\"", at, s.OutsidePrefix)
			break
		}
	}
	if _, err := pbx.Location(s.Timezone); err == nil { // else it is told already
		if _, err := s.Calendar(); err != nil {
			in.problemAt(at, "%s: site %s: %v", at, s.ID, err)
		}
	}
	in.silence(s.Silence, at+".silence")
	ids := make(map[string]bool)
	for i := range s.Links {
		l, at := &s.Links[i], fmt.Sprintf("%s.links[%d]", at, i)
		switch {
		case !pbx.ValidID(l.ID):
			in.problemAt(at+".id", "%s.id: %q: a link's id has 1 to 63 of a-z, 0-9 and -, and never changes", at, l.ID)
		case ids[l.ID]:
			in.problemAt(at+".id", "%s.id: site %s has a link %q already", at, s.ID, l.ID)
		}
		ids[l.ID] = true
		in.silence(l.Silence, at+".silence")
		u.link(s, l, at)
	}
}

func (u *uses) link(s *Site, l *Link, at string) {
	in := u.in
	name := s.ID + "/" + l.ID
	model, ok := pbx.Lookup(l.Model)
	if !ok {
		near := pbx.Nearest(l.Model)
		if near != "" {
			near = fmt.Sprintf(": is it %q?", near)
		}
		in.problemAt(at+".model", "%s.model: no model %q%s `trunkline models` lists them", at, l.Model, orWord(near, ":"))
		return
	}
	wires := l.wires()
	if len(wires) != 1 {
		in.problemAt(at, "%s: link %s needs exactly one wire, and has %s: %s can use %s", at, name, orWord(strings.Join(wires, " and "), "none"), l.Model, offers(model))
		return
	}
	wire, key := pbx.Wire(wires[0]), wires[0]
	if l.TCP != nil {
		switch {
		case (l.TCP.Listen == "") == (l.TCP.Dial == ""):
			in.problemAt(at+".tcp", "%s.tcp: give listen (the PBX connects to us) or dial (we connect to the PBX)", at)
			return
		case l.TCP.Listen != "":
			wire = pbx.TCPListen
		default:
			wire = pbx.TCPDial
		}
	}
	if _, ok := model.Offer(wire); !ok {
		in.problemAt(at+"."+key, "%s.%s: %s offers no %s: it can use %s", at, key, l.Model, wire, offers(model))
		return
	}
	if !model.Works(wire) {
		what := fmt.Sprintf("%s over %s does not work yet in this version", l.Model, wire)
		if working := model.WorkingWires(); len(working) > 0 {
			what += fmt.Sprintf(": use %s", wireList(working))
		}
		in.problemAt(at+"."+key, "%s.%s: %s", at, key, what)
		return
	}
	switch {
	case l.TCP != nil:
		u.tcp(l.TCP, at+".tcp", name)
	case l.Files != nil:
		u.files(l.Files, model, at+".files", name)
	case l.MySQL != nil:
		u.mysql(l.MySQL, model, at+".mysql", name)
	case l.FTP != nil:
		u.ftp(l.FTP, model, at+".ftp", name)
	case l.SFTP != nil:
		u.sftp(l.SFTP, model, at+".sftp", name)
	case l.HTTP != nil:
		u.http(l.HTTP, model, at+".http", name)
	case l.FTPServer != nil:
		u.ftpServer(l.FTPServer, l, model, at+".ftp_server", name)
	case l.SFTPServer != nil:
		u.sftpServer(l.SFTPServer, l, model, at+".sftp_server", name)
	case l.HTTPServer != nil:
		u.httpServer(l.HTTPServer, at+".http_server", name)
	case l.TFTP != nil:
		u.tftp(l.TFTP, at+".tftp", name)
	case l.OXE != nil:
		u.oxe(l.OXE, at+".oxe", name)
	case l.AHL != nil:
		u.ahl(l.AHL, at+".ahl", name)
	}
	in.parseSettings(&l.Parse, at+".parse")
	in.layout(l, model, at+".parse.layout", name)
}

// wires lists the keys of the wires that are set.
func (l *Link) wires() []string {
	var out []string
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() {
		f := v.Field(i)
		if f.Kind() == reflect.Pointer && f.Type() != reflect.TypeFor[*Silence]() && !f.IsNil() {
			out = append(out, v.Type().Field(i).Tag.Get("yaml"))
		}
	}
	return out
}

func offers(m *pbx.Model) string {
	if w := m.WorkingWires(); len(w) > 0 {
		return wireList(w)
	}
	return "nothing in this version"
}

func wireList(wires []pbx.Wire) string {
	names := make([]string, len(wires))
	for i, w := range wires {
		names[i] = string(w)
	}
	return strings.Join(names, ", ")
}

func (u *uses) files(f *Files, model *pbx.Model, at, name string) {
	in := u.in
	if f.Dir == "" {
		in.problemAt(at, "%s.dir: give the folder that the ticket files appear in", at)
		return
	}
	if strings.ContainsFunc(f.Dir+f.After.Move, unicode.IsControl) {
		in.problemAt(at+".dir", "%s: a folder's name holds a control character: in double quotes a \\ begins one, so write a folder of Windows without quotes, such as dir: D:\\cdr", at)
		return
	}
	u.fileSet(f.Pattern, f.Grows, f.After, model, at)
	u.source(folderKey(f.Dir)+"/"+pattern(f.Pattern, model), at+".dir", name)
}

func (u *uses) mysql(m *MySQL, model *pbx.Model, at, name string) {
	in := u.in
	if m.Addr == "" {
		in.problemAt(at, "%s.addr: give the server's address, such as 10.1.0.7:3306", at)
	} else {
		in.address(at+".addr", m.Addr)
	}
	if m.Database == "" {
		in.problemAt(at, "%s.database: give the database, such as asteriskcdrdb", at)
	}
	if m.User == "" {
		in.problemAt(at, "%s.user: give a user that may only read the table", at)
	}
	in.secret(at, m.Secret)
	if m.Overlap != nil && *m.Overlap < 0 {
		in.problemAt(at+".overlap", "%s.overlap: %d: give 0 or more", at, *m.Overlap)
	}
	table := m.Table
	if table == "" {
		table = model.Table.Name
	}
	if m.Query != "" {
		cursor := m.Cursor
		if cursor == "" {
			cursor = model.Table.Cursor
		}
		if err := CheckQuery(m.Query, cursor); err != nil {
			in.problemAt(at+".query", "%s.query: %v", at, err)
		}
		if m.Settle > 0 && m.Table == "" {
			in.problemAt(at+".settle", "%s.settle: give table too: the newest key of the table tells how long a row has been there", at)
		}
	}
	key := m.Addr + "/" + m.Database + "." + table
	if other, ok := u.tables[key]; ok {
		in.problemAt(at, "%s: link %s reads %s, and so does link %s: each row belongs to one link", at, name, key, other)
	}
	u.tables[key] = name
}

func (in *reading) oneOf(at, value string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		in.problemAt(at, "%s: %q: give %s", at, value, strings.Join(allowed, ", "))
	}
}

func (in *reading) timezone(at, name string, needed bool) {
	if name == "" && !needed {
		return
	}
	if _, err := pbx.Location(name); err != nil || name == "" || name == "Local" {
		in.problemAt(at, "%s: no time zone %q: give an IANA name such as Europe/Paris", at, name)
	}
}

func (in *reading) secret(at string, s Secret) {
	if s.PasswordEnv != "" && s.PasswordFile != "" {
		in.problemAt(at+".password_file", "%s: password_env and password_file: give one of them", at)
	}
}

// address checks host:port.
func (in *reading) address(at, addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		in.problemAt(at, "%s: %q: give an address and a port, such as 127.0.0.1:1080", at, addr)
	}
	return err == nil
}

// where says the place of a path, for people.
func (in *reading) where(path string) string {
	p := in.places[path]
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

func equal(a, b *Config) bool { return reflect.DeepEqual(a, b) }
