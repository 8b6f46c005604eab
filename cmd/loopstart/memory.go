package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"runtime/debug"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
)

// The collector runs seldom, so that the heap may grow to five times what is in
// use (see heapKeeper); beyond the soft limit it runs as often as it must. GOGC
// and GOMEMLIMIT in the environment win.
const (
	gcPercent   = 400
	memoryShare = 4         // of the memory that we may use: a quarter of it
	memoryFloor = 512 << 20 // but no less
)

// groupLimits are where a control group says how much memory it has.
var groupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// limitMemory sets the collector up, and keeps the heap as small as its work
// allows until ctx ends.
func limitMemory(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
		go newHeapKeeper(clock.System()).run(ctx)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		debug.SetMemoryLimit(softLimit(uint64(info.Totalram)*uint64(info.Unit), groupLimits, os.ReadFile))
	}
}

// softLimit is the soft memory limit, in bytes, on a machine with so much: a
// quarter of it, or of what the control group may have where that is less.
func softLimit(total uint64, files []string, read func(string) ([]byte, error)) int64 {
	for _, file := range files {
		raw, err := read(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(raw)), 10, 64); err == nil && n > 0 {
			total = min(total, n) // "max" is no number: no limit
		}
	}
	return int64(min(max(total/memoryShare, memoryFloor), math.MaxInt64))
}
