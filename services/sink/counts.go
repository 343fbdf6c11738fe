package sink

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/sink/internal/counts"
)

// countTimeout bounds a question about a day.
const countTimeout = 25 * time.Second

// answer answers AskCounts, on a connection of its own: who asks must not hold up
// who writes.
func (s *Service) answer(ctx context.Context, question []byte) []proto.Message {
	var ask trunklinev1.AskCounts
	if proto.Unmarshal(question, &ask) != nil {
		return nil
	}
	if ask.Date == "" {
		ask.Date = time.Now().UTC().Format(time.DateOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	links, err := counts.Reader{Conn: s.asking, Table: s.schema.Name}.Of(ctx, ask.Date, ask.Site, ask.Link)
	if err != nil {
		return []proto.Message{&trunklinev1.Counts{Date: ask.Date, Error: err.Error(), Parts: 1}}
	}
	const most = 2000 // in one answer: far below what NATS carries
	var out []proto.Message
	for part := range slices.Chunk(links, most) {
		out = append(out, &trunklinev1.Counts{Date: ask.Date, Links: part, Part: uint32(len(out))})
	}
	if len(out) == 0 {
		out = append(out, &trunklinev1.Counts{Date: ask.Date})
	}
	for _, m := range out {
		m.(*trunklinev1.Counts).Parts = uint32(len(out))
	}
	return out
}
