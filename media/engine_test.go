package media

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

// studio is an engine in virtual time on a Fabric.
type studio struct {
	t      testing.TB
	clk    *clock.Virtual
	fabric *Fabric
	engine *Engine
	ports  uint16
}

func newStudio(t testing.TB, shards int) *studio {
	t.Helper()
	clk := clock.NewVirtual(time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC))
	fabric := NewFabric(clk)
	e, err := NewEngine(Config{Shards: shards, Fabric: fabric}, clk, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return &studio{t: t, clk: clk, fabric: fabric, engine: e, ports: 6000}
}

// diary collects the events of a session.
type diary struct {
	mu   sync.Mutex
	list []Event
}

func (d *diary) note(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, e)
}

func (d *diary) of(kind EventKind) (out []Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.list {
		if e.Kind == kind {
			out = append(out, e)
		}
	}
	return out
}

func (d *diary) digits() string {
	var b strings.Builder
	for _, e := range d.of(DigitBegan) {
		b.WriteByte(e.Digit)
	}
	return b.String()
}

// heard is one packet that a peer has got.
type heard struct {
	packet
	at time.Duration
}

// party is a bare peer of one session: it speaks and keeps what it hears.
type party struct {
	st      *studio
	conn    *FabricConn
	local   sdp.Local
	s       *Session
	events  *diary
	seq     uint16
	ts      uint32
	ssrc    uint32
	packets []heard
}

// leg opens a session and a peer that has called it with these codecs.
func (st *studio) leg(change func(*SessionOptions), codecs ...*codec.Codec) *party {
	st.t.Helper()
	p := st.open(change, codecs...)
	p.offer(sdp.SendRecv)
	p.s.Start()
	return p
}

func (st *studio) open(change func(*SessionOptions), codecs ...*codec.Codec) *party {
	st.t.Helper()
	st.ports += 2
	p := &party{st: st, events: &diary{}, seq: uint16(rand.Uint32()), ts: rand.Uint32(), ssrc: rand.Uint32()}
	addr := netip.AddrPortFrom(netip.MustParseAddr("10.0.0.9"), st.ports)
	conn, err := st.fabric.Listen(addr)
	if err != nil {
		st.t.Fatal(err)
	}
	p.conn = conn
	if len(codecs) == 0 {
		codecs = []*codec.Codec{codec.PCMA}
	}
	p.local = sdp.Local{Addr: addr.Addr(), Port: addr.Port(), SessionID: 7, Version: 1, Codecs: codecs}
	o := SessionOptions{Sink: p.events.note}
	if change != nil {
		change(&o)
	}
	if p.s, err = st.engine.Open(o); err != nil {
		st.t.Fatal(err)
	}
	return p
}

// offer sends the peer's offer with a direction of the peer.
func (p *party) offer(dir sdp.Direction) {
	p.st.t.Helper()
	p.local.Direction = dir
	p.local.Version++
	if _, err := p.s.Answer(sdp.BuildOffer(p.local)); err != nil {
		p.st.t.Fatal(err)
	}
}

// listen fetches what has arrived.
func (p *party) listen() {
	var buf [codec.MaxPacket]byte
	for {
		n, _, ok := p.conn.Receive(buf[:])
		if !ok {
			return
		}
		h := heard{at: p.st.clk.Now().Sub(p.st.engine.base)}
		if !parseRTP(append([]byte(nil), buf[:n]...), &h.packet, new(rtp.Header)) {
			p.st.t.Fatalf("not RTP: % x", buf[:n])
		}
		p.packets = append(p.packets, h)
	}
}

// say sends one frame of payload.
func (p *party) say(payload []byte) {
	p.send(codec.PCMA.PT, false, payload)
	p.ts += uint32(len(payload))
}

func (p *party) send(pt uint8, marker bool, payload []byte) {
	p.seq++
	p.sendFrom(p.conn, pt, marker, p.seq, p.ts, payload)
}

func (p *party) sendFrom(conn *FabricConn, pt uint8, marker bool, seq uint16, ts uint32, payload []byte) {
	var h [rtpHeader]byte
	putRTP(&h, marker, pt, seq, ts, p.ssrc)
	conn.Send(p.s.LocalAddr(), append(h[:], payload...))
}

// run lets time pass in steps of 1 ms, hearing what arrives; each is called
// before every millisecond.
func (st *studio) run(d time.Duration, each func(ms int), parties ...*party) {
	for ms := range int(d / time.Millisecond) {
		if each != nil {
			each(ms)
		}
		st.clk.Advance(time.Millisecond)
		for _, p := range parties {
			p.listen()
		}
	}
}

// voice is a frame of recognisable A-law audio.
func voice(n int) []byte {
	b := make([]byte, audio.FrameSamples)
	for i := range b {
		b[i] = byte(n*31+i*7) | 1
	}
	return b
}

// ramp is a prompt whose frames differ.
func ramp(frames int) *sound.Prompt {
	pcm := make([]int16, frames*audio.FrameSamples)
	for i := range pcm {
		pcm[i] = int16((i/audio.FrameSamples+1)*257 + i%audio.FrameSamples*16)
	}
	return sound.NewPrompt(pcm)
}

// steady checks that packets follow one another with no hole in sequence,
// timestamp or time.
func steady(t *testing.T, packets []heard, within time.Duration) {
	t.Helper()
	if len(packets) == 0 {
		t.Fatal("nothing heard")
	}
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		if b.seq != a.seq+1 || b.ssrc != a.ssrc || b.ts != a.ts+uint32(len(a.payload)) {
			t.Fatalf("packet %d at %v: seq %d ts %d ssrc %x after seq %d ts %d ssrc %x (%d bytes)",
				i, b.at, b.seq, b.ts, b.ssrc, a.seq, a.ts, a.ssrc, len(a.payload))
		}
		if gap := b.at - a.at; gap > audio.FrameDuration+within || gap < audio.FrameDuration-within {
			t.Fatalf("packet %d comes %v after the one before", i, gap)
		}
		if b.marker {
			t.Fatalf("packet %d has a marker", i)
		}
	}
}

func TestSilenceNeverStopsBetweenStartAndClose(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	st.run(2*time.Second, nil, p)
	steady(t, p.packets, 0)
	if n := len(p.packets); n < 99 || n > 101 {
		t.Fatalf("%d packets in 2 s", n)
	}
	if !p.packets[0].marker || p.packets[0].pt != codec.PCMA.PT || string(p.packets[0].payload) != string(codec.PCMA.Silence()) {
		t.Fatalf("first packet %+v", p.packets[0])
	}
	p.s.Close()
	st.run(40*time.Millisecond, nil, p)
	n := len(p.packets)
	st.run(time.Second, nil, p)
	if len(p.packets) != n {
		t.Fatal("sends after Close")
	}
	if got := st.engine.Stats(); got.Sessions != 0 || got.PortsInUse != 0 {
		t.Fatalf("left over: %+v", got)
	}
}

func TestNothingIsSentBeforeNegotiationOrStart(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	st.run(100*time.Millisecond, nil, p)
	p.offer(sdp.SendRecv)
	st.run(100*time.Millisecond, nil, p)
	if len(p.packets) != 0 {
		t.Fatal("sends before Start")
	}
	p.s.Start()
	p.s.Start() // once is enough
	st.run(100*time.Millisecond, nil, p)
	steady(t, p.packets, 0)
}

func TestPortsRunOutAndComeBack(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	e, err := NewEngine(Config{PortMin: 4001, PortMax: 4007, Shards: 1}, clk, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var all []*Session
	for range 3 {
		s, err := e.Open(SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if s.LocalAddr().Port()%2 != 0 {
			t.Fatalf("odd port %v", s.LocalAddr())
		}
		all = append(all, s)
	}
	_, err = e.Open(SessionOptions{})
	if fault.CodeOf(err) != fault.Limit || fault.HintOf(err) == "" {
		t.Fatalf("fourth session: %v", err)
	}
	if st := e.Stats(); st.Refused != 1 || st.PortsInUse != 3 || st.PortsTotal != 3 {
		t.Fatalf("%+v", st)
	}
	first := all[0].LocalAddr()
	all[0].Close()
	all[1].Close()
	s, err := e.Open(SessionOptions{})
	if err != nil || s.LocalAddr() != first {
		t.Fatalf("the port that is free the longest comes first: %v, %v", s.LocalAddr(), err)
	}
}

func TestOpenAfterCloseIsRefused(t *testing.T) {
	st := newStudio(t, 2)
	p := st.leg(nil)
	id := p.s.Play(Playback{Parts: []*sound.Prompt{ramp(100)}})
	st.run(100*time.Millisecond, nil, p)
	if err := st.engine.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := st.engine.Open(SessionOptions{}); fault.CodeOf(err) != fault.Unavailable {
		t.Fatalf("%v", err)
	}
	ended := p.events.of(PlayEnded)
	if len(ended) != 1 || ended[0].Play != id || ended[0].Reason != ReasonClosed || ended[0].Completed {
		t.Fatalf("%+v", ended)
	}
	// Verbs on what is closed answer at once and do no harm.
	if p.s.Play(Playback{}); p.s.SendDigits("1") != nil {
		t.Fatal("digits on a closed session are dropped")
	}
	p.s.Close()
}

func TestBadConfigurations(t *testing.T) {
	clk := clock.NewVirtual(time.Unix(0, 0))
	for _, c := range []Config{{PortMin: 5000, PortMax: 5000}, {PortMin: 5000, PortMax: 4000}, {PortMax: 4000}} {
		if _, err := NewEngine(c, clk, nil); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%d-%d: %v", c.PortMin, c.PortMax, err)
		}
	}
}

func TestIdleEngineArmsNoTimer(t *testing.T) {
	st := newStudio(t, 4)
	if _, pending := st.clk.Next(); pending {
		t.Fatal("a timer runs with no session")
	}
	p := st.leg(nil)
	st.run(time.Second, nil, p)
	p.s.Close()
	st.run(time.Second, nil, p)
	if _, pending := st.clk.Next(); pending {
		t.Fatal("a timer runs after the last session")
	}
	passes := st.engine.Stats().Passes
	if passes > 200 {
		t.Fatalf("%d passes for one session and one second", passes)
	}
}

func TestSessionsSpreadOverShardsAndFillSlots(t *testing.T) {
	const over = 12 // sessions more than a slot of each shard takes
	st := newStudio(t, 2)
	for range 2 * (slotShare + over) {
		st.leg(nil)
	}
	st.run(40*time.Millisecond, nil)
	for _, sh := range st.engine.shards {
		if sh.count != slotShare+over {
			t.Errorf("shard %d has %d sessions", sh.index, sh.count)
		}
		if got := slotSizes(sh); !slices.Equal(got, []int{over, slotShare}) {
			t.Errorf("shard %d has slots of %v", sh.index, got)
		}
	}
}

func slotSizes(sh *shard) (sizes []int) {
	for k := range sh.slots {
		if n := len(sh.slots[k].sessions); n > 0 {
			sizes = append(sizes, n)
		}
	}
	slices.Sort(sizes)
	return sizes
}

func TestFullAndBusySlotsAreLeftForOthers(t *testing.T) {
	st := newStudio(t, 1)
	sh := st.engine.shards[0]
	fill := func(k, n int) { sh.slots[k].sessions = make([]*Session, n) }
	defer func() { clear(sh.slots[:]) }()
	if k := sh.place(0); k != 1 {
		t.Errorf("the first session goes to slot %d, not to the one due soonest", k)
	}
	fill(5, slotShare-1)
	if k := sh.place(0); k != 5 {
		t.Errorf("slot %d is begun though one has room", k)
	}
	sh.slots[5].took = slotWork
	if k := sh.place(0); k != 1 {
		t.Errorf("slot %d, though its pass takes long", k)
	}
	for k := range slotCount {
		fill(k, slotShare+k)
	}
	if k := sh.place(0); k != 0 {
		t.Errorf("all are full: slot %d, not the one with the fewest", k)
	}
}

func TestCommandsBeyondTheLimitAreAnsweredAndCounted(t *testing.T) {
	st := newStudio(t, 1)
	p := st.leg(nil)
	for range commandLimit + 5 {
		p.s.Play(Playback{Parts: []*sound.Prompt{ramp(3)}})
	}
	st.run(200*time.Millisecond, nil, p)
	reasons := map[string]int{}
	for _, e := range p.events.of(PlayEnded) {
		reasons[e.Reason]++
	}
	// The agreement takes one place.
	want := fmt.Sprint(map[string]int{ReasonReplaced: commandLimit - 2, ReasonEnd: 1, ReasonLimit: 6})
	if fmt.Sprint(reasons) != want {
		t.Fatalf("%v, want %v", reasons, want)
	}
	if n := st.engine.Stats().Commands; n != 6 {
		t.Fatalf("%d counted", n)
	}
}

func TestGoroutinesComeBack(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		e, err := NewEngine(Config{Shards: 2}, clock.System(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(2 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Fatalf("%d goroutines, %d before", n, before)
	}
}
