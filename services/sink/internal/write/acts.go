package write

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"trunkline.internal/services/sink/internal/batch"
	"trunkline.internal/services/sink/internal/clickhouse"
)

// insertActs writes the acts. Of the rows of one act the table keeps the one that
// was inserted last, and a begin that comes late, or again, must not take the place
// of its end: it is not written where the end stands; and where another sink wrote
// the end meanwhile, that is written again.
func (w *Writer) insertActs(ctx context.Context, b *batch.Batch) error {
	begun := b.Begun()
	var stand map[string]bool
	if len(begun) > 0 {
		err := w.again(ctx, func(ctx context.Context) (err error) {
			stand, err = w.endsOf(ctx, begun)
			return err
		}, nil)
		if err != nil {
			return err
		}
	}
	b.Begin(stand)
	if err := insertBlock(ctx, w, b.Acts); err != nil {
		return err
	}
	if begun = slices.DeleteFunc(begun, func(id string) bool { return stand[id] }); len(begun) == 0 {
		return nil
	}
	return w.again(ctx, func(ctx context.Context) error { return w.endAgain(ctx, begun) }, nil)
}

// isEnd is true of the rows of the ends of acts.
func isEnd(ids []string) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = clickhouse.Text(id)
	}
	return "id IN (" + strings.Join(quoted, ", ") + ") AND after != ''"
}

func (w *Writer) endsOf(ctx context.Context, ids []string) (map[string]bool, error) {
	ended := make(map[string]bool)
	var id proto.ColStr
	err := w.Conn.Query(ctx, "SELECT DISTINCT id FROM "+w.Table("audit")+" WHERE "+isEnd(ids), proto.Results{{Name: "id", Data: &id}}, func() error {
		for i := range id.Rows() {
			ended[id.Row(i)] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("which acts have ended: %w", err)
	}
	return ended, nil
}

// endAgain writes those ends of acts again that stand.
func (w *Writer) endAgain(ctx context.Context, ids []string) error {
	stand, err := w.endsOf(ctx, ids)
	if err != nil || len(stand) == 0 {
		return err
	}
	const columns = "time, id, who, what, object, before, after, site, link"
	table := w.Table("audit")
	// The same bytes as before, and meant: a token of their own.
	settings := append(slices.Clone(w.Settings), clickhouse.Setting{Name: "insert_deduplication_token", Value: rand.Text()})
	err = w.Conn.Exec(ctx, "INSERT INTO "+table+" ("+columns+") SELECT "+columns+" FROM "+table+" WHERE "+isEnd(ids)+" LIMIT 1 BY id", settings...)
	if err != nil {
		return fmt.Errorf("the ends of acts: %w", err)
	}
	return nil
}
