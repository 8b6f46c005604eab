package media

import (
	"fmt"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/sdp"
)

// pressed says a prompt of keys as tones, one frame every 20 ms, without those
// frames that are lost.
func (p *party) pressed(keys string, lost map[int]bool) func(ms int) {
	pcm := dialTones([]byte(keys)).PCM()
	return func(ms int) {
		if ms%20 != 0 || len(pcm) == 0 {
			return
		}
		n := min(audio.FrameSamples, len(pcm))
		frame := make([]int16, audio.FrameSamples)
		copy(frame, pcm[:n])
		pcm = pcm[n:]
		payload := make([]byte, audio.FrameSamples)
		codec.PCMA.Encode(payload, frame)
		if !lost[ms/20] {
			p.say(payload)
			return
		}
		p.seq++
		p.ts += audio.FrameSamples
	}
}

// TestDigitsInTheAudio: heard where no telephone-event is agreed on, unless that
// is not wanted.
func TestDigitsInTheAudio(t *testing.T) {
	const offer = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio %d RTP/AVP 8%s\r\n"
	const events = " 101\r\na=rtpmap:101 telephone-event/8000"
	for _, tt := range []struct {
		name   string
		method DigitMethod
		events bool
		lost   map[int]bool
		want   string
	}{
		{"the peer has none", DigitsAuto, false, nil, "159#"},
		{"the peer has them", DigitsAuto, true, nil, ""},
		{"only in the audio", DigitsInband, true, nil, "159#"},
		{"only as events", DigitsEvents, false, nil, ""},
		{"by INFO", DigitsInfo, false, nil, ""},
		{"packets are lost between the keys", DigitsAuto, false, map[int]bool{9: true, 22: true, 34: true}, "159#"},
		{"a packet in every key is lost", DigitsAuto, false, map[int]bool{1: true, 13: true, 25: true, 37: true}, "159#"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			st := newStudio(t, 1)
			p := st.open(func(o *SessionOptions) { o.Digits = tt.method })
			text := offer
			formats := ""
			if tt.events {
				formats = events
			}
			if _, err := p.s.Answer(fmt.Appendf(nil, text, p.conn.Addr().Port(), formats)); err != nil {
				t.Fatal(err)
			}
			p.s.Start()
			st.run(1200*time.Millisecond, p.pressed("159#", tt.lost), p)
			if got := p.events.digits(); got != tt.want {
				t.Fatalf("%q, want %q", got, tt.want)
			}
			if began, ended := len(p.events.of(DigitBegan)), len(p.events.of(DigitEnded)); began != ended {
				t.Fatalf("%d begin, %d end", began, ended)
			}
			for _, ev := range p.events.of(DigitEnded) {
				if ev.DurationMs < 100 || ev.DurationMs > 180 {
					t.Errorf("%c lasted %d ms", ev.Digit, ev.DurationMs)
				}
			}
		})
	}
}

// TestDigitEndsWithItsAudio: a peer that falls silent in the middle of a key.
func TestDigitEndsWithItsAudio(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(func(o *SessionOptions) { o.Digits = DigitsInband })
	p.offer(sdp.SendRecv)
	p.s.Start()
	payload := make([]byte, audio.FrameSamples)
	long, column := mediatest.Tone(852, 200, 6000), mediatest.Tone(1209, 200, 6000) // the key 7
	for i, v := range column {
		long[i] += v
	}
	st.run(100*time.Millisecond, func(ms int) {
		if ms%20 == 0 {
			codec.PCMA.Encode(payload, long[ms*8:ms*8+audio.FrameSamples])
			p.say(payload)
		}
	}, p)
	if got := p.events.digits(); got != "7" || len(p.events.of(DigitEnded)) != 0 {
		t.Fatalf("%q, %d ended", got, len(p.events.of(DigitEnded)))
	}
	st.run(300*time.Millisecond, nil, p)
	if n := len(p.events.of(DigitEnded)); n != 1 {
		t.Fatalf("%d ended", n)
	}
}

// TestEventsEndTheListening: no key counts twice when a peer sends both.
func TestEventsEndTheListening(t *testing.T) {
	st := newStudio(t, 1)
	p := st.open(nil)
	const answer = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio %d RTP/AVP 8%s\r\n"
	p.s.Offer()
	if err := p.s.Accept(fmt.Appendf(nil, answer, p.conn.Addr().Port(), "")); err != nil {
		t.Fatal(err)
	}
	p.s.Start()
	st.run(20*time.Millisecond, nil, p)
	p.sendEvent(sdp.DefaultEventPT, p.ts, telephoneEvent{code: 1, duration: 160})
	st.run(600*time.Millisecond, p.pressed("1", nil), p)
	if got := p.events.digits(); got != "1" {
		t.Fatalf("%q", got)
	}
}
