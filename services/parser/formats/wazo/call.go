package wazo

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/kit"
)

func (p *parser) fill(cdr *trunklinev1.Cdr) formats.Result {
	r := &p.rec
	if !r.has[start] || !r.has[tenantUUID] || !r.has[callDirection] || !r.has[answered] {
		return formats.Die("not_a_cdr", "tenant_uuid, start, answered or call_direction is missing: no call log of Wazo's")
	}
	began, result := p.times(cdr)
	if result.Outcome != formats.CDR {
		return result
	}
	v := &r.value
	if cdr.Direction = direction(v); cdr.Direction == 0 {
		return p.bad("bad_direction", callDirection, "inbound, outbound or internal")
	}
	cdr.RecordRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	cdr.Sequence, cdr.Node = v[id], v[tenantUUID]
	cdr.CallId, cdr.CallKey = v[conversationID], v[conversationID]
	p.disposition(cdr)
	p.parties(cdr)
	p.attributes(cdr)
	switch {
	case v[tenantUUID] == "":
		return formats.Result{}
	case v[conversationID] != "":
		p.key = [4]string{v[tenantUUID], v[conversationID]}
		return formats.Result{Key: p.key[:2]}
	}
	p.key = [4]string{v[tenantUUID], began.UTC().Format(time.RFC3339Nano), v[sourceExtension], v[requestedExtension]}
	return formats.Result{Key: p.key[:]}
}

// times sets start, end, ring and talk.
func (p *parser) times(cdr *trunklinev1.Cdr) (began time.Time, result formats.Result) {
	v := &p.rec.value
	const form = "a time with offset, 2026-11-20T10:00:00+00:00"
	began, ok := readTime(v[start])
	if !ok || began.IsZero() {
		return began, p.bad("bad_start", start, form)
	}
	at, ok := readTime(v[answer])
	if !ok {
		return began, p.bad("bad_time", answer, form)
	}
	ended, ok := readTime(v[end])
	if !ok {
		return began, p.bad("bad_time", end, form)
	}
	switch v[answered] {
	case "true", "True", "false", "False", "":
	default:
		return began, p.bad("bad_answered", answered, "true or false")
	}
	wasAnswered := !at.IsZero()
	if told := v[answered] == "true" || v[answered] == "True"; v[answered] != "" && told != wasAnswered {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
		wasAnswered = told
	}
	kit.SetStart(cdr, began, p.link.Zone)
	cdr.TimePrecisionSeconds = 1
	if !ended.IsZero() && !ended.Before(began) {
		cdr.EndTime = timestamppb.New(ended)
	} else if !ended.IsZero() {
		p.odd(cdr, end)
	}
	rang := at
	if !wasAnswered {
		rang = ended
	}
	cdr.RingSeconds = between(began, rang)
	if !wasAnswered {
		return began, formats.Result{}
	}
	talked := between(at, ended)
	if v[duration] == "" {
		if ended.IsZero() || at.IsZero() {
			return began, p.bad("bad_duration", duration, "seconds, for answer and end do not tell them either")
		}
		cdr.TalkSeconds = talked
		return began, formats.Result{}
	}
	whole, _, _ := strings.Cut(v[duration], ".")
	if cdr.TalkSeconds, ok = kit.Uint(whole); !ok {
		return began, p.bad("bad_duration", duration, "seconds")
	}
	if !ended.IsZero() && !at.IsZero() && max(cdr.TalkSeconds, talked)-min(cdr.TalkSeconds, talked) > 1 {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	}
	return began, formats.Result{}
}

// readTime reads ISO 8601 with an offset; the zero time where there is none.
func readTime(s string) (t time.Time, ok bool) {
	if s == "" {
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil && t.Year() >= 1980
}

// between is how many whole seconds passed.
func between(from, to time.Time) uint32 {
	if d := to.Sub(from); !from.IsZero() && !to.IsZero() && d > 0 {
		return uint32(d / time.Second)
	}
	return 0
}

// direction is what call_direction says. Where it is NULL the lines tell, which
// only the site's own parties have.
func direction(v *[numColumns]string) trunklinev1.Direction {
	switch v[callDirection] {
	case "inbound":
		return trunklinev1.Direction_DIRECTION_INBOUND
	case "outbound":
		return trunklinev1.Direction_DIRECTION_OUTBOUND
	case "internal":
		return trunklinev1.Direction_DIRECTION_INTERNAL
	case "":
	default:
		return 0
	}
	from := v[sourceInternalExt] != "" || v[sourceLine] != ""
	to := v[destinationInternal] != "" || v[destinationLine] != "" || v[requestedInternalExt] != ""
	switch {
	case from && to:
		return trunklinev1.Direction_DIRECTION_INTERNAL
	case from:
		return trunklinev1.Direction_DIRECTION_OUTBOUND
	case to:
		return trunklinev1.Direction_DIRECTION_INBOUND
	}
	return 0
}

func (p *parser) disposition(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	kind, group := details(v[destinationDetails])
	wasAnswered := v[answered] == "true" || v[answered] == "True" || v[answered] == "" && v[answer] != ""
	switch v[callStatus] {
	case "", "unknown", "answered", "voicemail", "blocked":
	default:
		p.odd(cdr, callStatus)
	}
	switch {
	case v[callStatus] == "blocked":
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_REJECTED
	case wasAnswered && (v[callStatus] == "voicemail" || kind == "voicemail"):
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	case wasAnswered:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_ANSWERED
		nobody := p.rec.has[destinationInternal] && v[destinationInternal] == "" && v[destinationUser] == "" && v[destinationLine] == ""
		if nobody && (kind == "" || kind == "unknown") && cdr.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND {
			kit.Warn(cdr, trunklinev1.Warning_WARNING_AUTO_ANSWER)
		}
	default:
		cdr.Disposition = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	}
	if kind == "group" {
		cdr.GroupName = group
	}
	if kind != "" && kind != "unknown" && kind != "user" {
		kit.Attribute(cdr, columnNames[destinationDetails], v[destinationDetails])
	}
}

// details are the type and the name of `{"type":"group","group_label":"Sales",…}`.
func details(text string) (kind, called string) {
	if text == "" || text[0] != '{' {
		return "", ""
	}
	if err := row.Scan(text, func(f row.Field) bool {
		switch {
		case f.Name == "type":
			kind = f.Value
		case (strings.HasSuffix(f.Name, "_name") || strings.HasSuffix(f.Name, "_label")) && f.Value != "":
			called = f.Value
		}
		return true
	}); err != nil {
		return "", ""
	}
	return kind, called
}

func (p *parser) parties(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	cdr.CallingNumber, cdr.CallingName = v[sourceExtension], name(v[sourceName], v[sourceExtension])
	cdr.DialedNumber, cdr.CalledName = v[requestedExtension], name(v[destinationName], v[destinationExtension])
	if first := v[requestedInternalExt]; v[destinationInternal] != "" && first != v[destinationInternal] {
		cdr.RedirectedFrom = first
	}
	switch cdr.Direction {
	case trunklinev1.Direction_DIRECTION_INBOUND:
		cdr.Did = v[requestedExtension]
		cdr.Extension = firstOf(v[destinationInternal], v[requestedInternalExt])
		cdr.CalledNumber = firstOf(v[destinationInternal], elsewhere(v), v[requestedInternalExt], v[destinationExtension], v[requestedExtension])
		if cdr.ExtensionName = v[requestedName]; v[destinationInternal] != "" {
			cdr.ExtensionName = v[destinationName]
		}
		p.external(cdr, v[sourceExtension], false)
	case trunklinev1.Direction_DIRECTION_OUTBOUND:
		cdr.Extension, cdr.ExtensionName = firstOf(v[sourceInternalExt], v[sourceExtension]), firstOf(v[sourceInternalName], v[sourceName])
		cdr.CalledNumber = firstOf(v[destinationExtension], v[requestedExtension])
		p.external(cdr, cdr.CalledNumber, true)
	default:
		cdr.Extension, cdr.ExtensionName = firstOf(v[sourceInternalExt], v[sourceExtension]), firstOf(v[sourceInternalName], v[sourceName])
		cdr.CalledNumber = firstOf(v[destinationInternal], v[destinationExtension], v[requestedInternalExt], v[requestedExtension])
	}
}

// name is one, unless it repeats the number.
func name(s, number string) string {
	if s == number {
		return ""
	}
	return s
}

// elsewhere is where an incoming call was sent on to, if not to a line.
func elsewhere(v *[numColumns]string) string {
	if v[destinationExtension] == v[requestedExtension] {
		return ""
	}
	return v[destinationExtension]
}

func (p *parser) external(cdr *trunklinev1.Cdr, number string, dialed bool) {
	cdr.Network = trunklinev1.Network_NETWORK_PUBLIC
	if own, _ := p.link.Extension(number); own {
		cdr.Network = trunklinev1.Network_NETWORK_PRIVATE
	}
	if kit.Dialable(number) {
		p.link.SetExternal(cdr, number, dialed)
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (p *parser) attributes(cdr *trunklinev1.Cdr) {
	v := &p.rec.value
	for _, c := range [...]column{destinationUser, destinationLine, sourceLine} {
		kit.Attribute(cdr, columnNames[c], v[c])
	}
	if v[recordings] != "[]" {
		kit.Attribute(cdr, columnNames[recordings], v[recordings])
	}
	kit.Attribute(cdr, columnNames[tags], sorted(v[tags]))
	for _, c := range [...]column{sourceInternalName, requestedName} {
		if v[c] != cdr.ExtensionName && v[c] != cdr.CalledName {
			kit.Attribute(cdr, columnNames[c], v[c])
		}
	}
	for _, o := range p.rec.others {
		if o.value != "[]" && o.value != "{}" {
			kit.Attribute(cdr, o.name, o.value)
		}
	}
}

// sorted gives the tags in an order of their own: Wazo gives them in another each
// time. JSON has an array, CSV a semicolon between.
func sorted(s string) string {
	if s == "" || s == "[]" {
		return ""
	}
	list := strings.Split(s, ";")
	if s[0] == '[' {
		list = list[:0]
		inside := strings.TrimSpace(strings.TrimSuffix(s[1:], "]"))
		for inside != "" {
			var one string
			if one, inside = cutString(inside); one != "" {
				list = append(list, one)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(list, ";")
}

// cutString takes the first string off the inside of an array.
func cutString(s string) (value, rest string) {
	end := len(s)
	for i, escaped := 1, false; i < len(s); i++ {
		if s[i] == '"' && !escaped {
			end = i + 1
			break
		}
		escaped = s[i] == '\\' && !escaped
	}
	value, _, _ = row.Get(`{"":`+s[:end]+`}`, "")
	return value, strings.TrimLeft(s[end:], ", \t\r\n")
}

// odd keeps what is not what it should be.
func (p *parser) odd(cdr *trunklinev1.Cdr, c column) {
	kit.Warn(cdr, trunklinev1.Warning_WARNING_ODD_VALUE)
	kit.Attribute(cdr, columnNames[c], p.rec.value[c])
}
