package testrun

import (
	"time"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/audio"
)

// party is somebody on the phone over all their calls: a caller, a callee, an
// operator. The stage's lock guards it.
type party struct {
	key       string
	phones    []*handset // newest last
	heard     []hearing
	matched   int // of heard, how many hears has passed
	digits    string
	transfers []string
	messages  []string // texts that came, within talks and outside
	referred  int      // how far the transfer that it asked for has come
	habits    []habit  // how it takes calls, latest last
	offline   bool
	sounding  *handset // whose hearing is open
}

// habit is how somebody takes a call.
type habit struct {
	Kind  string `json:"kind"` // answers, busy, rejects, ringsOut, machine, offline
	After span   `json:"after"`
	Times int    `json:"times"` // 0: from now on
	Code  int    `json:"code"`
	Text  string `json:"text"`
}

// phone is the newest one, nil before the first call.
func (p *party) phone() *handset {
	if len(p.phones) == 0 {
		return nil
	}
	return p.phones[len(p.phones)-1]
}

func (p *party) state() string {
	if ph := p.phone(); ph != nil {
		return ph.state
	}
	return "calling"
}

// hear notes a mark of an utterance that began at a time.
func (p *party) hear(ph *handset, u utterance, began, at time.Time) {
	if n := len(p.heard); n > 0 && !u.spoken && p.heard[n-1].utterance == u && began.Sub(p.heard[n-1].began).Abs() < audio.FrameDuration {
		p.heard[n-1].ended = time.Time{} // it goes on, also after a pause within the sound
		p.sounding = ph
		return
	}
	if n := len(p.heard); n > 0 && p.heard[n-1].ended.IsZero() {
		last := &p.heard[n-1]
		if last.utterance == u && (!u.spoken || began.Sub(last.began) < audio.FrameDuration) {
			return // it goes on; a sound may begin again
		}
		last.ended = at
	}
	p.sounding = ph
	p.heard = append(p.heard, hearing{utterance: u, began: began})
}

// fallSilent notes that nothing is heard any more.
func (p *party) fallSilent(ph *handset, at time.Time) {
	if n := len(p.heard); n > 0 && p.heard[n-1].ended.IsZero() && p.sounding == ph {
		p.heard[n-1].ended = at
	}
}

// now is what is heard at the moment.
func (p *party) now() string {
	if n := len(p.heard); n > 0 && p.heard[n-1].ended.IsZero() {
		return p.heard[n-1].text
	}
	return ""
}

func (p *party) texts() []string {
	out := []string{}
	for _, h := range p.heard {
		out = append(out, h.text)
	}
	return out
}

// heard takes an event of a phone's media session, on the media engine's
// goroutine.
func (s *stage) heard(ph *handset, ev media.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch ev.Kind {
	case media.MarkHeard:
		if u, over, ok := s.voice.of(ev.Mark); ok {
			ph.party.hear(ph, u, ev.At.Add(-over), ev.At)
		}
	case media.VoiceEnded:
		ph.party.fallSilent(ph, ev.At.Add(-pause))
	case media.DigitBegan:
		ph.party.digits += string(ev.Digit)
	case media.PlayEnded:
		if f := ph.plays[ev.Play]; f != nil {
			delete(ph.plays, ev.Play)
			f(nil)
		}
	case media.DigitsSent:
		if len(ph.pressing) > 0 {
			f := ph.pressing[0]
			ph.pressing = ph.pressing[1:]
			f(nil)
		}
	}
	s.poke()
}
