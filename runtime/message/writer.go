package message

import (
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/fault"
)

// MaxQueue is how many bytes may wait in a [Writer] or one direction of a
// [Pipe]. A frame always fits into an empty queue.
const MaxQueue = 32 << 20

// Overflow says what sending does when the queue is full.
type Overflow uint8

// The two policies: a worker waits, which holds its scripts back; the host
// must never wait for a worker and gets LIMIT instead.
const (
	Wait Overflow = iota
	Fail
)

// keepBuffer is the largest buffer that a Writer keeps for later frames.
const keepBuffer = 256 << 10

// Writer queues frames and writes them from one goroutine, everything that is
// queued in one write, so that a burst costs one system call. A frame that
// finds a pipe idle is written at once by its sender, as far as the pipe takes
// it without waiting: that saves the change of goroutine, half of the time that
// a host call takes.
//
// # Concurrency
//
// Send and Close may be called from any goroutine.
type Writer struct {
	w        io.Writer
	pipe     syscall.RawConn // of w if it is a non-blocking file, else nil
	overflow Overflow
	done     chan struct{}

	mu      sync.Mutex
	ready   sync.Cond // something to write, or closed
	room    sync.Cond // the queue was taken, or closed
	queue   []byte
	spare   []byte
	writing bool // the goroutine is in a write
	closed  bool
	err     error
	refused uint64
}

// NewWriter returns a Writer to w and starts its goroutine, which ends after
// Close.
func NewWriter(w io.Writer, overflow Overflow) *Writer {
	x := &Writer{w: w, pipe: nonBlocking(w), overflow: overflow, done: make(chan struct{})}
	x.ready.L, x.room.L = &x.mu, &x.mu
	go x.run()
	return x
}

// Send queues f. After an error of the underlying writer, and after Close, it
// returns that error or UNAVAILABLE.
func (x *Writer) Send(f Frame) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	need := HeaderBytes + len(f.Body)
	for x.usable() == nil && len(x.queue) > 0 && len(x.queue)+need > MaxQueue {
		if x.overflow == Fail {
			x.refused++
			return fault.New(fault.Limit, "message: %d bytes are waiting to be read by the other side", len(x.queue))
		}
		x.room.Wait()
	}
	if err := x.usable(); err != nil {
		return err
	}
	idle := len(x.queue) == 0 && !x.writing && x.pipe != nil
	queue, err := AppendFrame(x.queue, f)
	x.queue = queue
	if err != nil {
		return err
	}
	if idle {
		x.try()
	}
	if len(x.queue) > 0 {
		x.ready.Signal()
	}
	return nil
}

// nonBlocking is the raw pipe behind w, nil if writing to it could block.
func nonBlocking(w io.Writer) syscall.RawConn {
	f, ok := w.(*os.File)
	if !ok {
		return nil
	}
	pipe, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	flags := 0
	err = pipe.Control(func(fd uintptr) { flags, _ = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err != nil || flags&unix.O_NONBLOCK == 0 {
		return nil
	}
	return pipe
}

// try writes what the pipe takes at once; the rest, and any error, is left to
// the goroutine. The lock is held.
func (x *Writer) try() {
	n := 0
	err := x.pipe.Write(func(fd uintptr) bool {
		n, _ = unix.Write(int(fd), x.queue)
		return true
	})
	if err == nil && n > 0 {
		x.queue = x.queue[:copy(x.queue, x.queue[n:])]
	}
}

// usable returns why nothing can be sent any more; the lock is held.
func (x *Writer) usable() error {
	if x.err != nil {
		return x.err
	}
	if x.closed {
		return fault.New(fault.Unavailable, "message: the connection is closed")
	}
	return nil
}

// Refused is how many frames did not fit.
func (x *Writer) Refused() uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.refused
}

// Close stops taking frames, lets what is queued be written and waits for it.
// A write that hangs has to be ended by closing the underlying writer.
func (x *Writer) Close() error {
	x.shut()
	<-x.done
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

func (x *Writer) shut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.closed = true
	x.ready.Signal()
	x.room.Broadcast()
}

func (x *Writer) run() {
	defer close(x.done)
	for {
		batch := x.take()
		if batch == nil {
			return
		}
		_, err := x.w.Write(batch)
		x.written(batch, err)
		if err != nil {
			return
		}
	}
}

// take waits for frames and takes them all; nil means closed and empty.
func (x *Writer) take() []byte {
	x.mu.Lock()
	defer x.mu.Unlock()
	for len(x.queue) == 0 {
		if x.closed {
			return nil
		}
		x.ready.Wait()
	}
	batch := x.queue
	x.writing = true
	x.queue, x.spare = x.spare[:0], nil
	x.room.Broadcast()
	return batch
}

func (x *Writer) written(batch []byte, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.writing = false
	if cap(batch) <= keepBuffer {
		x.spare = batch
	}
	if err != nil {
		x.err = fault.New(fault.Unavailable, "message: write: %w", err)
		x.queue = nil
		x.room.Broadcast()
	}
}
