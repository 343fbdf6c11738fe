package parser

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/services/parser/formats/kit"
)

// golden loads the golden tickets of every format.
func golden(t testing.TB) []*formatstest.File {
	t.Helper()
	dirs, err := filepath.Glob("formats/*/testdata")
	if err != nil {
		t.Fatal(err)
	}
	var out []*formatstest.File
	for _, dir := range dirs {
		// Layout files are named as their format's folder sees them.
		t.Chdir(filepath.Dir(dir))
		files := formatstest.Files(t, "testdata")
		t.Chdir("../..")
		for _, f := range files {
			f.Name = filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(f.Name)
		}
		out = append(out, files...)
	}
	return out
}

// A model that is said to parse has a format, golden tickets and a page; and a
// format belongs to a model.
func TestModelsAreWhole(t *testing.T) {
	have := map[string]bool{}
	for _, f := range golden(t) {
		have[f.Settings.Model] = true
	}
	for _, m := range pbx.Models() {
		if _, ok := registry[m.ID]; ok != m.Parses {
			t.Errorf("%s: Parses is %v, and the registry has a format: %v", m.ID, m.Parses, ok)
		}
		if m.Parses && !have[m.ID] {
			t.Errorf("%s has no golden tickets", m.ID)
		}
		if _, err := os.Stat("../../docs/pbx/" + m.ID + ".md"); m.Parses && err != nil {
			t.Errorf("%s has no page in docs/pbx", m.ID)
		}
	}
	for id := range maps.Keys(registry) {
		if _, ok := pbx.Lookup(id); !ok {
			t.Errorf("the registry has %s, the catalogue has not", id)
		}
	}
}

// The same bytes in one message or in many give the same outcomes with the same
// ids.
func TestMessagesDoNotMatter(t *testing.T) {
	for _, f := range golden(t) {
		t.Run(f.Name, func(t *testing.T) {
			var all []byte
			for _, raw := range f.Tickets {
				all = append(append(all, raw...), f.End...)
			}
			cutting, err := f.Settings.Cutting()
			if err != nil {
				t.Fatal(err)
			}
			var single []*bus.TicketMessage
			if err := cut.Each(cutting.Split, all, func(at int, raw []byte) bool {
				end := at + len(raw)
				if cut.Terminated(all, end) {
					end++
				}
				single = append(single, ticketMessage(f, all[at:end:end], at))
				return true
			}); err != nil {
				t.Fatal(err)
			}
			apart := read(t, f, single...)
			if together := read(t, f, ticketMessage(f, all, 0)); !slices.EqualFunc(together, apart, equal) {
				t.Fatalf("%d outcomes in one message, %d in %d; first difference:\n%v", len(together), len(apart), len(single), differ(together, apart))
			}
			if len(apart) != len(single) || len(single) < len(f.Tickets)/2 {
				t.Errorf("%d tickets were cut into %d, and gave %d outcomes", len(f.Tickets), len(single), len(apart))
			}
		})
	}
}

func ticketMessage(f *formatstest.File, payload []byte, at int) *bus.TicketMessage {
	return &bus.TicketMessage{
		Address:  wire.Address{Model: f.Settings.Model, Site: f.Settings.Site, Link: f.Settings.Link},
		Received: formatstest.Near, Written: f.Near, Preamble: f.Preamble, Payload: payload,
		Origin: "file:golden", Offset: identity.Position(int64(at)),
	}
}

// read gives the outcomes of the messages, CDRs and others each in their order.
func read(t *testing.T, f *formatstest.File, messages ...*bus.TicketMessage) []proto.Message {
	t.Helper()
	r, err := NewReader(f.Settings)
	if err != nil {
		t.Fatal(err)
	}
	r.now = func() time.Time { return formatstest.Near }
	var cdrs, others []proto.Message
	for _, m := range messages {
		b := r.Read(m)
		for _, c := range b.Cdrs {
			cdrs = append(cdrs, c)
		}
		for _, o := range b.Others {
			others = append(others, o)
		}
	}
	return append(cdrs, others...)
}

func equal(a, b proto.Message) bool { return proto.Equal(a, b) }

func differ(a, b []proto.Message) []proto.Message {
	for i := range min(len(a), len(b)) {
		if !equal(a[i], b[i]) {
			return []proto.Message{a[i], b[i]}
		}
	}
	return nil
}

// A line without its end may have lost more than the end.
func TestUnterminated(t *testing.T) {
	f := formatstest.Load(t, "formats/mitel3300/testdata/standard.txt")
	raw := f.Tickets[0]
	for end, want := range map[string]bool{"": true, "\r\n": false} {
		got := read(t, f, ticketMessage(f, append(bytes.Clone(raw), end...), 0))
		cdr, ok := got[0].(*trunklinev1.Cdr)
		if !ok || slices.Contains(cdr.Warnings, trunklinev1.Warning_WARNING_UNTERMINATED) != want {
			t.Errorf("end %q: %v", end, got)
		}
	}
}

// BenchmarkFormats parses the golden calls of each format on one core. `beside`
// counts what a ticket allocates beside the CDR itself: its times, attributes and
// warnings.
func BenchmarkFormats(b *testing.B) {
	for _, f := range golden(b) {
		link, err := kit.NewLink(f.Settings)
		if err != nil {
			b.Fatal(err)
		}
		p, err := registry[f.Settings.Model](link)
		if err != nil {
			b.Fatal(err)
		}
		var calls []*formats.Ticket
		var own float64
		for _, raw := range f.Tickets {
			var cdr trunklinev1.Cdr
			if t := f.Ticket(raw); p.Parse(t, &cdr).Outcome == formats.CDR {
				calls = append(calls, t)
				own += parts(&cdr)
			}
		}
		if len(calls) == 0 {
			continue
		}
		own /= float64(len(calls))
		b.Run(f.Name, func(b *testing.B) {
			i := 0
			all := testing.AllocsPerRun(1000*len(calls), func() {
				var cdr trunklinev1.Cdr
				p.Parse(calls[i%len(calls)], &cdr)
				i++
			})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var cdr trunklinev1.Cdr
				p.Parse(calls[i%len(calls)], &cdr)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tickets/s")
			b.ReportMetric(max(0, all-own), "beside")
		})
	}
}

// parts counts the allocations of a CDR and what hangs on it.
func parts(cdr *trunklinev1.Cdr) float64 {
	return testing.AllocsPerRun(10, func() {
		c := new(trunklinev1.Cdr)
		if cdr.StartTime != nil {
			c.StartTime = timestamppb.New(cdr.StartTime.AsTime())
		}
		if cdr.EndTime != nil {
			c.EndTime = timestamppb.New(cdr.EndTime.AsTime())
		}
		for name, value := range cdr.Attributes {
			kit.Attribute(c, name, value)
		}
		kit.Warn(c, cdr.Warnings...)
		keep = c
	})
}

var keep *trunklinev1.Cdr
