package pbxsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// freepbx renders rows of the cdr table of a FreePBX: one for each pair of channels, all of a call with one
// linkedid; queues add rows with Local channels.
type freepbx struct {
	zone     *time.Location
	unique   int // counter in uniqueid
	channel  int // suffix of channel names
	sequence int
	variant  string
}

// AsteriskTrunks are the peers of the outside lines.
var AsteriskTrunks = []string{"lyon-sip1", "lyon-sip2"}

func newAsterisk(o Options) (encoder, error) { return &freepbx{zone: o.Zone, variant: o.Variant}, nil }

// asteriskColumns in the order of the table, id last.
var asteriskColumns = []string{
	"calldate", "clid", "src", "dst", "dcontext", "channel", "dstchannel", "lastapp", "lastdata", "duration", "billsec",
	"disposition", "amaflags", "accountcode", "uniqueid", "userfield", "did", "recordingfile", "cnum", "cnam",
	"outbound_cnum", "outbound_cnam", "dst_cnam", "linkedid", "peeraccount", "sequence",
}

// asteriskTable is the schema of FreePBX, with the running id that an administrator adds for collecting.
const asteriskTable = "CREATE TABLE IF NOT EXISTS `cdr` (" +
	"`calldate` datetime NOT NULL DEFAULT '0000-00-00 00:00:00', `clid` varchar(80) NOT NULL DEFAULT '', " +
	"`src` varchar(80) NOT NULL DEFAULT '', `dst` varchar(80) NOT NULL DEFAULT '', `dcontext` varchar(80) NOT NULL DEFAULT '', " +
	"`channel` varchar(80) NOT NULL DEFAULT '', `dstchannel` varchar(80) NOT NULL DEFAULT '', " +
	"`lastapp` varchar(80) NOT NULL DEFAULT '', `lastdata` varchar(80) NOT NULL DEFAULT '', " +
	"`duration` int(11) NOT NULL DEFAULT 0, `billsec` int(11) NOT NULL DEFAULT 0, `disposition` varchar(45) NOT NULL DEFAULT '', " +
	"`amaflags` int(11) NOT NULL DEFAULT 0, `accountcode` varchar(20) NOT NULL DEFAULT '', `uniqueid` varchar(32) NOT NULL DEFAULT '', " +
	"`userfield` varchar(255) NOT NULL DEFAULT '', `did` varchar(50) NOT NULL DEFAULT '', `recordingfile` varchar(255) NOT NULL DEFAULT '', " +
	"`cnum` varchar(80) NOT NULL DEFAULT '', `cnam` varchar(80) NOT NULL DEFAULT '', `outbound_cnum` varchar(80) NOT NULL DEFAULT '', " +
	"`outbound_cnam` varchar(80) NOT NULL DEFAULT '', `dst_cnam` varchar(80) NOT NULL DEFAULT '', `linkedid` varchar(32) NOT NULL DEFAULT '', " +
	"`peeraccount` varchar(80) NOT NULL DEFAULT '', `sequence` int(11) NOT NULL DEFAULT 0, " +
	"`id` int(10) unsigned NOT NULL AUTO_INCREMENT, PRIMARY KEY (`id`), KEY `calldate` (`calldate`), KEY `uniqueid` (`uniqueid`), " +
	"KEY `did` (`did`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"

// asteriskRow is a row before its id is known.
type asteriskRow struct {
	start                                           time.Time
	name, src, dst, context, channel, peer          string
	app, data, disposition, account, unique, linked string
	did, sent, peerName                             string
	duration, talk                                  time.Duration
}

func (e *freepbx) station(p Party) string { return e.named("PJSIP/" + p.Number) }
func (e *freepbx) trunk(line int) string  { return e.named("PJSIP/" + AsteriskTrunks[line%2]) }

func (e *freepbx) named(s string) string {
	e.channel++
	return fmt.Sprintf("%s-%08x", s, e.channel)
}

func (e *freepbx) uniqueID(at time.Time) string {
	e.unique++
	return fmt.Sprintf("%d.%d", at.Unix(), e.unique)
}

func (e *freepbx) row(r asteriskRow, told Call, role string) Ticket {
	local, twice := wall(r.start, e.zone)
	e.sequence++
	clid := fmt.Sprintf("%q <%s>", r.name, r.src)
	clid = strings.ReplaceAll(clid, `\"`, `"`)
	r.data = r.data[:min(len(r.data), 80)]
	cnum := r.src
	if cnum == "anonymous" {
		cnum = ""
	}
	t := Ticket{Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: twice}
	t.Call.Start, t.Call.CallID = r.start, r.linked
	t.columns = []any{
		local.Format("2006-01-02 15:04:05"), clid, r.src, r.dst, r.context, r.channel, r.peer, r.app, r.data,
		seconds(r.duration), seconds(r.talk), r.disposition, 3, r.account, r.unique, "", r.did, "", cnum, r.name,
		r.sent, "", r.peerName, r.linked, "", e.sequence,
	}
	if e.variant != asteriskRows {
		return e.master(r, t)
	}
	t.Bytes = jsonRow(t.columns, 0)
	return t
}

// jsonRow is the row as one JSON object, columns in table order; id only when it is known.
func jsonRow(columns []any, id int64) []byte {
	pairs := make([]any, 0, 2*len(columns)+2)
	for i, v := range columns {
		pairs = append(pairs, asteriskColumns[i], v)
	}
	if id > 0 {
		pairs = append(pairs, "id", id)
	}
	return object(pairs...)
}

// object is a JSON object of names and values in turn.
func object(pairs ...any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, ",%q:", pairs[i])
		if err := enc.Encode(pairs[i+1]); err != nil {
			panic("pbxsim: " + err.Error()) // texts, numbers and what is made of them only
		}
		b.Truncate(b.Len() - 1) // the line feed
	}
	b.WriteByte('}')
	b.Bytes()[0] = '{'
	return b.Bytes()
}

func (e *freepbx) encode(c Call) []Ticket {
	r := asteriskRow{
		start: c.Start, unique: e.uniqueID(c.Start), duration: c.Ring + c.Talk, talk: c.Talk, account: c.Account,
		disposition: map[Disposition]string{
			Answered: "ANSWERED", Voicemail: "ANSWERED", Busy: "BUSY", Failed: "FAILED",
			NoAnswer: "NO ANSWER",
		}[c.Disposition],
		app: "Dial", did: c.DID,
	}
	r.linked = r.unique
	told := c
	told.Hold, told.Queue, told.TransferTo, told.TransferTalk, told.Units, told.Line = 0, 0, Party{}, 0, 0, 0
	told.Group, told.Forward.Name = Party{}, ""
	if c.Line > 0 {
		told.Trunk = AsteriskTrunks[c.Line%2]
	}
	switch c.Direction {
	case Inbound, Transit:
		r.name, r.src = c.External.Name, c.External.Number
		if r.src == "" {
			r.name, r.src = "Anonymous", "anonymous"
		}
		r.channel = e.trunk(c.Line)
		told.Extension.Name = ""
	case Outbound, Internal:
		r.name, r.src, r.context, r.channel = c.Extension.Name, c.Extension.Number, "from-internal", e.station(c.Extension)
		told.External.Name, told.Peer.Name = "", ""
	}
	switch {
	case c.Direction == Inbound && c.Group != (Party{}):
		return e.queued(c, told, r)
	case c.Direction == Transit:
		out := e.trunk(c.Line%8 + 1)
		r.context, r.dst, r.peer = "from-internal", OutsidePrefix+c.Forward.Number, out
		r.data = fmt.Sprintf("PJSIP/%s@%s,300,T", c.Forward.Number, AsteriskTrunks[(c.Line%8+1)%2])
		told.Extension, told.Dialled, told.Forward.Number = Party{}, r.dst, r.dst
	case c.Direction == Outbound:
		r.dst, r.peer, r.sent = c.Dialled, e.trunk(c.Line), did(c.Extension)
		r.data = fmt.Sprintf("PJSIP/%s@%s,300,T", c.External.Number, AsteriskTrunks[c.Line%2])
		told.External.Number = c.Dialled
	default:
		called := c.Extension
		r.context = "ext-local"
		if c.Direction == Internal {
			called, r.context = c.Peer, "from-internal"
		}
		r.dst, r.peerName = called.Number, called.Name
		r.peer = e.station(called)
		r.data = fmt.Sprintf("PJSIP/%s/sip:%s@192.168.21.%s:5060,20,HhtrT", called.Number, called.Number, called.Number[2:])
		told.Extension = Party{Number: c.Extension.Number, Name: c.Extension.Name}
		if c.Direction == Internal {
			told.Peer = called
		}
		if c.Disposition == Voicemail {
			r.dst, r.peer, r.app, r.data = "vmu"+called.Number, "", "VoiceMail", called.Number+"@default,u"
		}
	}
	if c.TransferTo == (Party{}) {
		return []Ticket{e.row(r, told, roleCall)}
	}
	return e.transferred(c, told, r)
}

// transferred: the channel of the caller gets a second row, with the colleague.
func (e *freepbx) transferred(c, told Call, r asteriskRow) []Ticket {
	first := e.row(r, told, roleLeg)
	rest := r
	rest.start, rest.duration, rest.talk = c.Start.Add(c.Ring+c.Talk), c.TransferTalk, c.TransferTalk
	told.Ring, told.Talk = 0, c.TransferTalk
	if c.Direction == Inbound {
		rest.dst, rest.peer, rest.peerName = c.TransferTo.Number, e.station(c.TransferTo), c.TransferTo.Name
		rest.data = fmt.Sprintf("PJSIP/%s,20,HhtrT", c.TransferTo.Number)
		told.Extension = c.TransferTo
	} else { // the line stays, the colleague's channel takes over
		rest.channel, rest.unique = e.station(c.TransferTo), e.uniqueID(rest.start)
		rest.name, rest.src, rest.account = c.TransferTo.Name, c.TransferTo.Number, ""
		told.Extension, told.Account = c.TransferTo, ""
	}
	return []Ticket{first, e.row(rest, told, roleLeg)}
}

// queued: the caller's row in the queue, and one row for each member that rang.
func (e *freepbx) queued(c, told Call, r asteriskRow) []Ticket {
	r.context, r.dst, r.app, r.data = "ext-queues", c.Group.Number, "Queue", c.Group.Number+",t,,,"
	told.Group = Party{Number: c.Group.Number}
	local := fmt.Sprintf("Local/%s@from-queue-%08x", c.Extension.Number, e.channel)
	if !c.answered() { // the queue answered and nobody else
		r.disposition, r.talk = "ANSWERED", r.duration
		told.Disposition, told.Extension = Abandoned, Party{}
		return []Ticket{e.row(r, told, roleCall)}
	}
	r.peer = local + ";1"
	queue := told
	queue.Extension.Name = ""
	member := r
	member.start, member.duration = c.Start.Add(c.Queue), r.duration-c.Queue
	member.context, member.dst, member.app = "from-queue", c.Extension.Number, "Dial"
	member.channel, member.peer, member.did = local+";2", e.station(c.Extension), ""
	member.data = fmt.Sprintf("PJSIP/%s,,trM", c.Extension.Number)
	member.unique, member.peerName = e.uniqueID(member.start), c.Extension.Name
	copied := told
	copied.Extension, copied.Trunk, copied.DID, copied.Dialled = c.Extension, "", "", c.Extension.Number
	copied.Ring, copied.Group = c.Ring-c.Queue, Party{}
	copied.Direction = ""
	out := []Ticket{}
	if c.Queue > 0 { // another member rang first and did not take it
		other := c.Extension
		other.Number = "20" + fmt.Sprintf("%02d", c.Seq%26+1)
		if other.Number != c.Extension.Number {
			miss := member
			miss.start, miss.duration, miss.talk, miss.disposition = c.Start, c.Queue, 0, "NO ANSWER"
			channel := strings.Replace(local, c.Extension.Number, other.Number, 1)
			miss.channel, miss.peer, miss.dst = channel+";2", e.station(other), other.Number
			miss.data, miss.peerName = fmt.Sprintf("PJSIP/%s,,trM", other.Number), staff[c.Seq%26]
			miss.unique = e.uniqueID(miss.start)
			missed := copied
			missed.Extension, missed.Disposition = Party{other.Number, miss.peerName}, ""
			missed.Ring, missed.Talk, missed.Dialled = c.Queue, 0, other.Number
			out = append(out, e.row(miss, missed, roleCopy))
		}
	}
	out = append(out, e.row(r, queue, roleCall), e.row(member, copied, roleCopy))
	if c.TransferTo != (Party{}) {
		out[len(out)-2].Role = roleLeg
		rest := r
		rest.start, rest.duration, rest.talk = c.Start.Add(c.Ring+c.Talk), c.TransferTalk, c.TransferTalk
		rest.context, rest.dst, rest.app = "ext-local", c.TransferTo.Number, "Dial"
		rest.peer, rest.peerName = e.station(c.TransferTo), c.TransferTo.Name
		rest.data = fmt.Sprintf("PJSIP/%s,20,HhtrT", c.TransferTo.Number)
		restTold := told
		restTold.Ring, restTold.Talk, restTold.Extension, restTold.Group = 0, c.TransferTalk, c.TransferTo, Party{}
		out = append(out, e.row(rest, restTold, roleLeg))
	}
	return out
}

func (e *freepbx) odd(kind Odd, _ Call) (Ticket, bool) { return Ticket{}, kind == OddComma }
