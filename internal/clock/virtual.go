package clock

import (
	"container/heap"
	"sync"
	"time"
)

// Virtual is a clock that stands still until Advance or Run moves it. Two
// timers of the same instant fire in the order in which they were armed, so a
// run is the same every time.
type Virtual struct {
	mu    sync.Mutex
	idle  *sync.Cond
	now   time.Time
	seq   uint64
	queue timerHeap
	busy  int
}

// NewVirtual returns a virtual clock that shows start.
func NewVirtual(start time.Time) *Virtual {
	v := &Virtual{now: start}
	v.idle = sync.NewCond(&v.mu)
	return v
}

// Now is the virtual time.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Busy changes the number of things in flight; the clock waits for zero.
func (v *Virtual) Busy(delta int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.busy += delta
	if v.busy < 0 {
		panic("clock: more work finished than begun")
	}
	if v.busy == 0 {
		v.idle.Broadcast()
	}
}

// AfterFunc arms a timer on the virtual time line.
func (v *Virtual) AfterFunc(d time.Duration, f func()) Timer {
	v.mu.Lock()
	defer v.mu.Unlock()
	t := &virtualTimer{clock: v, f: f, index: -1}
	v.arm(t, d)
	return t
}

// Advance moves the clock by d, firing what falls due on the way and waiting
// for all work in flight before each step.
func (v *Virtual) Advance(d time.Duration) {
	v.mu.Lock()
	end := v.now.Add(d)
	v.mu.Unlock()
	for v.step(end) {
	}
}

// Settle waits until nothing is in flight, without moving the time.
func (v *Virtual) Settle() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.waitIdle()
}

// Next tells when the earliest timer is due; ok is false when there is none.
func (v *Virtual) Next() (at time.Time, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.queue) == 0 {
		return time.Time{}, false
	}
	return v.queue[0].at, true
}

// step fires the next timer not after end and reports whether there was one.
func (v *Virtual) step(end time.Time) bool {
	v.mu.Lock()
	v.waitIdle()
	if len(v.queue) == 0 || v.queue[0].at.After(end) {
		v.now = end
		v.mu.Unlock()
		return false
	}
	t := heap.Pop(&v.queue).(*virtualTimer)
	if t.at.After(v.now) {
		v.now = t.at
	}
	v.mu.Unlock()
	t.f()
	return true
}

func (v *Virtual) waitIdle() {
	for v.busy > 0 {
		v.idle.Wait()
	}
}

func (v *Virtual) arm(t *virtualTimer, d time.Duration) {
	v.seq++
	t.at, t.seq = v.now.Add(max(d, 0)), v.seq
	heap.Push(&v.queue, t)
}

type virtualTimer struct {
	clock *Virtual
	at    time.Time
	seq   uint64
	index int
	f     func()
}

func (t *virtualTimer) Stop() bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	return t.remove()
}

func (t *virtualTimer) Reset(d time.Duration) bool {
	t.clock.mu.Lock()
	defer t.clock.mu.Unlock()
	was := t.remove()
	t.clock.arm(t, d)
	return was
}

func (t *virtualTimer) remove() bool {
	if t.index < 0 {
		return false
	}
	heap.Remove(&t.clock.queue, t.index)
	return true
}

type timerHeap []*virtualTimer

func (h timerHeap) Len() int { return len(h) }

func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *timerHeap) Push(x any) {
	t := x.(*virtualTimer)
	t.index = len(*h)
	*h = append(*h, t)
}

func (h *timerHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	t.index = -1
	return t
}
