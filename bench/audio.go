package bench

import (
	"encoding/binary"
	"runtime"
	"sync"
	"time"

	"github.com/loopstart/loopstart/media/srtp"
)

// frame is 20 ms; callers are spread over slots of it.
const (
	frame = 20 * time.Millisecond
	slots = 10
)

// stream is the audio of one call by the port it comes from.
type stream struct {
	packets int
	last    int64 // arrival
	seq     uint16
	sound   int64 // arrival of the first packet that is no silence
}

// audio sends RTP for all callers and watches what comes back.
type audio struct {
	socket *socket
	sound  sound
	quit   chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex
	callers [][]byte // the next packet of each caller
	ports   []uint16
	streams map[uint16]*stream
	gaps    figures // |gap - 20 ms| while watch is set
	lost    int
	count   int
	late    int
	watch   bool
	hushed  bool
	sent    uint64
}

// lateBy is how much later than due a packet is when it counts as late.
const lateBy = 10 * time.Millisecond

func openAudio(of sound) (*audio, error) {
	s, err := openSocket(0)
	if err != nil {
		return nil, err
	}
	a := &audio{socket: s, sound: of, quit: make(chan struct{}), streams: map[uint16]*stream{}}
	a.done.Add(2)
	go a.send()
	go a.read()
	return a, nil
}

func (a *audio) close() {
	close(a.quit)
	a.done.Wait()
	a.socket.close()
}

// add lets a caller send to a port.
func (a *audio) add(port uint16) {
	p := append([]byte{0x80, a.sound.pt, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, a.sound.payload...)
	binary.BigEndian.PutUint32(p[8:], uint32(port))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callers, a.ports = append(a.callers, p), append(a.ports, port)
}

// reset forgets all callers and streams.
func (a *audio) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callers, a.ports, a.streams = nil, nil, map[uint16]*stream{}
	a.gaps, a.lost, a.count, a.late, a.watch = nil, 0, 0, 0, false
}

func (a *audio) send() {
	defer a.done.Done()
	runtime.LockOSThread()
	var sealed [batch][]byte
	for i := range sealed {
		sealed[i] = make([]byte, 0, maxPacket+srtp.SealRoom)
	}
	next := now()
	for tick := 0; ; tick++ {
		select {
		case <-a.quit:
			return
		case <-after(until(next)):
		}
		next = next.Add(frame / slots)
		a.mu.Lock()
		callers, ports, hushed := a.callers, a.ports, a.hushed
		a.mu.Unlock()
		if hushed {
			continue
		}
		n := 0
		for i := tick % slots; i < len(callers); i += slots {
			p := a.nextOf(callers[i], sealed[n])
			a.socket.put(n, ports[i], p)
			if n++; n == batch {
				a.flush(n)
				n = 0
			}
		}
		a.flush(n)
	}
}

// maxPacket is room for a packet of any codec here.
const maxPacket = 256

// nextOf is the packet that a caller sends now, encrypted into room.
func (a *audio) nextOf(p, room []byte) []byte {
	binary.BigEndian.PutUint16(p[2:], binary.BigEndian.Uint16(p[2:])+1)
	binary.BigEndian.PutUint32(p[4:], binary.BigEndian.Uint32(p[4:])+a.sound.step)
	if a.sound.seal == nil {
		return p
	}
	return a.sound.seal.Seal(room, p)
}

func (a *audio) flush(n int) {
	a.socket.send(n)
	a.mu.Lock()
	a.sent += uint64(n)
	a.mu.Unlock()
}

// hush stops all callers, so that what is under way can be counted.
func (a *audio) hush(on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hushed = on
}

// sentSoFar is how many packets the callers have sent.
func (a *audio) sentSoFar() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

func (a *audio) read() {
	defer a.done.Done()
	runtime.LockOSThread()
	for {
		select {
		case <-a.quit:
			return
		default:
		}
		a.socket.receive(a.take)
	}
}

func (a *audio) take(r received) {
	if len(r.Data) < 12 || r.Data[0]>>6 != 2 {
		return
	}
	seq := binary.BigEndian.Uint16(r.Data[2:])
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.streams[r.Port]
	if s == nil {
		s = &stream{}
		a.streams[r.Port] = s
	}
	if a.watch && s.packets > 0 {
		a.count++
		if hole := int16(seq - s.seq - 1); hole > 0 {
			a.lost += int(hole)
		}
		gap := time.Duration(r.At-s.last) - frame
		if gap > lateBy {
			a.late++
		}
		a.gaps = append(a.gaps, gap.Abs())
	}
	if s.sound == 0 && !a.sound.silent(r.Data[12:]) {
		s.sound = r.At
	}
	s.packets, s.last, s.seq = s.packets+1, r.At, seq
}

// measure watches what arrives for a while.
func (a *audio) measure(d time.Duration, during func()) (gaps figures, count, lost int) {
	a.mu.Lock()
	a.gaps, a.count, a.lost, a.late, a.watch = make(figures, 0, 64<<10), 0, 0, 0, true
	a.mu.Unlock()
	during()
	pause(d)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watch = false
	return a.gaps, a.count, a.lost
}

// firstSound is when the first sound came from a port, 0 for not yet.
func (a *audio) firstSound(port uint16) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.streams[port]; s != nil {
		return s.sound
	}
	return 0
}

// talking is how many streams have come.
func (a *audio) talking() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.streams)
}

// lates is how many packets of the measurement came late.
func (a *audio) lates() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.late
}
