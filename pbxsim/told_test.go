package pbxsim

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// What the truth says of a ticket can be read in it: nothing is told that is not printed.
func TestToldIsPrinted(t *testing.T) {
	everyVariant(t, func(t *testing.T, model string, o Options) {
		seq, err := Tickets(model, o)
		if err != nil {
			t.Fatal(err)
		}
		for x := range seq {
			if x.Want != WantCDR {
				continue
			}
			c, line := x.Call, string(x.Bytes)
			told := map[string]string{
				"extension": c.Extension.Number, "name": c.Extension.Name, "peer": c.Peer.Number, "peer name": c.Peer.Name,
				"outside": strings.TrimSuffix(c.External.Number, "????"), "caller": c.External.Name, "forward": c.Forward.Number,
				"did": c.DID, "dialled": strings.TrimSuffix(c.Dialled, "????"), "group": c.Group.Number, "account": c.Account,
				"transfer": c.TransferTo.Number, "transfer name": c.TransferTo.Name, "trunk": c.Trunk, "charge": c.Charge,
				"currency": c.Currency, "call id": c.CallID,
			}
			local, end := c.Start.In(paris), c.Start.Add(c.Ring+c.Talk).In(paris)
			switch model {
			case avayaIPOffice:
				told["start"] = local.Format("2006/01/02 15:04:05")
				told["talk"] = clock(c.Talk - c.Hold)
				told["ring"] = fmt.Sprintf(",%d,", seconds(c.Ring))
			case mitel3300:
				told["start"] = local.Format("01/02 15:04")
				if !c.Start.Equal(c.Start.Truncate(time.Minute)) {
					t.Errorf("seconds in %s", c.Start)
				}
				told["talk"] = fmt.Sprintf("%02d:%02d:%02d", seconds(c.Talk)/3600, seconds(c.Talk)/60%60, seconds(c.Talk)%60)
				if c.Direction == Inbound && c.Disposition == Answered {
					told["ring"] = fmt.Sprintf(" %03d ", seconds(c.Ring))
				}
			case panasonicKX:
				told["end"] = end.Format("02/01/06 15:04")
				if end.Second() != 0 {
					t.Errorf("end %s in a minute", end)
				}
				told["trunk"] = " " + told["trunk"]
				if c.Direction != Internal {
					told["talk"] = fmt.Sprintf("%02d:%02d'%02d", seconds(c.Talk)/3600, seconds(c.Talk)/60%60, seconds(c.Talk)%60)
				}
				if c.Ring > 0 {
					told["ring"] = fmt.Sprintf("%d'%02d ", seconds(c.Ring)/60, seconds(c.Ring)%60)
				}
			case ciscoCUCM:
				told["start"], told["end"] = ","+epoch(c.Start)+",", ","+epoch(c.End())+","
				parts := strings.Split(c.CallID, ":")
				told["call id"] = fmt.Sprintf("1,%s,%s,", parts[1], parts[2])
				told["talk"] = fmt.Sprintf(",%d,", seconds(c.Talk))
				if c.Talk > 0 && c.Ring > 0 {
					told["answer"] = "," + epoch(c.Start.Add(c.Ring)) + ","
				}
			case alcatelOXE:
				told["start"] = local.Format("20060102 15:04:05")
				told["end"] = end.Format("20060102 15:04:05")
				if c.Disposition == NoAnswer && c.Direction == Inbound { // the end twice
					told["start"] = told["end"]
				}
				told["talk"] = fmt.Sprintf("%10d", seconds(c.Talk))
				told["ring"] = fmt.Sprintf("%5d", seconds(c.Ring))
			case alcatelAHL:
				told["start"] = local.Format("02/01/06 15:04:05")
				told["talk"], told["ring"] = clock(c.Talk), fmt.Sprintf("%5d", seconds(c.Ring))
			case wazo:
				told["start"] = c.Start.UTC().Format("2006-01-02T15:04:05")
				told["end"] = end.UTC().Format("2006-01-02T15:04:05")
				if c.Talk > 0 {
					told["talk"] = fmt.Sprintf(`"duration":%d,`, seconds(c.Talk))
				}
			case grandstream:
				told["start"], told["end"] = local.Format("2006-01-02 15:04:05"), end.Format("2006-01-02 15:04:05")
				told["talk"] = fmt.Sprintf("%d", seconds(c.Talk))
			case threeCX:
				told["start"] = c.Start.UTC().Format("2006/01/02 15:04:05")
				if c.Disposition == Abandoned {
					break // which is all of a queue's
				}
				told["end"] = end.UTC().Format("2006/01/02 15:04:05")
				if c.Talk > 0 {
					told["talk"] = "," + clock(c.Talk) + ","
				}
			case mitelA400:
				told["start"] = local.Format("060102 15:04")
				told["talk"] = fmt.Sprintf(" %02dH%02dM%02d ", seconds(c.Talk)/3600, seconds(c.Talk)/60%60, seconds(c.Talk)%60)
				if c.Direction == Inbound {
					told["ring"] = fmt.Sprintf(" %03d ", seconds(c.Ring))
				}
			case shoretel:
				told["start"] = local.Format("01/02/2006 15:04:05")
				if c.Direction != Inbound || c.Extension.Number != "" {
					told["talk"] = clock(c.Talk)
				}
			case unifyHiPath:
				told["date"], told["end"] = end.Format("02.01.06"), end.Format("15:04:05")
				if c.Talk > 0 {
					told["talk"] = clock(c.Talk)
				}
				if c.Ring > 0 {
					told["ring"] = clock(c.Ring)[3:]
				}
			case alcatelOXO:
				told["start"] = local.Format("<Date>02/01/2006</Date>\n    <Time>15:04:05</Time>")
				told["talk"], told["ring"] = "<CallDuration>"+clock(c.Talk)+"<", "<RingDuration>"+clock(c.Ring)+"<"
				told["trunk"] = "<TrunkIdentity>" + strings.TrimPrefix(c.Trunk, "P") + "<"
				told["name"] = strings.ReplaceAll(c.Extension.Name, "'", "&apos;")
			case asterisk:
				if o.Variant != asteriskRows {
					told["start"], told["talk"] = local.Format(`"2006-01-02 15:04:05"`), fmt.Sprintf(",%d,", seconds(c.Talk))
					if c.Disposition == Abandoned {
						told["talk"] = ""
					}
					break
				}
				told["start"] = local.Format("2006-01-02 15:04:05")
				told["duration"] = fmt.Sprintf(`"duration":%d,`, seconds(c.Ring+c.Talk))
				if c.Disposition != Abandoned {
					told["talk"] = fmt.Sprintf(`"billsec":%d,`, seconds(c.Talk))
				}
			}
			for what, text := range told {
				if !strings.Contains(line, text) {
					t.Errorf("%s %q is not printed in %s", what, text, line)
				}
			}
			if c.TransferTalk != 0 || c.Line != 0 {
				t.Errorf("tells what no ticket tells: %+v", c)
			}
		}
	})
}

// The printed digits and what they mean belong together.
func TestToldNumbers(t *testing.T) {
	everyVariant(t, func(t *testing.T, model string, o Options) {
		seq, err := Tickets(model, o)
		if err != nil {
			t.Fatal(err)
		}
		for x := range seq {
			for _, out := range []Outside{x.Call.External, x.Call.Forward} {
				if (out.Number == "") != (out.E164 == "") && !out.Masked {
					t.Errorf("%+v in %s", out, x.Bytes)
				}
				if out.Masked != strings.HasSuffix(out.Number, "????") {
					t.Errorf("masked %+v in %s", out, x.Bytes)
				}
				// Less a French prefix or two noughts, the end of both is the same.
				if n := len(out.Number) - 7; n > 0 && !out.Masked && !strings.HasSuffix(out.E164, out.Number[n:]) {
					t.Errorf("%+v in %s", out, x.Bytes)
				}
			}
		}
	})
}

func TestTold(t *testing.T) {
	first := func(model, variant string, c Call) []Ticket {
		return encoderOf(t, model, Options{Variant: variant}).encode(c)
	}
	minute := at.Truncate(time.Minute)

	x := first(mitel3300, "standard", answered)[0].Call
	if !x.Start.Equal(minute) || x.Ring != 12*time.Second || x.Talk != 185*time.Second || x.External != (Outside{}) || x.DID != "2005" || x.Trunk != "T003" {
		t.Errorf("standard 3300: %+v", x)
	}
	x = first(mitel3300, "network", handedOn)[0].Call
	if x.Talk != 100*time.Second || x.TransferTo.Number != "2020" || x.External.E164 != customer.E164 || x.DID != "0199002005" {
		t.Errorf("3300 transfer: %+v", x)
	}
	x = first(panasonicKX, "b", answered)[0].Call // ended 09:18:59, no ring printed
	if want := time.Date(2026, 3, 13, 8, 14, 55, 0, time.UTC); !x.Start.Equal(want) || x.Ring != 0 || x.DID != "" {
		t.Errorf("kx b: %s, %+v", x.Start, x)
	}
	x = first(panasonicKX, "a", answered)[0].Call
	if want := time.Date(2026, 3, 13, 8, 14, 43, 0, time.UTC); !x.Start.Equal(want) || x.Ring != 12*time.Second || x.DID != "2005" {
		t.Errorf("kx a: %s, %+v", x.Start, x)
	}
	legs := first(panasonicKX, "c", handedOn)
	if len(legs) != 2 || legs[0].Call.Talk != 60*time.Second || legs[1].Call.Talk != 40*time.Second || legs[1].Call.Extension.Number != "2020" || legs[0].Role != "LEG" {
		t.Errorf("kx transfer: %+v", legs)
	}
	busy := missed
	busy.Disposition = Busy
	for model, want := range map[string]Disposition{avayaIPOffice: NoAnswer, mitel3300: NoAnswer, ciscoCUCM: Busy, asterisk: Busy, panasonicKX: NoAnswer} {
		if got := first(model, "", busy)[0].Call.Disposition; got != want {
			t.Errorf("%s tells of a busy extension: %s", model, got)
		}
	}
	total := time.Duration(0)
	for _, leg := range first(asterisk, "", handedOn) {
		if leg.Role != "LEG" {
			t.Errorf("role %s", leg.Role)
		}
		total += leg.Call.Talk
	}
	if total != handedOn.Talk+handedOn.TransferTalk {
		t.Errorf("the legs of a transferred call sum up to %s", total)
	}
}
