// Package config reads the one YAML file of all services. Whatever is wrong in
// it is told with file, line and what would be right.
package config

import (
	"net/netip"
	"time"

	"trunkline.internal/pbx"
)

// Config is the whole configuration. Each service reads its part.
type Config struct {
	// Data is the folder of everything that the process keeps.
	Data       string     `yaml:"data"`
	NATS       NATS       `yaml:"nats"`
	ClickHouse ClickHouse `yaml:"clickhouse"`
	SQL        SQL        `yaml:"sql"`
	Metrics    Metrics    `yaml:"metrics"`
	Sites      []Site     `yaml:"sites"`
	// Files are those that it was read from, the main one first.
	Files []string `yaml:"-"`
}

// NATS says how to reach the hub and how much its streams may keep.
type NATS struct {
	URL       string `yaml:"url"`
	CredsFile string `yaml:"creds_file"`
	TLS       TLS    `yaml:"tls"`
	// InboxPrefix begins the subjects that answers come on: what our user may
	// subscribe to; empty: `_INBOX`.
	InboxPrefix string `yaml:"inbox_prefix"`
	// Spool keeps the tickets of an ingest service on its own disk until the hub has
	// them; nil: there is none.
	Spool  *Spool `yaml:"spool"`
	Listen string `yaml:"listen"`
	// ListenTLS has the certificate and key of our own server; nil: plain.
	ListenTLS *TLS `yaml:"listen_tls"`
	// Auth is the folder `server` of `trunkline init hub`: with it our own server
	// asks for credentials. Empty: it does not.
	Auth     string `yaml:"auth"`
	Replicas int    `yaml:"replicas"`
	Tickets  Stream `yaml:"tickets"`
	Cdrs     Stream `yaml:"cdrs"`
}

// Spool is an ingest service's own store, below `data`.
type Spool struct {
	// MaxBytes bounds the tickets; 0: 8 GiB.
	MaxBytes Bytes `yaml:"max_bytes"`
}

// Stream bounds a stream.
type Stream struct {
	MaxBytes Bytes `yaml:"max_bytes"`
}

// TLS names files in PEM.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// Insecure takes any certificate: for first tests only.
	Insecure bool `yaml:"insecure"`
}

// ClickHouse says where the sink writes.
type ClickHouse struct {
	// Addr lists host:port, tried in order.
	Addr []string `yaml:"addr"`
	// Protocol is `native` or `http`.
	Protocol string `yaml:"protocol"`
	Database string `yaml:"database"`
	User     string `yaml:"user"`
	Secret   `yaml:",inline"`
	TLS      *TLS `yaml:"tls"`
	// Cluster names a cluster for replicated and distributed tables.
	Cluster string `yaml:"cluster"`
}

// SQL is the embedded engine's HTTP front.
type SQL struct {
	// Listen is host:port.
	Listen string `yaml:"listen"`
	// Hosts are names under which the front may be called, beside localhost and
	// addresses.
	Hosts []string `yaml:"hosts"`
	// TLS has our certificate and key; nil: plain.
	TLS *TLS `yaml:"tls"`
}

// Metrics is where a process tells how it is: /metrics, /healthz, /readyz.
type Metrics struct {
	// Listen is host:port, or `off`.
	Listen string `yaml:"listen"`
	// Default says that Listen is not configured: services on one machine then have
	// ports of their own.
	Default bool `yaml:"-"`
	// TLS has our certificate and key; nil: plain. With a CA only clients with a
	// certificate of its are let in.
	TLS *TLS `yaml:"tls"`
}

// Site is a place with one PBX or more.
type Site struct {
	ID            string            `yaml:"id"`
	Timezone      string            `yaml:"timezone"`
	Country       string            `yaml:"country"`
	OutsidePrefix string            `yaml:"outside_prefix"`
	Labels        map[string]string `yaml:"labels"`
	// Hours in which people are there, by days: `mon-fri: "08:00-12:00 14:00-18:00"`;
	// empty: learned.
	Hours map[string]string `yaml:"hours"`
	// Holidays are days without work, YYYY-MM-DD, beside the country's public ones.
	Holidays []string `yaml:"holidays"`
	// Silence is that of links which have none of their own.
	Silence *Silence `yaml:"silence"`
	Links   []Link   `yaml:"links"`
}

// Link is the connection of one PBX. Exactly one wire is set.
type Link struct {
	ID    string    `yaml:"id"`
	Model string    `yaml:"model"`
	Parse pbx.Parse `yaml:"parse"`
	// Silence says when no ticket is an alarm; nil: the site's.
	Silence *Silence `yaml:"silence"`
	// Layout is the text of the file that Parse.Layout names.
	Layout string `yaml:"-"`

	TCP   *TCP   `yaml:"tcp"`
	Files *Files `yaml:"files"`
	MySQL *MySQL `yaml:"mysql"`
	FTP   *FTP   `yaml:"ftp"`
	SFTP  *SFTP  `yaml:"sftp"`
	HTTP  *HTTP  `yaml:"http"`
	OXE   *OXE   `yaml:"oxe"`
	AHL   *AHL   `yaml:"ahl"`

	FTPServer  *FTPServer  `yaml:"ftp_server"`
	SFTPServer *SFTPServer `yaml:"sftp_server"`
	HTTPServer *HTTPServer `yaml:"http_server"`
	TFTP       *TFTP       `yaml:"tftp"`
}

// TCP is a stream of lines: we listen, or we dial.
type TCP struct {
	// Listen is host:port; links may share it when their Allow ranges are
	// disjoint.
	Listen string `yaml:"listen"`
	// Allow lists the addresses that may connect; empty: any.
	Allow []netip.Prefix `yaml:"allow"`
	// MaxConnections of this link at a time; 0: 64.
	MaxConnections int `yaml:"max_connections"`
	// Idle closes a connection on which nothing came for so long; 0: never.
	Idle Duration `yaml:"idle"`

	// Dial is the PBX's host:port.
	Dial string `yaml:"dial"`
	// Secret is the password of the PBX's log-in dialogue; empty: the factory's.
	Secret `yaml:",inline"`
}

// Files is a folder that ticket files appear in.
type Files struct {
	Dir string `yaml:"dir"`
	// Pattern of base names as of path.Match; empty: the model's.
	Pattern string `yaml:"pattern"`
	// Grows tells a log that is appended to; nil: as the model writes.
	Grows *bool `yaml:"grows"`
	// After is what becomes of a collected file.
	After After `yaml:"after"`
	// Every is how often the folder is looked at; 0: 5 s.
	Every Duration `yaml:"every"`
	// Settle is how long a whole file must not have changed before it is read;
	// 0: 5 s.
	Settle Duration `yaml:"settle"`
}

// After is what becomes of a collected file, once its last ticket is
// acknowledged. The zero value keeps it.
type After struct {
	// Delete removes the file so long after; nil: not.
	Delete *time.Duration
	// Move is a folder that the file is moved to.
	Move string
	// Rename appends `.old`.
	Rename bool
}

// MySQL is a table of tickets.
type MySQL struct {
	Addr     string `yaml:"addr"`
	Database string `yaml:"database"`
	// Table and Cursor; empty: the model's.
	Table  string `yaml:"table"`
	Cursor string `yaml:"cursor"`
	// Query is a SELECT of ours in place of the table's rows. It names the last
	// row's key `:last_id` and orders by the cursor.
	Query string `yaml:"query"`
	// Settle leaves rows to a later look until they have been there so long, for
	// PBXs that write a row first and complete it later; 0: not.
	Settle Duration `yaml:"settle"`
	User   string   `yaml:"user"`
	Secret `yaml:",inline"`
	TLS    *TLS `yaml:"tls"`
	// Every is how often the table is asked; 0: 10 s.
	Every Duration `yaml:"every"`
	// Overlap is how many keys behind the cursor are read again, for rows that
	// become visible late; nil: 200.
	Overlap *int `yaml:"overlap"`
	// Epoch is raised by an operator after the table was reset.
	Epoch int `yaml:"epoch"`
}

// LinkOf is a link with the site it belongs to.
type LinkOf struct {
	*Link
	Site *Site
}

// Links lists every link of the configuration.
func (c *Config) Links() []LinkOf {
	var out []LinkOf
	for i := range c.Sites {
		for j := range c.Sites[i].Links {
			out = append(out, LinkOf{&c.Sites[i].Links[j], &c.Sites[i]})
		}
	}
	return out
}

// Settings is what the parser needs of the link.
func (l LinkOf) Settings() pbx.Settings {
	return pbx.Settings{
		Site: l.Site.ID, Link: l.ID, Model: l.Model,
		Timezone: l.Site.Timezone, Country: l.Site.Country, OutsidePrefix: l.Site.OutsidePrefix,
		Labels: l.Site.Labels, Parse: l.Parse, Layout: l.Layout,
	}
}
