package asterisk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

// wanted is what matters of a sample's CDR.
type wanted struct {
	role               trunklinev1.RecordRole
	direction          trunklinev1.Direction
	disposition        trunklinev1.Disposition
	ring, talk         uint32
	calling, called    string
	extension, outside string
	trunk, start       string
}

const (
	callRole = trunklinev1.RecordRole_RECORD_ROLE_CALL
	legRole  = trunklinev1.RecordRole_RECORD_ROLE_LEG
	copyRole = trunklinev1.RecordRole_RECORD_ROLE_COPY
)

func compare(t *testing.T, tickets [][]byte, want []wanted) {
	t.Helper()
	if len(tickets) != len(want) {
		t.Fatalf("%d tickets, want %d", len(tickets), len(want))
	}
	p := formatstest.New(t, "asterisk", New)
	for i, raw := range tickets {
		c := parse(t, p, raw, time.Time{})
		got := wanted{
			c.RecordRole, c.Direction, c.Disposition, c.RingSeconds, c.TalkSeconds, c.CallingNumber, c.CalledNumber,
			c.Extension, c.ExternalNumber, c.Trunk, c.StartTime.AsTime().Format(time.DateTime),
		}
		if got != want[i] {
			t.Errorf("%s\n got %v\nwant %v", raw, got, want[i])
		}
	}
}

func sample(t *testing.T, name string) string {
	t.Helper()
	dir := formatstest.Samples(t, "asterisk")
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func lines(s string) (out [][]byte) {
	for l := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		out = append(out, []byte(l))
	}
	return out
}

func TestSampleMaster(t *testing.T) {
	compare(t, lines(sample(t, "master.csv")), []wanted{
		{callRole, outbound, busy, 0, 0, "8001", "8002", "8001", "8002", "sip0", "2020-08-27 09:02:40"},
		{callRole, outbound, answered, 4, 5, "8001", "8002", "8001", "8002", "sip0", "2020-08-27 09:02:16"},
		{callRole, internal, answered, 5, 654, "7001", "8001", "7001", "", "", "2020-08-27 09:09:40"},
		{callRole, outbound, answered, 9, 11, "8001", "7001", "8001", "7001", "sip0", "2020-08-25 14:11:41"},
		{callRole, inbound, noAnswer, 15, 0, "+380962127873", "8006", "8006", "+380962127873", "MTS-SUP", "2018-06-30 15:59:35"},
	})
}

// The lines were written on a clock on UTC; their ids tell.
func TestSampleDispositions(t *testing.T) {
	w := wanted{callRole, internal, answered, 0, 5, "test", "100", "test", "", "", "2009-01-14 23:51:15"}
	long, fail, none, engaged := w, w, w, w
	long.talk = 7
	fail.disposition, fail.ring, fail.talk = failed, 5, 0
	none.disposition, none.ring, none.talk = noAnswer, 5, 0
	engaged.disposition, engaged.ring, engaged.talk = busy, 5, 0
	compare(t, lines(sample(t, "dispositions.csv")), []wanted{w, long, fail, none, engaged})
}

func TestSampleRows(t *testing.T) {
	compare(t, sqlRows(t, sample(t, "freepbx-rows.sql")), []wanted{
		{legRole, internal, answered, 0, 45, "101", "102", "101", "", "", "2026-09-22 07:12:00"},
		{legRole, internal, noAnswer, 12, 0, "102", "103", "102", "", "", "2026-09-22 07:20:00"},
		{legRole, outbound, answered, 5, 90, "104", "11577", "104", "11577", "11577", "2026-09-22 08:00:00"},
		{legRole, inbound, answered, 5, 30, "02188887766", "101", "101", "02188887766", "11577", "2026-09-22 09:00:00"},
		{legRole, inbound, noAnswer, 25, 0, "109۰۳۳۴۳۹۳۶۳", "101", "101", "109۰۳۳۴۳۹۳۶۳", "11577", "2026-09-22 09:10:00"},
		{legRole, inbound, answered, 10, 60, "09121234567", "102", "102", "09121234567", "11577", "2026-09-22 10:00:00"},
		{copyRole, inbound, answered, 5, 60, "09121234567", "102", "102", "09121234567", "", "2026-09-22 10:00:00"},
		{legRole, inbound, answered, 1, 0, "02155554444", "103", "103", "02155554444", "11577", "2026-09-22 11:00:00"},
		{legRole, inbound, answered, 3, 15, "02133332222", "101", "101", "02133332222", "11577", "2026-09-21 13:00:00"},
		{copyRole, inbound, answered, 3, 15, "02133332222", "101", "101", "02133332222", "", "2026-09-21 13:00:00"},
		{legRole, inbound, busy, 8, 0, "02177778888", "104", "104", "02177778888", "11577", "2026-09-22 12:00:00"},
	})
}

// The Issabel schema: a row of its column defaults is one without a start.
func TestSampleSchema(t *testing.T) {
	var names []string
	for l := range strings.SplitSeq(sample(t, "issabel-cdr-schema.sql"), "\n") {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), "`"); ok {
			name, _, _ := strings.Cut(rest, "`")
			names = append(names, name)
		}
	}
	values := make([][]byte, len(names))
	for i, n := range names {
		values[i] = []byte{}
		if n == "calldate" {
			values[i] = []byte("0000-00-00 00:00:00")
		}
	}
	p := formatstest.New(t, "asterisk", New)
	_, result := formatstest.Check(t, p, &formats.Ticket{Raw: row.Append(nil, names, values)})
	if len(names) != 23 || result.Reason != "no_start" {
		t.Errorf("%d columns, %+v", len(names), result)
	}
}

// sqlRows makes tickets of an INSERT statement.
func sqlRows(t *testing.T, sql string) (out [][]byte) {
	t.Helper()
	_, insert, _ := strings.Cut(sql, "INSERT INTO cdr (")
	head, body, _ := strings.Cut(insert, ") VALUES")
	names := strings.Split(head, ",")
	for l := range strings.SplitSeq(strings.TrimSpace(body), "\n") {
		l = strings.TrimRight(strings.TrimSpace(l), ",;")
		l = strings.TrimSuffix(strings.TrimPrefix(l, "("), ")")
		var values [][]byte
		for l != "" {
			var v string
			if rest, ok := strings.CutPrefix(l, "'"); ok {
				v, l, _ = strings.Cut(rest, "'")
				l = strings.TrimPrefix(l, ",")
			} else {
				v, l, _ = strings.Cut(l, ",")
			}
			values = append(values, []byte(v))
		}
		if len(values) != len(names) {
			t.Fatalf("%d values for %d columns: %s", len(values), len(names), l)
		}
		raw := row.Append(nil, names, values)
		out = append(out, raw[:len(raw)-1])
	}
	return out
}
