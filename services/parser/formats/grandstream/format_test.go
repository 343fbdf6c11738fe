package grandstream_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/grandstream"
)

const model = "grandstream-ucm"

func TestTickets(t *testing.T) { formatstest.Run(t, grandstream.New) }

func FuzzParse(f *testing.F) {
	formatstest.Fuzz(f, grandstream.New, func(t testing.TB, c *trunklinev1.Cdr) {
		if strings.HasPrefix(c.Extension, "trunk_") || c.GroupNumber != "" && c.Extension == c.GroupNumber {
			t.Fatalf("extension %q, group %q", c.Extension, c.GroupNumber)
		}
	})
}

func parser(t testing.TB, change ...func(*pbx.Settings)) formats.Parser {
	return formatstest.New(t, model, grandstream.New, change...)
}

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s %s ring %d talk %d %s>%s ext %s group %s trunk %s/%s", c.StartTime.AsTime().Format("15:04:05"),
		formatstest.Words(c.RecordRole, c.Direction, c.Disposition), c.RingSeconds, c.TalkSeconds, c.CallingNumber, c.CalledNumber, c.Extension, c.GroupNumber, c.Trunk, c.TrunkOut)
	return formatstest.Condensed(c, r, head)
}

// record is a real-time record, by columns; every value is quoted.
type fields map[string]string

var columns = strings.Split("AcctId,accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,"+
	"disposition,amaflags,uniqueid,userfield,channel_ext,dstchannel_ext,service,caller_name,recordfiles,dstanswer,chanext,dstchanext,session,"+
	"action_owner,action_type,src_trunk_name,dst_trunk_name", ",")

func csv(changes ...fields) string {
	all := fields{
		"AcctId": "71", "src": "0199001234", "dst": "6400", "dcontext": "from-internal", "clid": `"Zoé" <0199001234>`, "channel": "PJSIP/trunk_1-0000001a",
		"lastapp": "Dial", "lastdata": "PJSIP/201&PJSIP/202,60,i", "start": "2026-11-18 10:00:00", "end": "2026-11-18 10:00:20", "duration": "20", "billsec": "0",
		"disposition": "NO ANSWER", "amaflags": "DOCUMENTATION", "uniqueid": "1794992400.71", "userfield": "Inbound", "service": "s", "channel_ext": "trunk_1",
		"session": "1794992400000001-0199001234", "action_type": "RINGGROUP[6400]", "src_trunk_name": "Operator",
	}
	for _, c := range changes {
		for k, v := range c {
			all[k] = v
		}
	}
	var values []string
	for _, c := range columns {
		values = append(values, "'"+all[c]+"'")
	}
	return strings.Join(values, ",")
}

func member(ext string, more fields) fields {
	f := fields{"dstchannel": "PJSIP/" + ext + "-0000001b", "dstchannel_ext": ext, "dstchanext": ext}
	for k, v := range more {
		f[k] = v
	}
	return f
}

var answered = fields{"disposition": "ANSWERED", "answer": "2026-11-18 10:00:05", "billsec": "15"}

func with(a, b fields) fields {
	out := fields{}
	for _, f := range []fields{a, b} {
		for k, v := range f {
			out[k] = v
		}
	}
	return out
}

func TestFields(t *testing.T) {
	for _, tc := range []struct{ name, ticket, want string }{
		{"a member that did not answer, nothing tells who did", csv(member("201", nil)), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"a member that did not answer, 202 did", csv(member("201", fields{"dstanswer": "202"})), "09:00:00 LEG INBOUND ELSEWHERE ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"answer printed where nobody answered", csv(member("201", fields{"answer": "2026-11-18 10:00:20"})), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"answered", csv(member("201", with(answered, fields{"dstanswer": "201"}))), "09:00:00 LEG INBOUND ANSWERED ring 5 talk 15 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"answered by the set that 201 follows to", csv(member("201", with(answered, fields{"dstanswer": "209"}))), "09:00:00 LEG INBOUND ANSWERED ring 5 talk 15 0199001234>209 ext 209 group 6400 trunk Operator/"},
		{"only the group", csv(fields{"dstchannel_ext": "6400", "dstanswer": "6400"}), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>6400 ext  group 6400 trunk Operator/"},
		{"no trunk's name, but its channel", csv(member("201", fields{"src_trunk_name": "", "userfield": "Internal"})), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk trunk_1/"},
		{"both trunks", csv(fields{"dst": "0199003003", "dst_trunk_name": "Mobile", "action_type": "DIAL", "lastdata": ""}), "09:00:00 LEG TRANSIT NO_ANSWER ring 20 talk 0 0199001234>0199003003 ext  group  trunk Operator/Mobile"},
		{
			"no trunk at all: userfield", csv(member("201", fields{"src_trunk_name": "", "channel": "SIP/op-1a", "channel_ext": "", "userfield": "Inbound"})),
			"09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk op/",
		},
		{
			"External from an extension", csv(fields{"src_trunk_name": "", "channel": "SIP/201-1a", "channel_ext": "201", "src": "201", "dst": "0199003003", "userfield": "External", "action_type": "DIAL", "lastdata": ""}),
			"09:00:00 LEG OUTBOUND NO_ANSWER ring 20 talk 0 201>0199003003 ext 201 group  trunk /",
		},
		{
			"External from nobody's", csv(fields{"src_trunk_name": "", "channel": "SIP/op-1a", "channel_ext": "", "dst": "0199003003", "userfield": "External", "action_type": "DIAL", "lastdata": ""}),
			"09:00:00 LEG TRANSIT NO_ANSWER ring 20 talk 0 0199001234>0199003003 ext  group  trunk op/",
		},
		{"without session: the whole call", csv(member("201", fields{"session": ""})), "09:00:00 CALL INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"a quote in the name", csv(member("201", fields{"clid": `"O'Brien" <0199001234>`})), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"a column that is not known", csv(member("201", nil)) + ",'new'", "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/ EXTRA_COLUMNS"},
		{"nine that are not known", csv(member("201", nil)) + strings.Repeat(",'new'", 9), "dead wrong_columns"},
		{"31 columns", strings.TrimPrefix(csv(member("201", nil)), "'71',"), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/ SHORT_TICKET"},
		{"double quotes", strings.ReplaceAll(csv(member("201", fields{"clid": ""})), "'", `"`), "09:00:00 LEG INBOUND NO_ANSWER ring 20 talk 0 0199001234>201 ext 201 group 6400 trunk Operator/"},
		{"two fields of one name that differ", `{"AcctId":"1","AcctId":"2","src":"201","dst":"202","start":"2026-11-18 10:00:00","duration":"9","billsec":"0","disposition":"NO ANSWER"}`, "09:00:00 CALL INTERNAL NO_ANSWER ring 9 talk 0 201>202 ext 201 group  trunk / ODD_VALUE"},
		{"the name of a record, and none", `"main_cdr":[]`, "dead open_quote"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, r := formatstest.Check(t, parser(t), &formats.Ticket{Raw: []byte(tc.ticket), Near: formatstest.Near})
			if got := show(c, r); got != tc.want {
				t.Errorf("got  %s\nwant %s\n%+v", got, tc.want, r)
			}
		})
	}
}

// A group of five, an attended transfer in real time and as a group of cdrapi:
// one call each, and the seconds that people talked.
func TestCalls(t *testing.T) {
	for file, want := range map[string]map[string]uint32{
		"realtime": {"1794992400123456-0199001234": 65, "1795010400000001-0199001234": 40 + 15 + 100, "1794996000000001-0199001234": 300, "1794997860000001-0199001234": 90},
		"api-json": {"1795010400000001-0199001234": 40 + 15 + 100},
	} {
		f := formatstest.Load(t, "testdata/"+file+".txt")
		p := f.Parser(t, grandstream.New)
		talk, seen := map[string]uint32{}, map[string]bool{}
		for _, raw := range f.Tickets {
			c, r := formatstest.Check(t, p, f.Ticket(raw))
			if r.Outcome != formats.CDR || c.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY || seen[strings.Join(r.Key, "|")] {
				continue
			}
			seen[strings.Join(r.Key, "|")] = true
			talk[c.CallKey] += c.TalkSeconds
		}
		for key, seconds := range want {
			if talk[key] != seconds {
				t.Errorf("%s, call %s: %d seconds, want %d", file, key, talk[key], seconds)
			}
		}
	}
}

// A record has one key in whatever form it comes, and its main_cdr another.
func TestKey(t *testing.T) {
	const object = `{"AcctId":"71","start":"2026-11-18 10:00:00","src":"201","dst":"202","channel_ext":"201","duration":"9","billsec":"4","disposition":"ANSWERED","uniqueid":"1794992400.71"}`
	const xml = `<AcctId>71</AcctId><start>2026-11-18 10:00:00</start><src>201</src><dst>202</dst><duration>9</duration><billsec>4</billsec><disposition>ANSWERED</disposition><uniqueid>1794992400.71</uniqueid>`
	key := []string{"71", "1794992400.71", "2026-11-18 10:00:00"}
	p := parser(t)
	for ticket, want := range map[string][]string{
		csv():                              key,
		object:                             key,
		`"sub_cdr_1": ` + object:           key,
		`{"cdr":"sub_cdr_1",` + object[1:]: key,
		`{"cdr":"1794992400000001-201",` + object[1:]: key,
		"<cdr>" + xml + "</cdr>":                      key,
		"<sub_cdr_2>" + xml + "</sub_cdr_2>":          key,
		`"main_cdr" : ` + object:                      append(slices.Clone(key), "main_cdr"),
		`{"cdr":"main_cdr",` + object[1:]:             append(slices.Clone(key), "main_cdr"),
		"<cdr><cdr>main_cdr</cdr>" + xml + "</cdr>":   append(slices.Clone(key), "main_cdr"),
		"<main_cdr>" + xml + "</main_cdr>":            append(slices.Clone(key), "main_cdr"),
		csv(fields{"AcctId": "72"}):                   {"72", "1794992400.71", "2026-11-18 10:00:00"},
		strings.TrimPrefix(csv(), "'71',"):            nil,
	} {
		c, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(ticket)})
		if r.Outcome != formats.CDR || !slices.Equal(r.Key, want) {
			t.Errorf("%s: %+v, want key %q", ticket, r, want)
		}
		if isMain := len(want) == 4; isMain != (c.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY) {
			t.Errorf("%s: role %v", ticket, c.RecordRole)
		}
	}
}

func TestCharset(t *testing.T) {
	c, _ := formatstest.Check(t, parser(t), &formats.Ticket{Raw: []byte(strings.Replace(csv(), "Zoé", "Zo\xe9", 1))})
	if c.CallingName != "Zoé" {
		t.Errorf("name %q", c.CallingName)
	}
}

func TestNew(t *testing.T) {
	for want, change := range map[string]func(*pbx.Parse){
		"parse.time_is":                  func(p *pbx.Parse) { p.TimeIs = "end" },
		"no column \"calldate\"":         func(p *pbx.Parse) { p.Fields = []string{"calldate"} },
		"\"src\" stands there twice":     func(p *pbx.Parse) { p.Fields = []string{"src", "src"} },
		"start, duration, billsec and d": func(p *pbx.Parse) { p.Fields = []string{"start", "-", "-"} },
	} {
		var parse pbx.Parse
		change(&parse)
		formatstest.Refuses(t, model, grandstream.New, parse, want)
	}
}

// The vendor's examples, and a record as a listener saw it.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	for file, want := range map[string][]string{ // the first is the zone that uniqueid shows
		"cdrapi.json": {
			"America/Chicago",
			"17:46:40 CALL INTERNAL ANSWERED ring 3 talk 6 5300>5301 ext 5300 group  trunk /",
			"20:01:41 CALL INTERNAL ANSWERED ring 2 talk 3 5300>5301 ext 5300 group  trunk /",
			"20:02:23 CALL INTERNAL ANSWERED ring 4 talk 4 5300>5301 ext 5300 group  trunk /",
		},
		"cdrapi.csv": {
			"America/Chicago",
			"ignored header",
			"17:46:40 CALL INTERNAL ANSWERED ring 3 talk 6 5300>5301 ext 5300 group  trunk /",
			"20:01:41 CALL INTERNAL ANSWERED ring 2 talk 3 5300>5301 ext 5300 group  trunk /",
		},
		"realtime-tcp-constructed.csv": {
			"Europe/Athens",
			"10:07:08 LEG INBOUND NO_ANSWER ring 3 talk 0 2310501145>331 ext 331 group 6400 trunk OperatorTrunk/",
		},
	} {
		p := parser(t, func(s *pbx.Settings) { s.Country, s.Timezone = "", want[0] })
		formatstest.Sample(t, filepath.Join(dir, file), cut.Documents, func(raw []byte) string {
			return show(formatstest.Check(t, p, &formats.Ticket{Raw: raw, Near: formatstest.Near}))
		}, want[1:]...)
	}
}
