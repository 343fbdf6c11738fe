package sink

import (
	"context"

	"trunkline.internal/platform/lifecycle"
)

// Migrate brings the schema to where this sink needs it, under the lease that
// all sinks share, and ends the process. It waits for NATS and ClickHouse; ctx
// ends that. It is Run's place in a process that writes nothing.
func (s *Service) Migrate(ctx context.Context, ready func()) error {
	defer s.conn.Close()
	defer s.asking.Close()
	ready()
	if s.deps.Bus.Ready(ctx) != nil || !s.prepare(ctx) {
		return nil
	}
	return lifecycle.ErrDone
}
