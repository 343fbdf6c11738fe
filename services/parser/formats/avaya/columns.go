package avaya

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// column counts from 0; Avaya and our errors count from 1.
type column int

const (
	callStart column = iota
	connectedTime
	ringTime
	caller
	direction
	calledNumber
	dialedNumber
	account
	isInternal
	callID
	continuation
	party1Device
	party1Name
	party2Device
	party2Name
	holdTime
	parkTime
	authValid
	authCode
	userCharged
	callCharge
	currency
	amountAtChange
	callUnits
	unitsAtChange
	costPerUnit
	markUp
	targetingCause
	targeterID
	targetedNumber
	callerServer
	callerCallID
	calledServer
	calledCallID
	recordTime
	consent
	verification
	columns
)

// fewest columns of a ticket: the oldest layout ends behind Party 2 Name.
const fewest = int(party2Name) + 1

// layout names the columns. fits tells what a column behind a name can be: they
// are the anchors that show where the name ends. anchors is how many of them
// must be there before a name is believed to hold commas; 0 is no name.
var layout = [columns]struct {
	name    string
	fits    func(string) bool
	anchors int
}{
	callStart:      {name: "Call Start"},
	connectedTime:  {name: "Connected Time"},
	ringTime:       {name: "Ring Time"},
	caller:         {name: "Caller"},
	direction:      {name: "Direction"},
	calledNumber:   {name: "Called Number"},
	dialedNumber:   {name: "Dialled Number"},
	account:        {name: "Account"},
	isInternal:     {name: "Is Internal"},
	callID:         {name: "Call ID"},
	continuation:   {name: "Continuation"},
	party1Device:   {name: "Party 1 Device"},
	party1Name:     {name: "Party 1 Name", anchors: 1},
	party2Device:   {name: "Party 2 Device", fits: isDevice},
	party2Name:     {name: "Party 2 Name", anchors: 2},
	holdTime:       {name: "Hold Time", fits: isCount},
	parkTime:       {name: "Park Time", fits: isCount},
	authValid:      {name: "Auth Valid", fits: isAuthValid},
	authCode:       {name: "Auth Code"},
	userCharged:    {name: "User Charged", anchors: 7},
	callCharge:     {name: "Call Charge", fits: isAmount},
	currency:       {name: "Currency", fits: isWord},
	amountAtChange: {name: "Amount at Last User Change", fits: isAmount},
	callUnits:      {name: "Call Units", fits: isCount},
	unitsAtChange:  {name: "Units at Last User Change", fits: isCount},
	costPerUnit:    {name: "Cost per Unit", fits: isAmount},
	markUp:         {name: "Mark Up", fits: isAmount},
	targetingCause: {name: "External Targeting Cause", fits: isCause},
	targeterID:     {name: "External Targeter Id", anchors: 1},
	targetedNumber: {name: "External Targeted Number", fits: isTarget},
	callerServer:   {name: "Calling Party Server IP", fits: isAddress},
	callerCallID:   {name: "Unique Call ID for the Caller Extension", fits: isCount},
	calledServer:   {name: "Called Party Server IP", fits: isAddress},
	calledCallID:   {name: "Unique Call ID for the Called Extension", fits: isCount},
	recordTime:     {name: "SMDR Record Time", fits: isTime},
	consent:        {name: "Caller Consent Directive", fits: isShort},
	verification:   {name: "Calling Number Verification", fits: isShort},
}

// kept are the columns that have no place of their own.
var kept = [...]struct {
	name   string
	column column
}{
	{"auth_valid", authValid},
	{"amount_at_last_user_change", amountAtChange},
	{"units_at_last_user_change", unitsAtChange},
	{"cost_per_unit", costPerUnit},
	{"mark_up", markUp},
	{"external_targeting_cause", targetingCause},
	{"external_targeter_id", targeterID},
	{"external_targeted_number", targetedNumber},
	{"calling_party_server_ip", callerServer},
	{"unique_call_id_caller", callerCallID},
	{"called_party_server_ip", calledServer},
	{"unique_call_id_called", calledCallID},
	{"caller_consent_directive", consent},
	{"calling_number_verification", verification},
}

// complete tells how many columns the layouts have: the oldest, those of the
// releases 5 to 8 (the last column is empty, with a comma before it or not), and
// of later ones. Others are tickets that were cut.
func (p *parser) complete(count int) bool {
	switch count {
	case 15, 17, 30, 37:
		return true
	case 31:
		return p.col[callerServer] == ""
	case 34:
		return p.col[calledCallID] != ""
	case 35:
		return p.col[recordTime] != ""
	}
	return count > int(columns)
}

// isCause tells who caused a call to the outside: letters.
func isCause(s string) bool { return s == "" || s[0] >= 'A' && s[0] <= 'Z' }

func isAddress(s string) bool { return s == "" || strings.ContainsAny(s, ".:") && !isTime(s) }

func isTime(s string) bool {
	if s == "" {
		return true
	}
	_, precision, ok := readTime(s)
	return ok && precision == 1
}

func isShort(s string) bool { return len(s) <= 3 }

func isCount(s string) bool { return s == "" || len(s) <= 9 && kit.Digits(s) }
func isAuthValid(s string) bool {
	return s == "" || s == "0" || s == "1" || strings.EqualFold(s, "n/a")
}

func isAmount(s string) bool {
	if s = kit.Trim(s); s == "" {
		return true
	}
	_, ok := decimal(s)
	return ok
}

func isWord(s string) bool { return s == "" || s[0] != ' ' && (s[0] < '0' || s[0] > '9') }

// isDevice tells a party device: a letter and a number. A party may be missing.
func isDevice(s string) bool {
	return s == "" || s[0] >= 'A' && s[0] <= 'Z' && kit.Digits(s[1:])
}

// isTarget tells a number or an address that was called outside from the rest of
// a name, which begins with a blank or a letter.
func isTarget(s string) bool {
	return s == "" || strings.IndexByte("0123456789+*#", s[0]) >= 0 && strings.Count(s, ".") != 3 || strings.HasPrefix(s, "sip:")
}

// align puts the columns that were split into those of the layout: where a name
// holds commas, it takes the columns up to the next anchor.
func (p *parser) align(cdr *trunklinev1.Cdr) (formats.Result, bool) {
	p.col = [columns]string{}
	at, c := 0, column(0)
	for ; c < columns && at < len(p.split); c++ {
		p.col[c] = kit.Trim(p.split[at])
		at++
		if layout[c].anchors == 0 {
			continue
		}
		more, found := p.commas(c, at)
		switch {
		case !found && (c > party2Name || c == party1Name && p.straight()):
			// An anchor of another kind than any known, but nothing was shifted.
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		case !found:
			return bad("misaligned_columns", c+1, p.split[at], "the column behind a name: a device such as E201 or T9001, or seconds"), false
		case more > 0:
			kit.Warn(cdr, trunklinev1.Warning_WARNING_NAME_WITH_SEPARATOR)
			p.col[c] = kit.Trim(strings.Join(p.split[at-1:at+more], ","))
			at += more
		}
	}
	p.extra = p.split[at:]
	count := int(c) + len(p.extra)
	if !p.complete(count) {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	// The releases of 30 columns print a code wherever they say whether it is valid.
	if count > int(parkTime) && p.col[parkTime] == "" || count <= 31 && (p.col[authValid] == "") != (p.col[authCode] == "") {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	return formats.Result{}, true
}

// mostCommas is how many commas a name is believed to hold.
const mostCommas = 8

// commas counts the columns from at that still belong to the name in column c.
// No part of a name is empty.
func (p *parser) commas(c column, at int) (more int, found bool) {
	if p.anchored(c, p.split[at:], false) {
		return 0, true
	}
	for more = 1; more <= mostCommas && at+more <= len(p.split); more++ {
		if kit.Trim(p.split[at+more-2]) == "" || kit.Trim(p.split[at+more-1]) == "" {
			break
		}
		if p.anchored(c, p.split[at+more:], true) {
			return more, true
		}
	}
	return 0, false
}

// anchored tells whether rest can be what stands behind a name. Behind a party
// that was shifted an empty column is no anchor.
func (p *parser) anchored(name column, rest []string, shifted bool) bool {
	if shifted && len(rest) < layout[name].anchors {
		return false
	}
	for i, s := range rest {
		c := name + 1 + column(i)
		if c >= columns || layout[c].anchors > 0 {
			break
		}
		if shifted && name <= party2Name && i < layout[name].anchors && s == "" {
			return false
		}
		if fits := layout[c].fits; fits != nil && !fits(s) {
			return false
		}
	}
	return true
}

// straight tells that the columns behind both names are in their places.
func (p *parser) straight() bool {
	return len(p.split) > int(parkTime) && kit.Digits(p.split[holdTime]) && kit.Digits(p.split[parkTime])
}
