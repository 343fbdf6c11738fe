package wazo_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/wazo"
)

const model = "wazo"

func TestTickets(t *testing.T) { formatstest.Run(t, wazo.New) }

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, wazo.New, func(t testing.TB, c *trunklinev1.Cdr) {
		if c.TalkSeconds > 0 && c.Disposition == trunklinev1.Disposition_DISPOSITION_NO_ANSWER {
			t.Fatalf("talk of %d seconds that nobody answered", c.TalkSeconds)
		}
	})
}

func parse(t testing.TB, ticket string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, formatstest.New(t, model, wazo.New), &formats.Ticket{Raw: []byte(ticket)})
}

// log is a call log: an answered incoming call, changed.
func log(changes ...string) string {
	names := []string{
		"id", "tenant_uuid", "start", "answer", "end", "answered", "duration", "call_direction", "source_extension", "source_name",
		"requested_extension", "requested_internal_extension", "destination_extension", "destination_internal_extension", "destination_name",
	}
	values := map[string]string{
		"id": "7", "tenant_uuid": `"t"`, "start": `"2026-11-18T09:00:00+00:00"`, "answer": `"2026-11-18T09:00:07+00:00"`, "end": `"2026-11-18T09:01:12+00:00"`,
		"answered": "true", "duration": "65", "call_direction": `"inbound"`, "source_extension": `"0199001234"`, "source_name": `"Zoé"`,
		"requested_extension": `"0199001100"`, "requested_internal_extension": `"201"`, "destination_extension": `"201"`,
		"destination_internal_extension": `"201"`, "destination_name": `"Jo"`,
	}
	for _, c := range changes {
		name, value, _ := strings.Cut(c, "=")
		if _, ok := values[name]; !ok {
			names = append(names, name)
		}
		values[name] = value
	}
	var b strings.Builder
	for i, n := range names {
		fmt.Fprintf(&b, "%c%q:%s", "{,"[min(i, 1)], n, values[n])
	}
	return b.String() + "}"
}

func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s ring %d talk %d %s>%s did %s ext %s(%s)", formatstest.Words(c.Direction, c.Disposition),
		c.RingSeconds, c.TalkSeconds, c.CallingNumber, c.CalledNumber, c.Did, c.Extension, c.ExtensionName)
	return formatstest.Condensed(c, r, head)
}

const unanswered = `answer=null|answered=false|duration=null|destination_internal_extension=null|destination_name=null|destination_extension="0199001100"`

func TestFields(t *testing.T) {
	for _, tc := range []struct{ name, changes, want string }{
		{"answered", "", "INBOUND ANSWERED ring 7 talk 65 0199001234>201 did 0199001100 ext 201(Jo)"},
		{"not answered: the whole time is ringing", unanswered, "INBOUND NO_ANSWER ring 72 talk 0 0199001234>201 did 0199001100 ext 201()"},
		{"version 25.05 says so", unanswered + `|call_status="unknown"`, "INBOUND NO_ANSWER ring 72 talk 0 0199001234>201 did 0199001100 ext 201()"},
		{"blocked", unanswered + `|call_status="blocked"`, "INBOUND REJECTED ring 72 talk 0 0199001234>201 did 0199001100 ext 201()"},
		{"voicemail by status", `call_status="voicemail"`, "INBOUND VOICEMAIL ring 7 talk 65 0199001234>201 did 0199001100 ext 201(Jo)"},
		{"voicemail by kind", `destination_details={"type":"voicemail"}`, "INBOUND VOICEMAIL ring 7 talk 65 0199001234>201 did 0199001100 ext 201(Jo)"},
		{"another answered", `destination_internal_extension="202"`, "INBOUND ANSWERED ring 7 talk 65 0199001234>202 did 0199001100 ext 202(Jo)"},
		{"nobody is named", `destination_internal_extension=null|requested_internal_extension=null|destination_extension="0199001100"`, "INBOUND ANSWERED ring 7 talk 65 0199001234>0199001100 did 0199001100 ext () AUTO_ANSWER"},
		{"forwarded outside", `destination_internal_extension=null|destination_extension="0199003003"`, "INBOUND ANSWERED ring 7 talk 65 0199001234>0199003003 did 0199001100 ext 201() AUTO_ANSWER"},
		{"outgoing", `call_direction="outbound"|source_extension="0199001100"|source_internal_extension="201"|source_internal_name="Ana"|requested_extension="00199002002"|destination_extension="00199002002"`, "OUTBOUND ANSWERED ring 7 talk 65 0199001100>00199002002 did  ext 201(Ana)"},
		{"internal", `call_direction="internal"|source_extension="202"|requested_extension="201"`, "INTERNAL ANSWERED ring 7 talk 65 202>201 did  ext 202(Zoé)"},
		{"duration is not told", "duration=null", "INBOUND ANSWERED ring 7 talk 65 0199001234>201 did 0199001100 ext 201(Jo)"},
		{"duration is another", "duration=67", "INBOUND ANSWERED ring 7 talk 67 0199001234>201 did 0199001100 ext 201(Jo) ODD_VALUE"},
		{"answered, and it is not", "answered=false", "INBOUND NO_ANSWER ring 72 talk 0 0199001234>201 did 0199001100 ext 201(Jo) ODD_VALUE"},
		{"no zone", `start="2026-11-18T09:00:00"`, "dead bad_start"},
		{"not ended", "end=null|duration=null", "dead bad_duration"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var changes []string
			if tc.changes != "" {
				changes = strings.Split(tc.changes, "|")
			}
			if got := show(parse(t, log(changes...))); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// A call log that was made anew has the key of the one before, and other calls
// have others.
func TestKey(t *testing.T) {
	key := func(changes ...string) string {
		_, r := parse(t, log(changes...))
		if r.Outcome != formats.CDR {
			t.Fatalf("%+v", r)
		}
		return strings.Join(r.Key, "|")
	}
	const conversation = `conversation_id="1794992400.71"`
	for _, tc := range []struct{ name, got, want string }{
		{"conversation", key(conversation), "t|1794992400.71"},
		{"made anew", key(conversation, "id=8", `destination_name="X"`), "t|1794992400.71"},
		{"another tenant", key(conversation, `tenant_uuid="u"`), "u|1794992400.71"},
		{"without", key(), "t|2026-11-18T09:00:00Z|0199001234|0199001100"},
		{"NULL", key("conversation_id=null", "id=8"), "t|2026-11-18T09:00:00Z|0199001234|0199001100"},
		{"the server's zone is another", key(`start="2026-11-18T10:00:00+01:00"`), "t|2026-11-18T09:00:00Z|0199001234|0199001100"},
		{"a microsecond later", key(`start="2026-11-18T09:00:00.000001+00:00"`), "t|2026-11-18T09:00:00.000001Z|0199001234|0199001100"},
		{"no caller", key("source_extension=null"), "t|2026-11-18T09:00:00Z||0199001100"},
		{"no tenant", key("tenant_uuid=null"), ""},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, tc.got, tc.want)
		}
	}
	c, _ := parse(t, log(conversation))
	if c.CallKey != "1794992400.71" || c.CallId != c.CallKey || c.Node != "t" || c.Sequence != "7" {
		t.Errorf("%v", c)
	}
}

// The order of tags changes from answer to answer; the CDR does not.
func TestTags(t *testing.T) {
	for tags, want := range map[string]string{
		`[]`: "", `["b","a"]`: "a;b", `["a", "b"]`: "a;b", `["a\"; b", "é"]`: `a"; b;é`, `[1]`: "1", `"[" `: "", `["a"`: "",
	} {
		c, r := parse(t, log("tags="+tags))
		if got := c.Attributes["tags"]; r.Outcome == formats.CDR && got != want {
			t.Errorf("%s: %q, want %q", tags, got, want)
		}
	}
}

// The parser keeps the names of one preamble, and reads by those of the next.
func TestPreambles(t *testing.T) {
	p := formatstest.New(t, model, wazo.New)
	const short = "id,tenant_uuid,answered,start,answer,end,destination_extension,destination_name,duration,call_direction,source_extension\r\n"
	const other = "id,tenant_uuid,answered,start,answer,end,destination_extension,destination_name,duration,source_extension,call_direction\r\n"
	for _, tc := range []struct{ preamble, line, want string }{
		{short, `7,t,True,2026-11-18T09:00:00+00:00,2026-11-18T09:00:07+00:00,2026-11-18T09:01:12+00:00,202,"Jo, ""X""",65,internal,201`, "INTERNAL ANSWERED ring 7 talk 65 201>202 did  ext 201()"},
		{other, `7,t,False,2026-11-18T09:00:00+00:00,,2026-11-18T09:01:12+00:00,202,Jo,,201,internal`, "INTERNAL NO_ANSWER ring 72 talk 0 201>202 did  ext 201()"},
		{short, `7,t,False,2026-11-18T09:00:00+00:00,,2026-11-18T09:01:12+00:00,202,Jo,,201,internal`, "dead bad_direction"},
		{"", `7,t,False,2026-11-18T09:00:00+00:00,,2026-11-18T09:01:12+00:00,202,Jo,,201,internal`, "dead no_column_names"},
		{short, `7,t,False,2026-11-18T09:00:00+00:00`, "dead wrong_columns"},
	} {
		if got := show(formatstest.Check(t, p, &formats.Ticket{Preamble: []byte(tc.preamble), Raw: []byte(tc.line)})); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.line, got, tc.want)
		}
	}
}

// What the catalogue takes for the head of a file is what the parser can read by.
func TestHead(t *testing.T) {
	m, _ := pbx.Lookup(model)
	for _, f := range formatstest.Files(t, "testdata") {
		if head := strings.TrimRight(string(f.Preamble), "\r\n"); head != "" && !m.Files.Head([]byte(head)) {
			t.Errorf("%s: the line of names is no head", f.Name)
		}
		for _, raw := range f.Tickets {
			if _, r := formatstest.Check(t, f.Parser(t, wazo.New), f.Ticket(raw)); m.Files.Head(raw) != (r.Reason == "header") {
				t.Errorf("%s: %q is a head: %v, and %+v", f.Name, raw, m.Files.Head(raw), r)
			}
		}
	}
}

func TestNew(t *testing.T) {
	formatstest.Refuses(t, model, wazo.New, pbx.Parse{TimeIs: "end"}, "parse.time_is")
}

// An answer of the API as its makers' tests have it.
func TestSamples(t *testing.T) {
	formatstest.Sample(t, filepath.Join(formatstest.Samples(t, model), "cdr-list.json"), cut.Documents, func(raw []byte) string {
		c, r := parse(t, string(raw))
		return c.StartTime.AsTime().Format("2006-01-02T15:04:05 ") + show(c, r) + " " + strings.Join(r.Key[1:], "|")
	},
		"2017-03-23T00:00:00 INTERNAL ANSWERED ring 60 talk 87 7687>3245 did  ext 5938(soùr.) 2017-03-23T00:00:00Z|7687|3958",
		"2017-03-23T11:11:11 OUTBOUND NO_ANSWER ring 138 talk 0 7867>8733 did  ext 7867(FôoBàr) 2017-03-23T11:11:11Z|7867|",
	)
}
