package layoutformat

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/layout"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/kit"
)

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

func FuzzParse(f *testing.F) { formatstest.Fuzz(f, New, nil) }

func FuzzExamples(f *testing.F) {
	var parsers []formats.Parser
	for i, name := range examples(f) {
		file := load(f, name)
		parsers = append(parsers, file.Parser(f, New))
		for _, raw := range file.Tickets {
			f.Add(raw, uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, i uint8) {
		formatstest.Check(t, parsers[int(i)%len(parsers)], &formats.Ticket{Raw: raw, Near: formatstest.Near})
	})
}

// The names of the rules' values are those of the call detail record, in the
// order of their numbers.
func TestNames(t *testing.T) {
	for _, e := range []struct {
		names  []string
		prefix string
		number map[string]int32
	}{
		{layout.Directions[:4], "DIRECTION_", trunklinev1.Direction_value},
		{layout.Dispositions, "DISPOSITION_", trunklinev1.Disposition_value},
		{layout.Networks, "NETWORK_", trunklinev1.Network_value},
		{layout.Roles, "RECORD_ROLE_", trunklinev1.RecordRole_value},
		{layout.Classes, "CHARGE_CLASS_", trunklinev1.ChargeClass_value},
		{layout.Warnings, "WARNING_", trunklinev1.Warning_value},
	} {
		for i, name := range e.names {
			if n, ok := e.number[e.prefix+strings.ToUpper(name)]; !ok || int(n) != i+1 {
				t.Errorf("%s%s is %d, want %d", e.prefix, name, n, i+1)
			}
		}
	}
	fields := (&trunklinev1.Cdr{}).ProtoReflect().Descriptor().Fields()
	for name, kind := range layout.Types {
		if fields.ByName(protoreflect.Name(name)) == nil {
			t.Errorf("the call detail record has no field %s", name)
		}
		if text, number := texts[name] != nil, numbers[name] != nil; text == number || number != (kind == layout.Seconds || kind == layout.Count) {
			t.Errorf("field %s of type %d: text %v, number %v", name, kind, text, number)
		}
	}
}

// What a record of one line and one layout becomes, with a line for each rule
// that a layout can give.
func TestFields(t *testing.T) {
	const head = "columns: {separated: {by: \"|\", names: [at, dur, a, b, x]}}\nstart: {at: \"YYYY-MM-DD hh:mm:ss\"}\n"
	for _, tc := range []struct {
		name, layout, ticket, want string
	}{
		{
			"first that is filled", head + "direction: [inbound: always]\nfields: {extension: [x, b], external_number: a, talk_seconds: {from: dur, as: \"m:ss\"}}\n",
			"2026-11-20 10:00:00|1:05|0199001234|201|",
			"INBOUND 09:00:00Z talk 65 ext 201 outside 0199001234 +33199001234",
		},
		{
			"first that applies", head + "direction: [inbound: always]\nfields: {extension: [{from: x, when: {a: \"2*\"}}, b]}\n",
			"2026-11-20 10:00:00|0|0199001234|201|300",
			"INBOUND 09:00:00Z ext 201",
		},
		{
			"a direction's own field stands for the common one", head + "direction: [outbound: always]\nfields: {extension: b}\noutbound: {extension: a}\n",
			"2026-11-20 10:00:00|0|201|300|", "OUTBOUND 09:00:00Z ext 201",
		},
		{
			"missed", head + "direction: [missed: {dur: {is: zero}}, {inbound: always}]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0:00|0199001234|201|", "INBOUND NO_ANSWER 09:00:00Z ext 201",
		},
		{
			"end less talk and ring", "columns: {separated: {by: \"|\", names: [at, dur, a, b, x]}}\nend: {at: \"YYYY-MM-DD hh:mm:ss\"}\n" +
				"direction: [inbound: always]\nfields: {talk_seconds: dur, ring_seconds: x}\n",
			"2026-11-20 00:00:05|60|0199001234|201|10", "INBOUND 22:58:55Z end 23:00:05Z talk 60 ring 10",
		},
		{
			"a full duration", head + "direction: [inbound: always]\nfields: {talk_seconds: {from: dur, as: \"hh:mm:ss\"}}\n",
			"2026-11-20 10:00:00|99:99:99||201|", "INBOUND 09:00:00Z talk 360000 OVERFLOW",
		},
		{
			"more than 100 hours", head + "direction: [inbound: always]\nfields: {talk_seconds: {from: dur, as: \"h:mm:ss\"}}\n",
			"2026-11-20 10:00:00|123:00:01||201|", "INBOUND 09:00:00Z talk 442801",
		},
		{
			"a column that nobody knows", strings.Replace(head, "start", "count: 5-9\nstart", 1) + "direction: [inbound: always]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|0199001234|201||new", "INBOUND 09:00:00Z ext 201 EXTRA_COLUMNS",
		},
		{
			"columns that were left out", strings.Replace(head, "start", "count: 4-5\nstart", 1) + "direction: [inbound: always]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|0199001234|201", "INBOUND 09:00:00Z ext 201 SHORT_TICKET",
		},
		{
			"columns that this PBX leaves out", strings.Replace(head, "start", "count: 4-5\ntrimmed: yes\nstart", 1) + "direction: [inbound: always]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|0199001234|201", "INBOUND 09:00:00Z ext 201",
		},
		{
			"a trimmed line", "columns: {fixed: {at: 1-19, ext: 21-24, x: 26-30}}\nlength: 20-30\ntrimmed: yes\nstart: {at: \"YYYY-MM-DD hh:mm:ss\"}\ndirection: [inbound: always]\nfields: {extension: ext}\n",
			"2026-11-20 10:00:00 201", "INBOUND 09:00:00Z ext 201",
		},
		{
			"a line that was cut", "columns: {fixed: {at: 1-19, ext: 21-24, x: 26-30}}\nlength: 20-30\ntrimmed: yes\nstart: {at: \"YYYY-MM-DD hh:mm:ss\"}\ndirection: [inbound: always]\nfields: {extension: ext}\n",
			"2026-11-20 10:00:00 201 ", "INBOUND 09:00:00Z ext 201 SHORT_TICKET",
		},
		{
			"no rule", head + "direction: [inbound: {x: I}, outbound: {x: O}]\nfields: {extension: a}\n",
			"2026-11-20 10:00:00|0|201|300|Q", `no_rule x.yaml line 3: no rule of direction holds: column x (5) is "Q"`,
		},
		{
			"numbers that are not set", head + "direction: [inbound: {b: {is: inside}}]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|201|300|", `no_rule x.yaml line 3: no rule of direction holds: column b (4) is "300"; they ask for inside numbers, and parse.inside names none`,
		},
		{
			"a check", head + "check: [{a: {is: digits}}]\ndirection: [inbound: always]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|2x1|300|", `check x.yaml line 3: column a (3) is "2x1"; expected digits`,
		},
		{
			"skipped", head + "skip: [keep_alive: {a: \"\", b: \"\"}]\ndirection: [inbound: always]\nfields: {extension: b}\n",
			"2026-11-20 10:00:00|0|||", "ignored keep_alive",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := formatstest.New(t, "custom", New, func(s *pbx.Settings) { s.Parse.Layout, s.Layout = "x.yaml", tc.layout })
			cdr, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(tc.ticket), Near: formatstest.Near})
			if got := show(cdr, r); got != tc.want {
				t.Errorf("\n got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func show(c *trunklinev1.Cdr, r formats.Result) string {
	switch r.Outcome {
	case formats.Ignored:
		return "ignored " + r.Reason
	case formats.Dead:
		return r.Reason + " " + r.Error
	}
	out := []string{formatstest.Words(c.Direction)}
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, strings.TrimSpace(name+" "+value))
		}
	}
	if c.Disposition != 0 {
		add("", formatstest.Words(c.Disposition))
	}
	add("", c.StartTime.AsTime().Format("15:04:05Z"))
	if c.EndTime != nil {
		add("end", c.EndTime.AsTime().Format("15:04:05Z"))
	}
	add("talk", fmt.Sprint(c.TalkSeconds))
	add("ring", fmt.Sprint(c.RingSeconds))
	add("ext", c.Extension)
	add("outside", c.ExternalNumber)
	add("", c.ExternalE164)
	for _, w := range c.Warnings {
		add("", formatstest.Words(w))
	}
	return strings.Join(out, " ")
}

func TestNew(t *testing.T) {
	text, err := os.ReadFile("testdata/separated.yaml")
	if err != nil {
		t.Fatal(err)
	}
	settings := func(model string, change func(*pbx.Settings)) *kit.Link {
		s := pbx.Settings{Site: "lyon", Link: "x", Model: model, Timezone: "Europe/Paris"}
		if change != nil {
			s.Parse.Layout, s.Layout = "x.yaml", string(text)
			change(&s)
		}
		link, err := kit.NewLink(s)
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	if _, err := New(settings("custom", nil)); err == nil || !strings.Contains(err.Error(), "parse.layout") {
		t.Errorf("custom without a layout: %v", err)
	}
	for want, change := range map[string]func(*pbx.Settings){
		"parse.time_is":       func(s *pbx.Settings) { s.Parse.TimeIs = "end" },
		"parse.clock":         func(s *pbx.Settings) { s.Parse.Clock = 12 },
		"parse.date_order":    func(s *pbx.Settings) { s.Parse.DateOrder = "dmy" },
		"parse.fields":        func(s *pbx.Settings) { s.Parse.Fields = []string{"a"} },
		"parse.amaflags":      func(s *pbx.Settings) { s.Parse.AMAFlags = map[int]string{2: "outbound"} },
		"parse.masked_digits": func(s *pbx.Settings) { s.Parse.MaskedDigits = 2 },
		"parse.charge_scale":  func(s *pbx.Settings) { s.Parse.ChargeScale = 12 },
		"charset":             func(s *pbx.Settings) { s.Layout = strings.Replace(s.Layout, "iso-8859-1", "ebcdic-9", 1) },
		"x.yaml:2: ":          func(s *pbx.Settings) { s.Layout = strings.Replace(s.Layout, "head:", "haed:", 1) },
	} {
		if _, err := New(settings("custom", change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// A model that nobody has described keeps its tickets until somebody does.
func TestMissing(t *testing.T) {
	for _, model := range []string{"mitel-a5000-v2", "mitel-a5000-v1", "aastra-65xx-v1", "aastra-md-evolution", "alcatel-4200", "alcatel-oxe-ahl"} {
		p := formatstest.New(t, model, New)
		_, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte("20/11/26 10:00 201 0199001234"), Near: time.Now()})
		if r.Outcome != formats.Dead || r.Reason != "layout_missing" || !strings.Contains(r.Error, "parse.layout") {
			t.Errorf("%s: %+v", model, r)
		}
		text, err := os.ReadFile("testdata/rows.yaml")
		if err != nil {
			t.Fatal(err)
		}
		p = formatstest.New(t, model, New, func(s *pbx.Settings) { s.Parse.Layout, s.Layout = "x.yaml", string(text) })
		row := `{"id":"x2","started":"2026-11-20T10:00:00","ended":1795168830000,"caller":"201","callee":"202","leg":"1"}`
		if _, r := formatstest.Check(t, p, &formats.Ticket{Raw: []byte(row)}); r.Outcome != formats.CDR {
			t.Errorf("%s: %+v", model, r)
		}
	}
}

func TestAmount(t *testing.T) {
	for in, want := range map[string]string{
		"0012,50": "12.50", "1.5": "1.5", "000": "0", ".5": "0.5", "12": "12", "0.00": "0.00", "": "", "1.2.3": "", "x": "", ".": "", "007.10": "7.10",
	} {
		if got, ok := amount(in, 0); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, ok, want)
		}
	}
	for in, want := range map[string]string{"1250": "12.50", "5": "0.05", "12.5": "0.125", "0": "0.00"} {
		if got, ok := amount(in, 2); got != want || !ok {
			t.Errorf("%q in cents: %q %v, want %q", in, got, ok, want)
		}
	}
}
