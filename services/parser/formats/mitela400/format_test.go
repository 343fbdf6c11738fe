package mitela400_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/mitela400"
)

const model = "mitel-a400-pc5"

func TestTickets(t *testing.T) { formatstest.Run(t, mitela400.New) }

// pc5 prints a record as the vendor's table of PC5 does.
func pc5(no, sc, date, clock, duration, id1, dest1, dest2, tta, seq, serial string) string {
	return fmt.Sprintf("\t%12s %9s %3s %6s %5s %8s %10s %5s %5s %20s %20s %40s %40s %3s %3s %4s",
		no, "", sc, date, clock, duration, "1.50", "00015", "00101", id1, "", dest1, dest2, tta, seq, serial)
}

func parse(t testing.TB, p formats.Parser, line string, near time.Time) (*trunklinev1.Cdr, formats.Result) {
	t.Helper()
	return formatstest.Check(t, p, &formats.Ticket{Raw: []byte(line), Near: near})
}

// show prints what the tables assert.
func show(c *trunklinev1.Cdr, r formats.Result) string {
	head := fmt.Sprintf("%s %s ring %d talk %d %s>%s ext %s outside %s serial %s", formatstest.Words(c.RecordRole, c.Direction, c.Network, c.Disposition),
		c.StartTime.AsTime().Format(time.RFC3339), c.RingSeconds, c.TalkSeconds, c.CallingNumber, c.CalledNumber, c.Extension, c.ExternalNumber, c.Sequence)
	return formatstest.Condensed(c, r, head,
		"group", c.GroupNumber,
		"did", c.Did,
		"key", c.CallKey,
		"to", c.TransferredTo,
		"from", c.TransferredFrom,
		"redirected", c.RedirectedFrom,
		"center", c.CostCenter,
		"amount", c.ChargeAmount,
	)
}

func TestSortCharacters(t *testing.T) {
	p := formatstest.New(t, model, mitela400.New)
	const out = " 2026-11-20T09:15:00Z ring 0 talk 72 201>0199001122 ext 201 outside 0199001122 serial 0114"
	const in = " 2026-11-20T09:15:00Z ring 5 talk 72 0199001122>201 ext 201 outside 0199001122 serial 0114 did 01 key 055@2026-11-20"
	for sc, want := range map[string]string{
		"010": "CALL OUTBOUND PUBLIC ANSWERED" + out,
		"110": "CALL OUTBOUND PRIVATE ANSWERED" + out,
		"090": "CALL OUTBOUND PUBLIC ANSWERED" + out,
		"000": "LEG OUTBOUND PUBLIC ANSWERED" + out + " to 201",
		"004": "LEG OUTBOUND PUBLIC ANSWERED" + out + " redirected 201",
		"015": "LEG OUTBOUND PUBLIC ANSWERED" + out + " from 201",
		"321": "CALL INBOUND PUBLIC ANSWERED" + in,
		"421": "CALL INBOUND PRIVATE ANSWERED" + in,
		"320": "LEG INBOUND PUBLIC ANSWERED" + in + " to 201",
		"324": "LEG INBOUND PUBLIC ANSWERED" + in + " from 201",
		"323": "CALL INBOUND PUBLIC ANSWERED" + in,
		"331": "CALL INBOUND PUBLIC ANSWERED" + in,
		"040": "CALL TRANSIT PUBLIC ANSWERED" + strings.Replace(out, "ext 201", "ext ", 1),
		"211": "dead bad_sort_character",
		"021": "dead bad_sort_character",
	} {
		line := pc5("201", sc, "261120", "10:15", "00H01M12", "", "0199001122", "0199001122", "", "", "0114")
		if sc[0] >= '3' {
			line = pc5("201", sc, "261120", "10:15", "00H01M12", "0199001122", "", "01", "005", "055", "0114")
		}
		if got := show(parse(t, p, line, formatstest.Near)); strings.Replace(got, " amount 1.50", "", 1) != want {
			t.Errorf("%s\ngot  %s\nwant %s", sc, got, want)
		}
	}
	for y, want := range map[string]string{"010": "BUSINESS", "070": "BUSINESS", "080": "PRIVATE", "090": "PRIVATE", "097": "BOOTH", "098": "GUEST"} {
		c, _ := parse(t, p, pc5("201", y, "261120", "10:15", "00H01M12", "", "15", "15", "", "", "0114"), formatstest.Near)
		if got := formatstest.Words(c.ChargeClass); got != want {
			t.Errorf("%s is %s, want %s", y, got, want)
		}
	}
}

// A call that was transferred without notice: two records, one call, and both
// conversations.
func TestTransferIsOneCall(t *testing.T) {
	p := formatstest.New(t, model, mitela400.New)
	talk := map[string]uint32{}
	for _, line := range []string{
		pc5("201", "321", "261120", "10:26", "00H01M00", "0199001122", "", "01", "004", "056", "0115"),
		pc5("202", "320", "261120", "10:27", "00H12M03", "0199001122", "", "01", "006", "056", "0116"),
	} {
		c, r := parse(t, p, line, formatstest.Near)
		if r.Outcome != formats.CDR || c.RecordRole == trunklinev1.RecordRole_RECORD_ROLE_COPY {
			t.Fatal(show(c, r))
		}
		talk[c.CallKey] += c.TalkSeconds
	}
	if len(talk) != 1 || talk["056@2026-11-20"] != 783 {
		t.Errorf("calls and their talk: %v", talk)
	}
}

func TestDateOrder(t *testing.T) {
	utc := func(s string) (at time.Time) {
		if s != "" {
			var err error
			if at, err = time.Parse(time.DateTime, s); err != nil {
				t.Fatal(err)
			}
		}
		return at
	}
	for _, tc := range []struct{ date, order, near, want string }{
		{"261120", "", "2026-11-20 10:00:00", "2026-11-20"},
		{"201126", "", "2026-11-20 10:00:00", "2026-11-20"},
		{"261231", "", "2027-01-01 00:05:00", "2026-12-31"},
		{"311226", "", "2027-01-01 00:05:00", "2026-12-31"},
		{"261120", "", "2026-12-25 10:00:00", "2026-11-20"}, // a month's file
		{"240201", "", "2026-11-20 10:00:00", "dead date_ambiguous"},
		{"240201", "ymd", "2026-11-20 10:00:00", "2024-02-01"},
		{"240201", "dmy", "2026-11-20 10:00:00", "2001-02-24"},
		{"240131", "", "2026-11-20 10:00:00", "2024-01-31"}, // else in 2031
		{"980702", "", "", "1998-07-02"},
		{"020798", "", "", "1998-07-02"},
		{"261120", "", "", "dead date_ambiguous"},
		{"261126", "", "", "2026-11-26"}, // the same in both
		{"261120", "dmy", "2026-11-20 10:00:00", "2020-11-26"},
		{"261300", "", "2026-11-20 10:00:00", "dead bad_date"},
	} {
		p := formatstest.New(t, model, mitela400.New, func(s *pbx.Settings) { s.Parse.DateOrder = tc.order })
		c, r := parse(t, p, pc5("201", "321", tc.date, "10:15", "00H01M12", "", "", "", "005", "055", "0114"), utc(tc.near))
		got := show(c, r)
		if r.Outcome == formats.CDR {
			got = c.StartTime.AsTime().Format(time.DateOnly)
		}
		if got != tc.want {
			t.Errorf("%s in order %q near %q: %s, want %s", tc.date, tc.order, tc.near, got, tc.want)
		}
	}
}

// The receipt decides which of autumn's two equal hours it was.
func TestDoubledHour(t *testing.T) {
	p := formatstest.New(t, model, mitela400.New)
	line := pc5("201", "321", "261025", "02:30", "00H10M00", "", "", "", "005", "055", "0114")
	for near, want := range map[string]string{"2026-10-25T00:41:00Z": "00:30", "2026-10-25T01:41:00Z": "01:30"} {
		at, err := time.Parse(time.RFC3339, near)
		if err != nil {
			t.Fatal(err)
		}
		if c, _ := parse(t, p, line, at); c.StartTime.AsTime().Format("15:04") != want || len(c.Warnings) > 0 {
			t.Errorf("near %s: %v", near, c)
		}
	}
}

func TestSettings(t *testing.T) {
	for key, bad := range map[string]pbx.Parse{
		"parse.date_order": {DateOrder: "mdy"}, "parse.time_is": {TimeIs: "end"}, "parse.clock": {Clock: 12}, "parse.masked_digits": {MaskedDigits: 21},
	} {
		formatstest.Refuses(t, model, mitela400.New, bad, key)
	}
}

// The sample records, where their folder is given.
func TestSamples(t *testing.T) {
	dir := formatstest.Samples(t, model)
	for _, tc := range []struct {
		file string
		near time.Time
		want []string
	}{
		{"manual-values.txt", time.Date(1998, 7, 2, 12, 0, 0, 0, time.UTC), []string{
			"CALL INBOUND PUBLIC ANSWERED 1998-07-02T08:24:00Z ring 5 talk 72 0326242111>201 ext 201 outside 0326242111 serial 0114 did 01 key 055@1998-07-02",
			"CALL INBOUND PUBLIC NO_ANSWER 1998-07-02T08:22:00Z ring 0 talk 0 0326242111>201 ext 201 outside 0326242111 serial 0113 did 01 key 054@1998-07-02",
			"CALL INBOUND PUBLIC ANSWERED 1998-07-02T08:26:00Z ring 4 talk 60 0326242111>201 ext 201 outside 0326242111 serial 0115 did 01 key 056@1998-07-02",
			"LEG INBOUND PUBLIC ANSWERED 1998-07-02T08:27:00Z ring 6 talk 723 0326242111>202 ext 202 outside 0326242111 serial 0116 did 01 key 056@1998-07-02 to 202",
		}},
		{"constructed.txt", time.Date(2024, 2, 1, 9, 0, 0, 0, time.UTC), []string{
			"CALL OUTBOUND PUBLIC ANSWERED 2024-01-31T22:58:00Z ring 0 talk 340 210>0612345678 ext 210 outside 0612345678 serial 9998 amount 0.36",
			"CALL OUTBOUND PUBLIC ANSWERED 2024-01-31T08:00:00Z ring 0 talk 8109 210>00441712345678 ext 210 outside 00441712345678 serial 9999 center 000000042 amount 12.40",
			"CALL OUTBOUND PUBLIC ANSWERED 2024-02-01T08:01:00Z ring 0 talk 9 211>061234???? ext 211 outside 061234???? serial 0000 amount 0.12 MASKED",
			"CALL INBOUND PUBLIC NO_ANSWER 2024-02-01T08:02:00Z ring 47 talk 0 0145678900>801 ext  outside 0145678900 serial 0001 group 801 did 801 key 101@2024-02-01",
			"LEG INBOUND PUBLIC ANSWERED 2024-02-01T08:03:00Z ring 8 talk 270 0145678900>212 ext 212 outside 0145678900 serial 0002 did 12 key 102@2024-02-01 from 212",
			"LEG OUTBOUND PUBLIC ANSWERED 2024-02-01T08:03:00Z ring 0 talk 270 212>0611223344 ext 212 outside 0611223344 serial 0003 redirected 212 amount 0.50",
			"CALL INBOUND PUBLIC REJECTED 2024-02-01T08:05:00Z ring 0 talk 0 >213 ext 213 outside  serial 0004 did 13 key 103@2024-02-01",
			"CALL OUTBOUND PUBLIC ANSWERED 2024-01-31T23:00:00Z ring 0 talk 359999 214>0033123456789012345678901234567890123456 ext 214 outside 0033123456789012345678901234567890123456 serial 0005 amount 9999999.99 OVERFLOW",
		}},
	} {
		p := formatstest.New(t, model, mitela400.New)
		formatstest.Sample(t, filepath.Join(dir, tc.file), cut.Lines, func(raw []byte) string {
			return show(parse(t, p, string(raw), tc.near))
		}, tc.want...)
	}
}
