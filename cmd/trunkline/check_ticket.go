package main

import (
	"fmt"
	"strings"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	ingestpoll "trunkline.internal/services/ingest-poll"
	"trunkline.internal/services/parser"
)

// checkedTicket is the newest ticket of a link.
type checkedTicket struct {
	Name    string    `json:"name"`
	Outcome []outcome `json:"outcomes"`
}

// understand reads a ticket as the parser would, and tells what it becomes.
func understand(s pbx.Settings, n *ingestpoll.Newest, now time.Time, say func(ingestpoll.Step)) *checkedTicket {
	step := func(what string, result ingestpoll.StepResult, detail, remedy string) {
		say(ingestpoll.Step{What: what, Result: result, Detail: detail, Remedy: remedy})
	}
	batch, err := readAs(s, n, now)
	if err != nil {
		step("parse settings", ingestpoll.StepFailed, err.Error(), "")
		return nil
	}
	out := &checkedTicket{Name: n.Name, Outcome: outcomes(batch)}
	for _, c := range batch.Cdrs {
		step("call", ingestpoll.StepOK, summary(c), "")
		if len(c.Warnings) > 0 {
			var warnings []string
			for _, w := range c.Warnings {
				warnings = append(warnings, strings.ToLower(strings.TrimPrefix(w.String(), "WARNING_")))
			}
			step("call", ingestpoll.StepNote, "warnings: "+strings.Join(warnings, ", "), "")
		}
		clockOf(c, n, now, step)
	}
	for _, o := range batch.Others {
		raw := fmt.Sprintf("%.120q", o.Raw)
		if o.Outcome == trunklinev1.Outcome_OUTCOME_IGNORED {
			step("call", ingestpoll.StepNote, fmt.Sprintf("the newest ticket is none (%s): %s", o.Reason, raw), "make a call and look again")
			continue
		}
		step("call", ingestpoll.StepFailed, fmt.Sprintf("the ticket is not understood: %s: %s: %s", o.Reason, o.Error, raw), advice(s, n, now))
	}
	return out
}

// readAs reads a ticket with the settings of a link.
func readAs(s pbx.Settings, n *ingestpoll.Newest, now time.Time) (*trunklinev1.CdrBatch, error) {
	reader, err := parser.NewReader(s)
	if err != nil {
		return nil, err
	}
	m := &bus.TicketMessage{
		Address: wire.Address{Model: s.Model, Site: s.Site, Link: s.Link}, Received: now, Written: n.Written,
		Origin: "check", Offset: identity.Position(int64(len(n.Preamble))), Name: n.Name, Preamble: n.Preamble, Payload: n.Raw,
	}
	if n.Row != "" {
		m.Offset = n.Row
	}
	b := reader.Read(m)
	for _, c := range b.Cdrs {
		c.ParsedTime = nil
	}
	return b, nil
}

// advice says what a ticket is that the link's model does not read.
func advice(s pbx.Settings, n *ingestpoll.Newest, now time.Time) string {
	if models := readBy(s, n, now); len(models) > 0 {
		return fmt.Sprintf("it reads as a ticket of %s: is that the PBX? Then set model", strings.Join(models, " or "))
	}
	return fmt.Sprintf("is it the right model? docs/pbx/%s.md says how its tickets look; if it is, send us the ticket", s.Model)
}

// readBy are the other models that make a call with both its ends of a ticket.
func readBy(s pbx.Settings, n *ingestpoll.Newest, now time.Time) []string {
	var out []string
	for _, m := range pbx.Models() {
		if m.ID == s.Model || !m.Parses || m.ByLayout || m.ID == pbx.Custom {
			continue
		}
		other := s
		other.Model, other.Parse, other.Layout = m.ID, pbx.Parse{Timezone: s.Parse.Timezone}, ""
		cutting, err := other.Cutting()
		if err != nil {
			continue
		}
		as := *n
		as.Preamble = n.Begin[:(&printer{cutting: cutting}).head(n.Begin)]
		b, err := readAs(other, &as, now)
		if err != nil || len(b.Cdrs) == 0 {
			continue
		}
		good := true
		for _, o := range b.Others {
			good = good && o.Outcome == trunklinev1.Outcome_OUTCOME_IGNORED
		}
		for _, c := range b.Cdrs {
			good = good && c.CallingNumber+c.ExternalNumber != "" && c.CalledNumber+c.DialedNumber+c.Extension != "" && c.StartTime.IsValid() && !c.StartTime.AsTime().After(now.Add(48*time.Hour))
		}
		if good {
			out = append(out, m.ID)
		}
	}
	return out
}

// summary is a call in a line.
func summary(c *trunklinev1.Cdr) string {
	local := c.StartTime.AsTime().Add(time.Duration(c.UtcOffsetSeconds) * time.Second)
	return fmt.Sprintf("%s, %s → %s, %s, talk %s, began %s at the site, %s UTC",
		short(c.Direction.String(), "DIRECTION_"), party(c.CallingNumber, c.CallingName), party(c.CalledNumber, c.CalledName),
		short(c.Disposition.String(), "DISPOSITION_"), time.Duration(c.TalkSeconds)*time.Second,
		local.Format(time.DateTime), c.StartTime.AsTime().Format(time.TimeOnly))
}

// clockOf compares the ticket's time with that of the file that it stands in.
func clockOf(c *trunklinev1.Cdr, n *ingestpoll.Newest, now time.Time, step func(what string, result ingestpoll.StepResult, detail, remedy string)) {
	const zone = "give the zone of the PBX's clock as timezone of the site, or parse: {timezone: …} of the link; if that is right, set the PBX's clock"
	end := c.StartTime.AsTime().Add(time.Duration(c.RingSeconds+c.TalkSeconds) * time.Second)
	if c.EndTime.IsValid() {
		end = c.EndTime.AsTime()
	}
	switch off := end.Sub(n.Written); {
	case end.After(now.Add(5 * time.Minute)):
		step("ticket's clock", ingestpoll.StepWarning, fmt.Sprintf("the call ended %s in the future", end.Sub(now).Round(time.Minute)), zone)
	case n.Written.IsZero():
	case n.Live && ingestpoll.WholeHours(off) != 0, off > 15*time.Minute:
		detail := fmt.Sprintf("the call ended at %s UTC by its ticket, and the file was written at %s UTC", end.Format(time.TimeOnly), n.Written.UTC().Format(time.TimeOnly))
		if hours := ingestpoll.WholeHours(off); hours != 0 {
			detail += fmt.Sprintf(": %s off, as zones are", hours)
		}
		step("ticket's clock", ingestpoll.StepWarning, detail, zone)
	}
}
