package e2e

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline.internal/test/kit"
)

// storm is a link and the weather that it has.
type storm struct {
	// wire is the link's YAML behind its id.
	wire string
	// happens is what goes wrong, and how it ends; nil: nothing happens behind the
	// start.
	happens func(t *testing.T, s *sky)
	// tickets are kept once each, byte for byte.
	tickets []string
}

// Whatever a place of files, rows or documents does, each of its tickets is kept
// once, byte for byte; status tells the reason, and a quiet neighbour does not
// notice.
func TestFilesWeather(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		of   func(t *testing.T) *storm
	}{
		{"files-grows-whole", growsWhole},
		{"files-grows-log", growsLog},
		{"files-log-replaced", logReplaced},
		{"files-log-shorter", logShorter},
		{"files-whole-replaced", wholeReplaced},
		{"files-equal-bytes", equalBytes},
		{"files-broken-link", brokenLink},
		{"files-no-folder", noFolder},
		{"files-4gb-whole", hugeWhole},
		{"files-4gb-log", hugeLog},
		{"files-clock-ahead", clockAhead},
		{"ftp-cut", ftpCut},
		{"ftp-550", ftpUnreadable},
		{"ftp-bytewise", ftpBytewise},
		{"ftp-login", ftpLogin},
		{"ftp-greeting", ftpGreeting},
		{"ftp-100000", ftpHundredThousand},
		{"ftp-clock-ahead", ftpClockAhead},
		{"sftp-cut", sftpCut},
		{"sftp-bytewise", sftpBytewise},
		{"sftp-greeting", sftpGreeting},
		{"sftp-login", sftpLogin},
		{"http-cut", httpCut},
		{"http-bytewise", httpBytewise},
		{"http-reset", httpReset},
		{"http-login", httpLogin},
		{"http-greeting", httpGreeting},
		{"http-100000", httpHundredThousand},
		{"http-clock-ahead", httpClockAhead},
		{"wazo-token", wazoToken},
		{"wazo-cut", wazoCut},
		{"wazo-login", wazoLogin},
		{"wazo-clock-ahead", wazoClockAhead},
		{"ucm-session", ucmSession},
		{"ucm-clock-ahead", ucmClockAhead},
		{"mysql-cut", mysqlCut},
		{"mysql-bytewise", mysqlBytewise},
		{"mysql-killed", mysqlKilled},
		{"mysql-greeting", mysqlGreeting},
		{"mysql-login", mysqlLogin},
		{"mysql-dropped", mysqlDropped},
		{"mysql-late", mysqlLate},
		{"ftp-server", uploadFTP},
		{"sftp-server", uploadSFTP},
	}
	links := []string{`{id: quiet, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}`}
	storms := make([]*storm, len(cases))
	for i, c := range cases {
		storms[i] = c.of(t)
		links = append(links, fmt.Sprintf("{id: %s, %s}", c.name, storms[i].wire))
	}
	o := newOperator(t, site(links...))
	s := &sky{o: o, began: time.Now(), in: kit.StartFile(t, binary, o.file)}
	s.watch(t)
	// All at once: each of them mostly waits.
	var all sync.WaitGroup
	for i, c := range cases {
		all.Go(func() {
			t.Run(c.name, func(t *testing.T) {
				if storms[i].happens != nil {
					storms[i].happens(t, s)
				}
				s.await(t, c.name, len(storms[i].tickets))
			})
		})
	}
	all.Wait()
	s.end(t)
	for i, c := range cases {
		s.compare(t, c.name, storms[i].tickets)
	}
}

// sky is the program and what is seen of it, again and again.
type sky struct {
	o  *operator
	in *kit.Instance
	// began is when the first log-in was tried, at the earliest.
	began time.Time

	mu     sync.Mutex
	status string
	kept   map[string]int // tickets, by link
	sent   []time.Time    // of the neighbour, in their order
	late   time.Duration  // the longest that one of them took
	memory float64        // most bytes that were resident

	stop   chan struct{}
	always sync.WaitGroup
}

const (
	// lateness is what a neighbour's ticket may take to be a call, on a busy machine.
	lateness = 10 * time.Second
	// roomy is what the program takes at full rate, and some more.
	roomy = 1.5 * (1 << 30)
)

// watch looks until end, while a neighbour sends a ticket every now and then.
func (s *sky) watch(t *testing.T) {
	t.Helper()
	s.stop = make(chan struct{})
	conn, err := net.Dial("tcp", s.in.Listens["lyon/quiet"])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	every := func(d time.Duration, do func()) {
		s.always.Go(func() {
			for {
				do()
				select {
				case <-s.stop:
					return
				case <-time.After(d):
				}
			}
		})
	}
	every(200*time.Millisecond, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := io.WriteString(conn, smdr(longAgo, len(s.sent), 1)); err == nil {
			s.sent = append(s.sent, time.Now())
		}
	})
	every(400*time.Millisecond, func() { s.look() })
	every(500*time.Millisecond, func() {
		if out, err := s.o.try("status"); err == nil {
			s.mu.Lock()
			s.status = out
			s.mu.Unlock()
		}
	})
}

// look counts what is kept.
func (s *sky) look() {
	s.mu.Lock()
	sent := len(s.sent)
	s.mu.Unlock()
	out, err := s.in.Query("SELECT link, count() FROM (SELECT link FROM calls UNION ALL SELECT link FROM other_tickets FINAL) GROUP BY link FORMAT TSV")
	if err != nil {
		return
	}
	kept := make(map[string]int)
	for line := range strings.Lines(out) {
		link, n := "", 0
		if _, err := fmt.Sscan(line, &link, &n); err == nil {
			kept[link] = n
		}
	}
	memory := s.in.Metric("process_resident_memory_bytes", "")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept, s.memory = kept, max(s.memory, memory)
	if n := kept["quiet"]; n < sent {
		s.late = max(s.late, time.Since(s.sent[n]))
	}
}

// says is whether status tells all that of a link, in one breath.
func (s *sky) says(link string, all ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, of, ok := strings.Cut(s.status, "\nlyon/"+link+": ")
	of, _, _ = strings.Cut(of, "\n")
	return ok && !slices.ContainsFunc(all, func(one string) bool { return !strings.Contains(of, one) })
}

// told waits until status tells the reason.
func (s *sky) told(t *testing.T, link string, all ...string) {
	t.Helper()
	kit.Await(t, fmt.Sprintf("status tells %q of %s", all, link), func() bool { return s.says(link, all...) }, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return "\n" + s.status
	})
}

// over waits until status does not tell that any more.
func (s *sky) over(t *testing.T, link string, all ...string) {
	t.Helper()
	kit.Await(t, fmt.Sprintf("status tells %q of %s no more", all, link), func() bool { return !s.says(link, all...) }, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return "\n" + s.status
	})
}

// await waits until so many tickets of a link are kept.
func (s *sky) await(t *testing.T, link string, n int) {
	t.Helper()
	count := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.kept[link]
	}
	kit.Await(t, fmt.Sprintf("%d tickets of %s", n, link), func() bool { return count() >= n }, func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Sprintf("%d are kept\n%s", s.kept[link], s.status)
	})
}

// looks waits until a link has looked so often in vain.
func (s *sky) looks(t *testing.T, link string, n float64) {
	t.Helper()
	in := s.in.For(t)
	failed := func() float64 {
		return in.Metric("trunkline_poll_looks_total", fmt.Sprintf(`link=%q,result="error"`, link))
	}
	kit.Await(t, fmt.Sprintf("%s has looked %v times", link, n), func() bool { return failed() >= n }, func() string { return fmt.Sprint(failed()) })
}

// end stops looking, and tells how the neighbour fared.
func (s *sky) end(t *testing.T) {
	t.Helper()
	close(s.stop)
	s.always.Wait()
	var quiet []string
	for i := range s.sent {
		quiet = append(quiet, strings.TrimRight(smdr(longAgo, i, 1), "\r\n"))
	}
	s.in.Await("SELECT count() FROM calls WHERE link = 'quiet'", len(quiet))
	s.compare(t, "quiet", quiet)
	t.Logf("the neighbour's slowest of %d tickets took %s; at most %.0f MiB were resident", len(quiet), s.late.Round(time.Millisecond), s.memory/(1<<20))
	if s.late > lateness {
		t.Errorf("a ticket of the neighbour took %s", s.late)
	}
	if s.memory > roomy {
		t.Errorf("%.0f MiB were resident", s.memory/(1<<20))
	}
}

// compare compares what is kept of a link with what its place gave.
func (s *sky) compare(t *testing.T, link string, want []string) {
	t.Helper()
	rows := func(table string) (ids, raws []string) {
		for line := range strings.Lines(s.in.For(t).MustQuery(fmt.Sprintf("SELECT ticket_id, hex(raw) FROM %s WHERE link = '%s' FORMAT TSV", table, link))) {
			id, raw, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			ids, raws = append(ids, id), append(raws, unhex(raw))
		}
		return ids, raws
	}
	ids, got := rows("calls")
	moreIDs, more := rows("other_tickets FINAL")
	ids, got, want = append(ids, moreIDs...), append(got, more...), slices.Clone(want)
	slices.Sort(ids)
	if n := len(ids); len(slices.Compact(ids)) != n {
		t.Errorf("%s: a ticket is kept twice", link)
	}
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return
	}
	times := make(map[string]int)
	for _, raw := range want {
		times[raw]++
	}
	for _, raw := range got {
		times[raw]--
	}
	shown := 0
	for raw, n := range times {
		if n != 0 && shown < 5 {
			shown++
			t.Errorf("%s: %+d times too few of %q", link, n, raw[:min(len(raw), 200)])
		}
	}
	t.Errorf("%s: %d tickets are kept, want %d", link, len(got), len(want))
}
