package phone

import (
	"slices"
	"time"
)

// Packets are all RTP packets received so far.
func (m *Media) Packets() []Packet {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.packets)
}

// Sent are all audio frames sent so far.
func (m *Media) Sent() []SentFrame {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

// Mark is a place in what was received, for Since.
func (m *Media) Mark() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.packets)
}

// Since is the sound received after a mark.
func (m *Media) Since(mark int) []int16 { return PCM(m.Packets()[mark:]) }

// PCM is the sound of packets in the order of arrival. Key events are left
// out.
func PCM(packets []Packet) []int16 {
	var out []int16
	for _, p := range packets {
		for _, b := range p.Payload {
			switch p.PT {
			case 8:
				out = append(out, DecodeALaw(b))
			case 0:
				out = append(out, DecodeMuLaw(b))
			}
		}
	}
	return out
}

// WaitTone waits until a tone has been heard for so long, counted since the
// mark, and returns the moment at which the last packet needed arrived.
func (m *Media) WaitTone(hz float64, least time.Duration, since int, limit time.Duration) time.Time {
	m.t.Helper()
	p := Within(limit)
	for {
		n := 0
		for _, p := range m.Packets()[since:] {
			if len(p.Payload) == block && IsTone(PCM([]Packet{p}), hz) {
				if n++; time.Duration(n)*20*time.Millisecond >= least {
					return p.At
				}
			}
		}
		if p.Over() {
			m.t.Fatalf("a tone of %g Hz was heard for %d ms within %s, not for %s", hz, n*20, limit, least)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// WaitPackets waits until n packets have come since a mark.
func (m *Media) WaitPackets(n, since int, limit time.Duration) {
	m.t.Helper()
	p := Within(limit)
	for m.Mark() < since+n {
		if p.Over() {
			m.t.Fatalf("%d packets within %s, not %d", m.Mark()-since, limit, n)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// MaxGap is the longest pause between two packets.
func MaxGap(packets []Packet) time.Duration {
	most := time.Duration(0)
	for i := 1; i < len(packets); i++ {
		most = max(most, packets[i].At.Sub(packets[i-1].At))
	}
	return most
}

// Timed is the sound of packets by their timestamps; what is not there is
// silence.
func Timed(packets []Packet) []int16 {
	var out []int16
	for _, p := range packets {
		at := int(int32(p.TS - packets[0].TS))
		pcm := PCM([]Packet{p})
		if at < 0 || at > len(out)+8000*60 {
			continue
		}
		out = append(out, make([]int16, max(0, at+len(pcm)-len(out)))...)
		copy(out[at:], pcm)
	}
	return out
}
