package sink_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/platform/config"
	v1 "trunkline.internal/proto/trunkline/v1"
)

// fill gives every field of a message a value of its own, and tells what the
// table must hold for it. Messages within, but times, are left alone.
func fill(m protoreflect.Message, set map[string]any) (want map[string]string) {
	want = make(map[string]string)
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := string(f.Name())
		n := 100 + i
		switch v := set[name].(type) {
		case string:
			m.Set(f, protoreflect.ValueOfString(v))
			want[name] = v
			continue
		case uint32:
			m.Set(f, protoreflect.ValueOfUint32(v))
			want[name] = fmt.Sprint(v)
			continue
		}
		switch {
		case f.IsMap():
			m.Mutable(f).Map().Set(protoreflect.ValueOfString("b").MapKey(), protoreflect.ValueOfString(`"2"`))
			m.Mutable(f).Map().Set(protoreflect.ValueOfString("a").MapKey(), protoreflect.ValueOfString("é"))
			want[name] = `{"a":"é","b":"\"2\""}`
		case f.IsList() && f.Kind() == protoreflect.EnumKind:
			m.Mutable(f).List().Append(protoreflect.ValueOfEnum(4))
			m.Mutable(f).List().Append(protoreflect.ValueOfEnum(1))
			want[name] = "MASKED,YEAR_INFERRED"
		case f.IsList():
		case f.Kind() == protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString("text of "+name))
			want[name] = "text of " + name
		case f.Kind() == protoreflect.BytesKind:
			m.Set(f, protoreflect.ValueOfBytes([]byte("bytes\tof\x01 "+name)))
			want[name] = "bytes\tof\x01 " + name
		case f.Kind() == protoreflect.Uint32Kind:
			m.Set(f, protoreflect.ValueOfUint32(uint32(n)))
			want[name] = fmt.Sprint(n)
		case f.Kind() == protoreflect.Uint64Kind:
			m.Set(f, protoreflect.ValueOfUint64(uint64(n)))
			want[name] = fmt.Sprint(n)
		case f.Kind() == protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(int32(-n)))
			want[name] = fmt.Sprint(-n)
		case f.Kind() == protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
			want[name] = "true"
		case f.Kind() == protoreflect.EnumKind:
			last := f.Enum().Values().Get(f.Enum().Values().Len() - 1)
			m.Set(f, protoreflect.ValueOfEnum(last.Number()))
			prefix := strings.TrimSuffix(string(f.Enum().Values().Get(0).Name()), "UNSPECIFIED")
			want[name] = strings.TrimPrefix(string(last.Name()), prefix)
		case f.Message() != nil && f.Message().FullName() == "google.protobuf.Timestamp":
			at := day.Add(time.Duration(n)*time.Minute + 123456*time.Microsecond)
			m.Set(f, protoreflect.ValueOfMessage(timestamppb.New(at).ProtoReflect()))
			want[name] = at.Format("2006-01-02 15:04:05.000000")
			if name == "start_time" || name == "end_time" {
				want[name] = at.Format("2006-01-02 15:04:05.000")
			}
		case f.Message() != nil:
		default:
			panic("no value for " + f.FullName())
		}
	}
	return want
}

// shown is a value of a JSON row as fill tells it.
func shown(v any) string {
	switch v := v.(type) {
	case map[string]any:
		b, _ := json.Marshal(v)
		return string(b)
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, shown(e))
		}
		return strings.Join(list, ",")
	default:
		return fmt.Sprint(v)
	}
}

// TestEveryFieldIsKept fails for a field of the contract that has no column.
func TestEveryFieldIsKept(t *testing.T) {
	t.Run("http", func(t *testing.T) {
		b := newBench(t)
		testEveryField(t, b, b.config())
	})
	t.Run("native", func(t *testing.T) {
		b := newBench(t)
		cfg := b.config()
		cfg.Protocol, cfg.Addr = "native", []string{newBridge(t).listener.Addr().String()}
		testEveryField(t, b, cfg)
	})
}

func testEveryField(t *testing.T, b *bench, cfg config.ClickHouse) {
	b.start(cfg)
	var r v1.CdrBatch
	var c v1.Cdr
	var o v1.OtherTicket
	wantReceipt := fill(r.ProtoReflect(), map[string]any{"site": "lyon", "link": "front-desk", "model": "avaya-ipoffice", "part": uint32(0), "revision": uint32(0)})
	r.Place = new(v1.Place)
	wantPlace := fill(r.Place.ProtoReflect(), nil)
	wantCdr := fill(c.ProtoReflect(), map[string]any{"charge_amount": "12.345678", "revision": uint32(0)})
	wantOther := fill(o.ProtoReflect(), nil)
	r.Cdrs, r.Others = []*v1.Cdr{&c}, []*v1.OtherTicket{&o}
	b.publish(&r)
	b.settled()

	check := func(what string, got map[string]any, want map[string]string, except ...string) {
		t.Helper()
		for name, w := range want {
			if g, ok := got[name]; !ok {
				if !strings.Contains(" "+strings.Join(except, " ")+" ", " "+name+" ") {
					t.Errorf("%s has no column %s", what, name)
				}
			} else if shown(g) != w {
				t.Errorf("%s.%s is %q, want %q", what, name, shown(g), w)
			}
		}
	}
	check("cdrs", b.row("SELECT * FROM DB.cdrs FINAL"), wantCdr)
	check("cdrs", b.row("SELECT * FROM DB.cdrs FINAL"), map[string]string{"message_id": r.MessageId})
	check("other_tickets", b.row("SELECT * FROM DB.other_tickets FINAL"), wantOther)
	check("other_tickets", b.row("SELECT * FROM DB.other_tickets FINAL"), wantPlace)
	check("receipts", b.row("SELECT * FROM DB.receipts FINAL"), wantReceipt)
	check("receipts", b.row("SELECT * FROM DB.receipts FINAL"), wantPlace, "incomplete")

	for name := range wantCdr {
		if wantCdr[name] == "true" {
			wantCdr[name] = "1"
		}
	}
	delete(wantCdr, "position") // for replays, not for people
	wantCdr["charge"] = "12.345678"
	wantCdr["answered"], wantCdr["counts"] = "0", "0"
	start := c.StartTime.AsTime().Add(time.Duration(c.UtcOffsetSeconds) * time.Second)
	wantCdr["start_local"] = start.Format("2006-01-02 15:04:05.000")
	wantCdr["local_date"], wantCdr["local_hour"] = start.Format("2006-01-02"), fmt.Sprint(start.Hour())
	check("calls", b.row("SELECT * FROM DB.calls"), wantCdr)
	if got := b.read("SELECT count() FROM DB.calls"); got != "1" {
		t.Errorf("a reader sees %q calls", got)
	}
}

// TestEmptyFields: what a ticket does not tell has one documented value.
func TestEmptyFields(t *testing.T) {
	b := newBench(t)
	b.start(b.config())
	far := &v1.Cdr{TicketId: "far", Site: "lyon", StartTime: &timestamppb.Timestamp{Seconds: 253402300799}, EndTime: &timestamppb.Timestamp{Seconds: -62135596800}}
	b.publish(receipt(0, []*v1.Cdr{{TicketId: "empty", Site: "lyon"}, far}))
	b.settled()
	want := "empty\t1970-01-01 00:00:00.000\t1970-01-01 00:00:00.000\t\t\t{}\t0.000000\n" +
		"far\t2299-12-31 23:59:59.000\t1900-01-01 00:00:00.000\t\t\t{}\t0.000000"
	if got := b.sql("SELECT ticket_id, start_time, end_time, direction, warnings, attributes, charge FROM DB.calls ORDER BY ticket_id SETTINGS output_format_decimal_trailing_zeros = 1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
