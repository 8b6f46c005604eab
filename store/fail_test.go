package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/need"
)

var start = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// TestFailingSync fails one fsync: everybody of the group hears it, the files
// are opened again, what was acknowledged is there and writing goes on.
func TestFailingSync(t *testing.T) {
	s := openAt(t, Options{Dir: t.TempDir()})
	must(t, s.Set("before", json.RawMessage("1"), 0))
	sound := s.sync
	s.sync = func(txn *badger.Txn) error {
		s.sync = sound // on the committer, as every call of it
		txn.Discard()
		return errors.New("sync: input/output error")
	}
	err := s.Set("failed", json.RawMessage("1"), 0)
	if fault.CodeOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "input/output") {
		t.Fatalf("%v", err)
	}
	eventually(t, func() bool { return s.Set("after", json.RawMessage("1"), 0) == nil })
	for key, want := range map[string]bool{"before": true, "failed": false, "after": true} {
		if _, ok, err := s.Get(key); ok != want || err != nil {
			t.Errorf("%s: %v %v", key, ok, err)
		}
	}
	if st := s.Stats(); st.Failures != 1 || st.Reopened != 1 || st.Failed {
		t.Errorf("%+v", st)
	}
}

// TestFailingDisk keeps the disk away for longer: reads and writes are refused
// at once, the next try is a second later, and nothing hangs.
func TestFailingDisk(t *testing.T) {
	clk := clock.NewVirtual(start)
	dir := filepath.Join(t.TempDir(), "store")
	s := openAt(t, Options{Dir: dir, Clock: clk})
	must(t, s.Set("before", json.RawMessage("1"), 0))
	sound := s.sync
	s.sync = func(txn *badger.Txn) error {
		s.sync = sound
		txn.Discard()
		s.disk.reserve = 1 << 60 // the folder cannot be opened again
		return errors.New("gone")
	}
	if err := s.Set("failed", json.RawMessage("1"), 0); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	eventually(t, func() bool { _, ok := clk.Next(); return ok })
	if _, _, err := s.Get("before"); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("read: %v", err)
	}
	if err := s.Set("refused", json.RawMessage("1"), 0); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("write: %v", err)
	}
	if st := s.Stats(); !st.Failed || st.Refused != 1 {
		t.Fatalf("%+v", st)
	}
	s.dbMu.Lock()
	s.disk.reserve = 1
	s.dbMu.Unlock()
	clk.Advance(healDelay)
	eventually(t, func() bool { return !s.Stats().Failed })
	if _, ok, err := s.Get("before"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	must(t, s.Set("after", json.RawMessage("1"), 0))
}

// TestCloseWhileFailing ends a store that waits for its disk.
func TestCloseWhileFailing(t *testing.T) {
	clk := clock.NewVirtual(start)
	s, err := Open(Options{Dir: t.TempDir(), Clock: clk})
	must(t, err)
	s.sync = func(txn *badger.Txn) error {
		txn.Discard()
		s.disk.reserve = 1 << 60
		return errors.New("gone")
	}
	if err := s.Set("failed", json.RawMessage("1"), 0); err == nil {
		t.Fatal("written")
	}
	// It cannot write its tables out, says so, and has lost nothing by it.
	if err := s.Close(); fault.ExitOf(err) != fault.ExitStore {
		t.Fatal(err)
	}
	if at, ok := clk.Next(); ok {
		t.Fatalf("a timer is left at %s", at)
	}
	if err := s.Set("a", json.RawMessage("1"), 0); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
}

// TestFullDisk fills a real file system to the last byte while writers work.
// Mapped files make a missing block a signal that ends the process, so that
// surviving is the test.
func TestFullDisk(t *testing.T) {
	need.Root(t, "mounting a small file system")
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("this machine does not mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	s, err := Open(Options{Dir: filepath.Join(dir, "store")})
	must(t, err)
	acked, refused := 0, 0
	value := json.RawMessage(`"` + strings.Repeat("x", 100<<10) + `"`)
	write := func(n int) {
		for range n {
			if err := s.Set(fmt.Sprintf("k%06d", acked), value, 0); err == nil {
				acked++
			} else if refused++; fault.CodeOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
		}
	}
	for round := range 3 {
		write(60)
		eventually(t, func() bool { // a table is not just being written out
			logs, err := filepath.Glob(filepath.Join(dir, "store", "*.mem"))
			return err == nil && len(logs) == 1
		})
		fill(t, filepath.Join(dir, "recording"))
		before := refused
		write(20)
		if refused == before || !s.Stats().Full {
			t.Fatalf("round %d: a full disk took every write", round)
		}
		if _, ok, err := s.Get("k000000"); !ok || err != nil {
			t.Fatalf("round %d: read on a full disk: %v", round, err)
		}
		must(t, os.Remove(filepath.Join(dir, "recording")))
		must(t, s.Set("again", json.RawMessage("1"), 0))
	}
	fill(t, filepath.Join(dir, "recording"))
	if err := s.Close(); fault.ExitOf(err) != fault.ExitStore { // and it ends on a full disk
		t.Fatal(err)
	}
	must(t, os.Remove(filepath.Join(dir, "recording")))
	child := t.TempDir() // this process still holds the old folder
	must(t, os.CopyFS(child, os.DirFS(filepath.Join(dir, "store"))))
	items, _, err := openAt(t, Options{Dir: child}).List("k", MaxList, "")
	if err != nil || len(items) != acked {
		t.Fatalf("%d of %d acknowledged keys, %v", len(items), acked, err)
	}
}

// fill takes all space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
}

// TestQueueLimit holds the disk back until the queue is full.
func TestQueueLimit(t *testing.T) {
	s := open(t, nil)
	sound, gate, entered := s.sync, make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.sync = func(txn *badger.Txn) error {
		once.Do(func() { close(entered) })
		<-gate
		return sound(txn)
	}
	var mu sync.Mutex
	codes := map[fault.Code]int{}
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		codes[fault.CodeOf(err)]++
	}
	put := func() { s.SetLater("k", json.RawMessage("1"), 0, note) }
	put()
	<-entered
	for range MaxPending + 3 {
		put()
	}
	if st := s.Stats(); st.Pending != MaxPending || st.Dropped != 3 {
		t.Fatalf("%+v", st)
	}
	close(gate)
	must(t, s.Flush(context.Background()))
	mu.Lock()
	defer mu.Unlock()
	if codes[""] != MaxPending+1 || codes[fault.Limit] != 3 {
		t.Fatalf("%v", codes)
	}
}

// TestGroupCommit checks that writers who come while the disk works share the
// next sync, and that one who fails does not spoil it for the others.
func TestGroupCommit(t *testing.T) {
	s := open(t, nil)
	must(t, s.Set("text", json.RawMessage(`"a"`), 0))
	sound, gate, entered, syncs := s.sync, make(chan struct{}), make(chan struct{}, 100), 0
	s.sync = func(txn *badger.Txn) error {
		syncs++
		entered <- struct{}{}
		<-gate
		return sound(txn)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Set("first", json.RawMessage("1"), 0) })
	<-entered
	const writers = 64
	for i := range writers {
		wg.Go(func() {
			if i%8 == 0 {
				if _, err := s.Increment("text", 1, 0); fault.CodeOf(err) != fault.Invalid {
					t.Errorf("increment of a text: %v", err)
				}
				return
			}
			if err := s.Set(fmt.Sprint(i), json.RawMessage("1"), 0); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() bool { return s.Stats().Pending == writers })
	close(gate)
	wg.Wait()
	if syncs != 2 {
		t.Fatalf("%d syncs for 1 + %d writers", syncs, writers)
	}
}

// TestGroupLarger checks that jobs which do not fit into one transaction are
// split over several without losing one.
func TestGroupLarger(t *testing.T) {
	s := openAt(t, Options{Dir: t.TempDir()})
	big := json.RawMessage(`"` + strings.Repeat("y", MaxValue-2) + `"`)
	for i := range 12 {
		s.SetLater(fmt.Sprint("big", i), big, 0, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	for i := range 3000 {
		s.SetLater(fmt.Sprint("small", i), json.RawMessage("1"), 0, nil)
	}
	must(t, s.Flush(context.Background()))
	for i := range 12 {
		if v, ok, err := s.Get(fmt.Sprint("big", i)); !ok || err != nil || len(v) != len(big) {
			t.Fatal(i, len(v), ok, err)
		}
	}
	if _, ok, _ := s.Get("small2999"); !ok {
		t.Fatal("lost")
	}
}

func TestLeaseLimits(t *testing.T) {
	s := open(t, clock.NewVirtual(start))
	for i := range MaxLeases {
		if ok, err := s.Acquire(fmt.Sprint(i), time.Minute, "o"); !ok || err != nil {
			t.Fatal(i, ok, err)
		}
	}
	if _, err := s.Acquire("one more", time.Minute, "o"); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	if ok, err := s.Acquire("7", time.Minute, "o"); !ok || err != nil {
		t.Fatal("renewal at the limit", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range MaxWaiters {
		wg.Go(func() { _ = s.Lock(ctx, "7", time.Minute, "w") })
	}
	eventually(t, func() bool { return s.Stats().Waiters == MaxWaiters })
	if err := s.Lock(ctx, "7", time.Minute, "w"); fault.CodeOf(err) != fault.Limit {
		t.Fatal(err)
	}
	cancel()
	wg.Wait()
	if n := s.Stats().Waiters; n != 0 {
		t.Fatalf("%d wait", n)
	}
}

// TestClose checks that Close writes what is queued, frees who waits, refuses
// what comes later and leaves no goroutine.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, Options{Dir: dir})
	must(t, lock(s, "a"))
	waiting := make(chan error, 1)
	go func() { waiting <- lock(s, "b") }()
	eventually(t, func() bool { return s.Stats().Waiters == 1 })
	done := make(chan error, 1)
	s.SetLater("queued", json.RawMessage("1"), 0, func(err error) { done <- err })
	must(t, s.Close())
	must(t, s.Close())
	must(t, <-done)
	if err := <-waiting; fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	s.SetLater("late", json.RawMessage("1"), 0, func(err error) { done <- err })
	for name, err := range map[string]error{
		"later": <-done, "set": s.Set("late", json.RawMessage("1"), 0), "flush": s.Flush(context.Background()), "lock": lock(s, "c"),
	} {
		if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s after close: %v", name, err)
		}
	}
	if _, _, err := s.Get("queued"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("get after close: %v", err)
	}
	if _, ok, err := openAt(t, Options{Dir: dir}).Get("queued"); !ok || err != nil {
		t.Fatal(ok, err)
	}
}

// TestNoGoroutineStays opens and closes stores; what they started has to end.
func TestNoGoroutineStays(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, memory := range []bool{true, false, false} {
		s, err := Open(Options{Dir: t.TempDir(), InMemory: memory})
		must(t, err)
		must(t, s.Set("k", json.RawMessage("1"), 0))
		must(t, s.Close())
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before })
}

func lock(s *Store, owner string) error {
	return s.Lock(context.Background(), "key", time.Hour, owner)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually polls with a deadline.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	poll, end := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-end:
			t.Fatal("it did not come")
		}
	}
}
