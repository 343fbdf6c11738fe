// Package pbx is the domain: the catalogue of PBX models and the settings of a
// link, the connection of one PBX at one site.
package pbx

import (
	"bufio"
	"slices"
	"time"

	"trunkline.internal/pbx/nearest"
)

// Confidence tells how sure we are of a ticket variant or a wire.
type Confidence string

// Confidence levels, best first.
const (
	// Verified on tickets of real systems.
	Verified Confidence = "verified"
	// Documented by the vendor.
	Documented Confidence = "documented"
	// Inferred from other software or related products.
	Inferred Confidence = "inferred"
	// Unknown: nobody has published it.
	Unknown Confidence = "unknown"
)

// Wire names a way tickets travel, as the key of a link's configuration does.
type Wire string

// Wires. The first eight go to the PBX, the others let it come.
const (
	TCPListen  Wire = "tcp.listen"
	TCPDial    Wire = "tcp.dial"
	OXEDial    Wire = "oxe"
	AHLDial    Wire = "ahl"
	Files      Wire = "files"
	FTP        Wire = "ftp"
	SFTP       Wire = "sftp"
	HTTP       Wire = "http"
	MySQL      Wire = "mysql"
	FTPServer  Wire = "ftp_server"
	SFTPServer Wire = "sftp_server"
	HTTPServer Wire = "http_server"
	TFTP       Wire = "tftp"
)

// working lists the wires that this version serves.
var working = []Wire{TCPListen, TCPDial, OXEDial, AHLDial, Files, FTP, SFTP, HTTP, MySQL, FTPServer, SFTPServer, HTTPServer, TFTP}

// Clock tells what the time in a ticket is.
type Clock struct {
	// UTC tells a UTC clock from the site's local one.
	UTC bool
	// End tells that the ticket prints when the call ended, not when it began.
	End bool
	// Minutes tells a clock that resolves 60 seconds, not 1.
	Minutes bool
	// NoYear tells that the ticket prints no year.
	NoYear bool
}

// Offer is a wire that a model offers.
type Offer struct {
	Wire Wire
	// Port is the PBX's or our usual port; 0 where there is none.
	Port int
	// Sure tells how sure we are that the model works this way.
	Sure Confidence
	// Note is for people.
	Note string
}

// Variant is a ticket layout of a model.
type Variant struct {
	Name string
	Sure Confidence
}

// FileSet describes the ticket files that a model writes.
type FileSet struct {
	// Pattern of base names, as of path.Match.
	Pattern string
	// Dir is the usual folder on the PBX's own server.
	Dir string
	// Grows tells a log that tickets are appended to from a file that is
	// complete when it appears.
	Grows bool
	// Head tells whether a line at the start of a file describes the file and is
	// no ticket: the preamble that its tickets need to be read. nil: no head.
	Head func(line []byte) bool
}

// Table describes the table that a model writes.
type Table struct {
	// Name and Cursor are the usual table and its ever-growing column.
	Name, Cursor string
	// Joins are tables beside it that say more of each row. They are joined where
	// the database has them, and a row without a partner stays.
	Joins []Join
	// Query is a SELECT in place of the table's rows, where a call is more than
	// one row. It names the last row's key `:last_id` and orders by the cursor.
	Query string
}

// Join is a table that is joined by a column of one name in both.
type Join struct {
	Table, Key string
	// Columns to select, `name` or `name AS other`.
	Columns []string
}

// Step of a log-in dialogue: wait for text, then send a line.
type Step struct {
	// Expect is text that the PBX prints, compared without case.
	Expect string
	// Send is what we answer; `{password}` stands for the link's password.
	Send string
	// Timeout bounds the wait.
	Timeout time.Duration
}

// Model is one PBX model of the catalogue.
type Model struct {
	ID, Vendor, Product string
	// ComTraficLabel and ComTraficFile are the names under which ComTrafic's
	// set-up offers the model: for people who replace it.
	ComTraficLabel, ComTraficFile string

	// Parses tells whether this version understands the model's tickets.
	Parses bool
	// ByLayout tells that nobody has published the model's tickets: they are
	// read through the link's layout, and are dead without one.
	ByLayout bool
	// Split cuts the model's bytes into tickets.
	Split bufio.SplitFunc
	// Unterminated tells that a whole ticket may stand without a line end: at
	// the end of the model's files, or because its tickets are no lines.
	Unterminated bool
	// Offers are the wires, the usual one first.
	Offers   []Offer
	Variants []Variant
	Clock    Clock
	// Charset is the IANA name of the text's usual encoding.
	Charset string
	// Key names the fields that the PBX never gives twice together; nil: none.
	Key []string

	Files FileSet
	Table Table
	// Login is the dialogue behind tcp.dial; DefaultPassword is the factory's,
	// printed in the vendor's manuals.
	Login           []Step
	DefaultPassword string

	// Setup is what to set on the PBX, a sentence a line.
	Setup []string
}

// Offer returns what the model offers on a wire.
func (m *Model) Offer(w Wire) (Offer, bool) {
	i := slices.IndexFunc(m.Offers, func(o Offer) bool { return o.Wire == w })
	if i < 0 {
		return Offer{}, false
	}
	return m.Offers[i], true
}

// Works tells whether this version can collect the model over the wire.
func (m *Model) Works(w Wire) bool {
	_, ok := m.Offer(w)
	return ok && m.Parses && slices.Contains(working, w)
}

// WorkingWires lists the wires over which this version collects the model.
func (m *Model) WorkingWires() []Wire {
	var out []Wire
	for _, o := range m.Offers {
		if m.Works(o.Wire) {
			out = append(out, o.Wire)
		}
	}
	return out
}

// Lookup finds a model by its id.
func Lookup(id string) (*Model, bool) {
	i := slices.IndexFunc(catalogue, func(m *Model) bool { return m.ID == id })
	if i < 0 {
		return nil, false
	}
	return catalogue[i], true
}

// Models lists the catalogue in its order.
func Models() []*Model { return slices.Clone(catalogue) }

// Nearest is the id of the catalogue that is most like the given text, for error
// messages; empty when none is near.
func Nearest(id string) string {
	ids := make([]string, len(catalogue))
	for i, m := range catalogue {
		ids[i] = m.ID
	}
	return nearest.Of(id, ids)
}

// NearestOf is the candidate that is most like the text: see nearest.Of.
func NearestOf(text string, candidates []string) string { return nearest.Of(text, candidates) }

// ValidID tells whether s can name a site or a link: [a-z0-9][a-z0-9-]{0,62}.
func ValidID(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
