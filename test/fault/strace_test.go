package fault

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// trace is what a process asked of the system, written by strace.
type trace struct {
	t    testing.TB
	file string
}

// tracer gives the command that runs a program and writes down what it writes and
// syncs.
func tracer(t testing.TB) (trace, []string) {
	t.Helper()
	const remedy = "install strace (make servers) and allow ptrace: in a container --cap-add SYS_PTRACE, and kernel.yama.ptrace_scope at most 1"
	if out, err := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Fatalf("strace cannot trace a process here, so that nobody can see what is synced: %v: %s: %s", err, out, remedy)
	}
	tr := trace{t, filepath.Join(t.TempDir(), "trace")}
	return tr, []string{
		"strace", "-f", "-y", "-qq", "--seccomp-bpf", "-s", "65536", "-e", "signal=none",
		"-e", "trace=fsync,fdatasync,write,writev,pwrite64,pwritev,sendto,sendmsg,rename,renameat,renameat2", "-o", tr.file,
	}
}

// call is a system call of which the result is known. Those that overlap are of
// different threads.
type call struct {
	name string
	path string // of the first argument: a file or `socket:[…]`
	text string // all arguments
	// Lines of the trace on which it began and ended.
	begin, end int
	failed     bool
}

var (
	callLine    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)$`)
	resultOf    = regexp.MustCompile(`\) += (-?\d+)`)
	fdPath      = regexp.MustCompile(`^\d+<([^>]*)>`)
)

// calls reads what is traced until now.
func (tr trace) calls() (out []*call) {
	tr.t.Helper()
	text, err := os.ReadFile(tr.file)
	if err != nil {
		tr.t.Fatal(err)
	}
	open := make(map[string]*call)
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if m := callLine.FindStringSubmatch(line); m != nil {
			c := &call{name: m[2], text: m[3], begin: n, end: n}
			if p := fdPath.FindStringSubmatch(c.text); p != nil {
				c.path = p[1]
			}
			if rest, cut := strings.CutSuffix(c.text, "<unfinished ...>"); cut {
				c.text, c.end = rest, 0
				open[m[1]] = c
			} else {
				c.failed = failed(line)
			}
			out = append(out, c)
			continue
		}
		if m := resumedLine.FindStringSubmatch(line); m != nil && open[m[1]] != nil {
			c := open[m[1]]
			delete(open, m[1])
			c.text += m[3]
			c.end, c.failed = n, failed(line)
		}
	}
	return out
}

// failed tells a call that did nothing, or was cut off by the end of its process.
func failed(line string) bool {
	all := resultOf.FindAllStringSubmatch(line, -1)
	return len(all) == 0 || strings.HasPrefix(all[len(all)-1][1], "-")
}

func (c *call) writes() bool {
	return strings.Contains(c.name, "write") || strings.HasPrefix(c.name, "send")
}

func (c *call) syncs() bool { return !c.failed && c.end > 0 && strings.HasSuffix(c.name, "sync") }

// before tells that a call had returned when another began.
func (c *call) before(other *call) bool { return c.end > 0 && c.end < other.begin }

// synced tells whether what a call wrote was on disk when another began.
func synced(all []*call, wrote, by *call) bool {
	for _, c := range all {
		if c.syncs() && c.path == wrote.path && wrote.before(c) && c.before(by) {
			return true
		}
	}
	return false
}
