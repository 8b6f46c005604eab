package main

import (
	"encoding/binary"
	"runtime"
	"sync"
	"time"
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
	quit   chan struct{}
	done   sync.WaitGroup

	mu      sync.Mutex
	callers []*[172]byte // by caller; nil is none
	ports   []uint16
	streams map[uint16]*stream
	gaps    figures // |gap - 20 ms| while watch is set
	lost    int
	count   int
	watch   bool
}

func openAudio() (*audio, error) {
	s, err := openSocket()
	if err != nil {
		return nil, err
	}
	a := &audio{socket: s, quit: make(chan struct{}), streams: map[uint16]*stream{}}
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
	p := &[172]byte{0x80, 8}
	binary.BigEndian.PutUint32(p[8:], uint32(port))
	for i := 12; i < len(p); i++ {
		p[i] = 0xd5
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callers, a.ports = append(a.callers, p), append(a.ports, port)
}

// reset forgets all callers and streams.
func (a *audio) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.callers, a.ports, a.streams = nil, nil, map[uint16]*stream{}
	a.gaps, a.lost, a.count, a.watch = nil, 0, 0, false
}

func (a *audio) send() {
	defer a.done.Done()
	runtime.LockOSThread()
	next := time.Now()
	for tick := 0; ; tick++ {
		select {
		case <-a.quit:
			return
		case <-time.After(time.Until(next)):
		}
		next = next.Add(frame / slots)
		a.mu.Lock()
		callers, ports := a.callers, a.ports
		a.mu.Unlock()
		n := 0
		for i := tick % slots; i < len(callers); i += slots {
			p := callers[i]
			binary.BigEndian.PutUint16(p[2:], binary.BigEndian.Uint16(p[2:])+1)
			binary.BigEndian.PutUint32(p[4:], binary.BigEndian.Uint32(p[4:])+160)
			a.socket.put(n, ports[i], p[:])
			if n++; n == batch {
				a.socket.send(n)
				n = 0
			}
		}
		a.socket.send(n)
	}
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
		a.lost += int(seq - s.seq - 1)
		a.gaps = append(a.gaps, (time.Duration(r.At-s.last) - frame).Abs())
	}
	if s.sound == 0 && !silent(r.Data[12:]) {
		s.sound = r.At
	}
	s.packets, s.last, s.seq = s.packets+1, r.At, seq
}

// silent reports whether a payload is the idle pattern of A-law.
func silent(payload []byte) bool {
	for _, b := range payload {
		if b != 0xd5 && b != 0x55 {
			return false
		}
	}
	return true
}

// measure watches what arrives for a while.
func (a *audio) measure(d time.Duration, during func()) (gaps figures, count, lost int) {
	a.mu.Lock()
	a.gaps, a.count, a.lost, a.watch = make(figures, 0, 64<<10), 0, 0, true
	a.mu.Unlock()
	during()
	time.Sleep(d)
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
