package phone

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Packet is one RTP packet as it arrived; At is the kernel's stamp.
type Packet struct {
	At      time.Time
	From    netip.AddrPort
	PT      uint8
	Marker  bool
	Seq     uint16
	TS      uint32
	SSRC    uint32
	Payload []byte
}

// Media is the audio of one call: it sends A-law frames every 20 ms and keeps
// everything it receives.
type Media struct {
	Local    SDP
	PT       uint8 // of what we send
	EventPT  uint8 // 0: no keys
	NoMarker bool  // keys without the marker bit, as some switches send them

	t    testing.TB
	conn *net.UDPConn
	rtcp *net.UDPConn
	done sync.WaitGroup
	stop chan struct{}

	mu      sync.Mutex
	remote  netip.AddrPort
	source  func(n int) int16
	origin  int // frame at which source began
	frame   int
	sending bool
	muted   bool
	over    bool
	seq     uint16
	ts      uint32
	ssrc    uint32
	keys    []keyStep
	sent    []SentFrame
	packets []Packet
	reports int // RTCP packets received
}

// SentFrame is one audio frame we sent.
type SentFrame struct {
	TS      uint32
	Payload []byte
}

// keyStep is one packet of a key, or of the pause after it.
type keyStep struct {
	payload []byte // nil: audio
	begin   bool   // of a key: its timestamp stays that of the first packet
	marker  bool
	first   chan<- time.Time // told when it has left
}

// NewMedia opens a pair of ports on ip and closes it with the test.
func NewMedia(t testing.TB, ip netip.Addr) *Media {
	t.Helper()
	for range 50 {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
		if err != nil {
			t.Fatal(err)
		}
		at := unmapped(conn.LocalAddr().(*net.UDPAddr).AddrPort())
		rtcp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, at.Port()+1)))
		if at.Port()%2 != 0 || err != nil {
			conn.Close()
			if err == nil {
				rtcp.Close()
			}
			continue
		}
		m := &Media{
			t: t, conn: conn, rtcp: rtcp, Local: SDP{Addr: at}, PT: 8, EventPT: 101, stop: make(chan struct{}), seq: 0xfff0, ts: 0xffff_0000, ssrc: 0x5eed0001,
		}
		m.stampArrivals()
		m.done.Add(2)
		go m.receive()
		go m.receiveRTCP()
		t.Cleanup(m.Close)
		return m
	}
	t.Fatal("phone: no pair of free ports")
	return nil
}

// stampArrivals asks the kernel to note when packets arrive, so that this
// process's own delays do not look like the peer's.
func (m *Media) stampArrivals() {
	raw, err := m.conn.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
		})
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// Close ends sending and receiving.
func (m *Media) Close() {
	if m == nil {
		return
	}
	m.mu.Lock()
	if m.over {
		m.mu.Unlock()
		return
	}
	m.over = true
	close(m.stop)
	m.mu.Unlock()
	m.conn.Close()
	m.rtcp.Close()
	m.done.Wait()
}

// Offer is our description.
func (m *Media) Offer() string { return m.Local.String() }

// Answer is our description with the first codec of theirs that we have.
func (m *Media) Answer(offer string) string {
	theirs := ReadSDP(offer)
	s := m.Local
	s.Formats = nil
	for _, f := range theirs.Formats {
		if !f.Event && len(s.Formats) == 0 && (f.PT == 8 || f.PT == 0) || f.Event {
			if f.Event {
				f.Fmtp = "0-16"
			}
			s.Formats = append(s.Formats, f)
		}
	}
	return s.String()
}

// Connect takes the other side's description: where to send, and as what.
func (m *Media) Connect(body string) {
	s := ReadSDP(body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remote = s.Addr
	m.EventPT = s.Events()
}

// Remote is where we send.
func (m *Media) Remote() netip.AddrPort {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.remote
}

// Redirect sends elsewhere.
func (m *Media) Redirect(to netip.AddrPort) {
	m.mu.Lock()
	m.remote = to
	m.mu.Unlock()
}

// Play makes source what we say from the next frame on; nil is silence.
func (m *Media) Play(source func(n int) int16) {
	m.mu.Lock()
	m.source, m.origin = source, m.frame
	m.mu.Unlock()
}

// Mute stops sending altogether.
func (m *Media) Mute(on bool) {
	m.mu.Lock()
	m.muted = on
	m.mu.Unlock()
}

// Elsewhere is the same stream from another IP address: what a phone does that
// goes to another network in the middle of a call. The old address is silent.
func (m *Media) Elsewhere(ip netip.Addr) *Media {
	next := NewMedia(m.t, ip)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.muted = true
	next.PT, next.EventPT, next.remote = m.PT, m.EventPT, m.remote
	next.source, next.origin, next.frame, next.seq, next.ts, next.ssrc = m.source, m.origin, m.frame, m.seq, m.ts, m.ssrc
	next.Start()
	return next
}

// Start begins to send.
func (m *Media) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sending || m.over {
		return
	}
	m.sending = true
	m.done.Add(1)
	go m.send()
}

func (m *Media) send() {
	defer m.done.Done()
	next := time.Now()
	for {
		select {
		case <-m.stop:
			return
		case <-time.After(time.Until(next)):
		}
		m.mu.Lock()
		m.tick()
		m.mu.Unlock()
		next = next.Add(20 * time.Millisecond)
	}
}

// tick sends one packet. m.mu is held.
func (m *Media) tick() {
	step := keyStep{}
	if len(m.keys) > 0 {
		step, m.keys = m.keys[0], m.keys[1:]
	}
	if step.begin {
		m.ts = tsOf(m.frame)
	}
	if step.payload != nil {
		m.write(m.EventPT, step.marker, step.payload)
		if step.first != nil {
			step.first <- time.Now()
		}
		m.frame++
		return
	}
	payload := make([]byte, block)
	for i := range payload {
		v := int16(0)
		if m.source != nil {
			v = m.source((m.frame-m.origin)*block + i)
		}
		payload[i] = EncodeALaw(v)
	}
	m.ts = tsOf(m.frame)
	if !m.muted {
		m.sent = append(m.sent, SentFrame{m.ts, payload})
		m.write(m.PT, m.frame == 0, payload)
	}
	m.frame++
}

// tsOf is the RTP timestamp of a frame; it wraps around early in every call.
func tsOf(frame int) uint32 { return 0xffff_0000 + uint32(frame)*block }

func (m *Media) write(pt uint8, marker bool, payload []byte) {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	m.seq++
	binary.BigEndian.PutUint16(b[2:], m.seq)
	binary.BigEndian.PutUint32(b[4:], m.ts)
	binary.BigEndian.PutUint32(b[8:], m.ssrc)
	if m.remote.IsValid() {
		_, _ = m.conn.WriteToUDPAddrPort(append(b, payload...), m.remote)
	}
}

// Press presses keys (RFC 4733 §2.5): eight packets of 20 ms, the end three
// times, a pause. It returns when the last has left, with the moment at which
// the first packet of the first key left.
func (m *Media) Press(keys string) time.Time {
	m.t.Helper()
	told := make(chan time.Time, 2*len(keys))
	m.mu.Lock()
	if m.EventPT == 0 {
		m.mu.Unlock()
		m.t.Fatal("phone: no telephone events were agreed")
	}
	for i := range len(keys) {
		m.keys = append(m.keys, m.steps(keys[i], told)...)
	}
	m.mu.Unlock()
	first := <-told
	for range 2*len(keys) - 1 {
		<-told
	}
	return first
}

// steps are the packets of one key.
func (m *Media) steps(key byte, told chan<- time.Time) []keyStep {
	code := byte(0)
	for i, k := range []byte("0123456789*#ABCD") {
		if k == key {
			code = byte(i)
		}
	}
	var out []keyStep
	for i := 1; i <= 8; i++ {
		s := keyStep{payload: event(code, false, i*block), begin: i == 1, marker: i == 1 && !m.NoMarker}
		if i == 1 {
			s.first = told
		}
		out = append(out, s)
	}
	for i := range 3 {
		s := keyStep{payload: event(code, true, 8*block)}
		if i == 2 {
			s.first = told
		}
		out = append(out, s)
	}
	return append(out, make([]keyStep, 4)...) // 80 ms of audio between two keys
}

func event(code byte, end bool, duration int) []byte {
	b := []byte{code, 10, 0, 0}
	if end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], uint16(duration))
	return b
}

func (m *Media) receive() {
	defer m.done.Done()
	buf, oob := make([]byte, 2048), make([]byte, 128)
	for {
		n, oobn, _, from, err := m.conn.ReadMsgUDPAddrPort(buf, oob)
		select {
		case <-m.stop:
			return
		default:
		}
		if err != nil || n < 12 || buf[0]>>6 != 2 {
			continue
		}
		p := Packet{
			At: arrival(oob[:oobn]), From: unmapped(from), PT: buf[1] & 0x7f, Marker: buf[1]&0x80 != 0, Seq: binary.BigEndian.Uint16(buf[2:]),
			TS: binary.BigEndian.Uint32(buf[4:]), SSRC: binary.BigEndian.Uint32(buf[8:]), Payload: slices.Clone(buf[12:n]),
		}
		m.mu.Lock()
		m.packets = append(m.packets, p)
		m.mu.Unlock()
	}
}

// arrival is the kernel's time stamp among a message's control data.
func arrival(oob []byte) time.Time {
	list, err := syscall.ParseSocketControlMessage(oob)
	if err == nil {
		for _, c := range list {
			if c.Header.Level == syscall.SOL_SOCKET && c.Header.Type == syscall.SCM_TIMESTAMPNS && len(c.Data) >= 16 {
				ts := (*syscall.Timespec)(unsafe.Pointer(&c.Data[0]))
				return time.Unix(ts.Sec, ts.Nsec)
			}
		}
	}
	return time.Now()
}

func (m *Media) receiveRTCP() {
	defer m.done.Done()
	buf := make([]byte, 2048)
	for {
		_, _, err := m.rtcp.ReadFromUDPAddrPort(buf)
		select {
		case <-m.stop:
			return
		default:
		}
		if err == nil {
			m.mu.Lock()
			m.reports++
			m.mu.Unlock()
		}
	}
}

// Reports is how many RTCP packets have come.
func (m *Media) Reports() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reports
}
