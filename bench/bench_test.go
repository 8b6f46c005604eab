package bench

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

func fine() Options {
	return Options{Mode: "play", Calls: 5, Duration: 2 * time.Second, Rate: 50, Codec: "PCMA"}
}

func TestOptions(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"":                                    func(*Options) {},
		`mode "talk"`:                         func(o *Options) { o.Mode = "talk" },
		`codec "GSM"`:                         func(o *Options) { o.Codec = "GSM" },
		"0 calls: 1 to 7500 are possible":     func(o *Options) { o.Calls = 0 },
		"7501 calls: 1 to 7500 are possible":  func(o *Options) { o.Calls = MaxCalls + 1 },
		"a duration of 10ms":                  func(o *Options) { o.Duration = 10 * time.Millisecond },
		"a rate of 0: above 0, up to 10000":   func(o *Options) { o.Rate = 0 },
		"a rate of 1e+06: above 0, up to 100": func(o *Options) { o.Rate = 1e6 },
	} {
		o := fine()
		change(&o)
		err := o.Check()
		if name == "" && err != nil || name != "" && (err == nil || !strings.Contains(err.Error(), name) || fault.ExitOf(err) != fault.ExitUsage) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestHold(t *testing.T) {
	r := Result{CPU: 0.5, JitterP999: 8, LossPercent: 0.1, SentLossPart: 0}
	for _, c := range []struct {
		l      Limits
		failed int
		want   string
	}{
		{Limits{}, 0, ""},
		{Limits{}, 2, "failed calls is 2, at most 0"},
		{Limits{MaxLate: 8 * time.Millisecond, MaxLoss: 0.1, HasLoss: true, MaxCPU: 0.5}, 0, ""},
		{Limits{MaxLate: 5 * time.Millisecond}, 0, "jitter p99.9 in ms is 8, at most 5"},
		{Limits{HasLoss: true}, 0, "loss from the engine in % is 0.1, at most 0"},
		{Limits{MaxCPU: 0.4}, 0, "CPU ms per call-second is 0.5, at most 0.4"},
	} {
		r.Failed = c.failed
		var got []string
		for _, x := range r.Hold(c.l) {
			got = append(got, x.String())
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%+v: %q", c.l, got)
		}
	}
}

// Every codec's callers: packets that follow one another, a description that
// names the payload type and, with SRTP, one key line.
func TestSounds(t *testing.T) {
	for _, codec := range Codecs() {
		for _, encrypted := range []bool{false, true} {
			s, err := soundOf(codec, encrypted)
			if err != nil {
				t.Fatal(err)
			}
			a := &audio{sound: s}
			a.add(4000)
			room := make([]byte, 0, maxPacket+64)
			one := slices.Clone(a.nextOf(a.callers[0], room))
			two := slices.Clone(a.nextOf(a.callers[0], room))
			be := binary.BigEndian
			if len(one) < 12+len(s.payload) || one[1] != s.pt || be.Uint16(two[2:]) != be.Uint16(one[2:])+1 || be.Uint32(two[4:]) != be.Uint32(one[4:])+s.step {
				t.Errorf("%s: % x, % x", codec, one[:12], two[:12])
			}
			if encrypted == bytes.Equal(one[12:], s.payload) {
				t.Errorf("%s: encrypted %v", codec, !encrypted)
			}
			text := s.describe(4000, "7")
			if strings.Contains(text, "RTP/SAVP") != encrypted || strings.Contains(text, "a=crypto:7 ") != encrypted || audioPort(text) != 4000 {
				t.Errorf("%s: %s", codec, text)
			}
		}
	}
}

// What arrives is counted as it came: holes, lateness, and repetitions not as
// losses.
func TestArrivals(t *testing.T) {
	a := &audio{sound: plainALaw, streams: map[uint16]*stream{}, watch: true}
	at := int64(time.Second)
	send := func(seq uint16, after time.Duration) {
		at += int64(after)
		p := []byte{0x80, 8, byte(seq >> 8), byte(seq), 0, 0, 0, 0, 0, 0, 0, 1, 0x12}
		a.take(received{At: at, Port: 9, Data: p})
	}
	send(65534, 0)
	send(65535, 20*time.Millisecond)
	send(0, 35*time.Millisecond) // late
	send(3, 20*time.Millisecond) // two are missing
	send(3, 1*time.Millisecond)  // twice
	send(4, 20*time.Millisecond)
	if a.count != 5 || a.lost != 2 || a.late != 1 || a.talking() != 1 {
		t.Errorf("%d counted, %d lost, %d late", a.count, a.lost, a.late)
	}
	if got := a.gaps.at(1); got != 19*time.Millisecond {
		t.Errorf("worst %s", got)
	}
}

// A call over loopback between two of the load's own ends: what bridge mode
// relies on.
func TestCallersCallEachOther(t *testing.T) {
	voice, err := soundOf("PCMA", true)
	if err != nil {
		t.Fatal(err)
	}
	ends := make([]*phones, 2)
	ports := []netip.AddrPort{freePort(), freePort()}
	for i := range ends {
		a, err := openAudio(voice)
		if err != nil {
			t.Fatal(err)
		}
		defer a.close()
		if ends[i], err = openPhones(ports[1-i], ports[i].Port(), a); err != nil {
			t.Fatal(err)
		}
		defer ends[i].close()
	}
	calls := ends[1].load("any", 3, 1000)
	ends[1].await(calls, 5*time.Second, func(c caller) bool { return c.code == 200 })
	for _, c := range ends[1].snapshot(calls) {
		if c.code != 200 || c.port != ends[0].rtp {
			t.Errorf("%+v", c)
		}
	}
	ends[1].await(calls, 5*time.Second, func(caller) bool { return ends[0].audio.talking() == 1 && ends[1].audio.talking() == 1 })
	if ends[0].audio.sentSoFar() == 0 || ends[0].audio.talking() != 1 {
		t.Error("no audio")
	}
}
