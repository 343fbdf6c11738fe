// Package load measures what one process carries.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/natsd"
	"trunkline.internal/proto/wire"
	"trunkline.internal/test/kit"
)

const (
	links     = 1000 // the first half listens, the other is dialled
	maxMemory = 128 << 20
	maxCPU    = 1.0 // cores
	maxBound  = 300 * time.Millisecond
)

// lasting is how long tickets flow; TRUNKLINE_LOAD gives another time.
func lasting(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("TRUNKLINE_LOAD")
	if text == "" {
		return 15 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		t.Fatalf("TRUNKLINE_LOAD: %q is no time of a second or more", text)
	}
	return d
}

// A thousand PBXs on one ingest-tcp, a ticket a second each.
func TestThousandLinks(t *testing.T) {
	dir := t.TempDir()
	if err := kit.BuildServices(dir, []string{"ingest-tcp"}); err != nil {
		t.Fatal(err)
	}
	broker, err := natsd.Start(natsd.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Stop)

	pbxs := newPBXs(t, links)
	metrics := loopback(0)
	config := filepath.Join(t.TempDir(), "trunkline.yaml")
	text := fmt.Sprintf("nats: {url: %q}\nmetrics: {listen: %q}\n%s", broker.URL(), metrics, pbxs.yaml())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}

	began := time.Now()
	ingest := kit.NewProcess(t, "ingest-tcp", kit.Command(filepath.Join(dir, "ingest-tcp"), "-c", config, "-debug"))
	ingest.Metrics = metrics
	pbxs.connect(t)
	bound := time.Since(began)
	if bound > maxBound {
		t.Errorf("%d listening links are bound %s after the start, in more than %s", links/2, bound, maxBound)
	}
	pbxs.awaitDialled(t)
	dialled := time.Since(began)
	pbxs.send(t, 1, 1) // the first is collected when it is acknowledged
	await := func(want float64) { t.Helper(); ingest.AwaitMetric("trunkline_tcp_tickets_total", "", want) }
	await(links)
	collected := time.Since(began)

	d := lasting(t)
	commits := ingest.Metric("trunkline_commits_total", "")
	cpu, from := ingest.CPU(), time.Now()
	profile(t, metrics, d)
	pbxs.send(t, 1, int(d/time.Second))
	await(float64(pbxs.sent))
	cores := (ingest.CPU() - cpu).Seconds() / time.Since(from).Seconds()
	took := time.Since(from)
	commits = ingest.Metric("trunkline_commits_total", "") - commits
	memory := ingest.PeakMemory()
	t.Logf("%d links: bound after %s, dialled after %s, collecting after %s; %d tickets in %s: %.2f cores, %.1f MiB at most, %.1f tickets a commit, slowest publish below %s, goroutines %.0f",
		links, bound.Round(time.Millisecond), dialled.Round(time.Millisecond), collected.Round(time.Millisecond),
		pbxs.sent-links, took.Round(time.Millisecond), cores, float64(memory)/(1<<20), float64(pbxs.sent-links)/commits,
		slowest(ingest, "trunkline_tcp_publish_seconds"), ingest.Metric("go_goroutines", ""))
	if cores >= maxCPU {
		t.Errorf("%.2f cores for %d links", cores, links)
	}
	if memory >= maxMemory {
		t.Errorf("%d MiB for %d links", memory>>20, links)
	}
	ingest.MustStop()
	pbxs.compare(t, stored(t, broker))
}

// stored reads every ticket of the stream, by link.
func stored(t *testing.T, broker *natsd.Server) map[string][]string {
	t.Helper()
	b, err := bus.Connect(bus.Config{URL: broker.URL(), Name: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stream, err := b.JS.Stream(ctx, wire.StreamTickets)
	if err != nil {
		t.Fatal(err)
	}
	left := stream.CachedInfo().State.Msgs
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	out := make(map[string][]string)
	for ; left > 0; left-- {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		of, ok := wire.ParseSubject(m.Subject())
		if !ok {
			t.Fatalf("subject %s", m.Subject())
		}
		for line := range strings.SplitAfterSeq(string(m.Data()), "\n") {
			if line != "" {
				out[of.Link] = append(out[of.Link], line)
			}
		}
	}
	return out
}

// slowest is the upper bound of a histogram's highest bucket in use.
func slowest(p *kit.Process, name string) (bound string) {
	_, body := p.Get("/metrics")
	before := "0"
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name+`_bucket{le="`)
		if !ok {
			continue
		}
		le, count, _ := strings.Cut(strings.TrimSpace(rest), `"} `)
		if count != before {
			before, bound = count, le+" s"
		}
	}
	return bound
}

func fetch(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return string(body), err
}

// loopback is an address that is this process's own: Linux has the whole of
// 127.0.0.0/8.
func loopback(i int) string {
	pid := os.Getpid()
	return net.JoinHostPort(fmt.Sprintf("127.%d.%d.%d", 1+pid%250, 1+(pid/250)%80*3+i/250, 1+i%250), "1025")
}

// profile keeps a profile of the process where TRUNKLINE_PROFILE names a folder.
func profile(t testing.TB, addr string, d time.Duration) {
	t.Helper()
	dir := os.Getenv("TRUNKLINE_PROFILE")
	if dir == "" {
		return
	}
	keep := func(name, url string) {
		body, err := fetch(context.WithoutCancel(t.Context()), url)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600)
		}
		if err != nil {
			t.Log(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		keep("cpu.pprof", fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, max(1, int(d/time.Second)-1)))
		keep("metrics", "http://"+addr+"/metrics")
		keep("goroutine.txt", "http://"+addr+"/debug/pprof/goroutine?debug=1")
		keep("heap.pprof", "http://"+addr+"/debug/pprof/heap?gc=1")
	}()
	t.Cleanup(func() { <-done })
}
