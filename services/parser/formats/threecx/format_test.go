package threecx

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

const model = "3cx"

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s %s-%s ring %d talk %d", formatstest.Words(c.RecordRole, c.Direction, c.Network, c.Disposition),
		c.StartTime.AsTime().Format(time.DateTime), c.EndTime.AsTime().Format("15:04:05"), c.RingSeconds, c.TalkSeconds)
	if c.QueueSeconds > 0 {
		head += fmt.Sprintf(" queue %d", c.QueueSeconds)
	}
	head += " " + c.CallingNumber + ">" + c.CalledNumber
	return formatstest.Condensed(c, r, head,
		"ext", c.Extension,
		"group", c.GroupNumber,
		"did", c.Did,
		"outside", c.ExternalE164,
		"trunk", c.Trunk,
		"out", c.TrunkOut,
		"from", c.TransferredFrom,
		"to", c.TransferredTo,
		"redirected", c.RedirectedFrom,
		"account", c.AccountCode,
		"charge", c.ChargeAmount,
	)
}

func parse(t testing.TB, p formats.Parser, ticket string) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(ticket), Near: formatstest.Near})
}

// Written from the description of the fields, not from what the format gives.
func TestFields(t *testing.T) {
	for _, tc := range []struct{ name, ticket, want string }{
		{
			"outgoing: duration is billed, a second less than the clock's difference",
			"Call 7,0000019CD6BC4FE8_1,00:00:56,2026/03/10 07:53:11,2026/03/10 07:53:42,2026/03/10 07:54:39,TerminatedByDst,Ext.114,0199001122,114,10001,0199001122,,,,77,1,0.95,default,Chain: Ext.114;0199001122;",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-03-10 07:53:11-07:54:39 ring 31 talk 56 114>0199001122 ext 114 outside +33199001122 trunk 10001 account 77 charge 0.95",
		},
		{
			"outgoing, not answered: no trunk, to-dn repeats the number",
			"Call 7,0000019CD6EBACE8_1,,2026/03/10 08:44:55, ,2026/03/10 08:45:21,Failed,Ext.129,0199001124,129,0199001124,0199001124,,,,,, ,,",
			"CALL OUTBOUND PUBLIC FAILED 2026-03-10 08:44:55-08:45:21 ring 26 talk 0 129>0199001124 ext 129 outside +33199001124",
		},
		{
			"queue without types: the agent is final-number, the wait is not told",
			"Call 7,0000019CD6BF6110_1,00:03:43,2026/03/10 07:56:32,2026/03/10 07:56:33,2026/03/10 08:00:16,TerminatedBySrc,0199001131,Ext.611,10000,611,611,ReplacedDst,Ext.194,194,,,,,Chain: 0199001131;Ext.611;Ext.194;",
			"CALL INBOUND PUBLIC ANSWERED 2026-03-10 07:56:32-08:00:16 ring 1 talk 223 0199001131>194 ext 194 outside +33199001131 trunk 10000 from 611 to 194 AUTO_ANSWER",
		},
		{
			"queue that ran over: the reason tells it was one",
			"Call 7,0000019CD6F1FA30_1,00:14:53,2026/03/10 08:51:48,2026/03/10 08:51:48,2026/03/10 09:06:41,TerminatedByDst,0199001133,Ext.612,10000,612,612,QFwdToDNA,Ext.185,185,,,,,Chain: 0199001133;Ext.612;Ext.610;Ext.185;",
			"CALL INBOUND PUBLIC ANSWERED 2026-03-10 08:51:48-09:06:41 ring 0 talk 893 0199001133>185 ext 185 group 612 outside +33199001133 trunk 10000 AUTO_ANSWER",
		},
		{
			"queue with types and nobody behind it: waiting is not talk",
			"Call 7,100067d69c010000_1,00:03:19,2026/03/10 06:20:00,2026/03/10 06:20:01,2026/03/10 06:23:20,TerminatedBySrc,0199001152,Ext.800,10000,800,800,,,,,,,,Chain: 0199001152;Ext.800;,Line,Queue,,,Support,,201 202",
			"CALL INBOUND PUBLIC ABANDONED 2026-03-10 06:20:00-06:23:20 ring 200 talk 0 queue 199 0199001152>800 group 800 outside +33199001152 trunk 10000",
		},
		{
			"the same of a queue that ran over to nobody, without types",
			"Call 7,0000019CD6F1FA30_1,00:14:53,2026/03/10 08:51:48,2026/03/10 08:51:48,2026/03/10 09:06:41,TerminatedBySrc,0199001133,Ext.612,10000,612,612,QFwdToDNA,,,,,,,Chain: 0199001133;Ext.612;",
			"CALL INBOUND PUBLIC ABANDONED 2026-03-10 08:51:48-09:06:41 ring 893 talk 0 queue 893 0199001133>612 group 612 outside +33199001133 trunk 10000",
		},
		{
			"a person answered, then transferred: no automat",
			"Call 7,0000019CD714F350_1,00:05:52,2026/03/10 09:30:00,2026/03/10 09:30:08,2026/03/10 09:36:00,TerminatedBySrc,0199001135,Ext.601,10000,601,0199009601,ReplacedDst,Ext.195,195,,,,,Chain: 0199001135;Ext.601;Ext.195;",
			"CALL INBOUND PUBLIC ANSWERED 2026-03-10 09:30:00-09:36:00 ring 8 talk 352 0199001135>195 ext 195 did 0199009601 outside +33199001135 trunk 10000 from 601 to 195",
		},
		{
			"the extra ticket of a pickup does not count",
			"Call 7,0000019CD74DE570_1,00:00:00,2026/03/10 10:32:12,2026/03/10 10:32:13,2026/03/10 10:32:13,TerminatedBySrc,Ext.185,PickupExt.610,185,185,0199001130,,,,,,,,Chain: Ext.185;PickupExt.610;",
			"COPY INTERNAL UNSPECIFIED UNSPECIFIED 2026-03-10 10:32:12-10:32:13 ring 1 talk 0 185>610 ext 185",
		},
		{
			"EndCall: a minute of trying, seven seconds of farewell, no talk",
			"Call 7,0000019CD7E74AF8_1,00:00:07,2026/03/10 13:19:45,2026/03/10 13:20:45,2026/03/10 13:20:53,TerminatedBySrc,Ext.126,EndCall,126,EndCall,0199001127,,EndCall,EndCall,,,,,Chain: Ext.126;0199001127;EndCall;",
			"CALL OUTBOUND PUBLIC AUTO 2026-03-10 13:19:45-13:20:53 ring 68 talk 0 126>0199001127 ext 126 outside +33199001127",
		},
		{
			"voicemail in the place of 125",
			"Call 7,0000019CD6CB7EA0_1,00:00:02,2026/03/10 08:09:46,2026/03/10 08:10:06,2026/03/10 08:10:09,TerminatedBySrc,Ext.114,Ext.999,114,125,125,,,,,,,,Chain: Ext.114;Ext.125;",
			"CALL INTERNAL UNSPECIFIED VOICEMAIL 2026-03-10 08:09:46-08:10:09 ring 20 talk 2 114>125 ext 114",
		},
		{
			"forwarded out again: transit, billed to the set that forwarded",
			"Call 7,0000019CD77080D0_1,00:04:30,2026/03/10 11:10:00,2026/03/10 11:10:30,2026/03/10 11:15:00,TerminatedBySrc,0199001138,Ext.120,10000,120,120,Fwd_OnBusy,0199001999,10001,,1,4.51,default,Chain: 0199001138;Ext.120;0199001999;",
			"CALL TRANSIT PUBLIC ANSWERED 2026-03-10 11:10:00-11:15:00 ring 30 talk 270 0199001138>0199001999 ext 120 outside +33199001999 trunk 10000 out 10001 redirected 120 charge 4.51",
		},
		{
			"the caller transferred an outgoing call: it stays one",
			"Call 7,0000019CD746B1B0_1,00:09:03,2026/03/10 10:24:20,2026/03/10 10:24:31,2026/03/10 10:33:34,TerminatedBySrc,Ext.182,0199001139,182,10001,0199001139,ReplacedSrc,Ext.122,122,,1,9.05,default,Chain: Ext.182;0199001139;Ext.122;",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-03-10 10:24:20-10:33:34 ring 11 talk 543 182>0199001139 ext 182 outside +33199001139 trunk 10001 from 182 to 122 charge 9.05",
		},
		{
			"a five-digit extension is no trunk",
			"Call 7,988554d69c010000_1,00:00:25,2026/03/10 05:59:49,2026/03/10 05:59:58,2026/03/10 06:00:23,TerminatedBySrc,Ext.10016,+33199001150,10016,10020,+33199001150,,+33199001150,10020,default,1,0.43,default,Chain: Ext.10016;+33199001150;,Extension,Line,Line,Backup no2,+33199001150,+33199001150,",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-03-10 05:59:49-06:00:23 ring 9 talk 25 10016>+33199001150 ext 10016 outside +33199001150 trunk 10020 charge 0.43",
		},
		{
			"a duration that the clock does not allow is not billed",
			"Call 7,0000019CD84E0F90_1,01:00:52,2026/03/10 15:12:00,2026/03/10 15:12:08,2026/03/10 15:13:00,TerminatedBySrc,Ext.114,0199001122,114,10001,0199001122,,,,,,,,Chain: Ext.114;0199001122;",
			"CALL OUTBOUND PUBLIC ANSWERED 2026-03-10 15:12:00-15:13:00 ring 8 talk 52 114>0199001122 ext 114 outside +33199001122 trunk 10001 ODD_VALUE",
		},
		{"a comma in the cost shifts the columns", "Call 7,0000019CD6BC4FE8_1,00:00:56,2026/03/10 07:53:11,2026/03/10 07:53:42,2026/03/10 07:54:39,TerminatedByDst,Ext.114,0199001122,114,10001,0199001122,,,,,1,0,95,default,Chain: Ext.114;0199001122;", "dead wrong_columns"},
		{"truncated", "Call 7,0000019CD6BC4FE8_1,00:00:56,2026/03/10 07:53:11,2026/03/10", "dead wrong_columns"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := show(parse(t, formatstest.New(t, model, New), tc.ticket)); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// historyid and callid together are what 3CX never gives twice; the call is known
// by callid alone.
func TestKey(t *testing.T) {
	p := formatstest.New(t, model, New)
	c, r := parse(t, p, "Call 4711,0000019CD6C329D0_12,00:06:35,2026/03/10 08:00:40,2026/03/10 08:00:48,2026/03/10 08:07:24,TerminatedBySrc,Ext.185,Ext.195,185,195,195,,,,,,,,Chain: Ext.185;Ext.195;")
	if strings.Join(r.Key, "|") != "4711|0000019CD6C329D0_12" || c.CallKey != "0000019CD6C329D0_12" || c.CallId != c.CallKey || c.Sequence != "4711" {
		t.Errorf("key %q, call %q, id %q, sequence %q", r.Key, c.CallKey, c.CallId, c.Sequence)
	}
	c, r = parse(t, p, "2026/03/10 06:30:00,202,201,,,2026/03/10 06:30:20,cancelled,,,Ext.201,Ext.202,202,,,Extension,Extension,,,,")
	if r.Outcome != formats.CDR || r.Key != nil || c.CallKey != "" {
		t.Errorf("without ids: %+v, call %q", r, c.CallKey)
	}
}

// Settings that say who is inside decide about numbers without decoration.
func TestInside(t *testing.T) {
	const ticket = "Call 7,0000019CD6FB54B8_1,,2026/03/10 09:02:01,,2026/03/10 09:02:01,NoRouteExists,Ext.140,1234567,140,EndCall,1234567,,,,,,,,"
	p := formatstest.New(t, model, New)
	if c, _ := parse(t, p, ticket); c.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND {
		t.Errorf("seven digits: %v", c)
	}
	p = formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Inside.Numbers = []string{"12*"} })
	if c, _ := parse(t, p, ticket); c.Direction != trunklinev1.Direction_DIRECTION_INTERNAL {
		t.Errorf("12* is inside: %v", c)
	}
}

func TestNew(t *testing.T) {
	for _, tc := range []struct {
		parse pbx.Parse
		want  string
	}{
		{pbx.Parse{TimeIs: "end"}, "parse.time_is"},
		{pbx.Parse{DateOrder: "dmy"}, "parse.date_order"},
		{pbx.Parse{Clock: 12}, "parse.clock"},
		{pbx.Parse{Fields: []string{"time-start", "time-answered", "time-end", "from-no", "to-number"}}, `"to-number"`},
		{pbx.Parse{Fields: []string{"time-start", "time_start"}}, "twice"},
		{pbx.Parse{Fields: []string{"time-start", "time-answered", "time-end", "from-no"}}, "to-no is missing"},
	} {
		formatstest.Refuses(t, model, New, tc.parse, tc.want)
	}
}

// Real tickets, where the folder of samples is given.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	for _, tc := range []struct {
		file string
		want []string
	}{
		{"cdr-240617055949.288831.log", []string{"OUTBOUND ANSWERED 05:59:49 ring 9 talk 25 ext 10016 trunk 10020 charge 0.43 key 288831"}},
		// Its author changed the date, so that callid decides nothing.
		{"failed-crlf.log", []string{"OUTBOUND FAILED 17:10:12 ring 9 talk 0 ext 0152 trunk  charge  key 1"}},
		{"tcp-20-fields.log", []string{
			"OUTBOUND ANSWERED 07:53:11 ring 31 talk 56 ext 114 trunk 10001 charge 0.95 key 23193",
			"INBOUND ANSWERED 07:56:32 ring 1 talk 223 ext 194 trunk 10000 charge  key 23194 AUTO_ANSWER",
			"INBOUND ANSWERED 07:56:52 ring 0 talk 224 ext 601 trunk 10000 charge  key 23195 AUTO_ANSWER",
			"OUTBOUND ANSWERED 08:02:43 ring 2 talk 40 ext 601 trunk 10001 charge 0.68 key 23196",
			"OUTBOUND ANSWERED 07:54:47 ring 17 talk 696 ext 114 trunk 10001 charge 11.60 key 23197",
			"OUTBOUND ANSWERED 08:04:22 ring 11 talk 158 ext 601 trunk 10001 charge 2.63 key 23198",
			"INTERNAL ANSWERED 08:00:40 ring 8 talk 395 ext 185 trunk  charge  key 23199",
			"INBOUND ANSWERED 07:28:04 ring 0 talk 2379 ext 112 trunk 10000 charge  key 23200 AUTO_ANSWER",
			"INTERNAL UNSPECIFIED 08:10:06 ring 0 talk 0 ext 125 trunk  charge  key 23201",
			"INTERNAL VOICEMAIL 08:09:46 ring 20 talk 2 ext 114 trunk  charge  key 23202",
			"INTERNAL AUTO 08:10:08 ring 4 talk 0 ext 601 trunk  charge  key 23203",
			"INTERNAL ANSWERED 08:05:25 ring 10 talk 436 ext 318 trunk  charge  key 23205",
			"INTERNAL ANSWERED 08:10:22 ring 4 talk 308 ext 125 trunk  charge  key 23206",
			"OUTBOUND ANSWERED 08:09:10 ring 15 talk 455 ext 112 trunk 10001 charge 7.58 key 23207",
			"INBOUND ANSWERED 07:55:27 ring 0 talk 1397 ext 185 trunk 10000 charge  key 23208 AUTO_ANSWER",
			"OUTBOUND ANSWERED 08:18:30 ring 16 talk 16 ext 111 trunk 10001 charge 0.28 key 23209",
		}},
	} {
		p := formatstest.New(t, model, New)
		formatstest.Sample(t, filepath.Join(dir, tc.file), cut.Lines, func(raw []byte) string {
			c, r := formatstest.Check(t, p, &formats.Ticket{Raw: raw})
			if r.Outcome != formats.CDR {
				t.Fatalf("%s: %+v", tc.file, r)
			}
			return formatstest.Condensed(c, r, fmt.Sprintf("%s %s ring %d talk %d ext %s trunk %s charge %s key %s", formatstest.Words(c.Direction, c.Disposition),
				c.StartTime.AsTime().Format("15:04:05"), c.RingSeconds, c.TalkSeconds, c.Extension, c.Trunk, c.ChargeAmount, r.Key[0]))
		}, tc.want...)
	}
}

// The orders of 27 fields are recognised by themselves, and give what they give
// where the link names them.
func TestRecognised(t *testing.T) {
	for _, name := range []string{"27-fields", "27-types-last", "names"} {
		f := formatstest.Load(t, filepath.Join("testdata", name+".txt"))
		given := f.Parser(t, New)
		f.Settings.Parse.Fields = nil
		recognised := f.Parser(t, New)
		for _, raw := range f.Tickets {
			want, _ := formatstest.Check(t, given, f.Ticket(raw))
			got, r := formatstest.Check(t, recognised, f.Ticket(raw))
			if r.Outcome != formats.CDR || !proto.Equal(got, want) {
				t.Errorf("%s: %q\ngot  %v %+v\nwant %v", name, raw, got, r, want)
			}
		}
	}
}
