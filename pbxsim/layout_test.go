package pbxsim

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var paris = func() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err)
	}
	return z
}()

// The calls that the golden tickets are of; 09:15:42 in Paris.
var (
	at       = time.Date(2026, 3, 13, 8, 15, 42, 0, time.UTC)
	noel     = Party{"2005", "Noël Castagné"}
	agnes    = Party{"2020", "Agnès Pichon"}
	customer = Outside{Number: "0261913456", E164: "+33261913456", Name: "Garage du Mistral"}
	british  = Outside{Number: "00441632960123", E164: "+441632960123"}

	answered = Call{
		Seq: 1, Start: at, Ring: 12 * time.Second, Talk: 185 * time.Second, Hold: 5 * time.Second, Line: 3,
		Direction: Inbound, Disposition: Answered, Extension: noel, External: customer, DID: "0199002005", Dialled: "0199002005",
	}
	missed = Call{
		Seq: 2, Start: at, Ring: 31 * time.Second, Line: 3,
		Direction: Inbound, Disposition: NoAnswer, Extension: noel, External: british, DID: "0199002005", Dialled: "0199002005",
	}
	abroad1 = Call{
		Seq: 3, Start: at, Ring: 9 * time.Second, Talk: 1801 * time.Second, Line: 4, Account: "4210", Units: 41,
		Direction: Outbound, Disposition: Answered, Extension: noel, External: british, Dialled: "000441632960123",
	}
	inside = Call{
		Seq: 4, Start: at, Ring: 4 * time.Second, Talk: 20 * time.Second,
		Direction: Internal, Disposition: Answered, Extension: noel, Peer: agnes, Dialled: "2020",
	}
	handedOn = Call{
		Seq: 5, Start: at, Ring: 12 * time.Second, Talk: 60 * time.Second, Hold: 15 * time.Second, Line: 3,
		Direction: Inbound, Disposition: Answered, Extension: noel, External: customer, DID: "0199002005", Dialled: "0199002005",
		TransferTo: agnes, TransferTalk: 40 * time.Second,
	}
	sentOn = Call{
		Seq: 6, Start: at, Ring: 12 * time.Second, Talk: 60 * time.Second, Line: 3,
		Direction: Transit, Disposition: Answered, Extension: noel, External: customer, DID: "0199002005", Dialled: "0199002005",
		Forward: mobile(noel),
	}
)

func encoderOf(t *testing.T, model string, o Options) encoder {
	t.Helper()
	o.Zone = paris
	if err := o.complete(model); err != nil {
		t.Fatal(err)
	}
	k, _ := kinds(model)
	enc, err := k.encoder(o)
	if err != nil {
		t.Fatal(err)
	}
	return enc
}

func render(t *testing.T, model string, o Options, calls ...Call) []string {
	t.Helper()
	enc := encoderOf(t, model, o)
	var lines []string
	for _, c := range calls {
		for _, ticket := range enc.encode(c) {
			lines = append(lines, string(ticket.Bytes))
		}
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(none)", "(none)"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d\n got %q\nwant %q", i, g, w)
		}
	}
}

func TestAvayaTickets(t *testing.T) {
	same(t, render(t, avayaIPOffice, Options{Variant: "30"}, answered, missed), []string{
		"2026/03/13 09:15:42,00:03:00,12,0261913456,I,2005,0199002005,,0,1000001,0,E2005,Noël Castagné,T9003,Line 3.1,5,0,,,,,,,,,,,,,",
		"2026/03/13 09:15:42,00:00:00,31,00441632960123,I,2005,0199002005,,0,1000002,0,E2005,Noël Castagné,T9003,Line 3.1,0,0,,,,,,,,,,,,,",
	})
	same(t, render(t, avayaIPOffice, Options{Variant: "31"}, inside, handedOn), []string{
		"2026/03/13 09:15:42,00:00:20,4,2005,O,2020,2020,,1,1000001,0,E2005,Noël Castagné,E2020,Agnès Pichon,0,0,,,,,,,,,,,,,,",
		"2026/03/13 09:15:42,00:00:45,12,0261913456,I,2005,0199002005,,0,1000002,1,E2005,Noël Castagné,T9003,Line 3.1,15,0,,,,,,,,,,,U XfP,Agnès Pichon,,",
		"2026/03/13 09:16:39,00:00:13,2,2005,O,2020,2020,,1,1000003,0,E2005,Noël Castagné,E2020,Agnès Pichon,0,0,,,,,,,,,,,,,,",
		"2026/03/13 09:15:42,00:00:40,0,0261913456,I,2020,0199002005,,0,1000002,0,E2020,Agnès Pichon,T9003,Line 3.1,0,0,,,,,,,,,,,U Xfd,Noël Castagné,,",
	})
	same(t, render(t, avayaIPOffice, Options{Variant: "34"}, abroad1), []string{
		"2026/03/13 09:15:42,00:30:01,9,2005,O,000441632960123,000441632960123,4210,0,1000001,0,E2005,Noël Castagné,T9004,Line 4.1,0,0,0,n/a,Noël Castagné,   2.5338,,0000.00,41,0,618,1.00,,,,192.168.42.1,100002,192.168.42.1,100003",
	})
	same(t, render(t, avayaIPOffice, Options{}, sentOn), []string{
		"2026/03/13 09:15:42,00:01:00,12,0261913456,I,2005,0199002005,,0,1000001,0,T9004,Line 4.1,T9003,Line 3.1,0,0,0,n/a,,,,,,,,,U fu,Noël Castagné,00639982005,192.168.42.1,100002,192.168.42.1,100003,2026/03/13 09:16:54",
	})
	for variant, n := range map[string]int{"30": 30, "31": 31, "34": 34, "35": 35} {
		for _, line := range render(t, avayaIPOffice, Options{Variant: variant}, answered, missed, abroad1, inside, handedOn, sentOn) {
			if f := strings.Split(line, ","); len(f) != n || len(f[0]) != 19 || !strings.Contains("IO", f[4]) {
				t.Errorf("variant %s has %d columns: %s", variant, len(f), line)
			}
		}
	}
}

// field says what is printed from one column to another, counted from 1 as the vendors do.
type field struct {
	from, to int
	want     string
}

func checkFields(t *testing.T, line string, width int, fields []field) {
	t.Helper()
	if len(line) != width {
		t.Errorf("%d columns instead of %d: %q", len(line), width, line)
		return
	}
	printed := bytes.Repeat([]byte{' '}, width)
	for _, f := range fields {
		if got := line[f.from-1 : f.to]; got != f.want {
			t.Errorf("columns %d-%d: %q, want %q in %q", f.from, f.to, got, f.want, line)
		}
		copy(printed[f.from-1:], f.want)
	}
	if string(printed) != line {
		t.Errorf("something is printed outside of the fields:\n%q\n%q", line, printed)
	}
}

func TestMitelColumns(t *testing.T) {
	// Columns of the vendor's template: standard record, and the one with extended digit length.
	for _, x := range []struct {
		variant string
		call    Call
		width   int
		fields  []field
	}{
		{"standard", answered, 90, []field{
			{1, 1, " "},
			{2, 6, "03/13"},
			{8, 13, "09:15 "},
			{15, 22, "00:03:05"},
			{24, 27, "T003"},
			{30, 32, "012"},
			{34, 59, "2005                      "},
			{60, 60, " "},
			{62, 65, "2005"},
			{86, 88, "010"},
		}},
		{"standard", abroad1, 90, []field{
			{1, 1, "+"},
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:30:01"},
			{24, 27, "2005"},
			{30, 32, "   "},
			{34, 59, "000441632960123           "},
			{60, 60, "A"},
			{62, 65, "T004"},
			{73, 84, "4210        "},
			{86, 88, "010"},
		}},
		{"standard", inside, 90, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:00:20"},
			{24, 27, "2005"},
			{34, 37, "2020"},
			{60, 60, "I"},
			{62, 65, "2020"},
			{86, 88, "010"},
		}},
		{"ani", answered, 112, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:03:05"},
			{24, 27, "T003"},
			{30, 32, "012"},
			{34, 37, "2005"},
			{62, 65, "2005"},
			{86, 88, "010"},
			{92, 101, "0261913456"},
			{103, 112, "0199002005"},
		}},
		{"ani", missed, 112, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:00:00"},
			{24, 27, "T003"},
			{30, 32, "***"},
			{34, 37, "2005"},
			{62, 65, "2005"},
			{86, 88, "010"},
			{92, 101, "          "},
			{103, 112, "0199002005"},
		}},
		{"network", handedOn, 131, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:01:40"},
			{24, 27, "T003"},
			{30, 32, "012"},
			{34, 48, "0261913456 2005"},
			{62, 65, "2005"},
			{66, 66, "T"},
			{68, 71, "2020"},
			{86, 88, "010"},
			{92, 101, "0261913456"},
			{103, 112, "0199002005"},
			{114, 121, "M0100001"},
			{122, 122, "A"},
			{124, 131, "        "},
		}},
		{"network", sentOn, 131, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 22, "00:01:00"},
			{24, 27, "T003"},
			{34, 55, "0261913456 00639982005"},
			{60, 60, "A"},
			{62, 65, "T004"},
			{86, 88, "010"},
			{114, 121, "M0100001"},
			{122, 122, "A"},
		}},
		{"extended", abroad1, 101, []field{
			{1, 1, "+"},
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 24, "0000:30:01"},
			{26, 32, "2005   "},
			{39, 53, "000441632960123"},
			{65, 65, "A"},
			{67, 73, "T0004  "},
			{84, 95, "4210        "},
			{97, 99, "010"},
			{100, 101, "  "},
		}},
		{"extended", handedOn, 101, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 24, "0000:01:40"},
			{26, 32, "T0003  "},
			{35, 37, "012"},
			{39, 42, "2005"},
			{67, 73, "2005   "},
			{74, 74, "T"},
			{76, 82, "2020   "},
			{97, 99, "010"},
		}},
		{"extended-ani", answered, 120, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 24, "0000:03:05"},
			{26, 30, "T0003"},
			{35, 37, "012"},
			{39, 42, "2005"},
			{67, 70, "2005"},
			{97, 99, "010"},
			{103, 112, "0261913456"},
			{114, 120, "2005   "},
		}},
		{"extended-network", missed, 139, []field{
			{2, 6, "03/13"},
			{8, 12, "09:15"},
			{15, 24, "0000:00:00"},
			{26, 30, "T0003"},
			{35, 37, "***"},
			{39, 57, "00441632960123 2005"},
			{67, 70, "2005"},
			{97, 99, "010"},
			{114, 120, "2005   "},
			{122, 129, "M0100001"},
			{130, 130, "A"},
		}},
	} {
		t.Run(x.variant, func(t *testing.T) {
			checkFields(t, render(t, mitel3300, Options{Variant: x.variant}, x.call)[0], x.width, x.fields)
		})
	}
	afternoon := answered
	afternoon.Start = at.Add(5 * time.Hour)
	same(t, render(t, mitel3300, Options{Variant: "standard", Clock12: true}, afternoon, answered), []string{
		" 03/13 02:15P 00:03:05 T003  012 2005                        2005                    010  ",
		" 03/13 09:15  00:03:05 T003  012 2005                        2005                    010  ",
	})
}

func TestMitelLongCalls(t *testing.T) {
	c := answered
	for talk, want := range map[time.Duration]string{
		299 * time.Second:     " 00:04:59",
		300 * time.Second:     "-00:05:00",
		600 * time.Second:     "%00:10:00",
		1800 * time.Second:    "+00:30:00",
		359_999 * time.Second: "+99:59:59",
		360_000 * time.Second: "+99:99:99",
	} {
		c.Talk = talk
		line := render(t, mitel3300, Options{Variant: "standard"}, c)[0]
		if got := line[:1] + line[14:22]; got != want {
			t.Errorf("%s prints %q, want %q", talk, got, want)
		}
	}
}
