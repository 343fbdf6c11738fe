package rows

import (
	"encoding/binary"

	"github.com/ClickHouse/ch-go/proto"
)

// texts is a String column kept as it travels: each value behind its length.
// The client's own keeps positions beside the bytes and costs twice the time.
type texts struct {
	encoded []byte
	rows    int
}

func (c *texts) add(s string) {
	c.encoded = binary.AppendUvarint(c.encoded, uint64(len(s)))
	c.encoded = append(c.encoded, s...)
	c.rows++
}

func (c *texts) addBytes(s []byte) {
	c.encoded = binary.AppendUvarint(c.encoded, uint64(len(s)))
	c.encoded = append(c.encoded, s...)
	c.rows++
}

func (c *texts) Type() proto.ColumnType       { return proto.ColumnTypeString }
func (c *texts) Rows() int                    { return c.rows }
func (c *texts) EncodeColumn(b *proto.Buffer) { b.PutRaw(c.encoded) }
func (c *texts) WriteColumn(w *proto.Writer)  { w.ChainWrite(c.encoded) }
func (c *texts) Reset()                       { c.encoded, c.rows = c.encoded[:0], 0 }

// words is a LowCardinality(String) column: its dictionary grows as words come,
// and most often a word is the one before.
type words struct {
	proto.ColLowCardinalityRaw
	keys    map[string]int
	last    string
	lastKey int
}

func newWords() *words {
	c := &words{keys: make(map[string]int)}
	c.Index = new(proto.ColStr)
	c.Reset()
	return c
}

func (c *words) add(s string) {
	if s != c.last || len(c.keys) == 0 {
		key, known := c.keys[s]
		if !known {
			key = len(c.keys)
			c.keys[s] = key
			c.Index.(*proto.ColStr).Append(s)
			c.widen(key)
		}
		c.last, c.lastKey = s, key
	}
	c.AppendKey(c.lastKey)
}

// widen makes room for keys that the type so far cannot hold.
func (c *words) widen(key int) {
	switch {
	case c.Key == proto.KeyUInt8 && key > 0xff:
		c.Key = proto.KeyUInt16
		for _, k := range c.Keys8 {
			c.Keys16 = append(c.Keys16, uint16(k))
		}
	case c.Key == proto.KeyUInt16 && key > 0xffff:
		c.Key = proto.KeyUInt32
		for _, k := range c.Keys16 {
			c.Keys32 = append(c.Keys32, uint32(k))
		}
	}
}

func (c *words) Reset() {
	c.ColLowCardinalityRaw.Reset()
	c.Key = proto.KeyUInt8
	clear(c.keys)
	c.last, c.lastKey = "", 0
}
