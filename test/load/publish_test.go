package load

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/service"
	"trunkline.internal/proto/wire"
)

const (
	publishers = 4000 // links that have each one ticket under way
	rounds     = 5
	each       = 100_000 // tickets a round
)

// ticket is the first of a link, in a message of its own.
func ticket(link int) *bus.TicketMessage {
	return &bus.TicketMessage{
		Address:  wire.Address{Model: model, Site: "site", Link: fmt.Sprintf("pbx-%04d", link)},
		Received: time.Now(),
		Origin:   fmt.Sprintf("tcp:%032d", link),
		Offset:   "0",
		Name:     "127.0.0.1:40000",
		Payload: fmt.Appendf(nil, "2026/11/23 09:15:42,00:01:07,4,0155501%03d,I,201,01632960100,,0,%010d,0,E201,Front desk,T9001,Line 1.1,0,0,,,,,,,,,,,,%08d\r\n",
			link, link, link),
	}
}

// BenchmarkDurablePublish publishes tickets of many links, one a message, to a
// server that syncs each commit to disk, and lets `nats bench js pub atomic` do the
// same with as many bytes, turn by turn. TRUNKLINE_NATS_CLI names that program.
func BenchmarkDurablePublish(b *testing.B) {
	cli := os.Getenv("TRUNKLINE_NATS_CLI")
	if cli == "" {
		b.Fatal("TRUNKLINE_NATS_CLI names no nats: run make bench-publish")
	}
	url := brokerProcess(b)
	conn, err := bus.Connect(bus.Config{URL: url, Name: "bench", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	service.FewProcessors() // as ingest-tcp does
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	b.Cleanup(func() { stop(); running.Wait(); conn.Close() })
	running.Go(func() {
		if err := conn.Run(ctx, func() {}); err != nil {
			b.Error(err)
		}
	})
	if err := conn.Ready(ctx); err != nil {
		b.Fatal(err)
	}
	committer := conn.NewCommitter(wire.StreamTickets)
	running.Go(func() { committer.Run(ctx) })

	syscall.Sync() // what was built is on disk before we measure it
	for b.Loop() {
		var ours, theirs time.Duration
		for round := range rounds {
			took := publish(b, committer, round)
			other := natsBench(b, cli, url)
			ours, theirs = ours+took, theirs+other
			b.Logf("round %d: %.0f/s, nats bench %.0f/s", round+1, each/took.Seconds(), each/other.Seconds())
		}
		b.ReportMetric(rounds*each/ours.Seconds(), "tickets/s")
		b.ReportMetric(rounds*each/theirs.Seconds(), "nats-bench/s")
		b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	}
}

// publish lets every link publish its tickets, one after the other.
func publish(b *testing.B, c *bus.Committer, round int) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for link := range publishers {
		all.Go(func() {
			m := ticket(link)
			for n := range each / publishers {
				m.Received, m.Offset = time.Now(), strconv.Itoa((round*each+n)*len(m.Payload))
				if err := c.Publish(b.Context(), m.Msg()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

var benchRate = regexp.MustCompile(`([\d,]+) msgs/sec`)

// natsBench publishes as many messages with as many bytes in payload, headers and
// batch, from one client, as our committer is one.
func natsBench(b *testing.B, cli, url string) time.Duration {
	b.Helper()
	one := ticket(1)
	one.Offset = strconv.Itoa(rounds * each * len(one.Payload))
	m := one.Msg()
	payload := filepath.Join(b.TempDir(), "payload")
	if err := os.WriteFile(payload, m.Data, 0o600); err != nil {
		b.Fatal(err)
	}
	args := []string{
		"bench", "js", "pub", "atomic", m.Subject, "--server", url, "--stream", wire.StreamTickets, "--no-context", "--no-progress",
		"--batch", "1000", "--msgs", strconv.Itoa(each), "--payload", payload, "--dedup", "--multisubject", "--multisubjectmax", strconv.Itoa(publishers),
	}
	for name, values := range m.Header {
		if name != "Nats-Msg-Id" { // --dedup makes it
			args = append(args, "--header", name+":"+values[0])
		}
	}
	out, err := exec.CommandContext(b.Context(), cli, args...).CombinedOutput()
	if err != nil {
		b.Fatalf("nats bench: %v\n%s", err, out)
	}
	rate := benchRate.FindSubmatch(out)
	if rate == nil {
		b.Fatalf("nats bench tells no rate:\n%s", out)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(string(rate[1]), ",", ""), 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(each / n * float64(time.Second))
}
