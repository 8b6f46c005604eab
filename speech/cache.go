package speech

import (
	"container/list"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

const (
	// grace is how long a clip stays after it was handed out, so that its
	// reader finds it; beyond twice the limit nothing is spared.
	grace      = time.Minute
	touchEvery = time.Hour // how often the use of a file is noted on disk
	clipExt    = ".wav"
	tempExt    = ".tmp"
)

// cache is a folder of clips, named by their key, least recently used first out.
type cache struct {
	dir string
	max int64
	clk clock.Clock

	mu      sync.Mutex
	bytes   int64
	evicted uint64
	used    *list.List // of *file, latest first
	files   map[string]*list.Element
}

type file struct {
	key     string
	size    int64
	length  time.Duration // 0 when it has not been read yet
	use     time.Time     // when it was last handed out; zero after a start
	touched time.Time     // its time on disk
}

// openCache reads the folder and removes what a kill has left half-written.
func openCache(dir string, limit int64, clk clock.Clock) (*cache, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fault.New(fault.Denied, "speech: cache: %w", err).WithHint("give the user that runs loopstart the folder")
	}
	c := &cache{dir: dir, max: limit, clk: clk, used: list.New(), files: make(map[string]*list.Element)}
	var found []*file
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not in the cache
		}
		name := d.Name()
		if strings.HasSuffix(name, tempExt) {
			_ = os.Remove(path)
			return nil
		}
		key, ok := strings.CutSuffix(name, clipExt)
		info, ierr := d.Info()
		if ok && ierr == nil && path == c.path(key) {
			found = append(found, &file{key: key, size: info.Size(), touched: info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.Denied, "speech: cache: %w", err)
	}
	slices.SortFunc(found, func(a, b *file) int { return b.touched.Compare(a.touched) })
	for _, f := range found {
		c.files[f.key] = c.used.PushBack(f)
		c.bytes += f.size
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.evict("")
	return c, nil
}

// path keeps folders small: two digits of the key name the folder.
func (c *cache) path(key string) string {
	return filepath.Join(c.dir, key[:min(2, len(key))], key+clipExt)
}

// get finds a clip. One that is gone or damaged on disk is forgotten.
func (c *cache) get(key string) (path string, length time.Duration, ok bool) {
	c.mu.Lock()
	el := c.files[key]
	if el == nil {
		c.mu.Unlock()
		return "", 0, false
	}
	f := el.Value.(*file)
	now := c.clk.Now()
	f.use = now
	c.used.MoveToFront(el)
	size, length, touch := f.size, f.length, now.Sub(f.touched) > touchEvery
	if touch {
		f.touched = now
	}
	c.mu.Unlock()

	path = c.path(key)
	length, ok = inspect(path, size, length)
	if !ok {
		c.drop(key, el)
		return "", 0, false
	}
	if touch {
		_ = os.Chtimes(path, now, now) // only the order after a restart depends on it
	}
	c.mu.Lock()
	f.length = length
	c.mu.Unlock()
	return path, length, true
}

// inspect checks that a file is still what was written: its size, and, the
// first time after a start, its content (a power cut may have left zeros).
func inspect(path string, size int64, known time.Duration) (time.Duration, bool) {
	info, err := os.Stat(path)
	if err != nil || info.Size() != size {
		return 0, false
	}
	if known > 0 {
		return known, true
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	wav, length, err := repairWAV(raw)
	return length, err == nil && len(wav) == len(raw)
}

// put stores a clip; readers see all of it or nothing.
func (c *cache) put(key string, wav []byte, length time.Duration) (string, error) {
	path := c.path(key)
	if err := writeFile(path, wav); err != nil {
		return "", fault.New(fault.Unavailable, "speech: cache: %w", err).WithHint("free space on the disk of %s", c.dir)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clk.Now()
	if el := c.files[key]; el != nil {
		c.bytes -= el.Value.(*file).size
		c.used.Remove(el)
	}
	c.files[key] = c.used.PushFront(&file{key: key, size: int64(len(wav)), length: length, use: now, touched: now})
	c.bytes += int64(len(wav))
	c.evict(key)
	return path, nil
}

func writeFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "*"+tempExt)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// evict removes the least recently used clips, not keep. The caller holds mu.
func (c *cache) evict(keep string) {
	now := c.clk.Now()
	for el := c.used.Back(); el != nil && c.bytes > c.max; {
		f, older := el.Value.(*file), el.Prev()
		if f.key != keep && (now.Sub(f.use) >= grace || c.bytes > 2*c.max) {
			_ = os.Remove(c.path(f.key)) // gone is gone
			c.forget(el)
			c.evicted++
		}
		el = older
	}
}

// drop forgets a clip that the disk does not have.
func (c *cache) drop(key string, el *list.Element) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files[key] == el {
		_ = os.Remove(c.path(key))
		c.forget(el)
	}
}

func (c *cache) forget(el *list.Element) {
	f := el.Value.(*file)
	c.used.Remove(el)
	delete(c.files, f.key)
	c.bytes -= f.size
}

func (c *cache) size() (files int, bytes int64, evicted uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.files), c.bytes, c.evicted
}
