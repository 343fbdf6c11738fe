package kit

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is the time that it has computed so far, in all its runs, the kernel's
// included.
func (p *Process) CPU() time.Duration {
	used, err := processCPU(p.Pid())
	if err != nil {
		return p.spent // it has ended
	}
	return p.spent + used
}

// processCPU reads utime and stime of proc(5), in 1/100 s.
func processCPU(pid int) (sum time.Duration, err error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("stat is too short")
	}
	for _, ticks := range fields[11:13] {
		n, err := strconv.Atoi(ticks)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n) * 10 * time.Millisecond
	}
	return sum, nil
}

// Memory is what it has resident, in bytes; 0 where it has ended.
func (p *Process) Memory() int { return p.memory("VmRSS:") }

// PeakMemory is the most that it had.
func (p *Process) PeakMemory() int { return p.memory("VmHWM:") }

func (p *Process) memory(what string) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid()) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == what {
			kib, _ := strconv.Atoi(f[1])
			return kib << 10
		}
	}
	return 0
}
