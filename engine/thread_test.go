package engine

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// usual is the nice value that this process began with.
var usual = func() int {
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		panic(err)
	}
	return 20 - raw
}()

// Whatever the engine does, it does on threads that give way to those that take
// tickets; and these are left as they were.
func TestEngineGivesWay(t *testing.T) {
	for _, sql := range []string{
		"CREATE DATABASE courtesy", "CREATE TABLE courtesy.t (n UInt64) ORDER BY n",
		"INSERT INTO courtesy.t SELECT number FROM numbers(100000)", "OPTIMIZE TABLE courtesy.t FINAL", "SELECT sum(n) FROM courtesy.t GROUP BY n % 7",
	} {
		if a := call(t, http.MethodPost, shared.Token(), url.Values{"query": {sql}}, nil); a.status != http.StatusOK {
			t.Fatal(a.body)
		}
	}
	own, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil {
		t.Fatal(err)
	}
	engines, ours := 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(text), "(")
		i := strings.LastIndex(rest, ")")
		comm := rest[:i]
		nice, err := strconv.Atoi(strings.Fields(rest[i+1:])[16]) // field 19 of the line
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case comm == "MemoryWorker": // which sets its own
		case comm != strings.TrimSpace(string(own)):
			engines++
			if nice != min(usual+courtesy, 19) {
				t.Errorf("thread %s of the engine has nice value %d, this process %d", comm, nice, usual)
			}
		case nice == usual:
			ours++
		}
	}
	if engines < 5 || ours < 3 {
		t.Errorf("%d threads are the engine's, %d are not", engines, ours)
	}
}
