package asterisk

import (
	"testing"

	"trunkline.internal/services/parser/formats/formatstest"
)

func TestChannel(t *testing.T) {
	for name, want := range map[string]channel{
		"":                                  {},
		"SIP/201-0000001a":                  {tech: techPhone, prefix: "SIP", peer: "201"},
		"PJSIP/office-ad-0000001f":          {tech: techPhone, prefix: "PJSIP", peer: "office-ad"},
		"IAX2/carrier.example-1234":         {tech: techPhone, prefix: "IAX2", peer: "carrier.example"},
		"DAHDI/i1/0199001122-2f":            {tech: techLine, prefix: "DAHDI", peer: "i1"},
		"DAHDI/4-1":                         {tech: techLine, prefix: "DAHDI", peer: "4"},
		"mISDN/1-u12":                       {tech: techLine, prefix: "mISDN", peer: "1"},
		"TELCHAN/5/22":                      {tech: techLine, prefix: "TELCHAN", peer: "5"},
		"Dongle/GSM-LYON-0100000151":        {tech: techGSM, prefix: "Dongle", peer: "GSM-LYON"},
		"Local/102@from-queue-0000000a;2":   {tech: techLocal, prefix: "Local", peer: "102"},
		"Local/FMPR-201@from-internal-1d,1": {tech: techLocal, prefix: "Local", peer: "FMPR-201"},
		"Console/dsp":                       {tech: techLine, prefix: "Console", peer: "dsp"},
		"SIP/":                              {tech: techPhone, prefix: "SIP"},
		"nonsense":                          {tech: techLine, prefix: "nonsense"},
	} {
		want.name = name
		if got := newChannel(name); got != want {
			t.Errorf("%q: %+v, want %+v", name, got, want)
		}
	}
}

func TestReadDial(t *testing.T) {
	for _, tc := range []struct {
		data, b string
		want    dialled
	}{
		{"SIP/101,20,Tt", "SIP/101-1", dialled{targets: 1, prefix: "SIP", device: "101"}},
		{"SIP/101|20|t", "", dialled{targets: 1, prefix: "SIP", device: "101"}},
		{"SIP/trunk/0199001122,60", "SIP/trunk-1", dialled{targets: 1, prefix: "SIP", device: "trunk", number: "0199001122"}},
		{"PJSIP/+33199001122@carrier", "PJSIP/carrier-1", dialled{targets: 1, prefix: "PJSIP", device: "carrier", number: "+33199001122"}},
		{"PJSIP/carrier/sip:0199001122@203.0.113.5:5060", "PJSIP/carrier-1", dialled{targets: 1, prefix: "PJSIP", device: "carrier", number: "0199001122", uri: true}},
		{"PJSIP/102/sip:102@192.0.2.2", "PJSIP/102-1", dialled{targets: 1, prefix: "PJSIP", device: "102", uri: true}},
		{"PJSIP/102/sip:a8f3@192.0.2.2", "PJSIP/102-1", dialled{targets: 1, prefix: "PJSIP", device: "102", uri: true}},
		{"IAX2/me:pw@host/0199001122", "IAX2/host-1", dialled{targets: 1, prefix: "IAX2", device: "host", number: "0199001122"}},
		{"SIP/0199001122@host:5070", "SIP/host-1", dialled{targets: 1, prefix: "SIP", device: "host", number: "0199001122"}},
		{"DAHDI/g1/0199001122", "DAHDI/i2/0199001122-1", dialled{targets: 1, prefix: "DAHDI", device: "g1", number: "0199001122"}},
		{`TELCHAN\/5,,t`, "TELCHAN/5/1", dialled{targets: 1, prefix: "TELCHAN", device: "5"}},
		{"SIP/101&SIP/trunk/0632960111&SIP/102", "SIP/trunk-1", dialled{targets: 3, prefix: "SIP", device: "trunk", number: "0632960111"}},
		{"SIP/101&SIP/102", "", dialled{targets: 2}},
		{"SIP/101&SIP/102", "SIP/103-1", dialled{targets: 2}},
		{"Local/101@from-internal/n", "Local/101@from-internal-1;1", dialled{targets: 1}},
		{"&&SIP&/", "", dialled{}},
		{"", "SIP/101-1", dialled{}},
	} {
		b := newChannel(tc.b)
		if got := readDial(tc.data, &b); got != tc.want {
			t.Errorf("%q to %q: %+v, want %+v", tc.data, tc.b, got, tc.want)
		}
	}
}

func TestReadClid(t *testing.T) {
	for clid, want := range map[string][2]string{
		`"Zoé" <201>`:                {"Zoé", "201"},
		`"" <201>`:                   {"", "201"},
		`<201>`:                      {"", "201"},
		`201`:                        {"", "201"},
		`"201" <201>`:                {"", "201"},
		``:                           {"", ""},
		`"`:                          {"", ""},
		`""Zoé"" <201>"`:             {"Zoé", "201"},
		`\"Zoé\" <201>`:              {"Zoé", "201"},
		`Zoé Martin`:                 {"Zoé Martin", ""},
		`"a <b> c" <+33199001122>`:   {"a <b> c", "+33199001122"},
		`"Anonymous" <anonymous>`:    {"Anonymous", "anonymous"},
		`"cut off" <0199`:            {"cut off", "0199"},
		`"Dupont, Zoé" <0199001122>`: {"Dupont, Zoé", "0199001122"},
	} {
		if name, number := readClid(clid); name != want[0] || number != want[1] {
			t.Errorf("%q: %q %q, want %q", clid, name, number, want)
		}
	}
}

func TestReadNumber(t *testing.T) {
	for s, want := range map[string]string{
		"0199001122": "0199001122", " 201 ": "201", "+33 1 99 00 11 22": "+33199001122", "(01) 99-00.11.22": "0199001122",
		"sip:+33199001122@carrier.example": "+33199001122", "201@lyon.example": "201", "*97": "*97", "۰۱۹۹": "۰۱۹۹", "0199XXXX": "0199XXXX",
	} {
		if got, ok := readNumber(s); got != want || !ok {
			t.Errorf("%q: %q %v, want %q", s, got, ok, want)
		}
	}
	for _, s := range []string{"", "s", "anonymous", "vmu201", "s-NOANSWER", "hang", "zoe@lyon.example", "XXXX", "12a4"} {
		if got, ok := readNumber(s); ok || got != s {
			t.Errorf("%q is no number: %q", s, got)
		}
	}
}

func TestShowMasks(t *testing.T) {
	for s, want := range map[string]string{
		"0199001XXX": "0199001???", "019900****": "019900????", "0199001122": "0199001122", "*97*": "*97*", "12*": "12*", "۰۱۹۹xx": "۰۱۹۹??",
	} {
		got, masked := showMasks(s)
		if got != want || masked != (got != s) {
			t.Errorf("%q: %q %v, want %q", s, got, masked, want)
		}
	}
}

func TestEpoch(t *testing.T) {
	for id, want := range map[string]int64{
		"1773130320.1": 1773130320, "lyon-1773130320.12": 1773130320, "a-b-999999999.0": 999999999,
		"": 0, "1773130320": 0, "1773130320.": 0, "x1773130320.1": 0, "17731303200.1": 0, "client 7": 0, "+33199001122": 0, "-.1": 0,
	} {
		if got, ok := epoch(id); got != want || ok != (want != 0) {
			t.Errorf("%q: %d %v, want %d", id, got, ok, want)
		}
	}
}

func TestWithoutSecrets(t *testing.T) {
	for _, tc := range []struct{ app, data, want string }{
		{"Authenticate", "4711,d", ""},
		{"disa", "4711,outbound", ""},
		{"MeetMe", "8000,d,4711", "8000"},
		{"Dial", "IAX2/me:s3cret@host/0199001122,60", "IAX2/me@host/0199001122,60"},
		{"Dial", "SIP/101&SIP/me:s3cret@host&PJSIP/7/sip:7@192.0.2.1:5060", "SIP/101&SIP/me@host&PJSIP/7/sip:7@192.0.2.1:5060"},
		{"Dial", "PJSIP/102/sip:102@192.0.2.2:5060,20,Tt", "PJSIP/102/sip:102@192.0.2.2:5060,20,Tt"},
		{"Queue", "2000,tT,,,300", "2000,tT,,,300"},
	} {
		if got := withoutSecrets(tc.app, tc.data); got != tc.want {
			t.Errorf("%s(%s): %q, want %q", tc.app, tc.data, got, tc.want)
		}
	}
	for name, want := range map[string]bool{"pin": true, "user_pin": true, "PIN Code": true, "auth_code": true, "pincode": true, "spinning": false, "accountcode": false} {
		if got := secret(snake(name)); got != want {
			t.Errorf("%q: secret %v", name, got)
		}
	}
}

func TestQuote(t *testing.T) {
	for s, want := range map[string]string{
		"0199001122": `"0199xxxxxx"`, "2013-04-13:12:08": `"2013-04-13:12:08"`, "a\x00\x1b": "\"a\uFFFD\uFFFD\"",
		"abcdefghijabcdefghijabcdefghijabcdefghij": `"abcdefghijabcdefghijabcdefghija…"`,
	} {
		if got := quote(s); got != want {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// Numbers of six digits are outside only where the country has such.
func TestSixDigits(t *testing.T) {
	p := formatstest.New(t, "asterisk", New).(*parser)
	if p.mapping.look("201999") != inside || p.mapping.look("2019999") != outside || p.mapping.look("20199") != inside {
		t.Error("France has no numbers of six digits")
	}
}
