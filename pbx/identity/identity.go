// Package identity names tickets and the places they come from, so that
// whatever is read twice gets the same name twice.
//
// Every hash is the first 16 bytes of SHA-256, as 32 lower-case hex digits, over
// a list of fields. Each field enters as its length in bytes (4 bytes, big
// endian) and its bytes. docs/ticket-id.md is the description for other
// programs; the golden ids of this package's tests pin it.
package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"net/url"
	"strconv"
	"sync"
)

const (
	kindMessage = "trunkline.message.v1"
	kindPlace   = "trunkline.ticket.place.v1"
	kindKey     = "trunkline.ticket.key.v1"
)

// Message is the Nats-Msg-Id of a ticket message: two messages with one id are
// the same bytes.
func Message(site, link, origin, offset string, payload []byte) string {
	h := newHasher(kindMessage, site, link)
	h.text(origin)
	h.text(offset)
	h.bytes(payload)
	return h.sum()
}

// AtPlace is the id of a ticket that prints no key of its own: its position in
// the origin. Two calls that print the same line stay two tickets.
func AtPlace(site, link, origin, position string) string {
	h := newHasher(kindPlace, site, link)
	h.text(origin)
	h.text(position)
	return h.sum()
}

// ByKey is the id of a ticket that holds a key which its PBX never gives twice:
// what the PBX sends again counts once. Parts are the key's fields in the order
// of the catalogue.
func ByKey(site, link string, parts ...string) string {
	h := newHasher(kindKey, site, link)
	for _, p := range parts {
		h.text(p)
	}
	return h.sum()
}

// Position of the ticket that begins at the given byte of its origin.
func Position(offset int64) string { return strconv.FormatInt(offset, 10) }

// RowPosition is the position of a table's row: its cursor column and value.
func RowPosition(column, value string) string { return column + "=" + value }

// WholeFile is the origin of a file that is complete when it is collected. The
// name is percent-encoded as a path segment, since an origin travels in a header.
func WholeFile(baseName string, sha [sha256.Size]byte) string {
	return "file:" + hex.EncodeToString(sha[:]) + ":" + url.PathEscape(baseName)
}

// GrowingFile is the origin of a file that grows, named by its first complete
// ticket after the head lines: a log keeps it when it is renamed.
func GrowingFile(firstTicket []byte) string {
	sha := sha256.Sum256(firstTicket)
	return "tail:" + hex.EncodeToString(sha[:])
}

// Table is the origin of a table's rows. The operator raises the epoch when the
// table was reset and its keys begin again.
func Table(server, table string, epoch int) string {
	return "table:" + server + "/" + table + "#" + strconv.Itoa(epoch)
}

// Connection is the origin of one TCP connection: random, since nothing that
// arrives on it can be read again.
func Connection() string {
	var id [16]byte
	rand.Read(id[:])
	return "tcp:" + hex.EncodeToString(id[:])
}

type hasher struct {
	sha hash.Hash
	buf []byte
}

var hashers = sync.Pool{New: func() any {
	return &hasher{sha: sha256.New(), buf: make([]byte, 0, 512)}
}}

func newHasher(kind, site, link string) *hasher {
	h := hashers.Get().(*hasher)
	h.sha.Reset()
	h.buf = h.buf[:0]
	h.text(kind)
	h.text(site)
	h.text(link)
	return h
}

func (h *hasher) text(s string) {
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(s)))
	h.buf = append(h.buf, s...)
}

func (h *hasher) bytes(b []byte) {
	h.buf = binary.BigEndian.AppendUint32(h.buf, uint32(len(b)))
	h.sha.Write(h.buf)
	h.sha.Write(b)
	h.buf = h.buf[:0]
}

func (h *hasher) sum() string {
	h.sha.Write(h.buf)
	h.buf = h.sha.Sum(h.buf[:0])
	var out [32]byte
	hex.Encode(out[:], h.buf[:16])
	hashers.Put(h)
	return string(out[:])
}
