package testrun

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/sip"
)

// signalling is the engine's endpoint: what it dials is a phone of this stage.
type signalling struct {
	*stage
	cfg      sip.Config
	incoming func(engine.Incoming)
}

// Dial implements engine.Endpoint.
func (l *signalling) Dial(o sip.Outgoing) (call.Dialog, error) {
	s := l.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made++; s.made > MaxCalls {
		return nil, fault.New(fault.Limit, "test: more than %d calls (limit calls)", MaxCalls)
	}
	p := s.party(l.keyOf(o.Target))
	ph, err := s.newPhone(p, p.key+"#"+itoa(len(p.phones)+1))
	if err != nil {
		return nil, err
	}
	ph.outbound, ph.offer, ph.invite.headers = true, o.Body, o.Headers
	p.phones = append(p.phones, ph)
	h := s.habitOf(p)
	s.soon(func() { ph.behave(h) })
	s.poke()
	return ph, nil
}

// SendPage implements engine.Endpoint: the text is shown at the phone.
func (l *signalling) SendPage(_ context.Context, o sip.Outgoing, _ string) (code int, reason string, err error) {
	s := l.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.party(l.keyOf(o.Target))
	p.messages = append(p.messages, string(o.Body))
	s.poke()
	return 200, "OK", nil
}

// ReplacesPart implements engine.Endpoint: phones of tests name no other calls.
func (l *signalling) ReplacesPart(referTo string) (uri, dialog string, ok bool) {
	return strings.Trim(referTo, "<>"), "", true
}

// keyOf names the party behind a target.
func (l *signalling) keyOf(t sip.Target) string {
	switch {
	case t.User != "":
		return userKey(t.User)
	case t.Number != "":
		return calleeKey(phone.Normalize(t.Number, l.stage.cfg.Project.Country))
	}
	return calleeKey(t.URI)
}

func userKey(name string) string     { return "user:" + name }
func calleeKey(number string) string { return "callee:" + number }

// habitOf is how a party takes its next call: habits for so many calls first,
// then the latest without a number; what is said of everybody comes last.
func (s *stage) habitOf(p *party) habit {
	all := s.anybody
	if strings.HasPrefix(p.key, userKey("")) {
		all = s.operators
	}
	for _, from := range []*party{p, all} {
		for i := range from.habits {
			h := from.habits[i]
			if h.Times == 0 {
				continue
			}
			if from.habits[i].Times--; from.habits[i].Times == 0 {
				from.habits = slices.Delete(from.habits, i, i+1)
			}
			return h
		}
		if n := len(from.habits); n > 0 {
			return from.habits[n-1]
		}
	}
	return habit{Kind: "answers"}
}

// Times of those who are dialled.
const (
	answerAfter = time.Second
	refuseAfter = 200 * time.Millisecond
	beepAfter   = 300 * time.Millisecond // silence between a machine's words and its beep
)

// behave takes a call; the stage's lock is held.
func (p *handset) behave(h habit) {
	switch h.Kind {
	case "busy":
		p.stage.after(h.After.or(refuseAfter), func() { p.refuse(486) })
	case "rejects":
		p.stage.after(h.After.or(refuseAfter), func() { p.refuse(h.Code) })
	case "ringsOut":
		p.ring()
	case "machine":
		p.ring()
		p.stage.after(h.After.or(answerAfter), func() {
			p.pickUp()
			p.greet(h.Text)
		})
	default:
		p.ring()
		p.stage.after(h.After.or(answerAfter), p.pickUp)
	}
}

// greet is what a voice mail says.
func (p *handset) greet(text string) {
	if p.closed {
		return
	}
	quiet, _ := sound.Tone("silence:" + beepAfter.String())
	beep, _ := sound.Tone("tone:1000/500ms")
	parts := []*sound.Prompt{p.stage.voice.Speak(plain(text)), quiet, p.stage.voice.Sound("beep", beep)}
	p.session.Play(media.Playback{Parts: parts})
}

// Bindings implements engine.Endpoint: every user has one phone.
func (l *signalling) Bindings(user string) []sip.Binding {
	l.stage.mu.Lock()
	defer l.stage.mu.Unlock()
	if p := l.stage.party(userKey(user)); p.offline || l.stage.operators.offline && len(p.habits) == 0 {
		return nil
	}
	return []sip.Binding{{User: user, ID: "phone", Source: netip.AddrPortFrom(loopback, 5060), Transport: "udp"}}
}

// Trunks implements engine.Endpoint: all are reachable.
func (l *signalling) Trunks() []sip.TrunkStatus {
	var out []sip.TrunkStatus
	for _, t := range l.cfg.Trunks {
		out = append(out, sip.TrunkStatus{Name: t.Name, Address: netip.AddrPortFrom(loopback, 5060), Transport: "udp", Reachable: true, Words: "reachable"})
	}
	return out
}

// CheckTrunk implements engine.Endpoint.
func (l *signalling) CheckTrunk(_ context.Context, name string) (sip.TrunkReport, error) {
	return sip.TrunkReport{Name: name}, nil
}

// AdvertisedFor implements engine.Endpoint.
func (l *signalling) AdvertisedFor(netip.Addr) netip.Addr { return loopback }

// LocalFor implements engine.Endpoint.
func (l *signalling) LocalFor(netip.Addr) netip.Addr { return loopback }

// LocalAddr implements engine.Endpoint.
func (l *signalling) LocalAddr(string) netip.AddrPort { return netip.AddrPortFrom(loopback, 5060) }

// Update implements engine.Endpoint.
func (l *signalling) Update(c sip.Config) error {
	l.cfg = c
	return nil
}

// Drain implements engine.Endpoint.
func (l *signalling) Drain(bool) {}

// Stats implements engine.Endpoint.
func (l *signalling) Stats() sip.Stats { return sip.Stats{} }

// Close implements engine.Endpoint.
func (l *signalling) Close() {}
