package testrun

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/sip"
)

// handset is the other end of one leg: the far side of a dialog, and a media
// session that hears. It implements engine.Incoming. The stage's lock guards
// it; the media session is called without.
type handset struct {
	stage   *stage
	party   *party
	name    string
	invite  invite
	session *media.Session
	events  chan sip.Event
	offer   []byte
	call    *callLog // nil for legs of connect

	state     string // calling, ringing, early, answered, ended
	outbound  bool   // it was dialled
	closed    bool
	code      int
	plays     map[uint32]func(error)
	pressing  []func(error)
	reoffers  []func(error)
	referring []func(error) // waits for the end of a transfer that this phone asked for
	ids       uint64
}

// invite is what an INVITE from outside says.
type invite struct {
	origin   sip.Origin
	to, from sip.Address
	headers  sip.Headers
}

// dialogEvents is how many events may wait for the engine; it reads at once.
const dialogEvents = 256

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// newPhone makes a phone of a party.
func (s *stage) newPhone(p *party, name string) (*handset, error) {
	ph := &handset{stage: s, party: p, name: name, state: "calling", events: make(chan sip.Event, dialogEvents), plays: map[uint32]func(error){}}
	session, err := s.phones.Open(media.SessionOptions{Bind: loopback, Voice: pause, Marks: true, Sink: func(ev media.Event) { s.heard(ph, ev) }})
	if err != nil {
		return nil, err
	}
	ph.session = session
	return ph, nil
}

// send queues an event for the engine; the stage's lock is held.
func (p *handset) send(ev sip.Event) {
	if p.closed {
		return
	}
	ev.At = p.stage.clk.Now()
	p.stage.clk.Busy(1)
	p.events <- ev
	if ev.Kind == sip.Ended {
		p.end(ev.Code)
	}
}

func (p *handset) end(code int) {
	p.closed, p.state, p.code = true, "ended", code
	close(p.events)
	p.session.Close()
	p.party.fallSilent(p, p.stage.clk.Now())
	for _, list := range [][]func(error){p.pressing, p.reoffers, p.referring} {
		for _, f := range list {
			f(nil)
		}
	}
	for _, f := range p.plays {
		f(nil)
	}
	p.pressing, p.reoffers, p.referring, p.plays = nil, nil, nil, nil
	p.stage.poke()
}

// What the person at the phone does; the stage's lock is held.

func (p *handset) ring() {
	if p.state == "calling" {
		p.state = "ringing"
		p.send(sip.Event{Kind: sip.Provisional, Code: 180, Reason: "Ringing"})
	}
}

func (p *handset) pickUp() {
	if p.closed || p.state == "answered" {
		return
	}
	answer, err := p.session.Answer(p.offer)
	if err != nil {
		p.refuse(488)
		return
	}
	p.session.Start()
	p.state = "answered"
	p.send(sip.Event{Kind: sip.Answered, Code: 200, Body: answer})
	p.stage.poke()
}

func (p *handset) refuse(code int) {
	p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected, Remote: true})
}

func (p *handset) hangUp() {
	switch {
	case p.state == "answered":
		p.send(sip.Event{Kind: sip.Ended, Code: 200, Reason: sip.ReasonBye, Remote: true})
	case p.outbound:
		p.refuse(603)
	default:
		p.send(sip.Event{Kind: sip.Ended, Code: 487, Reason: sip.ReasonCancel, Remote: true})
	}
}

// The near side, seen from the engine.

// ID implements call.Dialog.
func (p *handset) ID() string { return p.name }

// Headers implements call.Dialog.
func (p *handset) Headers() sip.Headers { return p.invite.headers }

// Offer implements call.Dialog.
func (p *handset) Offer() []byte { return p.offer }

// Events implements call.Dialog.
func (p *handset) Events() <-chan sip.Event { return p.events }

// Origin implements engine.Incoming.
func (p *handset) Origin() sip.Origin { return p.invite.origin }

// RequestURI implements engine.Incoming.
func (p *handset) RequestURI() sip.Address { return p.invite.to }

// From implements engine.Incoming.
func (p *handset) From() sip.Address { return p.invite.from }

// To implements engine.Incoming.
func (p *handset) To() sip.Address { return p.invite.to }

// Info implements call.Dialog: keys sent as INFO are keys.
func (p *handset) Info(kind string, body []byte) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.party.digits += infoDigit(kind, string(body))
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Sent, Code: 200}) })
	p.stage.poke()
	return nil
}

// Provisional implements call.Dialog.
func (p *handset) Provisional(code int, _ string, body []byte, _ ...sip.Header) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	if p.closed {
		return nil
	}
	if p.state == "calling" {
		p.state = "ringing"
	}
	p.stage.poke()
	if len(body) == 0 {
		return nil
	}
	p.state = "early"
	return p.take(body)
}

func (p *handset) take(body []byte) error {
	if err := p.session.Accept(body); err != nil {
		return err
	}
	p.session.Start()
	return nil
}

// Accept implements call.Dialog.
func (p *handset) Accept(body []byte, _ ...sip.Header) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	if p.closed {
		return nil
	}
	if err := p.take(body); err != nil {
		return err
	}
	p.state = "answered"
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Confirmed}) })
	p.stage.poke()
	return nil
}

// Reject implements call.Dialog.
func (p *handset) Reject(code int, _ string, _ ...sip.Header) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: sip.ReasonRejected}) })
	return nil
}

// Hangup implements call.Dialog.
func (p *handset) Hangup(...sip.Header) {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.stage.soon(func() {
		ev := sip.Event{Kind: sip.Ended, Code: 200, Reason: sip.ReasonBye}
		if p.state != "answered" && p.outbound {
			ev.Code, ev.Reason = 487, sip.ReasonCancel
		} else if p.state != "answered" {
			ev.Code, ev.Reason = 480, sip.ReasonRejected
		}
		p.send(ev)
	})
}

// Reoffer implements call.Dialog: the other side changes the media, such as
// for hold.
func (p *handset) Reoffer(body []byte) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	answer, err := p.session.Answer(body)
	if err != nil {
		return err
	}
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Reoffered, Code: 200, Body: answer}) })
	return nil
}

// Respond implements call.Dialog: the answer to our own re-INVITE.
func (p *handset) Respond(_ uint64, code int, body []byte) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	var err error
	if len(body) > 0 && code == 200 {
		err = p.session.Accept(body)
	}
	for _, f := range p.reoffers {
		f(err)
	}
	p.reoffers = nil
	p.stage.poke()
	return nil
}

// Refer implements call.Dialog: a transfer. The phone accepts it, calls there
// and leaves.
func (p *handset) Refer(target string, _ ...sip.Header) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.party.transfers = append(p.party.transfers, target)
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Referred, Code: 200, Reason: "OK", ID: 1}) })
	return nil
}

// Message implements call.Dialog: a text that is shown at the phone.
func (p *handset) Message(_ string, body []byte) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.party.messages = append(p.party.messages, string(body))
	p.stage.soon(func() { p.send(sip.Event{Kind: sip.Sent, Code: 200}) })
	p.stage.poke()
	return nil
}

// Consent implements call.Dialog: the answer to the transfer that the phone has
// asked for.
func (p *handset) Consent(_ uint64, code int) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.settleTransfer(code, code != 202)
	return nil
}

// Progress implements call.Dialog: how the transfer goes.
func (p *handset) Progress(_ uint64, code int, _ string) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	p.settleTransfer(code, code >= 200)
	return nil
}

func (p *handset) settleTransfer(code int, over bool) {
	p.party.referred = code
	if over {
		for _, f := range p.referring {
			f(nil)
		}
		p.referring = nil
	}
	p.stage.poke()
}

// Replacement implements call.Dialog.
func (p *handset) Replacement() string { return "sip:" + p.name + "@phone?Replaces=" + p.name }

// transfer asks for the other side of the talk to be sent elsewhere.
func (p *handset) transfer(to string, done func(error)) {
	p.referring = append(p.referring, done)
	p.ids++
	p.send(sip.Event{Kind: sip.Asked, ID: p.ids, Line: "<sip:" + to + "@phone>"})
}

// message sends a text within the talk.
func (p *handset) message(text string) {
	p.send(sip.Event{Kind: sip.Messaged, ContentType: "text/plain", Body: []byte(text)})
}

// reoffer asks for another direction of the media.
func (p *handset) reoffer(dir sdp.Direction, done func(error)) {
	p.reoffers = append(p.reoffers, done)
	p.ids++
	p.send(sip.Event{Kind: sip.Offered, ID: p.ids, Body: p.session.Reoffer(dir), Remote: true})
}

var _ engine.Incoming = (*handset)(nil)

// hearing is something that was heard.
type hearing struct {
	utterance
	began, ended time.Time // ended is zero while it sounds
}

// infoDigit is the key of a SIP INFO body.
func infoDigit(kind, body string) string {
	if kind == "application/dtmf" && body != "" {
		return body[:1]
	}
	const field = "Signal="
	for i := 0; i+len(field) < len(body); i++ {
		if body[i:i+len(field)] == field {
			return body[i+len(field) : i+len(field)+1]
		}
	}
	return ""
}

func itoa(n int) string { return strconv.Itoa(n) }
