package media

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// BenchmarkFrame is one session's frame without the kernel: commands, one
// packet read, one packet sent.
func BenchmarkFrame(b *testing.B) {
	const sessions = 200
	st := newStudio(b, 1)
	var parties []*party
	for range sessions {
		p := st.leg(nil)
		p.s.Play(Playback{Parts: []*sound.Prompt{ramp(50)}, Loop: true})
		parties = append(parties, p)
	}
	st.run(100*time.Millisecond, nil, parties...)
	sh := st.engine.shards[0]
	quiet := &mirrorIO{from: parties[0].conn.addr}
	now := st.clk.Now()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += sessions {
		for range slotCount {
			now = now.Add(slotLength)
			sh.tick(now, quiet)
			sh.observe(now)
		}
	}
}

// mirrorIO takes every packet and has none.
type mirrorIO struct{ from netip.AddrPort }

func (*mirrorIO) recv(socketID, []byte) (int, netip.AddrPort, int64, bool) {
	return 0, netip.AddrPort{}, 0, false
}
func (*mirrorIO) send(socketID, *destination, []byte, []byte) bool { return true }
func (*mirrorIO) connect(socketID, *destination) bool              { return true }
func (*mirrorIO) close(socketID)                                   {}

// BenchmarkPlaying is the whole media path on the machine's sockets: N calls
// play a prompt to a peer on loopback, with callers silent or sending. It
// reports CPU per call-second, the same for the bare system calls in the same
// run (the floor), their ratio, lateness by the receiver's kernel stamps and
// the share of packets that were sent in time.
func BenchmarkPlaying(b *testing.B) {
	for _, duplex := range []bool{false, true} {
		for _, n := range []int{200, 500, 1000} {
			b.Run(fmt.Sprintf("calls=%d/duplex=%v", n, duplex), func(b *testing.B) {
				for range b.N {
					l := measureLoad(b, n, duplex, 5*time.Second)
					b.ReportMetric(l.perCall, "cpu-µs/call-s")
					b.ReportMetric(l.floor, "floor-µs/call-s")
					b.ReportMetric(l.perCall/l.floor, "×floor")
					b.ReportMetric(l.p99.Seconds()*1e3, "p99-ms")
					b.ReportMetric(l.p999.Seconds()*1e3, "p99.9-ms")
					b.ReportMetric(100*l.delivered, "delivered-%")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}

// loadResult is what one measurement tells.
type loadResult struct {
	perCall   float64 // µs of the pacer threads per call and second
	floor     float64 // µs of sendmmsg (and recvmmsg) for the same packets
	p99, p999 time.Duration
	delivered float64
}

// measureLoad plays to n peers for a while.
func measureLoad(b *testing.B, n int, duplex bool, d time.Duration) loadResult {
	b.Helper()
	e := realEngine(b, Config{})
	defer e.Close()
	crowd := newCrowd(b, n)
	defer crowd.close()
	prompt := ramp(500)
	sessions := make([]*Session, n)
	for i := range sessions {
		s, err := e.Open(SessionOptions{})
		if err != nil {
			b.Fatal(err)
		}
		sessions[i] = s
		crowd.targets[i] = s.LocalAddr()
		local := sdp.Local{Addr: crowd.addr.Addr(), Port: crowd.ports[i], Codecs: []*codec.Codec{codec.PCMA}}
		if _, err := s.Answer(sdp.BuildOffer(local)); err != nil {
			b.Fatal(err)
		}
		s.Play(Playback{Parts: []*sound.Prompt{prompt}, Loop: true})
		s.Start()
	}
	until(b, "all play", func() bool { return sessions[n-1].Stats().Sent > 25 })
	stop := crowd.run(duplex)
	until(b, "warm", past(500*time.Millisecond))
	crowd.reset()
	before, begin := pacerTime(e), time.Now()
	until(b, "measured", past(d))
	took := time.Since(begin)
	used := pacerTime(e) - before
	gaps := stop()
	l := loadResult{perCall: used.Seconds() * 1e6 / float64(n) / took.Seconds()}
	l.p99, l.p999 = at(gaps, 0.99), at(gaps, 0.999)
	l.delivered = float64(len(gaps)) / (took.Seconds() * float64(n) * float64(audio.FramesPerSec))
	l.floor = floorTime(b, n, duplex)
	return l
}

func at(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// pacerTime is the processor time of the engine's threads.
func pacerTime(e *Engine) (sum time.Duration) {
	for _, sh := range e.shards {
		tid := sh.driver.(*pacer).tid.Load()
		var ts unix.Timespec
		// The clock of another thread: man clock_getcpuclockid, CPUCLOCK_SCHED
		// with the per-thread bit.
		if err := unix.ClockGettime(int32(^tid<<3|6), &ts); err == nil {
			sum += time.Duration(ts.Nano())
		}
	}
	return sum
}

// crowd are the peers: one socket each, read by one thread, which also sends
// for them.
type crowd struct {
	tb      testing.TB
	addr    netip.AddrPort
	ports   []uint16
	socks   []socketID
	targets []netip.AddrPort
	last    []int64
	mu      sync.Mutex
	gaps    []time.Duration
	fresh   atomic.Bool
}

func newCrowd(tb testing.TB, n int) *crowd {
	c := &crowd{tb: tb, addr: netip.MustParseAddrPort("127.0.0.1:0"), targets: make([]netip.AddrPort, n), last: make([]int64, n)}
	for port := uint16(30000); len(c.socks) < n && port < 60000; port += 2 {
		s, err := kernelSockets{}.open(netip.AddrPortFrom(c.addr.Addr(), port))
		if err == nil {
			c.socks, c.ports = append(c.socks, s), append(c.ports, port)
		}
	}
	if len(c.socks) < n {
		tb.Fatal("not enough ports")
	}
	return c
}

func (c *crowd) close() {
	io := newKernelIO()
	for _, s := range c.socks {
		io.close(s)
	}
}

func (c *crowd) reset() { c.fresh.Store(true) }

// run reads what the peers get every 20 ms in ten portions and sends one
// packet for each when duplex. The returned function ends it and tells by how
// much the packets of a stream were off their 20 ms, in order of size.
func (c *crowd) run(duplex bool) func() []time.Duration {
	var quit atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		io := newKernelIO()
		to := make([]destination, len(c.targets))
		for i, t := range c.targets {
			to[i].set(t)
		}
		var head [rtpHeader]byte
		payload, buf := voice(1), make([]byte, codec.MaxPacket)
		next := monotonic()
		for turn := 0; !quit.Load(); turn++ {
			if c.fresh.Swap(false) {
				c.gaps = c.gaps[:0]
			}
			for i := turn % slotCount; i < len(c.socks); i += slotCount {
				for {
					_, _, stamp, ok := io.recv(c.socks[i], buf)
					if !ok {
						break
					}
					if c.last[i] != 0 {
						gap := time.Duration(stamp-c.last[i]) - audio.FrameDuration
						c.gaps = append(c.gaps, max(gap, -gap))
					}
					c.last[i] = stamp
				}
				if duplex {
					f := turn / slotCount
					putRTP(&head, false, codec.PCMA.PT, uint16(f), uint32(f*audio.FrameSamples), uint32(i))
					io.send(c.socks[i], &to[i], head[:], payload)
				}
			}
			next += int64(slotLength)
			ts := unix.NsecToTimespec(next)
			_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
		}
	}()
	return func() []time.Duration {
		quit.Store(true)
		<-done
		slices.Sort(c.gaps)
		return c.gaps
	}
}

// mmsghdr is struct mmsghdr of the kernel.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// floorTime is the processor time, per call and second, of a bare thread that
// does the same with nothing around it: every 2 ms it wakes, sends the packets
// of a tenth of the calls by one sendmmsg from one socket, and with duplex
// reads as many by one recvmsg each.
func floorTime(b *testing.B, n int, duplex bool) float64 {
	b.Helper()
	c := newCrowd(b, n)
	defer c.close()
	out, err := kernelSockets{}.open(netip.AddrPortFrom(c.addr.Addr(), 61000))
	if err != nil {
		b.Fatal(err)
	}
	io := newKernelIO()
	defer io.close(out)
	msgs := c.messages()
	buf := make([]byte, codec.MaxPacket)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const turns = 1000
	next, begin, reading := monotonic(), threadTime(), time.Duration(0)
	for turn := range turns {
		from, to := turn%slotCount*n/slotCount, (turn%slotCount+1)*n/slotCount
		part := msgs[from:to]
		if sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(out), uintptr(unsafe.Pointer(&part[0])), uintptr(len(part)), 0, 0, 0); errno != 0 || int(sent) != len(part) {
			b.Fatalf("sendmmsg: %d of %d, %v", sent, len(part), errno)
		}
		read := threadTime()
		for _, s := range c.socks[from:to] {
			io.recv(s, buf)
		}
		reading += threadTime() - read
		next += int64(slotLength)
		ts := unix.NsecToTimespec(next)
		_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &ts, nil)
	}
	used := threadTime() - begin
	if !duplex {
		used -= reading
	}
	return used.Seconds() * 1e6 / float64(n) / (turns * slotLength).Seconds()
}

// messages are one packet for every peer.
func (c *crowd) messages() []mmsghdr {
	n := len(c.socks)
	msgs, vecs, to := make([]mmsghdr, n), make([]unix.Iovec, n), make([]destination, n)
	data := make([]byte, rtpHeader+audio.FrameSamples)
	for i := range msgs {
		to[i].set(netip.AddrPortFrom(c.addr.Addr(), c.ports[i]))
		vecs[i].Base = &data[0]
		vecs[i].SetLen(len(data))
		msgs[i].hdr.Name, msgs[i].hdr.Namelen = &to[i].raw[0], to[i].size
		msgs[i].hdr.Iov, msgs[i].hdr.Iovlen = &vecs[i], 1
	}
	return msgs
}

func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}
