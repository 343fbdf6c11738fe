package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/services/sink/internal/clickhouse"
)

// Message of the stream TICKETS.
type Message struct {
	Site, Link, ID string
	Sequence       uint64
	// Received is when its first byte came, Stored when it was in the stream.
	Received, Stored time.Time
}

// Unanswered are those of some messages that have no receipt in ClickHouse.
func (r Reader) Unanswered(ctx context.Context, messages []Message) (out []Message, err error) {
	for some := range slices.Chunk(messages, lookup) {
		have, err := r.answered(ctx, some)
		if err != nil {
			return nil, fmt.Errorf("receipts of messages: %w", err)
		}
		for _, m := range some {
			if !have[m.ID] {
				out = append(out, m)
			}
		}
	}
	return out, nil
}

func (r Reader) answered(ctx context.Context, messages []Message) (map[string]bool, error) {
	first, last := messages[0].Received, messages[0].Received
	sites, links, ids := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	for _, m := range messages {
		sites[m.Site], links[m.Link], ids[m.ID] = true, true, true
		if m.Received.Before(first) {
			first = m.Received
		}
		if m.Received.After(last) {
			last = m.Received
		}
	}
	where, err := condition("received_time", 6, first, last.Add(time.Second), "", "")
	if err != nil {
		return nil, err
	}
	var id proto.ColStr
	have := make(map[string]bool, len(messages))
	sql := fmt.Sprintf("SELECT DISTINCT message_id FROM %s WHERE site IN (%s) AND link IN (%s) AND %s AND message_id IN (%s)",
		r.Table("receipts"), texts(sites), texts(links), where, texts(ids))
	err = r.Conn.Query(ctx, sql, proto.Results{{Name: "message_id", Data: &id}}, func() error {
		for i := range id.Rows() {
			have[id.Row(i)] = true
		}
		return nil
	})
	return have, err
}

func texts(set map[string]bool) string {
	var quoted []string
	for _, s := range slices.Sorted(maps.Keys(set)) {
		quoted = append(quoted, clickhouse.Text(s))
	}
	return strings.Join(quoted, ", ")
}
