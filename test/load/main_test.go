package load

import (
	"testing"

	"trunkline.internal/platform/service"
	"trunkline.internal/test/kit"
	"trunkline.internal/test/kit/part"
)

func TestMain(m *testing.M) {
	service.TuneMemory(service.Memory, service.Growth) // as each service does
	part.Main(m, nil, nil)
}

// brokerProcess runs a durable NATS server as a process of its own, until the test
// ends.
func brokerProcess(t testing.TB) (url string) {
	t.Helper()
	addr := kit.FreePort(t)
	p := kit.NewProcess(t, "nats", part.Command(part.NATS, t.TempDir(), addr))
	p.AwaitListens(addr)
	return "nats://" + addr
}
