package pbxsim

import (
	"fmt"
	"strings"
	"time"
)

// ucm renders the call records of a Grandstream UCM, an Asterisk: one for each pair of channels, those of a call
// with one session. cdrapi puts a summary before the records of a call of several. The clock is local.
type ucm struct {
	zone    *time.Location
	csv     bool
	summary bool // as cdrapi, and a collector of it, tells them
	acct    int
	channel int
}

// UCMTrunks are the names of the outside lines.
var UCMTrunks = []string{"OperatorTrunk", "BackupTrunk"}

func newUCM(o Options) (encoder, error) {
	return &ucm{zone: o.Zone, csv: o.Variant == "csv", summary: o.Variant == ucmAsked, acct: 9000}, nil
}

// ucmAsked is the variant of what cdrapi answers.
const ucmAsked = "cdrapi"

// ucmColumns in the order of the real-time CSV.
var ucmColumns = []string{
	"AcctId", "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
	"start", "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
	"channel_ext", "dstchannel_ext", "service", "caller_name", "recordfiles", "dstanswer", "chanext", "dstchanext",
	"session", "action_owner", "action_type", "src_trunk_name", "dst_trunk_name",
}

// ucmRecord is a record before it has its number. An end is a set or, with the name of a trunk, a line.
type ucmRecord struct {
	start                                           time.Time
	ring, talk                                      time.Duration
	answered                                        bool
	account, src, dst, context, name                string
	from, to, fromTrunk, toTrunk                    string
	app, data, disposition, userfield, action, sess string
}

func (e *ucm) end(set, trunk string) (channel, ext string) {
	e.channel++
	switch {
	case trunk != "":
		ext = "trunk_1"
	case set == "":
		return "", ""
	default:
		ext = set
	}
	return fmt.Sprintf("PJSIP/%s-%08x", ext, e.channel), ext
}

// values of the columns; group is the record's name in its call's group.
func (e *ucm) values(r ucmRecord, acct int) []string {
	const stamp = "2006-01-02 15:04:05"
	begin, end := r.start.In(e.zone), r.start.Add(r.ring+r.talk).In(e.zone)
	answer, dstAnswer := "", ""
	from, fromExt := e.end(r.from, r.fromTrunk)
	to, toExt := e.end(r.to, r.toTrunk)
	if r.answered {
		answer = r.start.Add(r.ring).In(e.zone).Format(stamp)
		if r.toTrunk == "" {
			dstAnswer = r.to
		}
	}
	caller := fmt.Sprintf(`"%s" <%s>`, r.name, r.src)
	return []string{
		fmt.Sprint(acct), r.account, r.src, r.dst, r.context, caller, from, to, r.app, r.data,
		begin.Format(stamp), answer, end.Format(stamp), fmt.Sprint(seconds(r.ring + r.talk)), fmt.Sprint(seconds(r.talk)),
		r.disposition, "DOCUMENTATION", fmt.Sprintf("%d.%d", r.start.Unix(), acct), r.userfield,
		fromExt, toExt, "s", r.name, "", dstAnswer, fromExt, toExt, r.sess, r.src, r.action, r.fromTrunk, r.toTrunk,
	}
}

func (e *ucm) ticket(group string, values []string, told Call, role string) Ticket {
	_, twice := wall(told.Start, e.zone)
	t := Ticket{Call: told, Want: WantCDR, Role: role, Precision: time.Second, Ambiguous: twice}
	if e.csv {
		t.Bytes = []byte("'" + strings.Join(values, "','") + "'")
		return t
	}
	var pairs []any
	if group != "" {
		pairs = append(pairs, "cdr", group)
	}
	for i, v := range values {
		pairs = append(pairs, ucmColumns[i], v)
	}
	t.Bytes = object(pairs...)
	return t
}

func (e *ucm) encode(c Call) []Ticket {
	r := ucmRecord{
		start: c.Start, ring: c.Ring, talk: c.Talk, answered: c.connected(), account: c.Account, app: "Dial", action: "DIAL",
		disposition: map[Disposition]string{
			Answered: "ANSWERED", Voicemail: "ANSWERED", Busy: "BUSY", Failed: "FAILED", NoAnswer: "NO ANSWER", Abandoned: "NO ANSWER",
		}[c.Disposition],
	}
	told := c
	told.Hold, told.Queue, told.Units, told.Line, told.Forward.Name = 0, 0, 0, 0, ""
	told.TransferTo, told.TransferTalk, told.Group = Party{}, 0, Party{}
	told.Extension.Name, told.Peer.Name = "", ""
	if c.Line > 0 {
		told.Trunk = UCMTrunks[c.Line%2]
	}
	switch c.Direction {
	case Inbound, Transit:
		r.src, r.name = c.External.Number, c.External.Name
		if r.src == "" {
			r.src, r.name = "anonymous", "Anonymous"
		}
		r.fromTrunk, r.context, r.userfield = told.Trunk, "ext-did-1", "Inbound"
		r.dst, r.to = c.DID, c.Extension.Number
		r.data = "PJSIP/" + r.to + ",60,i"
		if c.Group != (Party{}) {
			r.action = fmt.Sprintf("RINGGROUP[%s]", c.Group.Number)
			told.Group.Number = c.Group.Number
		}
		if c.Disposition == Abandoned {
			told.Disposition = NoAnswer
		}
		if c.Disposition == Voicemail {
			r.app, r.data, r.to, r.action = "VoiceMail", r.to+"@default,u", "", fmt.Sprintf("VM[%s]", r.to)
			r.dst = c.Extension.Number
			told.DID, told.Dialled, told.Extension = "", "", Party{}
		}
	case Outbound, Internal:
		r.src, r.name, r.context, r.userfield = c.Extension.Number, c.Extension.Name, "from-internal", "Outbound"
		r.from, r.dst, r.toTrunk = c.Extension.Number, c.Dialled, told.Trunk
		r.data = fmt.Sprintf("PJSIP/%s@trunk_1,60", c.External.Number)
		told.External.Number, told.External.Name = c.Dialled, ""
		if c.Direction == Internal {
			r.to, r.userfield, r.data = c.Peer.Number, "Internal", "PJSIP/"+c.Peer.Number+",60"
			told.External.Number = ""
			if c.Disposition == Voicemail {
				r.app, r.data, r.to, r.action = "VoiceMail", c.Peer.Number+"@default,u", "", fmt.Sprintf("VM[%s]", c.Peer.Number)
			}
		}
	}
	if c.Direction == Transit {
		r.to, r.toTrunk, r.userfield, r.action = "", UCMTrunks[(c.Line+1)%2], "External", "CALLFORWARD"
		r.dst = OutsidePrefix + c.Forward.Number
		r.data = fmt.Sprintf("PJSIP/%s@trunk_1,60", c.Forward.Number)
		told.DID, told.Dialled, told.Extension, told.Forward.Number = "", r.dst, Party{}, r.dst
	}
	e.acct++
	r.sess = fmt.Sprintf("%d-%s", c.Start.UnixMicro()+int64(e.acct%1000), r.src)
	told.CallID = r.sess
	first := e.values(r, e.acct)
	if c.TransferTo == (Party{}) {
		return []Ticket{e.ticket("", first, told, roleLeg)}
	}
	rest, then := r, told
	rest.start, rest.ring, rest.talk, rest.action = r.start.Add(r.ring+r.talk), 0, c.TransferTalk, "TRANSFER"
	then.Start, then.Ring, then.Talk, then.Extension, then.Group = rest.start, 0, rest.talk, Party{Number: c.TransferTo.Number}, Party{}
	if c.Direction == Inbound {
		rest.dst, rest.to, rest.data = c.TransferTo.Number, c.TransferTo.Number, "PJSIP/"+c.TransferTo.Number+",60"
		then.DID, then.Dialled = "", ""
	} else {
		rest.from, rest.src, rest.name, rest.account = c.TransferTo.Number, c.TransferTo.Number, c.TransferTo.Name, ""
		then.Account = ""
	}
	e.acct++
	second := e.values(rest, e.acct)
	if !e.summary {
		return []Ticket{e.ticket("", first, told, roleLeg), e.ticket("", second, then, roleLeg)}
	}
	whole, sum := r, told
	whole.talk, sum.Talk = r.talk+c.TransferTalk, told.Talk+c.TransferTalk
	return []Ticket{
		e.ticket(ucmMain, e.values(whole, e.acct-1), sum, roleCopy),
		e.ticket("sub_cdr_1", first, told, roleLeg), e.ticket("sub_cdr_2", second, then, roleLeg),
	}
}

const ucmMain = "main_cdr"

func (e *ucm) odd(kind Odd, c Call) (Ticket, bool) {
	if e.summary {
		return Ticket{}, false
	}
	switch kind {
	case OddHead:
		if e.csv {
			return Ticket{Bytes: []byte("'" + strings.Join(ucmColumns, "','") + "'"), Want: WantIgnored}, true
		}
		return Ticket{Bytes: []byte("{}"), Want: WantIgnored}, true
	case OddGarbage:
		if e.csv {
			return dead(fmt.Sprintf("'%d','','%s','~#@'", e.acct, c.Extension.Number)), true
		}
		return dead(fmt.Sprintf(`{"AcctId":"%d","src":"~#@","start":"?"}`, e.acct)), true
	}
	return Ticket{}, false
}
