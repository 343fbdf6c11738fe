package cucm

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// what is on one side of a call.
type what uint8

const (
	// unknown: no device was reached.
	unknown what = iota
	station
	// media are the manager's own: conference bridge, announcer, parking lot.
	media
	voicemail
	trunk
)

// side is one end of a record.
type side struct {
	kind   what
	device string
	// party is the number, or else the URI.
	party string
	// line is the channel of a trunk, else its device.
	line string
}

func (s side) inside() bool { return s.kind == station || s.kind == media || s.kind == voicemail }

type sides struct{ from, to side }

func (r *record) sides() sides {
	var s sides
	s.from = side{device: r.get(origDevice), party: party(r.get(calling), r.get(callingURI))}
	s.to = side{device: r.get(destDevice), party: party(r.get(finalCalled), r.get(finalCalledURI))}
	s.from.kind = r.what(s.from.device, r.get(origDeviceType), r.get(calling))
	s.to.kind = r.what(s.to.device, r.get(destDeviceType), r.get(finalCalled))
	if s.to.kind != trunk && r.number[patternUsage] == usageVoiceMailPort {
		s.to.kind = voicemail
	}
	s.from.line = channel(r.get(origSpan), r.get(origLeg), s.from.device)
	s.to.line = channel(r.get(destSpan), r.get(destLeg), s.to.device)
	return s
}

// channel of a trunk; H.323 gateways print the leg's identifier there.
func channel(span, leg, device string) string {
	if span == "" || span == "0" || span == leg {
		return device
	}
	return span
}

// what tells a device's kind by settings, type and name.
func (r *record) what(device, deviceType, number string) what {
	parse := &r.link.Parse
	switch {
	case isBridge(number):
		return media
	case device == "":
		return unknown
	case kit.BeginsWithAny(parse.Trunks.Devices, device), kit.MatchesAny(parse.Trunks.Names, device):
		return trunk
	case kit.BeginsWithAny(parse.Inside.Devices, device):
		return station
	case deviceType == "CiscoSparkRemoteDevice": // the only type that releases up to 15 print
		return station
	}
	return whatByName(device)
}

// Names of devices that their kind decides. Behind those of phones and analogue
// adapters stands a hardware address in hex, so that a trunk to Annecy is none.
var (
	hardware = [...]string{"SEP", "ATA", "AN", "VGC", "BAT"}
	clients  = []string{"CSF", "BOT", "TCT", "TAB", "UPC", "CTI", "SparkRD"}
	medias   = []string{"CFB", "ANN_", "MOH_", "MTP_", "IVR_", "ParkingLotDevice"}
	mailbox  = []string{"CiscoUM"}
)

func whatByName(device string) what {
	for _, head := range hardware {
		if len(device) > len(head)+8 && strings.EqualFold(device[:len(head)], head) && hex(device[len(head):]) {
			return station
		}
	}
	switch {
	case kit.BeginsWithAny(clients, device):
		return station
	case kit.BeginsWithAny(medias, device):
		return media
	case kit.BeginsWithAny(mailbox, device):
		return voicemail
	}
	return trunk
}

func hex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'A' || c > 'F') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isBridge tells the numbers of conference bridges, built-in bridges of phones
// (b00…) and announcers (c00…).
func isBridge(number string) bool {
	return len(number) > 3 && (number[0] == 'b' || number[0] == 'c') && number[1] == '0' && number[2] == '0' && kit.Digits(number[3:])
}

// party is a number without what surrounds it in SIP; a URI that is no number
// stays whole.
func party(number, uri string) string {
	s := number
	if s == "" {
		s = uri
	}
	if user, _, ok := strings.Cut(strings.TrimPrefix(s, "sip:"), "@"); ok && kit.Dialable(user) {
		return user
	}
	return s
}

// outside tells whether a number is one of the outside, where no device tells.
func (r *record) outside(number string) bool {
	if inside, decided := r.link.Extension(number); decided {
		return !inside && kit.Dialable(number)
	}
	dialed := r.link.Numbers.Dialed(number)
	return kit.Dialable(number) && (dialed != number || r.link.Numbers.E164(dialed) != "")
}

func (r *record) direction(s sides) trunklinev1.Direction {
	if r.cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY {
		return trunklinev1.Direction_DIRECTION_INTERNAL
	}
	from, to := s.from.kind == trunk, s.to.kind == trunk
	if s.from.kind == unknown {
		from = r.outside(s.from.party)
	}
	if s.to.kind == unknown && s.from.kind != trunk {
		to = r.outside(s.to.party)
	}
	switch {
	case from && to:
		return trunklinev1.Direction_DIRECTION_TRANSIT
	case from:
		return trunklinev1.Direction_DIRECTION_INBOUND
	case to:
		return trunklinev1.Direction_DIRECTION_OUTBOUND
	}
	return trunklinev1.Direction_DIRECTION_INTERNAL
}

// parties sets direction, both ends and what lies between them.
func (r *record) parties(s sides) {
	cdr := r.cdr
	cdr.Direction = r.direction(s)
	cdr.CallingNumber, cdr.CalledNumber = s.from.party, s.to.party
	cdr.CallingName, cdr.CalledName = r.get(callingUser), r.get(finalCalledUser)
	r.dialed()
	toGroup := r.group(s)
	r.redirected()

	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		r.external(first(r.get(mobileCalling), s.from.party), false)
		cdr.Trunk, cdr.TrunkGroup = s.from.line, s.from.device
		switch {
		case s.to.kind == voicemail:
			cdr.Extension = cdr.RedirectedFrom
		case s.to.kind != media && !toGroup && !(s.to.kind == unknown && noNumber(r.cause(destCause), r.cause(origCause))):
			cdr.Extension, cdr.ExtensionName = s.to.party, cdr.CalledName
		}
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		cdr.CalledNumber = first(r.get(outpulsedCalled), first(r.get(mobileCalled), s.to.party))
		r.external(cdr.CalledNumber, true)
		cdr.Trunk, cdr.TrunkGroup = s.to.line, s.to.device
		if s.from.kind != media {
			cdr.Extension, cdr.ExtensionName = s.from.party, cdr.CallingName
		}
	case trunklinev1.Direction_DIRECTION_TRANSIT:
		cdr.CalledNumber = first(r.get(outpulsedCalled), first(r.get(mobileCalled), s.to.party))
		r.external(cdr.CalledNumber, true)
		cdr.Trunk, cdr.TrunkGroup, cdr.TrunkOut = s.from.line, s.from.device, s.to.line
	default:
		switch {
		case s.from.kind == station, s.from.kind == unknown && s.to.kind == unknown:
			cdr.Extension, cdr.ExtensionName = cdr.CallingNumber, cdr.CallingName
		case s.to.kind == station && cdr.RecordRole != trunklinev1.RecordRole_RECORD_ROLE_COPY:
			cdr.Extension, cdr.ExtensionName = cdr.CalledNumber, cdr.CalledName
		}
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// external sets the outside party.
func (r *record) external(number string, called bool) {
	cdr := r.cdr
	number = strings.TrimRight(party(number, ""), "#")
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if inside, _ := r.link.Extension(number); inside {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
	r.link.SetExternal(cdr, number, called)
}

// dialed sets what the caller dialled, unless a feature put the parties
// together.
func (r *record) dialed() {
	cdr := r.cdr
	number := party(r.get(originalCalled), r.get(originalCalledURI))
	if r.spliced() || isBridge(number) || cdr.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY {
		if number != cdr.CalledNumber {
			kit.Attribute(cdr, "original_called_party_number", number)
		}
		return
	}
	cdr.DialedNumber = number
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND, trunklinev1.Direction_DIRECTION_TRANSIT:
		cdr.Did = number
	}
}

// spliced tells whether a feature put the parties together, so that the calling
// one did not dial the called number.
func (r *record) spliced() bool {
	joined := r.number[joinedBy]
	return splices(joined) || transferred(r.number[lastRedirectedBy], r.number[lastRedirectReason], joined)
}

// redirected sets who passed the call on.
func (r *record) redirected() {
	cdr := r.cdr
	last := r.get(lastRedirect)
	if last == "" || last == r.get(finalCalled) || last == cdr.GroupNumber {
		return
	}
	by, reason, joined := r.number[lastRedirectedBy], r.number[lastRedirectReason], r.number[joinedBy]
	switch {
	case isBridge(last):
		kit.Attribute(cdr, "last_redirect_dn", last)
	case transferred(by, reason, joined):
		cdr.TransferredFrom = party(last, "")
	case by == byConference, reason == 0 && by == 0 && r.get(originalCalled) == r.get(finalCalled):
		kit.Attribute(cdr, "last_redirect_dn", last)
	default:
		cdr.RedirectedFrom = party(last, "")
	}
}

// group sets the hunt pilot. It tells whether the call got no further: then the
// called number is the pilot's.
func (r *record) group(s sides) (reached bool) {
	cdr := r.cdr
	cdr.GroupNumber = r.get(huntPilot)
	if cdr.GroupNumber == "" && r.number[patternUsage] == usageHuntPilot {
		cdr.GroupNumber = s.to.party
	}
	return cdr.GroupNumber != "" && cdr.GroupNumber == s.to.party
}
