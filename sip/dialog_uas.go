package sip

import (
	"fmt"
	"strings"
	"weak"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
)

// newInbound builds the dialog of a received INVITE; serve starts it.
func (e *Endpoint) newInbound(m *message, o Origin) *Dialog {
	d := e.newDialog(dialogKey{m.callID, m.toTag}, false)
	d.origin = o
	if o.Kind == FromUser {
		d.user, d.account = true, o.Name
	}
	d.peer = hop{transport: o.Transport, addr: o.Source}
	d.request, _ = parseURI(m.uri)
	d.from, _, _ = parseNameAddr(m.from)
	d.to, _, _ = parseNameAddr(m.to)
	d.contactUser = d.request.User
	d.headers, d.offer = m.headers, m.body
	return d
}

func (e *Endpoint) newDialog(k dialogKey, outbound bool) *Dialog {
	d := &Dialog{
		e: e, key: k, outbound: outbound, id: fmt.Sprintf("d%d", e.sequence.Add(1)),
		outlet: outlet{came: make(chan listener, 1)},
		done:   make(chan struct{}),
		server: map[uint64]*serverTx{}, timers: map[timerName]*dialogTimer{}, client: map[uint64]*clientTx{},
	}
	d.box.init(e.clk)
	e.tap(d)
	return d
}

// serve starts the goroutine of an inbound dialog. An INVITE whose CANCEL has
// outrun it becomes a dialog all the same, which is over at once: every call
// leaves a trace.
func (d *Dialog) serve(req *gosip.Request, tx *gosip.ServerTx, m *message) {
	d.traceFirst(req, m)
	m.tx = d.enter(req, tx)
	d.core = newUAS(m, &d.seen, d.acceptedInfo, jitter)
	if t := find(*d.e.live.Load(), d.origin.Name); t != nil && d.origin.Kind == FromTrunk {
		d.core.agreeTo(t.cfg.Session)
	}
	d.setTarget()
	d.trace(m, true)
	if d.watchCancel(tx, m.tx) {
		d.trying(req, tx)
	} else {
		d.box.postUrgent(input{kind: inCancel, tx: m.tx, msg: m})
	}
	d.e.arrivals.begin(m.toTag, d, m.tx)
	d.e.wg.Go(d.run)
}

// trying answers 100 at once, as every proxy and exchange does, although RFC
// 3261 §17.2.1 leaves 200 ms for something better: callers are written that wait
// for it before anything else.
func (d *Dialog) trying(req *gosip.Request, tx *gosip.ServerTx) {
	res := newResponse(req, 100, "Trying")
	for _, h := range req.GetHeaders("Timestamp") { // §8.2.6.1
		res.AppendHeader(gosip.NewHeader("Timestamp", h.Value()))
	}
	res.AppendHeader(gosip.NewHeader("Server", d.e.agent()))
	d.e.answer(tx, res)
	d.traceLine((&message{code: 100, reason: res.Reason, method: "INVITE"}).line(), false)
}

// traceFirst keeps the INVITE itself, which came before there was a dialog. Our
// tag, which it has got meanwhile, was not in it.
func (d *Dialog) traceFirst(req *gosip.Request, m *message) {
	if d.wire == nil {
		return
	}
	text := strings.Replace(req.String(), ";tag="+m.toTag, "", 1)
	local := d.e.LocalAddr(d.peer.transport)
	d.e.noteWire([]byte(d.key.callID), []byte(text), false, local, d.peer.addr, d.peer.transport)
}

// enter numbers a server transaction.
func (d *Dialog) enter(req *gosip.Request, tx *gosip.ServerTx) uint64 {
	n := d.lastServer.Add(1)
	d.serverMu.Lock()
	defer d.serverMu.Unlock()
	d.server[n] = &serverTx{req: req, tx: tx}
	return n
}

// watchCancel posts the CANCEL of an INVITE. sipgo calls back under its lock,
// so nothing else may happen there. A transaction outlives its dialog by half a
// minute and must not keep it in memory for so long; a dialog that lives is kept by
// its goroutine.
func (d *Dialog) watchCancel(tx *gosip.ServerTx, n uint64) bool {
	living := weak.Make(d)
	return tx.OnCancel(func(r *gosip.Request) {
		if d := living.Value(); d != nil {
			d.box.postUrgent(input{kind: inCancel, tx: n, msg: readMessage(r)})
		}
	})
}

// receive takes a request inside the dialog from its handler's goroutine; false
// means that the dialog is over or overrun.
func (d *Dialog) receive(req *gosip.Request, tx *gosip.ServerTx) bool {
	m := readMessage(req)
	if m.fromTag == d.key.localTag { // see turned
		m.fromTag, m.toTag = m.toTag, m.fromTag
	}
	m.tx = d.enter(req, tx)
	if req.IsInvite() {
		d.watchCancel(tx, m.tx) // too late: the call then answers an offer in vain
	}
	in := input{kind: inRequest, msg: m}
	ok := req.Method == gosip.BYE && d.box.postUrgent(in)
	if req.Method != gosip.BYE {
		err := d.box.post(in)
		if ok = err == nil; fault.CodeOf(err) == fault.Limit {
			d.overrun()
		}
	}
	if !ok {
		d.settle(m.tx)
	}
	return ok
}
