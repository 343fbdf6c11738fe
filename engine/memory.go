package engine

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// available is the memory that the process may have, in bytes: the machine's, or what its control group is held to. 0 where
// neither is told.
func available() int64 {
	machine := meminfo("/proc/meminfo")
	b, err := os.ReadFile("/sys/fs/cgroup/memory.max")
	if err != nil {
		return machine
	}
	group, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || machine > 0 && group > machine { // `max` is no number
		return machine
	}
	return group
}

// meminfo reads MemTotal, which the kernel tells in KiB.
func meminfo(file string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
