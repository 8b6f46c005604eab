package message

import (
	"io"
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// Pipe returns the two ends of a connection in memory. A frame counts as busy
// on clk from the moment it is sent until the receiver asks for the next one,
// so a virtual clock stands still while anything is under way.
//
// Each direction holds at most [MaxQueue] bytes; the host's end refuses more
// with LIMIT, the worker's end waits.
func Pipe(clk clock.Clock) (host, worker Conn) {
	down, up := newLane(clk, Fail), newLane(clk, Wait)
	return &pipeEnd{out: down, in: up}, &pipeEnd{out: up, in: down}
}

type pipeEnd struct{ out, in *pipeLane }

func (p *pipeEnd) Send(f Frame) error { return p.out.send(f) }

func (p *pipeEnd) Receive() (Frame, error) { return p.in.receive() }

// Close lets the other end read what is queued, and drops what was sent here.
func (p *pipeEnd) Close() error {
	p.out.close(false)
	p.in.close(true)
	return nil
}

// pipeLane is one direction of a pipe.
type pipeLane struct {
	clock    clock.Clock
	overflow Overflow

	mu      sync.Mutex
	changed sync.Cond
	queue   []Frame
	bytes   int
	open    int // frames received and not yet known to be handled
	closed  bool
}

func newLane(clk clock.Clock, overflow Overflow) *pipeLane {
	l := &pipeLane{clock: clk, overflow: overflow}
	l.changed.L = &l.mu
	return l
}

func (l *pipeLane) send(f Frame) error {
	if err := checkFrame(f.Kind, len(f.Body)); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	need := HeaderBytes + len(f.Body)
	for !l.closed && l.bytes > 0 && l.bytes+need > MaxQueue {
		if l.overflow == Fail {
			return fault.New(fault.Limit, "message: %d bytes are waiting to be read by the other side", l.bytes)
		}
		l.changed.Wait()
	}
	if l.closed {
		return fault.New(fault.Unavailable, "message: the connection is closed")
	}
	l.clock.Busy(1)
	l.queue = append(l.queue, f)
	l.bytes += need
	l.changed.Broadcast()
	return nil
}

func (l *pipeLane) receive() (Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handled()
	for len(l.queue) == 0 {
		if l.closed {
			return Frame{}, io.EOF
		}
		l.changed.Wait()
	}
	f := l.queue[0]
	l.queue[0] = Frame{}
	l.queue = l.queue[1:]
	l.bytes -= HeaderBytes + len(f.Body)
	l.open++
	l.changed.Broadcast()
	return f, nil
}

// handled ends the busy time of frames that were received before; the lock is
// held.
func (l *pipeLane) handled() {
	if l.open > 0 {
		l.clock.Busy(-l.open)
		l.open = 0
	}
}

// close ends the lane; drop is true at the receiving end.
func (l *pipeLane) close(drop bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if drop {
		l.handled()
		l.clock.Busy(-len(l.queue))
		l.queue, l.bytes = nil, 0
	}
	l.changed.Broadcast()
}
