package pbxsim

import (
	"fmt"
	"time"
)

// callLog renders call logs of Wazo's call-logd: a JSON object for a whole call, times in UTC with their offset.
type callLog struct {
	old    bool // 20.01
	nextID int64
}

// WazoTenant is the tenant of the calls.
const WazoTenant = "4eb57648-b914-446b-a69f-58643ae08dd4"

func newWazo(o Options) (encoder, error) {
	return &callLog{old: o.Variant == "20.01", nextID: 4000}, nil
}

// text is NULL where it is empty.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (e *callLog) encode(c Call) []Ticket {
	e.nextID++
	told := c
	told.Hold, told.Queue, told.Units, told.Line, told.Account, told.Group = 0, 0, 0, 0, "", Party{}
	told.TransferTo, told.TransferTalk = Party{}, 0
	told.Talk += c.TransferTalk
	if !c.connected() {
		told.Disposition = NoAnswer
	}
	const form = "2006-01-02T15:04:05.000000-07:00"
	var answer, duration any
	if c.connected() {
		answer, duration = c.Start.Add(c.Ring).UTC().Format(form), seconds(told.Talk)
	}
	// The set that answered, and the one that rang first.
	reached, first := c.Extension, c.Extension
	direction, requested, destination := "inbound", c.DID, c.Extension.Number
	source, sourceName, sourceSet := c.External.Number, c.External.Name, Party{}
	details := map[string]string{"type": "user", "user_name": c.Extension.Name}
	status := "unknown"
	switch c.Direction {
	case Inbound:
		if c.TransferTo != (Party{}) { // the parts of a call are put together
			reached, destination = c.TransferTo, c.TransferTo.Number
			details["user_name"] = reached.Name
			told.Extension = c.TransferTo
		}
	case Transit: // which stays incoming, but for where it went
		told.Direction, told.Forward = Inbound, Outside{}
		reached, destination = Party{}, OutsidePrefix+c.Forward.Number
		details = map[string]string{"type": "unknown"}
		told.Extension.Name = ""
	case Outbound, Internal:
		source, sourceName, sourceSet = c.Extension.Number, c.Extension.Name, c.Extension
		requested, destination = c.Dialled, c.Dialled
		reached, first, direction = Party{}, Party{}, "outbound"
		details = map[string]string{"type": "unknown"}
		told.External.Number, told.External.Name = c.Dialled, ""
		if c.Direction == Internal {
			reached, first, direction = c.Peer, c.Peer, "internal"
			details = map[string]string{"type": "user", "user_name": c.Peer.Name}
			told.External.Number = ""
		}
	}
	switch {
	case c.Disposition == Voicemail:
		status = "voicemail"
		details["type"] = "voicemail"
	case c.connected():
		status = "answered"
	default:
		details = map[string]string{"type": "unknown"}
		reached = Party{}
		if c.Direction == Inbound {
			destination = c.DID
		}
		told.Peer.Name = ""
		if c.Direction == Inbound || c.Direction == Transit {
			told.Extension.Name = first.Name
		}
	}
	pairs := []any{
		"id", e.nextID, "tenant_uuid", WazoTenant, "start", c.Start.UTC().Format(form), "answer", answer,
		"end", c.End().UTC().Format(form), "answered", c.connected(), "duration", duration, "call_direction", direction,
		"source_name", text(sourceName), "source_extension", text(source), "source_internal_extension", text(sourceSet.Number),
		"requested_extension", requested, "requested_internal_extension", text(first.Number),
		"destination_name", text(reached.Name), "destination_extension", text(destination),
		"destination_internal_extension", text(reached.Number), "tags",
		[]string{},
	}
	if e.old {
		// A voicemail cannot be told from an answer, nor who was rung by name.
		if c.Disposition == Voicemail {
			told.Disposition = Answered
		}
		if reached == (Party{}) && (c.Direction == Inbound || c.Direction == Transit) {
			told.Extension.Name = ""
		}
	} else {
		told.CallID = fmt.Sprintf("%d.%d", c.Start.Unix(), e.nextID)
		pairs = append(pairs, "source_internal_name", text(sourceSet.Name), "requested_name", text(first.Name),
			"destination_details", details, "recordings", []string{}, "conversation_id", told.CallID, "call_status", status)
	}
	return []Ticket{{Bytes: object(pairs...), Call: told, Want: WantCDR, Role: roleCall, Precision: time.Second}}
}

func (e *callLog) odd(Odd, Call) (Ticket, bool) { return Ticket{}, false }
