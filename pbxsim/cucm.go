package pbxsim

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// cisco renders the call detail records of a Unified Communications Manager: CSV with quoted texts, times in epoch
// seconds. A transferred call takes three records, of which the middle one is the question to the colleague.
type cisco struct {
	cdr, cmr *cucmTable
	ids      *rand.Rand // of pkid
	nextCall int
	nextLeg  int
}

const (
	cucmCluster = "StandAloneCluster"
	cucmNode    = 1
	cucmSIP     = "192.168.20.9" // of the gateway
	// CUCMVoicemail is the device of the voicemail system.
	CUCMVoicemail = "CUC-VI1"

	causeSplit = "393216" // the leg goes on elsewhere: transferred
	onTransfer = "10"
)

// CUCMGateways are the device names of the outside lines.
var CUCMGateways = []string{"SIP-TRUNK-LYON", "S0/SU1/DS1-0@gw-lyon"}

func newCisco(o Options) (encoder, error) {
	return &cisco{
		cdr: newCUCMTable(cucmCDRColumns), cmr: newCUCMTable(cucmCMRColumns),
		ids: rand.New(rand.NewPCG(o.Seed, 0x706b6964)), nextCall: 25_000, nextLeg: 47_874_000,
	}, nil
}

// uuid is a random one (version 4).
func (e *cisco) uuid() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], e.ids.Uint64())
	binary.BigEndian.PutUint64(b[8:], e.ids.Uint64())
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// address is an IPv4 address as CUCM prints it: a signed integer, least significant octet first.
func address(ip string) string {
	b := netip.MustParseAddr(ip).As4()
	return strconv.Itoa(int(int32(binary.LittleEndian.Uint32(b[:]))))
}

func epoch(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

func phone(p Party) string { return "SEP0018B900" + p.Number }

func phoneIP(p Party) string {
	n, _ := strconv.Atoi(p.Number)
	return fmt.Sprintf("192.168.20.%d", 20+n%200)
}

func gateway(line int) string { return CUCMGateways[line%2] }

// cucmEnd is one side of a leg.
type cucmEnd struct {
	number, device, ip string
	channel            int
}

func (e *cisco) station(p Party) cucmEnd { return cucmEnd{p.Number, phone(p), phoneIP(p), 0} }

func (e *cisco) line(n int, number string) cucmEnd {
	return cucmEnd{number, gateway(n), cucmSIP, n}
}

// leg renders a record of two sides.
func (e *cisco) leg(c Call, id int, from, to cucmEnd, more map[string]string) Ticket {
	leg := e.nextLeg
	e.nextLeg += 2
	v := map[string]string{
		"cdrRecordType": "1", "globalCallID_callManagerId": strconv.Itoa(cucmNode), "globalCallID_callId": strconv.Itoa(id),
		"globalCallId_ClusterID": cucmCluster, "pkid": e.uuid(),
		"origLegCallIdentifier": strconv.Itoa(leg), "destLegIdentifier": strconv.Itoa(leg + 1),
		"dateTimeOrigination": epoch(c.Start), "dateTimeDisconnect": epoch(c.End()), "duration": strconv.Itoa(seconds(c.Talk)),
		"origNodeId": strconv.Itoa(cucmNode), "destNodeId": strconv.Itoa(cucmNode),
		"origSpan": strconv.Itoa(from.channel), "destSpan": strconv.Itoa(to.channel),
		"origDeviceName": from.device, "destDeviceName": to.device,
		"origIpAddr": address(from.ip), "destIpAddr": address(to.ip), "origIpv4v6Addr": from.ip, "destIpv4v6Addr": to.ip,
		"callingPartyNumber": from.number, "originalCalledPartyNumber": to.number, "finalCalledPartyNumber": to.number,
		"lastRedirectDn": to.number, "origRSVPAudioStat": "0", "origRSVPVideoStat": "0", "destRSVPAudioStat": "0", "destRSVPVideoStat": "0",
		"calledPartyPatternUsage": "5", "clientMatterCode": c.Account,
	}
	if c.Direction == Internal {
		v["calledPartyPatternUsage"] = "2"
	}
	switch c.Disposition {
	case Busy:
		v["destCause_value"] = "17"
	case Failed:
		v["destCause_value"] = "1"
	case NoAnswer, Abandoned:
		v["origCause_value"] = "16"
	default:
		v["dateTimeConnect"] = epoch(c.Start.Add(c.Ring))
		v[[]string{"origCause_value", "destCause_value"}[id%2]] = "16"
		v["origMediaCap_payloadCapability"], v["destMediaCap_payloadCapability"] = "4", "4"
		v["origMediaCap_maxFramesPerPacket"], v["destMediaCap_maxFramesPerPacket"] = "20", "20"
	}
	maps.Copy(v, more)
	told := c
	told.Hold, told.TransferTo, told.TransferTalk, told.Line, told.Units = 0, Party{}, 0, 0, 0
	told.External.Name, told.Extension.Name, told.Peer.Name = "", "", ""
	told.CallID = fmt.Sprintf("%s:%d:%d", cucmCluster, cucmNode, id)
	if c.Line > 0 {
		told.Trunk = gateway(c.Line)
	}
	if c.Disposition == Abandoned {
		told.Disposition = NoAnswer
	}
	return Ticket{Bytes: e.cdr.row(v), Call: told, Want: WantCDR, Role: roleCall, Precision: time.Second}
}

func (e *cisco) encode(c Call) []Ticket {
	e.nextCall++
	id := e.nextCall
	more := map[string]string{}
	var from, to cucmEnd
	told := c
	switch c.Direction {
	case Inbound:
		from, to = e.line(c.Line, c.External.Number), e.station(c.Extension)
		told.DID = c.DID[len(c.DID)-ExtensionLength:] // the trunk hands over the significant digits
		more["originalCalledPartyNumber"] = told.DID
		if c.Group != (Party{}) {
			more["huntPilotDN"], told.Group = c.Group.Number, Party{Number: c.Group.Number}
		}
		if c.Queue > 0 {
			more["wasCallQueued"], more["totalWaitTimeInQueue"] = "1", strconv.Itoa(seconds(c.Queue))
		}
		told.Dialled = told.DID
	case Outbound:
		from, to = e.station(c.Extension), e.line(c.Line, c.Dialled)
		more["outpulsedCalledPartyNumber"], more["outpulsedCallingPartyNumber"] = c.External.Number, did(c.Extension)
	case Internal:
		from, to = e.station(c.Extension), e.station(c.Peer)
	case Transit:
		from, to = e.line(c.Line, c.External.Number), e.line(c.Line%8+1, OutsidePrefix+c.Forward.Number)
		told.Forward.Number, told.Dialled = OutsidePrefix+c.Forward.Number, c.Extension.Number
		told.DID = c.Extension.Number
		more["originalCalledPartyNumber"], more["lastRedirectDn"] = c.Extension.Number, c.Extension.Number
		more["origCalledPartyRedirectReason"], more["lastRedirectRedirectReason"] = "15", "15"
		more["origCalledPartyRedirectOnBehalfOf"], more["lastRedirectRedirectOnBehalfOf"] = "5", "5"
	}
	if c.Disposition == Voicemail {
		to = cucmEnd{mailbox.Number, CUCMVoicemail, "192.168.20.8", 0}
		called := c.Extension
		if c.Direction == Internal {
			called = c.Peer
		}
		more["originalCalledPartyNumber"], more["lastRedirectDn"] = called.Number, called.Number
		more["origCalledPartyRedirectReason"], more["lastRedirectRedirectReason"] = "2", "2"
		more["origCalledPartyRedirectOnBehalfOf"], more["lastRedirectRedirectOnBehalfOf"] = "5", "5"
		told.Disposition, told.Extension, told.Peer = "", Party{}, Party{}
		if c.Direction == Internal {
			told.Extension.Number, told.Peer.Number = c.Extension.Number, mailbox.Number
		}
	}
	if c.TransferTo != (Party{}) {
		return e.transferred(c, told, id, from, to, more)
	}
	t := e.leg(c, id, from, to, more)
	return []Ticket{e.tell(t, told)}
}

// tell lays over what encode knows better than leg.
func (e *cisco) tell(t Ticket, told Call) Ticket {
	t.Call.DID, t.Call.Dialled, t.Call.Group = told.DID, told.Dialled, told.Group
	t.Call.Forward = Outside{Number: told.Forward.Number, E164: told.Forward.E164}
	if told.Disposition == "" { // the mailbox answered, as any extension
		t.Call.Disposition, t.Call.Extension, t.Call.Peer = "", told.Extension, told.Peer
	}
	if told.Direction == Outbound {
		t.Call.External.Number = told.External.Number
	}
	return t
}

func (e *cisco) transferred(c, told Call, id int, from, to cucmEnd, more map[string]string) []Ticket {
	e.nextCall++
	first, rest := c, c
	first.TransferTo, first.TransferTalk = Party{}, 0
	cut := map[string]string{
		"origCause_value": causeSplit, "destCause_value": causeSplit,
		"origCallTerminationOnBehalfOf": onTransfer, "destCallTerminationOnBehalfOf": onTransfer,
	}
	maps.Copy(more, cut)
	a := e.leg(first, id, from, to, more)
	a = e.tell(a, told)

	ask := Call{
		Seq: c.Seq, Start: c.Start.Add(c.Ring + c.Talk - c.Hold), Ring: 2 * time.Second, Talk: c.Hold - 2*time.Second,
		Direction: Internal, Disposition: Answered, Extension: c.Extension, Peer: c.TransferTo, Dialled: c.TransferTo.Number,
	}
	b := e.leg(ask, id+1, e.station(c.Extension), e.station(c.TransferTo), cut)

	rest.Start, rest.Ring, rest.Hold, rest.Talk = first.End(), 0, 0, c.TransferTalk
	rest.Extension, rest.TransferTo, rest.TransferTalk, rest.Queue, rest.Account = c.TransferTo, Party{}, 0, 0, ""
	rest.DID, rest.Dialled, rest.Group = "", c.TransferTo.Number, Party{}
	joined := map[string]string{
		"joinOnBehalfOf": onTransfer, "lastRedirectDn": c.Extension.Number,
		"lastRedirectRedirectOnBehalfOf": onTransfer, "lastRedirectRedirectReason": "4",
	}
	side := e.station(c.TransferTo)
	if c.Direction == Outbound { // the colleague now calls the line
		rest.Dialled, rest.Units = c.Dialled, 0
		joined["outpulsedCalledPartyNumber"] = c.External.Number
		from = side
	} else {
		to = side
	}
	d := e.leg(rest, id, from, to, joined)
	if c.Direction == Inbound { // printed as called and dialled alike
		d.Call.DID = c.TransferTo.Number
	}
	a.Role, b.Role, d.Role = roleLeg, roleLeg, roleLeg
	return []Ticket{a, b, d}
}

// quality renders the two records about the quality of an answered call.
func (e *cisco) quality(t Ticket) []Ticket {
	if !t.Call.connected() {
		return nil
	}
	var out []Ticket
	parts := strings.Split(t.Call.CallID, ":")
	for i, p := range []Party{t.Call.Extension, t.Call.Peer} {
		if p.Number == "" {
			continue
		}
		packets := strconv.Itoa(seconds(t.Call.Talk) * 50)
		octets := strconv.Itoa(seconds(t.Call.Talk) * 8000)
		row := e.cmr.row(map[string]string{
			"cdrRecordType": "2", "globalCallID_callManagerId": parts[1], "globalCallID_callId": parts[2], "nodeId": parts[1],
			"directoryNum": p.Number, "callIdentifier": strconv.Itoa(e.nextLeg + i), "dateTimeStamp": epoch(t.Call.End()),
			"numberPacketsSent": packets, "numberOctetsSent": octets, "numberPacketsReceived": packets,
			"numberOctetsReceived": octets, "latency": "1", "pkid": e.uuid(), "globalCallId_ClusterID": parts[0],
			"deviceName": phone(p), "duration": strconv.Itoa(seconds(t.Call.Talk)),
			"varVQMetrics": "CCR=0.0000;ICR=0.0000;ICRmx=0.0000;CS=0;SCS=0;Ver=0.90;VoRxCodec=G.711 a-la;CID=4;VoPktSizeMs=20",
		})
		out = append(out, Ticket{Bytes: row, Want: WantIgnored, Odd: OddQuality})
	}
	return out
}

func (e *cisco) odd(kind Odd, c Call) (Ticket, bool) {
	return garbage(kind, "1,2,"+epoch(c.Start), 1100)
}
