package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/pbx/row"
	"trunkline.internal/platform/bus"
	"trunkline.internal/services/ingest-poll/internal/link"
)

type hash [sha256.Size / 2]byte

// record is one record as it is published: a JSON object.
type record struct {
	line []byte
	hash hash
	main bool
	// id is AcctId; empty: it has none.
	id string
	// start is when the call began, by the PBX's clock; zero: not told.
	start time.Time
}

func newRecord(line []byte, main bool) record {
	sum := sha256.Sum256(line)
	r := record{line: line, hash: hash(sum[:]), main: main}
	_ = scan(line, func(name, value string) { // what is no object is the parser's to tell
		switch name {
		case "AcctId":
			r.id = value
		case "start":
			r.start, _ = time.Parse(time.DateTime, value)
		}
	})
	return r
}

// name is the same whatever else a record comes to say.
func (r *record) name() string { return r.id + " " + r.start.Format(time.DateTime) }

// readUCM reads cdrapi's answer: {"cdr":[…]} of the UCM6100, {"cdr_root":[…]} of
// others, the new API's may be inside of "response". An element is a record, or a
// call's records by their names.
func readUCM(body []byte) (*ucmList, error) {
	type list struct {
		CDR  *[]json.RawMessage `json:"cdr"`
		Root *[]json.RawMessage `json:"cdr_root"`
	}
	var outer struct {
		list
		Response json.RawMessage `json:"response"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return nil, broken(err)
	}
	lists := []list{outer.list}
	var inner list
	if bytes.HasPrefix(outer.Response, []byte("{")) {
		if err := json.Unmarshal(outer.Response, &inner); err != nil {
			return nil, fmt.Errorf("cdrapi answers no list of calls: %w", err)
		}
		lists = append(lists, inner)
	}
	for _, l := range lists {
		elements := l.Root
		if elements == nil {
			elements = l.CDR
		}
		if elements != nil {
			p := &ucmList{elements: len(*elements)}
			for _, e := range *elements {
				p.records = appendRecords(p.records, oneLine(e))
			}
			return p, nil
		}
	}
	return nil, errors.New("cdrapi answers no list of calls: is url the address of its API?")
}

// appendRecords adds the records of an element: itself, or those of a call, which
// get their names as a first field, since main_cdr repeats what the others say.
func appendRecords(to []record, element []byte) []record {
	var named []row.Field
	own := false
	if err := row.Scan(string(element), func(f row.Field) bool {
		if f.Nested && strings.HasPrefix(f.Value, "{") {
			named = append(named, f)
		}
		own = own || f.Name == "AcctId" || f.Name == "start"
		return true
	}); err != nil || own || len(named) == 0 {
		return append(to, newRecord(element, false))
	}
	for _, f := range named {
		name, err := json.Marshal(f.Name)
		if err != nil {
			name = []byte(`""`) // a string always has its JSON
		}
		line := append([]byte(`{"cdr":`), name...)
		fields := strings.TrimLeft(f.Value[1:], " \t")
		if fields != "}" {
			line = append(line, ',')
		}
		to = append(to, newRecord(append(line, fields...), f.Name == "main_cdr"))
	}
	return to
}

// origins of records. A main_cdr has the AcctId of one of the others, so it is of
// an origin of its own. A record without AcctId is one of its own making.
type origins struct{ records, mains, others string }

func originsOf(host string, epoch int) origins {
	return origins{
		records: identity.Table(host, "cdrapi", epoch), mains: identity.Table(host, "cdrapi.main_cdr", epoch),
		others: identity.Table(host, "cdrapi.other", epoch),
	}
}

// publish sends the records that were not seen, and keeps them in mind.
func (u *ucm) publish(ctx context.Context, records []record, now time.Time, seen map[hash]time.Time) error {
	for len(records) > ucmPage {
		if err := u.publish(ctx, records[:ucmPage], now, seen); err != nil {
			return err
		}
		records = records[ucmPage:]
	}
	var fresh []*record
	once := make(map[hash]bool, len(records))
	for i := range records {
		r := &records[i]
		_, before := u.seen[r.hash]
		_, now := seen[r.hash]
		if !before && !now && !once[r.hash] {
			once[r.hash] = true
			fresh = append(fresh, r)
		}
	}
	var out link.Batch
	m := bus.TicketMessage{Address: u.Address, Received: u.Now(), Name: u.client.base.Host}
	for _, main := range []bool{false, true} {
		var payload []byte
		var ends []int
		var ids []string
		for _, r := range fresh {
			if r.id != "" && r.main == main {
				payload = append(append(payload, r.line...), '\n')
				ends, ids = append(ends, len(payload)), append(ids, r.id)
			}
		}
		if m.Origin = u.origin.records; main {
			m.Origin = u.origin.mains
		}
		out.AddRows(m, payload, ends, func(i int) string { return identity.RowPosition("AcctId", ids[i]) })
	}
	for _, r := range fresh {
		if r.id == "" {
			m.Origin = u.origin.others + ":" + hex.EncodeToString(r.hash[:])
			line := append(r.line[:len(r.line):len(r.line)], '\n')
			out.AddRows(m, line, []int{len(line)}, func(int) string { return identity.Position(0) })
		}
	}
	if err := u.Send(ctx, &out); err != nil {
		return err
	}
	for _, r := range records {
		seen[r.hash] = r.start
		if r.id != "" && !r.start.IsZero() && !r.start.Before(u.anchored) && r.start.Before(now.Add(ucmZones)) {
			u.anchor, u.anchored = r.name(), r.start
		}
	}
	return nil
}
