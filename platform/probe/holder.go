package probe

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Holder is a process that listens on a port.
type Holder struct {
	PID int
	// Name of its program; empty: this user may not see it.
	Name string
}

func (h Holder) String() string {
	if h.PID == 0 {
		return "a process of another user"
	}
	return fmt.Sprintf("%s, process %d", h.Name, h.PID)
}

// ErrCannotTell says that this system is asked in another way, and how.
var ErrCannotTell = errors.New("cannot be told here")

// Holders tells who listens on a port of this machine, `tcp` or `udp`; none:
// nobody does. A process of another user has no name unless we are root.
func Holders(network string, port int) ([]Holder, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("who listens %w: %s", ErrCannotTell, holdersCommand(runtime.GOOS, port))
	}
	return holdersIn("/proc", network, port)
}

func holdersCommand(goos string, port int) string {
	if goos == "windows" {
		return fmt.Sprintf("run `netstat -ano | findstr :%d`, the last column is the process: `tasklist /fi \"PID eq …\"`", port)
	}
	return fmt.Sprintf("run `lsof -nP -i :%d`", port)
}

func holdersIn(proc, network string, port int) ([]Holder, error) {
	inodes := make(map[string]bool)
	seen := 0
	for _, table := range []string{network, network + "6"} {
		found, err := listening(filepath.Join(proc, "net", table), network, port)
		if errors.Is(err, os.ErrNotExist) {
			continue // no IPv6
		}
		if err != nil {
			return nil, err
		}
		seen++
		for _, inode := range found {
			inodes[inode] = true
		}
	}
	if seen == 0 {
		return nil, fmt.Errorf("who listens %w: there is no %s", ErrCannotTell, filepath.Join(proc, "net", network))
	}
	if len(inodes) == 0 {
		return nil, nil
	}
	var out []Holder
	files, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*")) // those that we may see
	for _, f := range files {
		to, err := os.Readlink(f)
		inode, ok := strings.CutPrefix(to, "socket:[")
		if err != nil || !ok || !inodes[strings.TrimSuffix(inode, "]")] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(f))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		name, _ := os.ReadFile(filepath.Join(dir, "comm"))
		h := Holder{pid, strings.TrimSpace(string(name))}
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		out = []Holder{{}}
	}
	slices.SortFunc(out, func(a, b Holder) int { return a.PID - b.PID })
	return out, nil
}

// listening are the inodes of the sockets that listen on a port.
func listening(table, network string, port int) ([]string, error) {
	f, err := os.Open(table)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	state := "0A"
	if network == "udp" {
		state = "07"
	}
	var out []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 10 || words[3] != state {
			continue
		}
		_, hex, _ := strings.Cut(words[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
			out = append(out, words[9])
		}
	}
	return out, lines.Err()
}
