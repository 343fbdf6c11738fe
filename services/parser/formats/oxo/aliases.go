package oxo

import "strings"

// slot is a field that a ticket of the Office Link Driver has.
type slot uint8

const (
	slotUser slot = iota
	slotUserType
	slotInitial
	slotInitialType
	slotName
	slotCallType
	slotLineType
	slotLine
	slotDate
	slotTime
	slotMoment
	slotDuration
	slotUnits
	slotCost
	slotCurrency
	slotService
	slotServices
	slotNumber
	slotMode
	slotRing
	slotAccount
	slotNode
	slotCarrier
	slotOperator
	slots
)

// fields of a ticket: the attribute that keeps a value which cannot be read, and
// the names under which the field may come, without case, blanks and signs.
//
// ALE publishes neither a file nor its schema. The names are those of the native
// record and the V24 statement in ALE's manuals, in English, and variants of them.
// A file with another name gives a dead ticket that lists what it has: add it here.
var fields = [slots]struct {
	name    string
	aliases string
}{
	slotUser:        {"user", "chargeduserid chargedusernumber chargeduser userid usernumber user subscriberid subscribernumber subscriber extension extensionnumber directorynumber set setnumber"},
	slotUserType:    {"user_type", "chargedusertype usertype subscribertype"},
	slotInitial:     {"initial_user", "initialuserid initialusernumber initialuser inituser inituserid"},
	slotInitialType: {"initial_user_type", "initialusertype initusertype"},
	slotName:        {"user_name", "subscribername username chargedusername name"},
	slotCallType:    {"call_type", "communicationtype calltype comtype typeofcommunication typeofcall direction calldirection type"},
	slotLineType:    {"trunk_type", "trunktype linetype"},
	slotLine:        {"trunk", "trunkidentity trunkid trunknumber trunk lineidentity lineid linenumber line line4"},
	slotDate:        {"date", "date calldate startdate communicationdate"},
	slotTime:        {"time", "time calltime starttime hour communicationtime"},
	slotMoment:      {"date_time", "datetime startdatetime callstart startofcall timestamp"},
	slotDuration:    {"duration", "duration callduration communicationduration"},
	slotUnits:       {"taxes", "taxpulses taxes pulses meterpulses meteringunits meteringpulses chargeunits units numberoftaxes numberofunits numberofpulses"},
	slotCost:        {"cost", "cost callcost communicationcost costofcommunication amount"},
	slotCurrency:    {"currency", "currency currencycode"},
	slotService:     {"service", "service serv services teleservice"},
	slotServices:    {"additional_services", "facilities facilitiesused addserv addservices additionalservices complementaryservices supplementaryservices"},
	slotNumber:      {"dialled_number", "diallednumber dialednumber numberdialled numberdialed distantnumber externalnumber"},
	slotMode:        {"dialling_mode", "dialingmode diallingmode dialmode"},
	slotRing:        {"ring_duration", "ringduration ringingduration ringtime ringingtime ring"},
	slotAccount:     {"business_code", "accountcode businesscode busincode businesscodeid"},
	slotNode:        {"node", "nodenumber node"},
	slotCarrier:     {"carrier", "carrieridentity carrierid carrier"},
	slotOperator:    {"operator", "operator operatorid ope"},
}

// essential decide about the bill: two that differ cannot both be right.
const essential = 1<<slotUser | 1<<slotCallType | 1<<slotDate | 1<<slotTime | 1<<slotMoment |
	1<<slotDuration | 1<<slotUnits | 1<<slotCost | 1<<slotNumber

// aliases finds the field of a leaf by its name.
var aliases = func() map[string]slot {
	m := make(map[string]slot)
	for i, f := range fields {
		for alias := range strings.FieldsSeq(f.aliases) {
			m[alias] = slot(i)
		}
	}
	return m
}()

// slotOf finds the field of a leaf.
func slotOf(name string) (s slot, ok bool) {
	var room [40]byte
	plain := room[:0]
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			if len(plain) == cap(plain) {
				return 0, false
			}
			plain = append(plain, c)
		}
	}
	s, ok = aliases[string(plain)]
	return s, ok
}

// snake is the name of an attribute: `ChargedUserID` becomes charged_user_id.
func snake(name string) string {
	name = shown(name)
	var b strings.Builder
	lower := false // of the letter before, or a digit
	for i, r := range name {
		upper := r >= 'A' && r <= 'Z'
		switch {
		case upper:
			next := name[i+1:]
			if lower || b.Len() > 0 && next != "" && next[0] >= 'a' && next[0] <= 'z' && !strings.HasSuffix(b.String(), "_") {
				b.WriteByte('_')
			}
			b.WriteRune(r | 0x20)
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r > 0x7f && r != '…':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
		lower = r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
	}
	if s := strings.Trim(b.String(), "_"); s != "" {
		return s
	}
	return "field"
}

// secret tells a field that may hold what nobody should read.
func secret(name string) bool {
	for _, word := range [...]string{"password", "passwd", "pin", "pincode", "secret", "authorization", "personalcode"} {
		for part := range strings.SplitSeq(name, "_") {
			if part == word {
				return true
			}
		}
		if len(word) > 4 && strings.Contains(strings.ReplaceAll(name, "_", ""), word) {
			return true
		}
	}
	return false
}
