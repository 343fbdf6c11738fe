package asterisk

import (
	"strings"
)

// column is one that the mapping knows.
type column uint8

const (
	colStart column = iota
	colCalldate
	colAnswer
	colEnd
	colClid
	colSrc
	colDst
	colDcontext
	colChannel
	colDstchannel
	colLastapp
	colLastdata
	colDuration
	colBillsec
	colDisposition
	colAMAFlags
	colAccountcode
	colUniqueid
	colUserfield
	colPeeraccount
	colLinkedid
	colSequence
	colTenantid
	colPeertenantid
	colDID
	colCnum
	colCnam
	colDstCnam
	colHangupcause
	colDirection
	colRDNIS
	colTransferer
	numColumns

	colCustom // one that goes to the attributes
	colSkip   // one that is not kept
)

var columnNames = [numColumns]string{
	"start", "calldate", "answer", "end", "clid", "src", "dst", "dcontext", "channel", "dstchannel",
	"lastapp", "lastdata", "duration", "billsec", "disposition", "amaflags", "accountcode", "uniqueid",
	"userfield", "peeraccount", "linkedid", "sequence", "tenantid", "peertenantid", "did", "cnum", "cnam",
	"dst_cnam", "hangupcause", "direction", "rdnis", "transferername",
}

var columnsByName = func() map[string]column {
	m := map[string]column{
		"call_direction": colDirection, "calldirection": colDirection, "call_type": colDirection, "calltype": colDirection,
		"hangup_cause": colHangupcause, "blindtransfer": colTransferer,
	}
	for c, name := range columnNames {
		m[name] = column(c)
	}
	return m
}()

func lookup(name string) (column, string) {
	name = snake(name)
	if c, ok := columnsByName[name]; ok {
		return c, name
	}
	if strings.Trim(name, "_") == "" || secret(name) {
		return colSkip, name
	}
	return colCustom, name
}

// snake gives a column's name in lower case with underscores.
func snake(name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '.' {
			return '_'
		}
		return r
	}, name)
}

// secret tells whether a column holds what opens doors.
func secret(name string) bool {
	for word := range strings.SplitSeq(name, "_") {
		switch word {
		case "pin", "pincode", "pinset", "password", "passwd", "passcode", "pwd", "secret", "authcode":
			return true
		}
	}
	return strings.Contains(name, "auth_code") || strings.Contains(name, "authorization_code")
}

// Columns holds one record by the names of its columns. Formats of PBXs built on
// Asterisk fill one and hand it to a Mapping. It is reused from ticket to ticket.
type Columns struct {
	values [numColumns]string
	// at is the 1-based position of each column that the record has.
	at     [numColumns]uint16
	custom []named
	count  int

	extraColumns bool
	foreign      foreign

	// seen remembers names by position: records of one table look alike.
	seen []seen
}

type named struct{ name, value string }

type seen struct {
	given, name string
	col         column
}

// foreign collects columns that only another model has.
type foreign uint8

const (
	channelExt foreign = 1 << iota
	dstchannelExt
	grandstream = channelExt | dstchannelExt
)

// maxSeen bounds what is remembered of one link's columns.
const maxSeen = 128

// Reset empties the record.
func (c *Columns) Reset() {
	c.values = [numColumns]string{}
	c.at = [numColumns]uint16{}
	clear(c.custom)
	c.custom = c.custom[:0]
	c.count, c.extraColumns, c.foreign = 0, false, 0
}

// Set adds the next column. NULL is the empty value. Of two columns with one
// name the first counts.
func (c *Columns) Set(name, value string) {
	i := c.count
	c.count++
	var s seen
	if i < len(c.seen) && c.seen[i].given == name {
		s = c.seen[i]
	} else {
		name = strings.Clone(name) // else it would keep the whole ticket
		s.given = name
		s.col, s.name = lookup(name)
		if i < len(c.seen) {
			c.seen[i] = s
		} else if i == len(c.seen) && i < maxSeen {
			c.seen = append(c.seen, s)
		}
	}
	switch s.col {
	case colSkip:
	case colCustom:
		switch s.name {
		case "channel_ext":
			c.foreign |= channelExt
		case "dstchannel_ext":
			c.foreign |= dstchannelExt
		}
		if value != "" {
			c.custom = append(c.custom, named{s.name, value})
		}
	default:
		c.put(s.col, i+1, value)
	}
}

func (c *Columns) put(col column, at int, value string) {
	if c.at[col] == 0 {
		c.values[col], c.at[col] = value, uint16(min(at, 1<<16-1))
	}
}

func (c *Columns) has(col column) bool { return c.at[col] != 0 }

// missing names what a record cannot be read without; empty: nothing.
func (c *Columns) missing() string {
	var m []string
	if !c.has(colStart) && !c.has(colCalldate) {
		m = append(m, "start or calldate")
	}
	if !c.has(colDisposition) {
		m = append(m, "disposition")
	}
	if !c.has(colDuration) && !c.has(colBillsec) {
		m = append(m, "duration or billsec")
	}
	if !c.has(colChannel) && (!c.has(colSrc) || !c.has(colDst)) {
		m = append(m, "channel, or src and dst")
	}
	return strings.Join(m, "; ")
}
