package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/test/kit"
)

// Each of the five models delivers on its wire, and every ticket comes out of
// `calls` with every field right, or of other_tickets with its bytes.
func TestModels(t *testing.T) {
	t.Parallel()
	now := time.Now()
	pbxs := five(t, "models", pbxsim.Options{
		Seed: 42, Burst: true, Count: 400, Odd: 0.05, From: now.Add(-15 * 24 * time.Hour), To: now.Add(-24 * time.Hour),
		Faults: pbxsim.Faults{},
	})
	for _, p := range pbxs {
		if p.options.Dir == "" && p.options.DSN == "" {
			p.options.Faults.Split = true
		}
	}
	in, sims := start(t, pbxs)
	var all sync.WaitGroup
	for i, p := range pbxs {
		all.Go(func() {
			t.Run(p.model, func(t *testing.T) {
				if err := sims[i].Run(t.Context()); err != nil {
					t.Fatal(err)
				}
				check(t, in.For(t), p)
			})
		})
	}
	all.Wait()
}

// check compares everything that a PBX sent with everything that is kept of it.
func check(t *testing.T, in *kit.Instance, p *pbx) {
	t.Helper()
	tickets := p.sent.all()
	if want := p.options.Count * 4 / 5; len(tickets) < want { // some PBXs print no internal calls
		t.Fatalf("%d tickets sent, want %d or more", len(tickets), want)
	}
	// What a PBX prints around its log-in is kept too, as ignored.
	const dialogue = "reason = 'login_dialogue'"
	in.Await(fmt.Sprintf("SELECT sum(ticket_count) - (SELECT count() FROM other_tickets FINAL WHERE link = '%[1]s' AND %[2]s) FROM receipts FINAL WHERE link = '%[1]s'",
		p.link, dialogue), len(tickets))
	told := make(map[string][]pbxsim.Ticket)
	for _, x := range tickets {
		told[key(x)] = append(told[key(x)], x)
	}
	wrong := 0
	records := in.Records(fmt.Sprintf("link = '%s'", p.link))
	for _, r := range records {
		k := keyOf(r.Raw)
		same := told[k]
		if len(same) == 0 {
			t.Errorf("a call that nobody sent: %q", r.Raw)
			continue
		}
		diffs := kit.Compare(same[0], r)
		told[k] = same[1:]
		if same[0].Want != pbxsim.WantCDR {
			diffs = append(diffs, "it is no call: "+string(same[0].Want))
		}
		if r.Site != "lyon" || r.Model != p.model || r.CallKey == "" {
			diffs = append(diffs, fmt.Sprintf("it is of %s, a %s, key %q", r.Site, r.Model, r.CallKey))
		}
		if len(diffs) > 0 {
			if wrong++; wrong <= 5 {
				t.Errorf("%s\n%v", r.Raw, diffs)
			}
		}
	}
	out := in.MustQuery(fmt.Sprintf("SELECT outcome, reason, error, raw FROM other_tickets FINAL WHERE link = '%s' AND NOT %s FORMAT JSONEachRow", p.link, dialogue))
	dec := json.NewDecoder(strings.NewReader(out))
	others := 0
	for dec.More() {
		var o struct{ Outcome, Reason, Error, Raw string }
		if err := dec.Decode(&o); err != nil {
			t.Fatal(err)
		}
		others++
		same := told[keyOf(o.Raw)]
		if len(same) == 0 {
			t.Errorf("a ticket that nobody sent: %q", o.Raw)
			continue
		}
		told[keyOf(o.Raw)] = same[1:]
		if want := string(same[0].Want); !strings.EqualFold(o.Outcome, want) {
			t.Errorf("%q is %s, want %s: %s %s", o.Raw, o.Outcome, want, o.Reason, o.Error)
		}
	}
	if len(records)+others != len(tickets) {
		t.Errorf("%d calls and %d others of %d tickets", len(records), others, len(tickets))
	}
	for _, left := range told {
		for _, x := range left {
			t.Errorf("lost: %q", x.Bytes)
		}
	}
	if wrong > 5 {
		t.Errorf("%d of %d calls wrong", wrong, len(records))
	}
}

// key tells tickets apart: a row by its id, any other by its bytes.
func key(x pbxsim.Ticket) string {
	if x.Row != 0 {
		return fmt.Sprintf("id %d", x.Row)
	}
	// A form feed is an end, though a page's head carries it in front.
	return string(bytes.ToValidUTF8(bytes.TrimLeft(x.Bytes, "\f"), []byte("\uFFFD")))
}

func keyOf(raw string) string {
	if strings.HasPrefix(raw, "{") {
		var row struct {
			ID string `json:"id"`
		}
		if json.Unmarshal([]byte(raw), &row) == nil && row.ID != "" {
			return "id " + row.ID
		}
	}
	return raw
}

// A ticket that hangs up now can be asked for within two seconds. Real clocks
// are used, with room for a busy machine: the measured time is in the log. It runs
// alone.
func TestFresh(t *testing.T) {
	calls := make(chan pbxsim.Ticket)
	p := &pbx{model: "avaya-ipoffice", link: "front-desk", wire: `tcp: {listen: "127.0.0.1:0"}`}
	p.options.Feed = func(yield func(pbxsim.Ticket) bool) {
		for x := range calls {
			if !yield(x) {
				return
			}
		}
	}
	in, sims := start(t, []*pbx{p})
	done := make(chan error, 1)
	go func() { done <- sims[0].Run(t.Context()) }()
	now := time.Now()
	seq, err := pbxsim.Tickets(p.model, pbxsim.Options{Seed: 1, Zone: paris, Count: 5, Burst: true, From: now.Add(-48 * time.Hour), To: now})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var worst time.Duration
	for x := range seq {
		n++
		calls <- x
		began := time.Now()
		in.Await("SELECT count() FROM calls", n)
		worst = max(worst, time.Since(began))
	}
	close(calls)
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("from the wire to calls: %s at worst", worst)
	if worst > 2*time.Second {
		t.Errorf("from the wire to calls: %s, want 2 s", worst)
	}
}
