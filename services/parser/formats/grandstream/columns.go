package grandstream

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// column of a record. The first 32 are those of the real-time CSV, in its order
// (Grandstream's page on CDR Real-Time Output, and a listener written against a
// UCM6202); cdrapi's CSV has the first 22 of them (UCM6100 and UCM6510 CDR API
// guides). JSON and XML name them; the last three stand only there.
type column uint8

const (
	acctID        column = iota // sequence; with uniqueid and start the key
	accountCode                 // account_code
	src                         // calling_number
	dst                         // dialed_number, called_number
	dContext                    // attribute
	clid                        // calling_name
	channel                     // attribute
	dstChannel                  // attribute
	lastApp                     // attribute; disposition
	lastData                    // attribute
	start                       // start_time
	answer                      // ring_seconds
	end                         // end_time
	duration                    // ring_seconds
	billSec                     // talk_seconds
	disposition                 // disposition
	amaFlags                    // attribute, unless DOCUMENTATION
	uniqueID                    // leg_id; holds the time in UTC
	userField                   // direction, where the trunks do not tell
	channelExt                  // extension of the caller, `trunk_1`
	dstChannelExt               // extension that rang, `trunk_1`
	service                     // attribute, unless s
	callerName                  // calling_name
	recordFiles                 // attribute
	dstAnswer                   // extension that answered
	chanExt                     // as channel_ext, the real one
	dstChanExt                  // as dstchannel_ext, the real one
	session                     // call_id, call_key
	actionOwner                 // attribute; transferred_from
	actionType                  // attribute; group_number
	srcTrunkName                // trunk; the caller is outside
	dstTrunkName                // trunk, trunk_out; the called party is outside
	newSrc                      // attribute
	reason                      // attribute
	serialNumber                // node
	numColumns
)

const (
	realTime = int(dstTrunkName) + 1 // columns of the real-time CSV
	api      = int(service) + 1      // of cdrapi's CSV
)

var columnNames = [numColumns]string{
	"AcctId", "accountcode", "src", "dst", "dcontext", "clid", "channel", "dstchannel", "lastapp", "lastdata",
	"start", "answer", "end", "duration", "billsec", "disposition", "amaflags", "uniqueid", "userfield",
	"channel_ext", "dstchannel_ext", "service", "caller_name", "recordfiles", "dstanswer", "chanext", "dstchanext",
	"session", "action_owner", "action_type", "src_trunk_name", "dst_trunk_name", "new_src", "reason", "sn",
}

var columnsByName = func() map[string]column {
	m := make(map[string]column, 2*numColumns)
	for c, name := range columnNames {
		m[name], m[strings.ToLower(name)] = column(c), column(c)
	}
	return m
}()

func lookup(name string) (column, bool) {
	c, ok := columnsByName[name]
	if !ok {
		c, ok = columnsByName[strings.ToLower(name)]
	}
	return c, ok
}

// record is one by its columns, reused from ticket to ticket.
type record struct {
	value [numColumns]string
	// at is where in the ticket a column stands, from 1; 0: nowhere.
	at     [numColumns]int
	fields int
	// others are fields that this version does not know.
	others []other
	// group is the name of the record in its group: `main_cdr`, `sub_cdr_1`.
	group string
}

type other struct{ name, value string }

func (r *record) reset() {
	clear(r.others)
	*r = record{others: r.others[:0]}
}

// set adds the next field. Of two with one name the first counts, and the other
// is told.
func (r *record) set(name, value string, cdr *trunklinev1.Cdr) {
	r.fields++
	if strings.EqualFold(name, "cdr") {
		if isGroupName(value) {
			r.group = value
		}
		return // else the session, which the record has itself
	}
	c, ok := lookup(name)
	if !ok {
		if name = strings.ToLower(name); value != "" && !secret(name) {
			r.others = append(r.others, other{name, value})
		}
		return
	}
	if r.at[c] != 0 {
		if r.value[c] != value {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		}
		return
	}
	r.put(c, r.fields, value)
}

func (r *record) put(c column, at int, value string) {
	r.value[c], r.at[c] = strings.TrimSpace(value), at
}

const mainCDR = "main_cdr"

func isGroupName(s string) bool {
	number, ok := strings.CutPrefix(s, "sub_cdr_")
	return s == mainCDR || s == "sub_cdr" || ok && kit.Digits(number)
}

func secret(name string) bool {
	return strings.Contains(name, "password") || strings.Contains(name, "pin_code") || name == "pin"
}
