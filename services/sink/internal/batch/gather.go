package batch

import (
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Limits say when a batch is handed on.
type Limits struct {
	// Rows of a table, and Bytes, bound a batch. One message may lead past them.
	Rows, Bytes int
	// Age since the first message, and Idle since the last one, make a batch due.
	Age, Idle time.Duration
}

// DefaultLimits are right for ClickHouse: few large inserts when there is much,
// and no waiting when there is little.
var DefaultLimits = Limits{
	Rows: 50_000, Bytes: 32 << 20,
	Age: time.Second, Idle: 150 * time.Millisecond,
}

// Gatherer makes batches of messages. A batch that is due waits for the one
// before it and grows meanwhile; a full one stops the intake.
type Gatherer struct {
	Limits Limits
	// Later is told of a receipt of a newer schema.
	Later func(jetstream.Msg)
}

// Run gathers from in until that is closed; then it hands on what there is and
// closes out. It takes empty batches from free.
func (g *Gatherer) Run(in <-chan jetstream.Msg, free <-chan *Batch, out chan<- *Batch) {
	defer close(out)
	age, idle := stopped(), stopped()
	b := <-free
	due := false
	for {
		full := b.Largest() >= g.Limits.Rows || b.Bytes >= g.Limits.Bytes
		take, give := in, out
		if full {
			take = nil
		}
		if !due && !full {
			give = nil
		}
		select {
		case m, ok := <-take:
			if !ok {
				if b.Len() > 0 {
					out <- b
				}
				return
			}
			if !b.Add(m) {
				g.Later(m)
				continue
			}
			if b.Len() == 1 {
				age.Reset(g.Limits.Age)
			}
			idle.Reset(g.Limits.Idle)
		case <-age.C:
			due = true
		case <-idle.C:
			due = true
		case give <- b:
			age.Stop()
			idle.Stop()
			b, due = <-free, false
		}
	}
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
