package layoutformat

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx/layout"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

// times sets start and end from the clocks that the record prints, and ring and
// talk where an answer's clock tells them.
func (p *parser) times(t *formats.Ticket, k *kind, c *cdr) (reason string, f *fault) {
	c.TimePrecisionSeconds = 1
	near := t.Near
	var end, answer, start time.Time
	if k.End != nil && (k.Start == nil || k.prints(k.End)) {
		if end, reason, f = p.moment(k, k.End, near, "bad_end", c); f != nil {
			return reason, f
		}
		near = end
	}
	talk := time.Duration(max(c.TalkSeconds, c.LineSeconds)) * time.Second
	if k.Answer != nil && k.prints(k.Answer) {
		before := near
		if !before.IsZero() {
			before = before.Add(-talk)
		}
		if answer, reason, f = p.moment(k, k.Answer, before, "bad_answer", c); f != nil {
			return reason, f
		}
		if c.TalkSeconds == 0 && end.After(answer) {
			c.TalkSeconds = seconds(answer, end)
		}
		near = answer
	} else if !near.IsZero() {
		near = near.Add(-talk - time.Duration(c.RingSeconds)*time.Second)
	}
	if k.Start == nil {
		start = end.Add(-talk - time.Duration(c.RingSeconds)*time.Second)
	} else if start, reason, f = p.moment(k, k.Start, near, "bad_start", c); f != nil {
		return reason, f
	}
	if k.Answer != nil && c.RingSeconds == 0 {
		switch {
		case answer.After(start):
			c.RingSeconds = seconds(start, answer)
		case answer.IsZero() && end.After(start):
			c.RingSeconds = seconds(start, end)
		}
	}
	p.zone.SetStart(c, start)
	switch {
	case end.Before(start) && !end.IsZero():
		return "bad_end", p.fault("", k.End.Line, "the end lies before the start")
	case !end.IsZero():
		c.EndTime = timestamppb.New(end)
	}
	if k.dated {
		var b [10]byte
		k.values[layout.StartDate] = string(start.In(p.link.Zone).AppendFormat(b[:0], time.DateOnly))
	}
	return "", nil
}

func seconds(from, to time.Time) uint32 { return uint32(min(to.Sub(from)/time.Second, 1<<31)) }

// prints tells whether the record fills a clock: a row of nothing, or of zeros,
// is none.
func (k *kind) prints(clock *layout.Clock) bool {
	for _, part := range clock.Parts {
		for _, b := range []byte(k.values[part.Column]) {
			if b >= '1' && b <= '9' {
				return true
			}
		}
	}
	return false
}

// moment reads a clock. near is as of kit.Wall.In.
func (p *parser) moment(k *kind, clock *layout.Clock, near time.Time, reason string, c *cdr) (time.Time, string, *fault) {
	var m layout.Moment
	for i := range clock.Parts {
		part := &clock.Parts[i]
		if text := k.values[part.Column]; !part.Pattern.Moment(text, &m) {
			return time.Time{}, reason, p.fault("", part.Line, "%s is %s; expected %s", k.where(part.Column), kit.Quote(text), part.Pattern.Text)
		}
	}
	if !clock.Seconds {
		c.TimePrecisionSeconds = 60
	}
	if m.Epoch != 0 {
		return time.UnixMilli(m.Epoch), "", nil
	}
	if m.DayOfYear > 0 {
		day := time.Date(m.Year, 1, m.DayOfYear, 0, 0, 0, 0, time.UTC)
		m.Month, m.Day = int(day.Month()), day.Day()
	}
	hour, ok := hour(&m)
	wall := kit.Wall{Year: m.Year, Month: m.Month, Day: m.Day, Hour: hour, Minute: m.Minute, Second: m.Second}
	if !ok || !wall.Valid() {
		return time.Time{}, reason, p.fault("", clock.Line, "no such day or time: %s", k.printed(clock))
	}
	var at time.Time
	var warnings []trunklinev1.Warning
	if m.Zoned {
		at, warnings = wall.In(time.FixedZone("", m.Offset), near)
	} else {
		at, warnings = p.zone.Time(wall, near)
	}
	if at.IsZero() {
		return at, "year_unknown", p.fault("", clock.Line, "the record prints no year, and nothing tells when it was written: import it from a file with its time")
	}
	kit.Warn(c, warnings...)
	return at, "", nil
}

// hour brings a clock of 12 hours into 24.
func hour(m *layout.Moment) (int, bool) {
	switch {
	case m.Half == 0:
		return m.Hour, true
	case m.Hour > 12 || m.Half == 'P' && m.Hour == 0:
		return 0, false
	case m.Half == 'P':
		return m.Hour%12 + 12, true
	}
	return m.Hour % 12, true
}

// printed is what a record prints of a clock, for an error.
func (k *kind) printed(clock *layout.Clock) string {
	out := ""
	for i, part := range clock.Parts {
		if i > 0 {
			out += " and "
		}
		out += k.where(part.Column) + " is " + kit.Quote(k.values[part.Column])
	}
	return out
}
