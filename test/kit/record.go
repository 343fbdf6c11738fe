// Package kit is what the tests of the whole share: an instance of the real
// binary, the records it keeps, and their comparison with what was sent.
package kit

import (
	"fmt"
	"strings"
	"time"

	"trunkline.internal/pbxsim"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Record is a call as the view `calls` tells it.
type Record struct {
	TicketID       string `json:"ticket_id"`
	Site           string `json:"site"`
	Link           string `json:"link"`
	Model          string `json:"model"`
	CallKey        string `json:"call_key"`
	RecordRole     string `json:"record_role"`
	Direction      string `json:"direction"`
	Disposition    string `json:"disposition"`
	StartTime      string `json:"start_time"`
	Precision      uint32 `json:"time_precision_seconds"`
	RingSeconds    uint32 `json:"ring_seconds"`
	TalkSeconds    uint32 `json:"talk_seconds"`
	HoldSeconds    uint32 `json:"hold_seconds"`
	QueueSeconds   uint32 `json:"queue_seconds"`
	CallingNumber  string `json:"calling_number"`
	CallingName    string `json:"calling_name"`
	CalledNumber   string `json:"called_number"`
	CalledName     string `json:"called_name"`
	DialedNumber   string `json:"dialed_number"`
	DID            string `json:"did"`
	Extension      string `json:"extension"`
	ExtensionName  string `json:"extension_name"`
	GroupNumber    string `json:"group_number"`
	ExternalNumber string `json:"external_number"`
	ExternalE164   string `json:"external_e164"`
	Masked         uint8  `json:"masked"`
	Trunk          string `json:"trunk"`
	TrunkGroup     string `json:"trunk_group"`
	AccountCode    string `json:"account_code"`
	CallID         string `json:"call_id"`
	TransferredTo  string `json:"transferred_to"`
	ChargeUnits    uint32 `json:"charge_units"`
	ChargeAmount   string `json:"charge_amount"`
	ChargeCurrency string `json:"charge_currency"`
	Raw            string `json:"raw"`
	Warnings       string `json:"warnings"`
	StartLocal     string `json:"start_local"`
}

// OfCdr is the record of a CDR that did not go through ClickHouse.
func OfCdr(c *trunklinev1.Cdr) *Record {
	var warnings []string
	for _, w := range c.Warnings {
		warnings = append(warnings, strings.TrimPrefix(w.String(), "WARNING_"))
	}
	masked := uint8(0)
	if c.Masked {
		masked = 1
	}
	name := func(enum, prefix string) string {
		s := strings.TrimPrefix(enum, prefix)
		if s == "UNSPECIFIED" {
			return ""
		}
		return s
	}
	return &Record{
		TicketID: c.TicketId, Site: c.Site, Link: c.Link, Model: c.Model, CallKey: c.CallKey,
		RecordRole:  name(c.RecordRole.String(), "RECORD_ROLE_"),
		Direction:   name(c.Direction.String(), "DIRECTION_"),
		Disposition: name(c.Disposition.String(), "DISPOSITION_"),
		StartTime:   c.StartTime.AsTime().Format(sqlTime), Precision: c.TimePrecisionSeconds,
		RingSeconds: c.RingSeconds, TalkSeconds: c.TalkSeconds, HoldSeconds: c.HoldSeconds, QueueSeconds: c.QueueSeconds,
		CallingNumber: c.CallingNumber, CallingName: c.CallingName, CalledNumber: c.CalledNumber, CalledName: c.CalledName,
		DialedNumber: c.DialedNumber, DID: c.Did, Extension: c.Extension, ExtensionName: c.ExtensionName, GroupNumber: c.GroupNumber,
		ExternalNumber: c.ExternalNumber, ExternalE164: c.ExternalE164, Masked: masked, Trunk: c.Trunk, TrunkGroup: c.TrunkGroup, AccountCode: c.AccountCode,
		CallID: c.CallId, TransferredTo: c.TransferredTo, ChargeUnits: c.ChargeUnits, ChargeAmount: c.ChargeAmount,
		ChargeCurrency: c.ChargeCurrency, Raw: string(c.Raw), Warnings: strings.Join(warnings, ","),
	}
}

// sqlTime is how ClickHouse prints a DateTime64(3).
const sqlTime = "2006-01-02 15:04:05.000"

// Compare lists where a record differs from what its ticket tells.
func Compare(t pbxsim.Ticket, got *Record) []string {
	var diffs []string
	differ := func(field string, got, want any) {
		diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", field, got, want))
	}
	text := func(field, got, want string) {
		// What a ticket does not tell is empty in the truth.
		if want != "" && got != want {
			differ(field, fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
		}
	}
	seconds := func(field string, got uint32, want time.Duration) {
		if w := uint32(want / time.Second); got != w {
			differ(field, got, w)
		}
	}
	c := t.Call
	// Whether a ticket counts in sums is what matters; a single ticket often
	// cannot tell a leg from a call.
	if (got.RecordRole == "COPY") != (t.Role == "COPY") {
		differ("record_role", got.RecordRole, t.Role)
	}
	text("direction", got.Direction, string(c.Direction))
	text("disposition", got.Disposition, string(c.Disposition))
	if !t.Ambiguous {
		text("start_time", got.StartTime, c.Start.UTC().Format(sqlTime))
	}
	if w := uint32(t.Precision / time.Second); got.Precision != w {
		differ("time_precision_seconds", got.Precision, w)
	}
	seconds("ring_seconds", got.RingSeconds, c.Ring)
	seconds("talk_seconds", got.TalkSeconds, c.Talk)
	if c.Hold > 0 {
		seconds("hold_seconds", got.HoldSeconds, c.Hold)
	}
	if c.Queue > 0 {
		seconds("queue_seconds", got.QueueSeconds, c.Queue)
	}
	if got.Extension != c.Group.Number { // a group's own number, where the ticket does not tell it from a set's
		text("group_number", got.GroupNumber, c.Group.Number)
	}
	text("account_code", got.AccountCode, c.Account)
	if !strings.HasSuffix(c.CallID, ":"+got.CallID) { // the simulator says it with cluster and node
		text("call_id", got.CallID, c.CallID)
	}
	text("charge_amount", got.ChargeAmount, c.Charge)
	if c.Charge != "" {
		text("charge_currency", got.ChargeCurrency, c.Currency)
	}
	if c.Units > 0 && got.ChargeUnits != uint32(c.Units) {
		differ("charge_units", got.ChargeUnits, c.Units)
	}
	if c.External.Masked != (got.Masked == 1) {
		differ("masked", got.Masked, c.External.Masked)
	}
	if c.Direction != pbxsim.Transit { // there the two sides' lines, and nobody of the site
		switch {
		case got.Extension == "" && c.Disposition == pbxsim.Voicemail: // whose mailbox, the ticket does not say for sure
		case got.Extension != "" && got.Extension == c.TransferTo.Number: // one ticket for both who talked
		default:
			text("extension", got.Extension, c.Extension.Number)
			text("extension_name", got.ExtensionName, c.Extension.Name)
		}
		if t.Role == "CALL" { // a leg after a transfer was reached by its extension
			text("did", got.DID, c.DID)
		}
		if got.TrunkGroup != c.Trunk { // the simulator's word for a gateway
			text("trunk", got.Trunk, c.Trunk)
		}
	}
	// A number that was dialled may be printed with what people dial for a line.
	outside := func(field, got, want string) {
		if got != strings.TrimPrefix(want, pbxsim.OutsidePrefix) {
			text(field, got, want)
		}
	}
	switch c.Direction {
	case pbxsim.Inbound:
		text("external_number", got.ExternalNumber, c.External.Number)
		text("calling_number", got.CallingNumber, c.External.Number)
		text("external_e164", got.ExternalE164, c.External.E164)
		text("calling_name", got.CallingName, c.External.Name)
	case pbxsim.Outbound:
		outside("external_number", got.ExternalNumber, c.External.Number)
		text("external_e164", got.ExternalE164, c.External.E164)
		text("calling_number", got.CallingNumber, c.Extension.Number)
		if t.Role == "CALL" { // nobody dialled in a leg after a transfer
			text("dialed_number", got.DialedNumber, c.Dialled)
		}
	case pbxsim.Internal:
		text("called_number", got.CalledNumber, c.Peer.Number)
		if got.ExternalNumber != "" {
			differ("external_number", got.ExternalNumber, "none")
		}
	case pbxsim.Transit:
		text("calling_number", got.CallingNumber, c.External.Number)
		outside("external_number", got.ExternalNumber, c.Forward.Number)
	}
	if string(t.Bytes) != got.Raw && t.Row == 0 {
		differ("raw", fmt.Sprintf("%q", got.Raw), fmt.Sprintf("%q", t.Bytes))
	}
	return diffs
}
