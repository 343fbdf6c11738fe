// Package fault breaks what stands between a PBX and the table, and counts.
package fault

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

// binaries is the folder of the real programs, and of those of another version in
// the folder `newer` of it.
var binaries string

// forgetful is a NATS server that does not sync.
const forgetful = "forgetful"

func TestMain(m *testing.M) {
	parts := map[string]part.Part{forgetful: func(ctx context.Context, dir, listen string) error {
		return part.ServeNATS(ctx, &server.Options{
			Host: "127.0.0.1", Port: portOf(listen), JetStream: true, JetStreamMaxStore: 1 << 50, StoreDir: dir, NoLog: true, MaxPayload: 2 << 20,
		})
	}}
	part.Main(m, parts, buildAll)
}

// buildAll builds the services, and beside them a newer parser and a newer sink
// with a migration more.
func buildAll(dir string) error {
	binaries = dir
	newer := filepath.Join(dir, "newer")
	if err := os.Mkdir(newer, 0o755); err != nil {
		return err
	}
	if err := kit.BuildServices(dir, kit.AllServices, kit.Versioned("1.0.0")...); err != nil {
		return err
	}
	overlay, err := kit.NewerSchema("../..", dir)
	if err != nil {
		return err
	}
	return kit.BuildServices(newer, []string{"parser", "sink"}, append(kit.Versioned("1.1.0"), "-overlay", overlay)...)
}
