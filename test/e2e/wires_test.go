package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/test/kit"
)

// elsewhere are the working wires of a model that other tests deliver over, beside
// or in place of TestEveryWire.
var elsewhere = []struct {
	model string
	wire  catalogue.Wire
	test  func(*testing.T)
}{
	{"asterisk", catalogue.MySQL, TestModels},
}

// A model that is said to work over a wire has delivered over it.
func TestWiresAreCovered(t *testing.T) {
	files := golden(t)
	t.Parallel()
	type way struct {
		model string
		wire  catalogue.Wire
	}
	covered := make(map[way]bool)
	for _, d := range deliveries(t, files) {
		// Without a call it is no delivery.
		if d.parse(t, d.given, d.written()).CdrCount > 0 {
			covered[way{d.model.ID, d.wire}] = true
		}
	}
	for _, e := range elsewhere {
		if m, ok := catalogue.Lookup(e.model); !ok || !m.Works(e.wire) {
			t.Errorf("%s over %s is tested, and the catalogue says that it does not work", e.model, e.wire)
		}
		covered[way{e.model, e.wire}] = e.test != nil
	}
	for _, m := range catalogue.Models() {
		for _, w := range m.WorkingWires() {
			if !covered[way{m.ID, w}] {
				t.Errorf("%s over %s works, says the catalogue, and no end-to-end test delivers so", m.ID, w)
			}
		}
	}
}

// loginDialogue is the reason of what a PBX prints around its log-in, which is
// kept and is no ticket of the delivery's.
const loginDialogue = "login_dialogue"

// Every golden ticket of every model is delivered over every wire that the model
// works over, and what is kept of it is what the parser makes of the same bytes:
// calls with every field, the others with their reason and bytes. Each file of
// tickets is a site of its own, with its zone and country, and a link a wire.
//
// Years that no ticket prints are inferred from when a file was written, which is
// set to what the golden ticket says, and on a socket from when the ticket came,
// which is asked of the receipts.
func TestEveryWire(t *testing.T) {
	files := golden(t)
	t.Parallel()
	all := deliveries(t, files)
	var giving sync.WaitGroup
	t.Cleanup(giving.Wait)
	var servers servers
	for _, d := range all {
		d.prepare(t, &giving, &servers)
	}
	in := kit.Start(t, binary, kit.Config(t.TempDir(), sitesOf(t, all)))
	for _, d := range all {
		d.begin(t, in, &giving)
	}
	await(t, in, all, "the first halves of what grows", (*delivery).started)
	for _, d := range all {
		d.finish(t)
	}
	got := await(t, in, all, "all tickets", (*delivery).total)

	calls := make(map[string][]*kit.Record)
	for _, r := range in.Records("1") {
		calls[r.Site+"/"+r.Link] = append(calls[r.Site+"/"+r.Link], r)
	}
	others := make(map[string][]other)
	out := in.MustQuery("SELECT site, link, outcome, reason, hex(raw) AS raw FROM other_tickets FINAL FORMAT JSONEachRow")
	for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
		var row struct {
			Site, Link string
			other
		}
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		row.Raw = unhex(row.Raw)
		others[row.Site+"/"+row.Link] = append(others[row.Site+"/"+row.Link], row.other)
	}
	for _, d := range all {
		t.Run(d.String(), func(t *testing.T) {
			receipt := got[d.String()]
			if want := d.total(t); receipt.Tickets != want {
				t.Errorf("%d tickets have a receipt, want %d", receipt.Tickets, want)
			}
			d.compare(t, d.parse(t, d.given, time.UnixMicro(receipt.Received)), calls[d.String()], others[d.String()])
		})
	}
}

// other is a ticket that is no call.
type other struct{ Outcome, Reason, Raw string }

var numberKey = regexp.MustCompile(`"(\d+)":`)

// sitesOf is the configuration of the deliveries, a site for each file.
func sitesOf(t *testing.T, all []*delivery) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("sites:\n")
	last := ""
	for _, d := range all {
		if d.settings.Site != last {
			last = d.settings.Site
			fmt.Fprintf(&b, "  - id: %s\n    timezone: %q\n    country: %q\n    outside_prefix: %q\n    links:\n",
				last, d.settings.Timezone, d.settings.Country, d.settings.OutsidePrefix)
		}
		// JSON is YAML, and the settings have the same names in both; but for keys
		// that are numbers.
		parse, err := json.Marshal(d.settings.Parse)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "      - {id: %s, model: %s, parse: %s, %s}\n", d.settings.Link, d.settings.Model, numberKey.ReplaceAll(parse, []byte("${1}: ")), d.yaml)
	}
	return b.String()
}

// receipt is what the receipts say of a delivery: how many tickets came, but for
// what is printed around a log-in, and when the first did, in µs since 1970.
type receipt struct {
	Link     string
	Tickets  int
	Received int64 `json:",string"`
}

// await waits until the receipts count as many tickets of each delivery as they
// should.
func await(t *testing.T, in *kit.Instance, all []*delivery, what string, want func(*delivery, *testing.T) int) map[string]receipt {
	t.Helper()
	got, wanted := make(map[string]receipt), make(map[*delivery]int)
	for _, d := range all {
		wanted[d] = want(d, t)
	}
	kit.Await(t, what, func() bool {
		out, err := in.Query(`SELECT concat(site, '/', link) AS link, toInt32(sum(n)) AS tickets, toString(toUnixTimestamp64Micro(min(at))) AS received FROM (
			SELECT site, link, toInt32(ticket_count) AS n, received_time AS at FROM receipts FINAL UNION ALL
			SELECT site, link, -1, received_time FROM other_tickets FINAL WHERE reason = '` + loginDialogue + `') GROUP BY site, link FORMAT JSONEachRow`)
		if err != nil {
			return false
		}
		for dec := json.NewDecoder(strings.NewReader(out)); dec.More(); {
			var r receipt
			if err := dec.Decode(&r); err != nil {
				t.Fatal(err)
			}
			got[r.Link] = r
		}
		return !slices.ContainsFunc(all, func(d *delivery) bool { return got[d.String()].Tickets < wanted[d] })
	}, func() string {
		var b strings.Builder
		for _, d := range all {
			if n := got[d.String()].Tickets; n < wanted[d] {
				fmt.Fprintf(&b, "\n%s: %d of %d tickets", d, n, wanted[d])
			}
		}
		return b.String()
	})
	return got
}
