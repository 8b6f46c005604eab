package media

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
)

func TestSessionLimit(t *testing.T) {
	st := newStudio(t, 1)
	st.engine.mu.Lock()
	crowd := make([]Session, sessionLimit)
	for i := range crowd {
		st.engine.sessions[&crowd[i]] = struct{}{}
	}
	st.engine.mu.Unlock()
	_, err := st.engine.Open(SessionOptions{})
	st.engine.mu.Lock()
	clear(st.engine.sessions)
	st.engine.mu.Unlock()
	if fault.CodeOf(err) != fault.Limit || st.engine.Stats().Refused != 1 {
		t.Fatalf("%v", err)
	}
}

func TestRecordingLimit(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.engine.recordings.Store(recordingLimit)
	p.s.Record(NewRecorder(tempFile(t), RecorderOptions{}))
	st.run(60*time.Millisecond, nil, p)
	if ended := p.events.of(RecordEnded); len(ended) != 1 || ended[0].Reason != ReasonLimit {
		t.Fatalf("%+v", ended)
	}
	if n := st.engine.recordings.Load(); n != recordingLimit {
		t.Fatalf("%d counted", n)
	}
}

func TestNotifierLimit(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	n := newNotifier(clk)
	entered, leave := make(chan struct{}), make(chan struct{})
	n.post(func(Event) { close(entered); <-leave }, Event{})
	<-entered // the sink does not return
	count := 0
	for range noticeLimit + 7 {
		n.post(func(Event) { count++ }, Event{})
	}
	if got := n.dropped.Load(); got != 7 {
		t.Fatalf("%d dropped", got)
	}
	close(leave)
	n.close()
	clk.Settle()
	if count != noticeLimit {
		t.Fatalf("%d delivered", count)
	}
}

func TestFabricQueueIsBounded(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	f := NewFabric(clk)
	a, errA := f.Listen(netip.MustParseAddrPort("10.0.0.1:1000"))
	b, errB := f.Listen(netip.MustParseAddrPort("10.0.0.2:1000"))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if _, err := f.Listen(b.Addr()); !errors.Is(err, errPortTaken) {
		t.Fatalf("%v", err)
	}
	for i := range fabricQueue + 3 {
		a.Send(b.Addr(), fmt.Appendf(nil, "%d", i))
	}
	if f.Lost() != 3 {
		t.Fatalf("%d lost", f.Lost())
	}
	var buf [16]byte
	for i := range fabricQueue {
		n, from, ok := b.Receive(buf[:])
		if !ok || from != a.Addr() || string(buf[:n]) != fmt.Sprint(i) {
			t.Fatalf("datagram %d: %q from %v", i, buf[:n], from)
		}
	}
	b.Close()
	a.Send(b.Addr(), []byte("x"))
	if f.Lost() != 4 {
		t.Fatal("a closed socket takes datagrams")
	}
	if c, err := f.Listen(b.Addr()); err != nil {
		t.Fatal(err)
	} else if _, _, ok := c.Receive(buf[:]); ok {
		t.Fatal("a new socket has old datagrams")
	}
}

func TestFullDiskTellsTheCause(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	closed := tempFile(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	p.s.Record(NewRecorder(closed, RecorderOptions{}))
	st.run(60*time.Millisecond, nil, p)
	p.s.StopRecord()
	st.run(60*time.Millisecond, nil, p)
	ended := p.events.of(RecordEnded)
	if len(ended) != 1 || ended[0].Err == nil || errors.Is(ended[0].Err, syscall.ENOSPC) {
		t.Fatalf("%+v", ended)
	}
}

// Digits that wait while the agreement changes are never sent under a payload
// type that means audio.
func TestDigitsOutliveANewAgreement(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(40*time.Millisecond, nil, p)
	pt := p.s.Negotiated().EventSend.PT
	if err := p.s.SendDigits("1234567"); err != nil {
		t.Fatal(err)
	}
	st.run(200*time.Millisecond, nil, p)
	n := len(p.packets)
	offer := "v=0\r\no=- 1 3 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n"
	if _, err := p.s.Answer(fmt.Appendf(nil, offer, p.conn.Addr().Port())); err != nil {
		t.Fatal(err)
	}
	st.run(3*time.Second, nil, p)
	for _, h := range p.packets[n+2:] {
		if h.pt == pt || h.pt != codec.PCMU.PT || len(h.payload) != audio.FrameSamples {
			t.Fatalf("payload type %d with %d bytes", h.pt, len(h.payload))
		}
	}
	if n := len(p.events.of(DigitsSent)); n != 1 || p.s.pendingDigits.Load() != 0 {
		t.Fatalf("%d DigitsSent, %d pending", n, p.s.pendingDigits.Load())
	}
}

func TestHoldDoesNotBeginTheWaitForASilentCaller(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(timeout(time.Second))
	p.s.Hold(true)
	st.run(500*time.Millisecond, nil, p)
	p.s.Hold(false)
	st.run(3*time.Second, nil, p)
	if n := len(p.events.of(MediaLost)); n != 0 {
		t.Fatal("a caller that never sends is kept")
	}
}
