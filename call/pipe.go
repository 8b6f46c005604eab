package call

import (
	"sync"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// pipeEvents is how many events may wait at one end of a pipe; one that does
// not fit ends it.
const pipeEvents = 64

// pipe is one end of a dialog inside of this process. Two calls that an
// attended transfer has joined talk through one: each has a leg and a media
// session of its own, and neither knows of the other's goroutine.
type pipe struct {
	clk   clock.Clock
	name  string
	other *pipe
	offer []byte // of the end that is called

	mu     *sync.Mutex // of both ends
	events chan sip.Event
	ids    uint64
	over   bool
}

// Pipe makes both ends of a dialog: what the caller sees, and what the called
// one does. The called end has the offer and accepts or rejects.
func Pipe(clk clock.Clock, offer []byte) (caller, called Dialog) {
	mu := &sync.Mutex{}
	a := &pipe{clk: clk, name: "pipe-a", mu: mu, events: make(chan sip.Event, pipeEvents)}
	b := &pipe{clk: clk, name: "pipe-b", mu: mu, events: make(chan sip.Event, pipeEvents), offer: offer}
	a.other, b.other = b, a
	return a, b
}

// send queues an event at this end; mu is held.
func (p *pipe) send(ev sip.Event) {
	if p.over {
		return
	}
	ev.At = p.clk.Now()
	if ev.Kind != sip.Ended && len(p.events) >= pipeEvents-1 {
		ev = sip.Event{Kind: sip.Ended, At: ev.At, Code: 500, Reason: sip.ReasonError}
	}
	p.clk.Busy(1)
	p.events <- ev
	if ev.Kind == sip.Ended {
		p.over = true
		close(p.events)
	}
}

// tell sends an event to the other end.
func (p *pipe) tell(ev sip.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return fault.New(fault.Hangup, "the call is over")
	}
	p.other.send(ev)
	return nil
}

// end ends both sides.
func (p *pipe) end(code int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.other.send(sip.Event{Kind: sip.Ended, Code: code, Reason: reason, Remote: true})
	p.send(sip.Event{Kind: sip.Ended, Code: code, Reason: reason})
}

// ID implements Dialog.
func (p *pipe) ID() string { return p.name }

// Headers implements Dialog.
func (p *pipe) Headers() sip.Headers { return nil }

// Offer implements Dialog.
func (p *pipe) Offer() []byte { return p.offer }

// Events implements Dialog.
func (p *pipe) Events() <-chan sip.Event { return p.events }

// Replacement implements Dialog: nobody outside can reach a pipe.
func (p *pipe) Replacement() string { return "" }

// Provisional implements Dialog.
func (p *pipe) Provisional(code int, reason string, body []byte, _ ...sip.Header) error {
	return p.tell(sip.Event{Kind: sip.Provisional, Code: code, Reason: reason, Body: body})
}

// Accept implements Dialog.
func (p *pipe) Accept(body []byte, _ ...sip.Header) error {
	if err := p.tell(sip.Event{Kind: sip.Answered, Code: 200, Body: body}); err != nil {
		return err
	}
	return p.other.tell(sip.Event{Kind: sip.Confirmed})
}

// Reject implements Dialog.
func (p *pipe) Reject(code int, _ string, _ ...sip.Header) error {
	p.end(code, sip.ReasonRejected)
	return nil
}

// Hangup implements Dialog.
func (p *pipe) Hangup(...sip.Header) { p.end(200, sip.ReasonBye) }

// Reoffer implements Dialog.
func (p *pipe) Reoffer(body []byte) error {
	p.mu.Lock()
	p.ids++
	id := p.ids
	p.mu.Unlock()
	return p.tell(sip.Event{Kind: sip.Offered, ID: id, Body: body})
}

// Respond implements Dialog.
func (p *pipe) Respond(_ uint64, code int, body []byte) error {
	return p.tell(sip.Event{Kind: sip.Reoffered, Code: code, Body: body})
}

// Info implements Dialog.
func (p *pipe) Info(contentType string, body []byte) error {
	if err := p.tell(sip.Event{Kind: sip.Info, ContentType: contentType, Body: body}); err != nil {
		return err
	}
	return p.other.tell(sip.Event{Kind: sip.Sent, Code: 200})
}

// Message implements Dialog.
func (p *pipe) Message(contentType string, body []byte) error {
	if err := p.tell(sip.Event{Kind: sip.Messaged, ContentType: contentType, Body: body}); err != nil {
		return err
	}
	return p.other.tell(sip.Event{Kind: sip.Sent, Code: 200})
}

// Refer implements Dialog: there is no phone that could call anybody.
func (p *pipe) Refer(string, ...sip.Header) error {
	return p.other.tell(sip.Event{Kind: sip.Referred, Code: 603, Reason: "Decline", ID: 1})
}

// Consent implements Dialog: nobody has asked.
func (p *pipe) Consent(uint64, int) error { return nil }

// Progress implements Dialog: nobody has asked.
func (p *pipe) Progress(uint64, int, string) error { return nil }
