package config

import (
	"net"
	"net/netip"
	"slices"
)

type listen struct {
	host, port string
	allow      []netip.Prefix
	path, name string
}

func (u *uses) tcp(t *TCP, at, name string) {
	in := u.in
	if t.Dial != "" {
		in.address(at+".dial", t.Dial)
		if host, _, _ := net.SplitHostPort(t.Dial); host == "" {
			in.problemAt(at+".dial", "%s.dial: %q: give the PBX's address and port, such as 10.1.0.5:2300", at, t.Dial)
		}
		if len(t.Allow) > 0 {
			in.problemAt(at+".allow", "%s.allow: only a link that listens has an allow-list", at)
		}
		in.secret(at, t.Secret)
		return
	}
	if t.Set() {
		in.problemAt(at, "%s: a link that listens has no password", at)
	}
	if in.address(at+".listen", t.Listen) {
		host, port, _ := net.SplitHostPort(t.Listen)
		u.listens = append(u.listens, listen{host, port, t.Allow, at + ".listen", name})
	}
	if t.MaxConnections < 0 {
		in.problemAt(at+".max_connections", "%s.max_connections: %d: give a number above 0", at, t.MaxConnections)
	}
}

// ports finds links on one port whose allow-lists do not tell them apart.
func (u *uses) ports() {
	for i, a := range u.listens {
		for _, b := range u.listens[:i] {
			if a.port != b.port || a.port == "0" || a.host != b.host && !wildcard(a.host) && !wildcard(b.host) {
				continue
			}
			if disjoint(a.allow, b.allow) {
				continue
			}
			u.in.problemAt(a.path, "%s: link %s listens on port %s, and so does link %s (%s): give both `allow` ranges that do not overlap, or another port",
				a.path, a.name, a.port, b.name, u.in.where(b.path))
		}
	}
}

// Canonical makes the ways to write every address of this machine equal, such as
// :1080 and 0.0.0.0:1080.
func Canonical(listen string) string {
	host, port, _ := net.SplitHostPort(listen)
	if wildcard(host) {
		host = ""
	}
	return net.JoinHostPort(host, port)
}

func wildcard(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

func disjoint(a, b []netip.Prefix) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	for _, p := range a {
		if slices.ContainsFunc(b, p.Overlaps) {
			return false
		}
	}
	return true
}
