package sip

import (
	"runtime/debug"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/clock"
)

// serverTx is a received request and what we answered last.
type serverTx struct {
	req  *gosip.Request
	tx   *gosip.ServerTx
	last *gosip.Response
}

type dialogTimer struct {
	round uint64
	timer clock.Timer
}

// run is the dialog's goroutine: it feeds the core and does what it asks for.
func (d *Dialog) run() {
	defer d.close()
	d.perform() // what the core asked for at its birth
	for d.core.phase != phOver {
		head, out := d.outlet.head()
		select {
		case out <- head:
			d.outlet.backlog.sent()
		case l := <-d.outlet.came:
			d.safely(func() { d.outlet.attach(l) })
		case <-d.box.signal:
			d.drain()
		case ack := <-d.acks2xx(): // an ACK with the branch of its INVITE
			d.safely(func() { d.step(input{kind: inAck, msg: readMessage(ack)}) })
		}
	}
}

// acks2xx is the channel on which sipgo gives ACKs that match the transaction of
// the INVITE whose 2xx waits for one; nil when none does.
func (d *Dialog) acks2xx() <-chan *gosip.Request {
	if a := d.core.waiting; a != nil {
		if s := d.serverTx(a.tx); s != nil {
			return s.tx.Acks()
		}
	}
	return nil
}

func (d *Dialog) drain() {
	for d.core.phase != phOver {
		in, ok := d.box.take()
		if !ok {
			return
		}
		d.safely(func() { d.step(in) })
		d.box.done()
	}
}

// safely keeps a defect of ours inside this dialog.
func (d *Dialog) safely(f func()) {
	defer func() {
		if r := recover(); r != nil {
			d.e.panicked(r, debug.Stack())
			d.core.out = nil
			d.leave()
			d.core.phase = phOver
			d.deliver(Event{Kind: Ended, Code: 500, Reason: ReasonError})
		}
	}()
	f()
}

// leave tells the peer that a dialog with a defect ends: CANCEL, BYE or 503, as
// far as what is left of its state allows.
func (d *Dialog) leave() {
	defer func() {
		if r := recover(); r != nil {
			d.e.panicked(r, debug.Stack())
		}
	}()
	d.core.step(input{kind: inClose, reason: ReasonError})
	d.perform()
}

func (d *Dialog) step(in input) {
	switch in.kind {
	case inTimer:
		if t := d.timers[in.timer]; t == nil || t.round != in.round {
			return
		}
	case inRequest:
		d.meet(in.msg)
	case inAck:
		d.trace(in.msg, true)
	case inCancel:
		d.traceLine("CANCEL "+in.msg.uri, true)
		if !in.overtook { // sipgo has answered it
			d.traceLine("487 Request Terminated (INVITE)", false)
			d.settle(in.tx)
		}
	case inResponse:
		d.trace(in.msg, true)
	case inRouted:
		d.hops = d.bySize(in.found)
	}
	held, stale := len(d.core.order.held), d.core.order.last
	d.core.step(in)
	if in.kind == inRequest {
		d.countOrder(held, stale, in.msg)
	}
	d.perform()
	d.forgetClient(in)
}

// forgetClient drops requests that are done; INVITEs stay for late 2xx.
func (d *Dialog) forgetClient(in input) {
	n := in.tx
	if in.kind == inResponse && in.msg.code >= 200 && len(in.msg.auth) == 0 {
		n = in.msg.tx
	} else if in.kind != inFailed {
		return
	}
	if c := d.client[n]; c != nil && c.req != nil && !c.req.IsInvite() {
		delete(d.client, n)
	}
}

// meet prepares the core for a request: the first one of a callee may reach us
// after later ones, and a peer behind NAT may have moved.
func (d *Dialog) meet(m *message) {
	d.trace(m, true)
	if o := &d.core.order; !o.known && d.firstSeq.Load() > 0 {
		o.known, o.last = true, uint32(d.firstSeq.Load()-2)
	}
	s := d.serverTx(m.tx)
	if s == nil {
		return
	}
	if from, ok := d.e.hopOf(s.req); ok && (d.user || from.addr.Addr() == d.peer.addr.Addr()) && from.transport == d.peer.transport {
		if from.addr == d.peer.addr {
			from.name, from.path = d.peer.name, d.peer.path
		}
		d.peer = from
	}
}

func (d *Dialog) countOrder(held int, last uint32, m *message) {
	switch {
	case len(d.core.order.held) > held:
		d.e.count.reordered.Add(1)
	case m.seq <= last:
		d.e.count.outOfOrder.Add(1)
	}
}

// perform does the effects of the last step, in order.
func (d *Dialog) perform() {
	for len(d.core.out) > 0 {
		out := d.core.out
		d.core.out = d.spare[:0]
		for i := range out {
			d.do(out[i])
		}
		clear(out)
		d.spare = out
	}
	d.setTarget()
}

func (d *Dialog) do(f effect) {
	switch f.kind {
	case fxRespond:
		d.respond(f)
	case fxRepeat:
		if s := d.serverTx(f.tx); s != nil && s.last != nil {
			d.e.answer(s.tx, s.last)
		}
	case fxInvite:
		d.sendInvite(f)
	case fxRequest:
		d.sendRequest(f)
	case fxAck:
		d.sendAck(f)
	case fxCancel:
		d.sendCancel(f)
	case fxDrop:
		d.dropClient(f.tx)
	case fxLeave:
		d.leaveHop(f.tx)
	case fxTimer:
		d.startTimer(f)
	case fxStop:
		d.stopTimer(f.timer)
	case fxQuiet:
		for name := range d.timers {
			if name != tmEnded && name != tmCancel {
				d.stopTimer(name)
			}
		}
	case fxEvent:
		d.deliver(f.event)
	}
}

func (d *Dialog) serverTx(n uint64) *serverTx {
	d.serverMu.Lock()
	defer d.serverMu.Unlock()
	return d.server[n]
}

// respond answers a server transaction.
func (d *Dialog) respond(f effect) {
	s := d.serverTx(f.tx)
	if s == nil {
		return
	}
	res := gosip.NewResponseFromRequest(s.req, f.code, f.reason, f.body)
	method := string(s.req.Method)
	if f.code < 300 && (method == "INVITE" || method == "UPDATE") {
		h, _ := d.e.hopOf(s.req)
		res.AppendHeader(gosip.NewHeader("Contact", d.e.contact(h, d.contactUser)))
		res.AppendHeader(gosip.NewHeader("Supported", strings.Join(supported, ", ")))
	}
	if f.code < 300 || f.code == 405 {
		res.AppendHeader(gosip.NewHeader("Allow", allowed))
	}
	res.AppendHeader(gosip.NewHeader("Server", d.e.agent()))
	for _, h := range f.headers {
		res.AppendHeader(gosip.NewHeader(h.Name, h.Value))
	}
	if f.ctype != "" {
		res.AppendHeader(gosip.NewHeader("Content-Type", f.ctype))
	}
	s.last = res
	if d.e.answer(s.tx, res) {
		d.core.revoke(f.tx) // the CANCEL is in the mailbox already
		return
	}
	d.traceLine((&message{code: f.code, reason: f.reason, method: method}).line(), false)
	if f.code >= 200 && method != "INVITE" {
		d.settle(f.tx)
	}
}

func (d *Dialog) startTimer(f effect) {
	t := d.timers[f.timer]
	if t == nil {
		t = &dialogTimer{}
		d.timers[f.timer] = t
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.round++
	in := input{kind: inTimer, timer: f.timer, round: t.round}
	t.timer = d.e.clk.AfterFunc(f.wait, func() { d.box.postUrgent(in) })
}

func (d *Dialog) stopTimer(name timerName) {
	if t := d.timers[name]; t != nil && t.timer != nil {
		t.timer.Stop()
		t.round++
	}
}

// deliver gives an event to the call. One that does not fit ends the dialog:
// the call is stuck, and what it would miss cannot be made good.
func (d *Dialog) deliver(ev Event) {
	if d.ended {
		return
	}
	ev.At = d.e.clk.Now()
	if ev.Kind == Ended {
		if !d.leftAt.IsZero() {
			ev.At = d.leftAt
		}
		d.ended = true
		d.told.Store(true)
	} else if d.outlet.full() {
		d.overrun()
		return
	}
	d.outlet.put(ev)
}

// overrun ends the dialog because a queue of it is full.
func (d *Dialog) overrun() {
	if d.overran.CompareAndSwap(false, true) {
		d.e.count.overflows.Add(1)
		d.box.postUrgent(input{kind: inClose, reason: ReasonError})
	}
}

func (d *Dialog) trace(m *message, remote bool) { d.traceLine(m.line(), remote) }

func (d *Dialog) traceLine(line string, remote bool) {
	d.deliver(Event{Kind: Traced, Line: line, Remote: remote})
}

// setTarget publishes the remote target.
func (d *Dialog) setTarget() {
	if a, err := parseURI(d.core.leg.target); err == nil {
		d.remote.Store(&a)
	}
	tag := d.core.leg.remoteTag
	for early := range d.core.client.forks {
		tag = early // one that rings can be taken over, too
	}
	if tag != d.tagOfPeer() {
		d.remoteTag.Store(&tag)
	}
	if d.core.phase >= phAccepted && d.core.phase <= phConfirmed {
		d.up.Store(true)
	}
}

func (d *Dialog) acceptedInfo() []string {
	if list := d.accepts.Load(); list != nil {
		return *list
	}
	return nil
}

// close ends the goroutine: nothing is answered by silence.
func (d *Dialog) close() {
	d.e.dialogs.remove(d)
	d.e.arrivals.end(d.key.localTag)
	d.e.untap(d)
	for _, t := range d.timers {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
	d.box.close()
	d.refuseRest()
	d.deliver(Event{Kind: Ended, Code: 500, Reason: ReasonError}) // only when nothing else said so
	close(d.done)
	d.part()
	d.spare, d.core.out = nil, nil // a third of what the dialog of a call out still weighs
}

// refuseRest answers whatever has no final answer: what is still in the mailbox,
// waits for its turn, or was lost with a defect of ours. No timer ends the
// transaction of such a request.
func (d *Dialog) refuseRest() {
	d.serverMu.Lock()
	rest := d.server
	d.server = map[uint64]*serverTx{}
	d.serverMu.Unlock()
	for _, s := range rest {
		if s.last == nil || s.last.StatusCode < 200 {
			d.e.respond(s.tx, s.req, 481, "Call/Transaction Does Not Exist")
		}
	}
}

// settle forgets a request that needs no answer of ours any more.
func (d *Dialog) settle(n uint64) {
	d.serverMu.Lock()
	defer d.serverMu.Unlock()
	delete(d.server, n)
}

// hopOf is where a received request came from.
func (e *Endpoint) hopOf(req *gosip.Request) (hop, bool) {
	h := hop{transport: e.transportOf(req)}
	addr, err := parseAddrPort(req.Source())
	h.addr = addr
	return h, err == nil
}

// transportOf is how a message came: sipgo calls every connection TCP.
func (e *Endpoint) transportOf(msg gosip.Message) string {
	t := gosip.NetworkToLower(msg.Transport())
	if t == "udp" {
		return t
	}
	if c := e.hub.lookup(msg.Source()); c != nil {
		return c.transport
	}
	return t
}
