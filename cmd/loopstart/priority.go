package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Priorities of the main process and of its compiler. The collector stops the
// world until every thread that holds a processor of the scheduler has run a
// little; a thread that waits its turn behind a busy machine's other programs
// holds up the audio for as long (measured: 160 ms beside four busy loops).
// Where the pacers may have a better priority, all threads get one, just below
// theirs.
const (
	mainNice  = -10
	buildNice = 10
)

// setNice sets the priority of all threads of this process; threads and
// children of later inherit it. Without the right to it nothing changes, and
// the pacers say so in the log.
func setNice(nice int) {
	for range 2 { // a thread may be born during the first round
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return
		}
		for _, t := range tasks {
			if id, err := strconv.Atoi(t.Name()); err == nil {
				_ = unix.Setpriority(unix.PRIO_PROCESS, id, nice) // the thread may be gone, the right missing
			}
		}
	}
}
