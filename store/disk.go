package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// defaultReserve is what Badger may need for what it has begun: writing out a
// memory table and merging two of them into the level below.
const defaultReserve = 96 << 20

// disk answers whether there is room for a write. It is asked before each
// group and not after a failure, because Badger writes through mapped files: a
// page that finds no block is a SIGBUS that ends the process, not an error.
// Somebody else who takes the whole reserve in the fraction of a second in
// which a table is written out can still do that; what was acknowledged is in
// the write-ahead file then.
type disk struct {
	dir     string
	reserve int64
	full    atomic.Bool
}

func (d *disk) init(dir string, reserve int64) {
	d.dir, d.reserve = dir, reserve
	if reserve <= 0 {
		d.reserve = defaultReserve
	}
}

// room reports the free bytes and whether size more leave the reserve alone.
// A file system that does not tell is taken to have room.
func (d *disk) room(size int64) (free int64, ok bool) {
	if d.dir == "" {
		return 0, true
	}
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		return 0, true
	}
	free = int64(st.Bavail) * st.Bsize
	return free, free-size >= d.reserve
}

// isFull recognises a full disk; Badger keeps only the text of a cause.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || strings.Contains(err.Error(), "no space left on device")
}

// walWatch notices that Badger has begun a new write-ahead file. Badger syncs
// the file but not the folder that names it, without which a power cut may
// take the whole file; and it leaves the file a hole, which must get its
// blocks while there are any.
type walWatch struct {
	dir  string
	next int
}

func (w *walWatch) init(dir string) {
	w.dir, w.next = dir, 0
	names, _ := filepath.Glob(filepath.Join(dir, "*.mem"))
	for _, name := range names {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(name), "%05d.mem", &n); err == nil {
			w.next = max(w.next, n)
		}
	}
	_ = w.check()
}

// check syncs the folder if a new file has come since the last call.
func (w *walWatch) check() error {
	if w.dir == "" {
		return nil
	}
	found := false
	for {
		f, err := os.OpenFile(filepath.Join(w.dir, fmt.Sprintf("%05d.mem", w.next)), os.O_RDWR, 0)
		if err != nil {
			break
		}
		// Best effort: the reserve stands in where it cannot be done.
		_ = unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, memTableSize)
		_ = f.Close()
		found = true
		w.next++
	}
	if !found {
		return nil
	}
	return syncDir(w.dir)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}
