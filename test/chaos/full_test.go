package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"trunkline.internal/proto/wire"
)

// fillDisk leaves no room on a disk for a while.
func (c *chaos) fillDisk(r *rand.Rand) (string, bool) {
	d := one(r, c.disks)
	if !d.own {
		return c.limit(d, between(r, time.Second, 3*time.Second))
	}
	name := filepath.Join(d.dir, "ballast")
	defer os.Remove(name)
	f, err := os.Create(name)
	if err != nil {
		return "", false
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	hold := time.Now().Add(between(r, time.Second, 3*time.Second))
	for time.Now().Before(hold) {
		if _, err := f.Write(block); err == nil {
			continue
		} else if !errors.Is(err, syscall.ENOSPC) {
			c.wrong("filling disk %s: %v", d.name, err)
			return "", false
		}
		if len(block) > 1 {
			block = block[:len(block)/2]
			continue
		}
		time.Sleep(10 * time.Millisecond)
	}
	return d.name, true
}

func (c *chaos) limitFiles(r *rand.Rand) (string, bool) {
	return c.limit(one(r, c.disks), between(r, 500*time.Millisecond, 2*time.Second))
}

// limit lets a disk's process write no file beyond a size: what a quota does.
func (c *chaos) limit(d *disk, hold time.Duration) (string, bool) {
	p := d.of
	if !p.mu.TryLock() {
		return "", false
	}
	defer p.mu.Unlock()
	const fsize, unlimited = 1, ^uint64(0) // RLIMIT_FSIZE
	set := func(soft uint64) error {
		limit := [2]uint64{soft, unlimited}
		_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(p.Pid()), fsize, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}
	if err := set(64 << 10); err != nil {
		return "", false
	}
	time.Sleep(hold)
	return fmt.Sprintf("%s for %s", p.Name, hold), set(unlimited) == nil
}

// fillStream leaves hardly any room in a stream for a while.
func (c *chaos) fillStream(r *rand.Rand) (string, bool) {
	name := wire.StreamTickets
	if r.IntN(2) == 1 {
		name = wire.StreamCdrs
	}
	if !c.bound(name, func(bytes int64) int64 { return max(1, bytes+r.Int64N(32<<10)) }) {
		return "", false
	}
	d := between(r, 500*time.Millisecond, 3*time.Second)
	time.Sleep(d)
	for end := time.Now().Add(time.Minute); !c.bound(name, func(int64) int64 { return streamBytes }); {
		if time.Now().After(end) {
			c.wrong("stream %s is not given its room again", name)
			break
		}
	}
	return fmt.Sprintf("%s for %s", name, d), true
}

const streamBytes = 96 << 20

// bound gives a stream another size.
func (c *chaos) bound(name string, size func(bytes int64) int64) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := c.js.Stream(ctx, name)
	if err != nil {
		return false
	}
	cfg := s.CachedInfo().Config
	cfg.MaxBytes = size(int64(s.CachedInfo().State.Bytes))
	_, err = c.js.UpdateStream(ctx, cfg)
	return err == nil
}
