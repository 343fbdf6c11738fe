package pbxsim

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestPanasonicColumns(t *testing.T) {
	masked := abroad1
	masked.External.Masked = true
	outgoing := handedOn
	outgoing.Direction, outgoing.Dialled, outgoing.Units = Outbound, "00261913456", 3
	for _, x := range []struct {
		name, variant string
		call          Call
		line, width   int
		fields        []field
	}{
		{"a inbound", "a", answered, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 16, "09:18  "},
			{18, 22, " 2005"},
			{24, 25, "03"},
			{27, 51, "<D>2005<I>0261913456     "},
			{53, 56, "0'12"},
			{58, 65, "00:03'05"},
			{78, 80, "   "},
		}},
		{"a missed", "a", missed, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 16, "09:16  "},
			{18, 22, " 2005"},
			{24, 25, "03"},
			{27, 51, "<D>2005<I>00441632960123 "},
			{53, 56, "0'31"},
			{58, 65, "00:00'00"},
			{78, 80, "NA "},
		}},
		{"a outbound", "a", abroad1, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 16, "09:45  "},
			{18, 22, " 2005"},
			{24, 25, "04"},
			{27, 51, "00441632960123           "},
			{58, 65, "00:30'01"},
			{67, 76, "4210      "},
		}},
		{"b inbound", "b", answered, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 16, "09:18  "},
			{18, 21, "2005"},
			{23, 24, "03"},
			{26, 45, "<I>0261913456       "},
			{47, 54, "00:03'05"},
			{56, 65, "EU00000.00"},
			{78, 80, "   "},
		}},
		{"b outbound masked", "b", masked, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:45"},
			{18, 21, "2005"},
			{23, 24, "04"},
			{26, 45, "0044163296XXXX      "},
			{47, 54, "00:30'01"},
			{56, 65, "EU00004.92"},
			{67, 76, "4210      "},
		}},
		{"b internal", "b", inside, 0, 80, []field{
			{1, 8, "13/03/26"}, {10, 14, "09:16"}, {18, 21, "2005"}, {26, 45, "EXT2020             "},
		}},
		{"b transferred, first", "b", outgoing, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:16"},
			{18, 21, "2005"},
			{23, 24, "03"},
			{26, 45, "0261913456-         "},
			{47, 54, "00:01'00"},
			{56, 65, "EU00000.00"},
			{78, 80, "TR "},
		}},
		{"b transferred, rest", "b", outgoing, 1, 80, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:17"},
			{18, 21, "2020"},
			{23, 24, "03"},
			{26, 45, "0261913456          "},
			{47, 54, "00:00'40"},
			{56, 65, "EU00000.36"},
		}},
		{"b sent on, in", "b", sentOn, 0, 80, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:16"},
			{18, 21, "2005"},
			{23, 24, "03"},
			{26, 45, "<I>0261913456       "},
			{47, 54, "00:01'00"},
			{56, 65, "EU00000.00"},
		}},
		{"b sent on, out", "b", sentOn, 1, 80, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:16"},
			{18, 21, "2005"},
			{23, 24, "04"},
			{26, 45, "0639982005          "},
			{47, 54, "00:01'00"},
			{56, 65, "EU00000.00"},
			{78, 80, "FW "},
		}},
		{"c inbound", "c", answered, 0, 120, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:18"},
			{18, 22, " 2005"},
			{24, 27, "0003"},
			{29, 78, "<D>0199002005<I>GARAGE DU MISTRAL0261913456       "},
			{80, 83, "0'12"},
			{85, 92, "00:03'05"},
			{94, 104, "00000.00EUR"},
			{117, 119, "   "},
		}},
		{"c outbound", "c", abroad1, 0, 120, []field{
			{1, 8, "13/03/26"},
			{10, 14, "09:45"},
			{18, 22, " 2005"},
			{24, 27, "0004"},
			{29, 42, "00441632960123"},
			{85, 92, "00:30'01"},
			{94, 104, "00004.92EUR"},
			{106, 115, "4210      "},
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			checkFields(t, render(t, panasonicKX, Options{Variant: x.variant}, x.call)[x.line], x.width, x.fields)
		})
	}
	late := answered
	late.Start = at.Add(8 * time.Hour)
	if line := render(t, panasonicKX, Options{Variant: "a", DateOrder: "mdy", Clock12: true}, late)[0]; line[:16] != "03/13/26 05:18PM" {
		t.Errorf("american clock: %q", line)
	}
	if line := render(t, panasonicKX, Options{DateOrder: "ymd"}, late)[0]; line[:16] != "26/03/13 17:18  " {
		t.Errorf("year first: %q", line)
	}
}

func TestPanasonicHeads(t *testing.T) {
	for variant, width := range map[string]int{"a": 80, "b": 80, "c": 120} {
		heads := encoderOf(t, panasonicKX, Options{Variant: variant}).(*panasonic).heads()
		if len(heads[0].Bytes) != 1+width || len(heads[1].Bytes) != width || !strings.HasSuffix(strings.TrimRight(string(heads[0].Bytes), " "), " CD") {
			t.Errorf("%s: %q", variant, heads[0].Bytes)
		}
	}
}

func TestPanasonicPages(t *testing.T) {
	enc := encoderOf(t, panasonicKX, Options{})
	heads, since := 0, 0
	for range 200 {
		for _, x := range enc.encode(answered) {
			switch {
			case x.Want == WantCDR:
				since++
			case x.Bytes[0] == '\f':
				if heads++; since != 60 || len(x.Bytes) != 81 || x.Want != WantIgnored || x.Odd != OddHead {
					t.Errorf("page head after %d lines: %q", since, x.Bytes)
				}
				since = 0
			case !bytes.Equal(x.Bytes, bytes.Repeat([]byte("-"), 80)):
				t.Errorf("neither head nor rule: %q", x.Bytes)
			}
		}
	}
	if heads != 3 {
		t.Errorf("%d page heads in 200 lines", heads)
	}
}
