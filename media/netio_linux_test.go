package media

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

var loopbacks = map[string]netip.Addr{"IPv4": netip.MustParseAddr("127.0.0.1"), "IPv6": netip.MustParseAddr("::1")}

// realEngine runs on the machine's sockets and clock.
func realEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.PortMin == 0 {
		cfg.PortMin, cfg.PortMax = 23000, 27999
	}
	e, err := NewEngine(cfg, clock.System(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// until polls a condition with a deadline.
func until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestKernelSockets(t *testing.T) {
	for name, addr := range loopbacks {
		a, errA := kernelSockets{}.open(netip.AddrPortFrom(addr, 28000))
		b, errB := kernelSockets{}.open(netip.AddrPortFrom(addr, 28002))
		if errA != nil || errB != nil {
			t.Fatalf("%s: %v %v", name, errA, errB)
		}
		if _, err := (kernelSockets{}).open(netip.AddrPortFrom(addr, 28002)); !errors.Is(err, errPortTaken) {
			t.Fatalf("%s: the same port again: %v", name, err)
		}
		io := newKernelIO()
		var to destination
		to.set(netip.AddrPortFrom(addr, 28002))
		buf := make([]byte, codec.MaxPacket)
		if _, _, _, ok := io.recv(b, buf); ok {
			t.Fatalf("%s: something in an empty socket", name)
		}
		// One copy, a message of two parts, and the border between them.
		for _, body := range [][]byte{[]byte("body"), nil, bytes.Repeat([]byte{1}, plainPacket-4), bytes.Repeat([]byte{2}, plainPacket-3)} {
			before := time.Now().UnixNano()
			if !io.send(a, &to, []byte("head"), body) {
				t.Fatalf("%s: not sent", name)
			}
			n, from, stamp, ok := io.recv(b, buf)
			if !ok || string(buf[:n]) != "head"+string(body) || from != netip.AddrPortFrom(addr, 28000) {
				t.Fatalf("%s: %q from %v", name, buf[:n], from)
			}
			if stamp < before-int64(time.Millisecond) || stamp > time.Now().UnixNano()+int64(time.Millisecond) {
				t.Fatalf("%s: stamp %d, sent at %d", name, stamp, before)
			}
		}
		// Connected, only the peer gets through; disconnected, everybody.
		c, err := kernelSockets{}.open(netip.AddrPortFrom(addr, 28004))
		if err != nil {
			t.Fatal(err)
		}
		var peer destination
		peer.set(netip.AddrPortFrom(addr, 28000))
		if !io.connect(b, &peer) {
			t.Fatalf("%s: connect", name)
		}
		io.send(c, &to, []byte("foreign"), nil)
		io.send(a, &to, []byte("friend"), nil)
		if n, _, _, ok := io.recv(b, buf); !ok || string(buf[:n]) != "friend" {
			t.Fatalf("%s: %q", name, buf[:n])
		}
		if !io.connect(b, &destination{}) {
			t.Fatalf("%s: disconnect", name)
		}
		io.send(c, &to, []byte("foreign"), nil)
		if n, _, _, ok := io.recv(b, buf); !ok || string(buf[:n]) != "foreign" {
			t.Fatalf("%s: after disconnecting %q", name, buf[:n])
		}
		// A port that nobody listens on answers with an error that must not
		// cost the next packet.
		to.set(netip.AddrPortFrom(addr, 28002))
		io.connect(a, &to)
		to.connected = true
		io.close(b)
		io.send(a, &to, []byte("lost"), nil)
		if !io.send(a, &to, []byte("sent all the same"), nil) {
			t.Fatalf("%s: the error of the packet before stopped this one", name)
		}
		io.close(a)
		io.close(c)
	}
}

func TestKernelIODoesNotAllocate(t *testing.T) {
	addr := loopbacks["IPv6"]
	a, err := kernelSockets{}.open(netip.AddrPortFrom(addr, 28010))
	if err != nil {
		t.Fatal(err)
	}
	io := newKernelIO()
	defer io.close(a)
	var to destination
	to.set(netip.AddrPortFrom(addr, 28010))
	head, body, buf := make([]byte, rtpHeader), make([]byte, audio.FrameSamples), make([]byte, codec.MaxPacket)
	var n int
	allocs := testing.AllocsPerRun(100, func() {
		io.send(a, &to, head, body)
		n, _, _, _ = io.recv(a, buf)
		io.connect(a, &destination{})
	})
	if allocs != 0 || n != rtpHeader+audio.FrameSamples {
		t.Fatalf("%v allocations, %d bytes", allocs, n)
	}
}

// Two sessions talk over real sockets: a prompt, digits and a recording. On a
// machine that is too busy frames are left out, as designed: then only they may
// be missing, and the next run is to show the whole.
func TestCallOverRealSockets(t *testing.T) {
	for _, addr := range loopbacks {
		for range 3 {
			if realCall(t, addr) {
				break
			}
		}
	}
}

// realCall reports whether no frame was left out.
func realCall(t *testing.T, addr netip.Addr) bool {
	t.Helper()
	e := realEngine(t, Config{Shards: 2})
	var ea, eb diary
	a, errA := e.Open(SessionOptions{Bind: addr, Sink: ea.note})
	b, errB := e.Open(SessionOptions{Bind: addr, Sink: eb.note})
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	link(t, a, b)
	a.Start()
	b.Start()
	f := tempFile(t)
	b.Record(NewRecorder(f, RecorderOptions{}))
	until(t, "both hear something", func() bool { return a.Stats().Received > 5 && b.Stats().Received > 5 })
	prompt := ramp(40)
	a.Play(Playback{Parts: []*sound.Prompt{prompt}})
	until(t, "the prompt ends", func() bool { return len(ea.of(PlayEnded)) == 1 })
	if err := a.SendDigits("42#"); err != nil {
		t.Fatal(err)
	}
	until(t, "the digits arrive", func() bool { return eb.digits() == "42#" })
	b.StopRecord()
	until(t, "the recording ends", func() bool { return len(eb.of(RecordEnded)) == 1 })
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	st := e.Stats()
	if st.Sessions != 0 || st.PortsInUse != 0 || b.Stats().Lost != 0 {
		t.Errorf("%+v, %+v", st, b.Stats())
	}
	want, got := decoded(framesOf(codec.PCMA, prompt)), readWAV(t, f, 1)
	if st.LateSkips == 0 {
		find(t, got, want)
		return true
	}
	// A frame that is left out takes with it the one that is joined to its
	// concealment, on the side that speaks and on the side that records.
	if heard := framesHeard(got, want); heard < 40-4*int(st.LateSkips) {
		t.Errorf("%d of 40 frames are in the recording, and %d were left out", heard, st.LateSkips)
	}
	return false
}

// framesHeard counts the frames of want that are in pcm, sample by sample and
// in want's order.
func framesHeard(pcm, want []int16) (heard int) {
	for ; len(want) >= audio.FrameSamples; want = want[audio.FrameSamples:] {
		for at := 0; at+audio.FrameSamples <= len(pcm); at++ {
			if slices.Equal(pcm[at:at+audio.FrameSamples], want[:audio.FrameSamples]) {
				heard++
				pcm = pcm[at+audio.FrameSamples:]
				break
			}
		}
	}
	return heard
}

// A peer that is not there does not stop the stream, and garbage from it is
// counted.
func TestPeerThatIsNotThere(t *testing.T) {
	e := realEngine(t, Config{Shards: 1})
	s, err := e.Open(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	addr := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(sdp.BuildOffer(sdp.Local{Addr: addr.Addr(), Port: addr.Port(), Codecs: codec.All()})); err != nil {
		t.Fatal(err)
	}
	s.Start()
	until(t, "ten packets are sent", func() bool { return s.Stats().Sent > 10 })
	conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, codec.MaxPacket)
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, _, err := conn.ReadFromUDPAddrPort(buf)
	if err != nil || n != rtpHeader+audio.FrameSamples {
		t.Fatalf("%d bytes, %v", n, err)
	}
	junk := [][]byte{nil, {0}, bytes.Repeat([]byte{0xff}, 1472), bytes.Repeat([]byte{0xbf}, 60), {0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42}}
	for _, b := range junk {
		if _, err := conn.WriteToUDPAddrPort(b, s.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the garbage is counted", func() bool { return s.Stats().Dropped == uint64(len(junk)) })
	if st := e.Stats(); st.Dropped[DropMalformed]+st.Dropped[DropPayloadType] != uint64(len(junk)) || s.Stats().Received != 0 {
		t.Fatalf("%+v", st)
	}
}

func TestPortInUseIsPassedOver(t *testing.T) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 28101})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	e := realEngine(t, Config{PortMin: 28100, PortMax: 28103, Shards: 1})
	s, err := e.Open(SessionOptions{})
	if err != nil || s.LocalAddr().Port() != 28102 {
		t.Fatalf("%v %v", s, err)
	}
	if st := e.Stats(); st.PortsTaken != 1 {
		t.Fatalf("%+v", st)
	}
	if _, err := e.Open(SessionOptions{}); err == nil {
		t.Fatal("a third port pair")
	}
}

// An engine without sessions uses no processor time, before and after a call.
func TestIdleEngineParks(t *testing.T) {
	e := realEngine(t, Config{Shards: 2})
	s, err := e.Open(SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Answer(sdp.BuildOffer(sdp.Local{Addr: loopbacks["IPv4"], Port: 9, Codecs: codec.All()})); err != nil {
		t.Fatal(err)
	}
	s.Start()
	until(t, "it sends", func() bool { return s.Stats().Sent > 3 })
	s.Close()
	parked := func() bool {
		for _, sh := range e.shards {
			if !sh.driver.(*pacer).parked.Load() {
				return false
			}
		}
		return true
	}
	until(t, "the pacers park", parked)
	passes := e.Stats().Passes
	until(t, "time passes", past(100*time.Millisecond))
	if e.Stats().Passes != passes || !parked() {
		t.Fatal("passes without a session")
	}
}

func past(d time.Duration) func() bool {
	end := time.Now().Add(d)
	return func() bool { return time.Now().After(end) }
}

func TestPacerThreadIsPreferredWherePermitted(t *testing.T) {
	e := realEngine(t, Config{Shards: 1})
	p := e.shards[0].driver.(*pacer)
	until(t, "the thread runs", func() bool { return p.tid.Load() != 0 && p.parked.Load() })
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, int(p.tid.Load()))
	if err != nil {
		t.Fatal(err)
	}
	nice := 20 - raw
	if err := unix.Setpriority(unix.PRIO_PROCESS, int(p.tid.Load()), pacerNice); errors.Is(err, syscall.EACCES) {
		if nice != 0 {
			t.Fatalf("nice %d without the right to it", nice)
		}
		return
	}
	if nice != pacerNice {
		t.Fatalf("nice %d", nice)
	}
}

// Sessions come and go on two pacers while they are bridged: run with -race.
func TestManySessionsComeAndGo(t *testing.T) {
	e := realEngine(t, Config{Shards: 2})
	before := runtime.NumGoroutine()
	var last []*Session
	for range 30 {
		a, errA := e.Open(SessionOptions{})
		b, errB := e.Open(SessionOptions{})
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		link(t, a, b)
		a.Start()
		b.Start()
		a.Play(Playback{Parts: []*sound.Prompt{ramp(10)}})
		if last != nil {
			last[0].Bridge(a)
			b.Bridge(last[1])
			a.StopPlay()
		}
		if len(last) > 0 {
			until(t, "packets flow", func() bool { return a.Stats().Received > 1 })
			last[0].Close()
			last[1].Close()
		}
		last = []*Session{a, b}
	}
	last[0].Close()
	last[1].Close()
	until(t, "all are gone", func() bool { return e.Stats().Sessions == 0 && e.Stats().PortsInUse == 0 })
	if n := runtime.NumGoroutine(); n > before {
		t.Fatalf("%d goroutines, %d before", n, before)
	}
	for _, sh := range e.shards {
		if n := sh.load.Load(); n != 0 {
			t.Fatalf("shard %d still counts %d", sh.index, n)
		}
	}
}
