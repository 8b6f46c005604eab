package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// slowPipe is a Writer whose writes wait until they are let through.
type slowPipe struct {
	mu     sync.Mutex
	writes [][]byte
	open   chan struct{}
	err    error
}

func (p *slowPipe) Write(b []byte) (int, error) {
	<-p.open
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes = append(p.writes, bytes.Clone(b))
	return len(b), p.err
}

func TestWriterJoinsWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &slowPipe{open: make(chan struct{})}
		w := NewWriter(p, Wait)
		for range 100 {
			if err := w.Send(Frame{Kind: Ping}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		close(p.open)
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if len(p.writes) != 2 || len(p.writes[0]) != HeaderBytes || len(p.writes[1]) != 99*HeaderBytes {
			t.Fatalf("%d writes", len(p.writes))
		}
		if err := w.Send(Frame{Kind: Ping}); fault.CodeOf(err) != fault.Unavailable {
			t.Fatalf("after Close: %v", err)
		}
	})
}

func TestWriterAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := json.RawMessage(bytes.Repeat([]byte("1"), MaxBody))
		for _, overflow := range []Overflow{Fail, Wait} {
			p := &slowPipe{open: make(chan struct{})}
			w := NewWriter(p, overflow)
			send := func() error { return w.Send(Frame{Kind: Load, Body: body}) }
			for i := range 2 { // one is being written, one is queued
				if err := send(); err != nil {
					t.Fatalf("frame %d: %v", i, err)
				}
				synctest.Wait()
			}
			third := make(chan error, 1)
			go func() { third <- send() }()
			synctest.Wait()
			select {
			case err := <-third:
				if overflow == Wait || fault.CodeOf(err) != fault.Limit || w.Refused() != 1 {
					t.Fatalf("%v, %d refused", err, w.Refused())
				}
			default:
				if overflow == Fail {
					t.Fatal("Fail waits")
				}
			}
			close(p.open)
			synctest.Wait()
			if overflow == Wait {
				if err := <-third; err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWriterReportsItsError(t *testing.T) {
	p := &slowPipe{open: make(chan struct{}), err: io.ErrClosedPipe}
	close(p.open)
	w := NewWriter(p, Wait)
	if err := w.Send(Frame{Kind: Ping}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); !errors.Is(err, io.ErrClosedPipe) || fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	if err := w.Send(Frame{Kind: Ping}); !errors.Is(err, io.ErrClosedPipe) {
		t.Fatal(err)
	}
}

func TestStreamOverPipes(t *testing.T) {
	r1, w1, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r2, w2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	a, b := NewStream(r1, w2, Fail), NewStream(r2, w1, Wait)
	for i := range uint32(100) {
		if err := a.Send(Frame{Kind: Settle, VM: 1, Seq: i}); err != nil {
			t.Fatal(err)
		}
		f, err := b.Receive()
		if err != nil || f.Seq != i {
			t.Fatal(f, err)
		}
	}
	if err := a.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Receive(); err != io.EOF {
		t.Fatalf("after the other side has closed: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPipeKeepsTheClockBusyUntilAFrameIsHandled(t *testing.T) {
	v := clock.NewVirtual(time.Unix(0, 0))
	host, worker := Pipe(v)
	if err := host.Send(Frame{Kind: Ping}); err != nil {
		t.Fatal(err)
	}
	settled := make(chan struct{})
	go func() { v.Settle(); close(settled) }()
	if _, err := worker.Receive(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-settled:
		t.Fatal("settled while the frame was being handled")
	case <-time.After(20 * time.Millisecond):
	}
	go worker.Receive() // the frame before is handled
	<-settled
	host.Close()
	worker.Close()
}

func TestPipeEnds(t *testing.T) {
	v := clock.NewVirtual(time.Unix(0, 0))
	host, worker := Pipe(v)
	if err := host.Send(Frame{Kind: Ping}); err != nil {
		t.Fatal(err)
	}
	if err := worker.Send(Frame{Kind: Pong}); err != nil {
		t.Fatal(err)
	}
	host.Close()
	if f, err := worker.Receive(); err != nil || f.Kind != Ping {
		t.Fatalf("what was sent before Close is read: %v %v", f, err)
	}
	if _, err := worker.Receive(); err != io.EOF {
		t.Fatal(err)
	}
	if err := worker.Send(Frame{Kind: Pong}); fault.CodeOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	worker.Close()
	v.Settle() // nothing is left in flight
}

// TestMaxQueue: so many bytes wait in one direction, to the byte.
func TestMaxQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rest := MaxQueue - HeaderBytes - MaxBody - HeaderBytes
		first, fits, large := Frame{Kind: Load, Body: make([]byte, MaxBody)}, Frame{Kind: Load, Body: make([]byte, rest)}, Frame{Kind: Load, Body: make([]byte, rest+1)}
		for _, second := range []Frame{fits, large} {
			host, worker := Pipe(clock.System())
			slow := &slowPipe{open: make(chan struct{})}
			writer := NewWriter(slow, Fail)
			if err := writer.Send(Frame{Kind: Ping}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // it is being written and waits no more
			for name, send := range map[string]func(Frame) error{"pipe": host.Send, "writer": writer.Send} {
				if err := send(first); err != nil {
					t.Fatal(err)
				}
				if err := send(second); (fault.CodeOf(err) == fault.Limit) != (len(second.Body) > rest) {
					t.Errorf("%s: %d bytes: %v", name, len(second.Body), err)
				}
			}
			close(slow.open)
			_ = writer.Close()
			host.Close()
			worker.Close()
		}
	})
}

func TestPipeAtItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		host, worker := Pipe(clock.System())
		body := json.RawMessage(bytes.Repeat([]byte("1"), MaxBody))
		big := Frame{Kind: Load, Body: body}
		if err := host.Send(big); err != nil {
			t.Fatal(err)
		}
		if err := host.Send(big); fault.CodeOf(err) != fault.Limit {
			t.Fatalf("host: %v", err)
		}
		sent := make(chan error, 1)
		if err := worker.Send(big); err != nil {
			t.Fatal(err)
		}
		go func() { sent <- worker.Send(big) }()
		synctest.Wait()
		if len(sent) > 0 {
			t.Fatal("the worker does not wait")
		}
		if _, err := host.Receive(); err != nil {
			t.Fatal(err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		host.Close()
		worker.Close()
	})
}
