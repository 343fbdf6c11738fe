package oxe

import (
	"bytes"
	"fmt"
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// column of a ticket, counted from 0 as the vendor does.
type column int

const (
	ticketVersion column = iota
	calledNumber
	chargedNumber
	chargedUserName
	costCenter
	company
	partyNode
	subaddress
	callingNumber
	callType
	costType
	endDateTime
	chargeUnits
	costInfo
	durationColumn
	trunkIdentity
	trunkGroup
	trunkNode
	personalOrBusiness
	accessCode
	specificChargeInfo
	bearerCapability
	highLevelComp
	dataVolume
	userToUserVolume
	externFacilities
	internFacilities
	callReference
	segmentsRate1
	segmentsRate2
	segmentsRate3
	comType
	x25In
	x25Out
	carrier
	initialDialled
	waitingDuration
	effectiveDuration
	redirected
	startDateTime
	actingExtension
	calledNode
	callingNode
	initialDialledNode
	actingNode
	transitTrunkGroup
	nodeTimeOffset
	timeDelta
	columns
)

// kind is what a column may hold; any may be blank.
type kind uint8

const (
	name   kind = iota // anything
	number             // left-justified, without a blank
	count              // right-justified digits
	signed             // the same, a minus allowed
	flags              // 0 and 1
	stamp              // YYYYMMDD hh:mm:ss
)

// ed52 is the layout of ticket version ED5.2, as the table of the OmniVista 8770
// accounting manual prints it: 48 columns without separator, 525 characters.
// Positions count from 1. also is the name that the PBX's own # line is known
// to use where it is another.
var ed52 = [columns]struct {
	name        string
	first, last int
	kind        kind
	also        string
}{
	ticketVersion:      {"TicketVersion", 1, 5, number, ""},
	calledNumber:       {"CalledNumber", 6, 35, number, ""},
	chargedNumber:      {"ChargedNumber", 36, 65, number, ""},
	chargedUserName:    {"ChargedUserName", 66, 85, name, ""},
	costCenter:         {"ChargedCostCenter", 86, 95, name, ""},
	company:            {"ChargedCompany", 96, 111, name, ""},
	partyNode:          {"ChargedPartyNode", 112, 116, count, ""},
	subaddress:         {"Subaddress", 117, 136, name, "ChargedPartySubaddress"},
	callingNumber:      {"CallingNumber", 137, 166, number, ""},
	callType:           {"CallType", 167, 168, count, ""},
	costType:           {"CostType", 169, 169, count, ""},
	endDateTime:        {"EndDateTime", 170, 186, stamp, ""},
	chargeUnits:        {"ChargeUnits", 187, 191, count, ""},
	costInfo:           {"CostInfo", 192, 201, count, ""},
	durationColumn:     {"Duration", 202, 211, count, ""},
	trunkIdentity:      {"TrunkIdentity", 212, 216, count, ""},
	trunkGroup:         {"TrunkGroupIdentity", 217, 221, count, ""},
	trunkNode:          {"TrunkNode", 222, 226, count, ""},
	personalOrBusiness: {"PersonalOrBusiness", 227, 227, count, ""},
	accessCode:         {"AccessCode", 228, 243, name, ""},
	specificChargeInfo: {"SpecificChargeInfo", 244, 250, flags, ""},
	bearerCapability:   {"BearerCapability", 251, 251, count, ""},
	highLevelComp:      {"HighLevelComp", 252, 253, count, ""},
	dataVolume:         {"DataVolume", 254, 263, count, ""},
	userToUserVolume:   {"UserToUserVolume", 264, 268, count, ""},
	externFacilities:   {"ExternFacilities", 269, 308, flags, "ExternalFacilities"},
	internFacilities:   {"InternFacilities", 309, 348, flags, "InternalFacilities"},
	callReference:      {"CallReference", 349, 358, count, ""},
	segmentsRate1:      {"SegmentsRate1", 359, 368, count, ""},
	segmentsRate2:      {"SegmentsRate2", 369, 378, count, ""},
	segmentsRate3:      {"SegmentsRate3", 379, 388, count, ""},
	comType:            {"ComType", 389, 389, count, ""},
	x25In:              {"X25IncomingFlowRate", 390, 391, count, ""},
	x25Out:             {"X25OutgoingFlowRate", 392, 393, count, ""},
	carrier:            {"Carrier", 394, 395, count, ""},
	initialDialled:     {"InitialDialledNumber", 396, 425, number, ""},
	waitingDuration:    {"WaitingDuration", 426, 430, count, ""},
	effectiveDuration:  {"EffectiveCallDuration", 431, 440, count, ""},
	redirected:         {"RedirectedCallIndicator", 441, 441, count, ""},
	startDateTime:      {"StartDateTime", 442, 458, stamp, ""},
	actingExtension:    {"ActingExtensionNumber", 459, 488, number, ""},
	calledNode:         {"CalledNumberNode", 489, 493, count, ""},
	callingNode:        {"CallingNumberNode", 494, 498, count, ""},
	initialDialledNode: {"InitialDialledNumberNode", 499, 503, count, ""},
	actingNode:         {"ActingExtensionNumberNode", 504, 508, count, ""},
	transitTrunkGroup:  {"TransitTrunkGroupIdentity", 509, 513, count, ""},
	nodeTimeOffset:     {"NodeTimeOffset", 514, 519, signed, ""},
	timeDelta:          {"TimeDlt", 520, 525, signed, ""},
}

const knownVersion = "ED5.2"

// required are the columns without which no call is told.
var required = [...]column{
	ticketVersion, calledNumber, chargedNumber, callType, endDateTime, durationColumn, internFacilities, initialDialled, waitingDuration, effectiveDuration,
}

// place of a column in a ticket.
type place struct {
	column column // columns: one that is not known
	name   string
	// from and to count bytes from 0, to is the first one behind.
	from, to int
}

// layout is the columns in their order.
type layout struct {
	places []place
	width  int
	// fault is why tickets under this layout cannot be read.
	fault string
}

var builtIn = func() *layout {
	l := &layout{}
	for c, known := range ed52 {
		l.places = append(l.places, place{column(c), known.name, known.first - 1, known.last})
		l.width = known.last
	}
	return l
}()

// isLayout tells the line by which a file describes its own tickets.
func isLayout(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("#")) }

// readLayout reads the # line at the start of a file: for each column its name,
// first and last position and size, separated by commas. The columns must follow
// each other without a gap. The size is not looked at: the vendor's own table
// has one that its positions belie.
func readLayout(head []byte) *layout {
	line := ""
	for candidate := range bytes.FieldsFuncSeq(head, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if isLayout(candidate) {
			line = strings.Trim(string(candidate), "# ,\t")
			break
		}
	}
	if line == "" {
		return builtIn
	}
	words := strings.Split(line, ",")
	l := &layout{}
	if len(words)%4 != 0 {
		l.fault = fmt.Sprintf("the file's # line has %d words; expected four for each column: name, first and last position, size", len(words))
		return l
	}
	var have [columns]bool
	base := 1
	for i := 0; i < len(words); i += 4 {
		title := strings.Trim(words[i], "# ")
		first, ok1 := kit.Uint(words[i+1])
		last, ok2 := kit.Uint(words[i+2])
		if i == 0 && first == 0 {
			base = 0
		}
		p := place{known(title), snake(title), int(first) - base, int(last) - base + 1}
		if title == "" || !ok1 || !ok2 || p.from != l.width || p.to <= p.from || p.to > widest {
			l.fault = fmt.Sprintf("the file's # line: column %d (%s) from position %s to %s; expected it to begin at %d, behind the one before",
				i/4+1, kit.Quote(title), kit.Quote(words[i+1]), kit.Quote(words[i+2]), l.width+base)
			return l
		}
		if p.column < columns {
			if have[p.column] {
				l.fault = fmt.Sprintf("the file's # line names %s twice", title)
				return l
			}
			have[p.column] = true
		}
		l.places, l.width = append(l.places, p), p.to
	}
	for _, c := range required {
		if !have[c] {
			l.fault = fmt.Sprintf("the file's # line names no column %s", ed52[c].name)
			return l
		}
	}
	if l.places[0].column != ticketVersion {
		l.fault = "the file's # line does not begin with TicketVersion"
	}
	return l
}

// widest ticket that is believed: what a message of port 2533 can hold.
const widest = 768

// known finds a column by its title; columns where there is none.
func known(title string) column {
	for c, k := range ed52 {
		if strings.EqualFold(title, k.name) || k.also != "" && strings.EqualFold(title, k.also) {
			return column(c)
		}
	}
	return columns
}

// snake writes a vendor's title as the attribute's name.
func snake(title string) string {
	var b strings.Builder
	for i, r := range title {
		switch {
		case r >= 'A' && r <= 'Z':
			if i > 0 && (title[i-1] < 'A' || title[i-1] > 'Z') {
				b.WriteByte('_')
			}
			b.WriteRune(r + 'a' - 'A')
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			b.WriteRune(r)
		}
	}
	return b.String()
}

// secret tells an unknown column that may hold what users key to be let through.
func secret(name string) bool {
	return strings.Contains(name, "pin") || strings.Contains(name, "password") || strings.Contains(name, "code")
}
