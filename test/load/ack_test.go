package load

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// BenchmarkAcknowledge is how long a ticket waits for its acknowledgement while a
// thousand PBXs send 5,000 tickets a second and everything behind runs: parser,
// sink and engine, in `trunkline run`.
func BenchmarkAcknowledge(b *testing.B) {
	const each, seconds = 5, 20
	binary, clean, err := kit.Binary()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(clean)
	pbxs := newPBXs(b, links)
	run := kit.Start(b, binary, kit.Config(b.TempDir(), pbxs.yaml()), "--debug")
	giveWay(b)
	pbxs.connect(b)
	pbxs.awaitDialled(b)
	pbxs.send(b, each, 3) // caches warm
	syscall.Sync()        // what was built is on disk before we measure it
	const metric = "trunkline_tcp_publish_seconds"
	within := func(bound string) float64 { return run.Metric(metric+"_bucket", fmt.Sprintf("le=%q", bound)) }

	for b.Loop() {
		bounds := []string{"0.0025", "0.005", "0.01", "0.025", "0.05"}
		before := map[string]float64{}
		for _, bound := range bounds {
			before[bound] = within(bound)
		}
		commits, committed := run.Metric("trunkline_commits_total", `"TICKETS"`), run.Metric("trunkline_commit_messages_total", `"TICKETS"`)
		profile(b, run.Metrics, seconds*time.Second)
		cpu := run.Metric("process_cpu_seconds_total", "")
		all, began := run.Metric(metric+"_count", ""), time.Now()
		pbxs.send(b, each, seconds)
		took := time.Since(began)
		b.ReportMetric((run.Metric("process_cpu_seconds_total", "")-cpu)/took.Seconds(), "cores")
		run.Await("SELECT count() FROM trunkline.calls", pbxs.sent)
		b.ReportMetric(each*seconds*links/took.Seconds(), "tickets/s")
		b.ReportMetric((run.Metric("trunkline_commit_messages_total", `"TICKETS"`)-committed)/(run.Metric("trunkline_commits_total", `"TICKETS"`)-commits), "messages/commit")
		all = run.Metric(metric+"_count", "") - all
		for _, bound := range bounds {
			b.ReportMetric(100*(within(bound)-before[bound])/all, "%within"+bound+"s")
		}
	}
}

// giveWay lets this process, whose PBXs stand elsewhere in earnest, have the
// processors behind what it measures.
func giveWay(tb testing.TB) {
	tb.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		tb.Fatal(err)
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err == nil {
			err = syscall.Setpriority(syscall.PRIO_PROCESS, id, 10)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}
