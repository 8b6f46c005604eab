package sip

import (
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// retryAfterSeconds goes with every 503 of ours.
const retryAfterSeconds = 10

// onRequest is called by the transaction layer for every new request, each on
// a goroutine of its own. It must answer, or the transaction lives for ever.
func (e *Endpoint) onRequest(req *gosip.Request, tx *gosip.ServerTx) {
	e.countTransaction(req, tx)
	defer func() {
		if r := recover(); r != nil {
			e.panicked(r, debug.Stack())
			e.respond(tx, req, 500, "Server Internal Error")
		}
	}()
	if req.Method == gosip.CANCEL {
		tx.Terminate() // sipgo writes its answers past the transaction, which would swallow all repetitions and never end
	}
	switch {
	case req.IsAck():
		e.onAck(req)
		tx.Terminate() // an ACK gets no answer, so nothing else would
	case req.Method == gosip.REGISTER:
		e.onRegister(req, tx)
	case isOutside(req):
		e.onOutside(req, tx)
		switch req.Method {
		case gosip.INVITE:
			if tag, _ := req.To().Params.Get("tag"); e.dialogOf(req) == nil {
				e.arrivals.end(tag) // refused: a CANCEL for it would be kept for nobody
			}
		case gosip.MESSAGE:
		default:
			e.forget(req, tx)
		}
	default:
		e.onInside(req, tx)
	}
}

// countTransaction holds the place of a transaction in the caps until its end.
func (e *Endpoint) countTransaction(req *gosip.Request, tx *gosip.ServerTx) {
	source, _ := parseAddrPort(req.Source())
	count := func(d int) {
		e.transactions.Add(int64(d))
		e.busy.add(source.Addr(), d)
	}
	count(1)
	if !tx.OnTerminate(func(string, error) { count(-1) }) {
		count(-1)
	}
}

// onAck gives the ACK of a 2xx to its dialog.
func (e *Endpoint) onAck(req *gosip.Request) {
	if d := e.dialogOf(req); d != nil {
		d.box.postUrgent(input{kind: inAck, msg: readMessage(req)})
	}
}

// onInside gives a request with a To tag to its dialog.
func (e *Endpoint) onInside(req *gosip.Request, tx *gosip.ServerTx) {
	d := e.dialogOf(req)
	if d == nil && req.Method == gosip.BYE {
		d = e.turned(req)
	}
	if d == nil || req.Method == gosip.CANCEL || !d.receive(req, tx) {
		e.count.unmatched.Add(1)
		e.respond(tx, req, 481, "Call/Transaction Does Not Exist")
		e.forget(req, tx)
	}
}

// turned finds the dialog of a BYE from a callee that has left From and To as
// the INVITE had them. Answered 481 it would end nothing, and the call would
// last until its audio is missed; who knows both tags is the peer.
func (e *Endpoint) turned(req *gosip.Request) *Dialog {
	ours, _ := req.From().Params.Get("tag")
	if d := e.dialogs.find(req.CallID().Value(), ours); d != nil && d.outbound {
		return d
	}
	return nil
}

// forget ends the transaction of a stranger's request that is answered: said
// again, it gets the same answer again, so floods leave nothing behind and make
// us repeat nothing to an address that may be forged.
func (e *Endpoint) forget(req *gosip.Request, tx *gosip.ServerTx) {
	source, err := parseAddrPort(req.Source())
	if err == nil && !e.knows(source.Addr()) && e.locations.At(source.Addr()) == 0 {
		tx.Terminate()
	}
}

// dismiss refuses a request. One without credentials, or whose credentials are
// of no challenge of ours, leaves no transaction (RFC 3261 §26.3.2.4).
func (e *Endpoint) dismiss(tx *gosip.ServerTx, req *gosip.Request, refusal *gosip.Response) {
	e.answer(tx, refusal)
	if refusal.StatusCode == 401 || len(req.GetHeaders("Authorization")) == 0 {
		tx.Terminate()
	}
}

func (e *Endpoint) dialogOf(req *gosip.Request) *Dialog {
	tag, _ := req.To().Params.Get("tag")
	return e.dialogs.find(req.CallID().Value(), tag)
}

// expectOrder runs in the order of arrival: it notes what will come to the
// dialog soon, and where the numbers of a callee begin.
func (e *Endpoint) expectOrder(req *gosip.Request) {
	d := e.dialogOf(req)
	if d == nil || req.Method == gosip.CANCEL {
		return
	}
	if from, _ := req.From().Params.Get("tag"); d.tagOfPeer() != "" && from != d.tagOfPeer() {
		return // somebody else's: it is refused, and no request of the peer waits for it
	}
	seq := req.CSeq().SeqNo
	d.seen.note(seq, req.Method == gosip.ACK)
	if d.outbound && req.Method != gosip.ACK {
		d.firstSeq.CompareAndSwap(0, uint64(seq)+1)
	}
}

// onOutside handles a request without To tag.
func (e *Endpoint) onOutside(req *gosip.Request, tx *gosip.ServerTx) {
	if req.Method == gosip.CANCEL {
		e.onCancel(req, tx)
		return
	}
	if unknown := unsupported(requires(req)); unknown != "" {
		e.respond(tx, req, 420, "Bad Extension", Header{"Unsupported", unknown})
		e.forget(req, tx)
		return
	}
	switch req.Method {
	case gosip.INVITE:
		e.onInvite(req, tx)
	case gosip.OPTIONS:
		if e.draining.Load() { // as an INVITE would be answered (RFC 3261 §11.2): a dispatcher sends its calls elsewhere
			e.respond(tx, req, 503, "Service Unavailable", retryAfter(retryAfterSeconds))
			return
		}
		e.respond(tx, req, 200, "OK", Header{"Allow", allowed}, Header{"Accept", acceptTypes},
			Header{"Supported", strings.Join(supported, ", ")})
	case gosip.MESSAGE:
		e.onPage(req, tx)
	case gosip.REFER: // only within a call, by its script's consent
		e.respond(tx, req, 403, "Forbidden")
	case gosip.BYE, gosip.INFO, gosip.UPDATE, gosip.PRACK, gosip.NOTIFY:
		e.count.unmatched.Add(1)
		e.respond(tx, req, 481, "Call/Transaction Does Not Exist")
	default:
		e.respond(tx, req, 405, "Method Not Allowed", Header{"Allow", allowed})
	}
}

// requires are the Require fields of a request.
func requires(req *gosip.Request) (out Headers) {
	for _, h := range req.GetHeaders("Require") {
		out = append(out, Header{h.Name(), h.Value()})
	}
	return out
}

// onCancel gets a CANCEL that met no transaction: its INVITE is unknown, or has
// come before it and is still on its way to us.
func (e *Endpoint) onCancel(req *gosip.Request, tx *gosip.ServerTx) {
	m := readMessage(req)
	if !e.arrivals.cancel(m) {
		e.count.unmatched.Add(1)
		e.respond(tx, req, 481, "Call/Transaction Does Not Exist")
		return
	}
	e.respond(tx, req, 200, "OK")
}

// acceptTypes are the bodies we understand.
const acceptTypes = "application/sdp, application/dtmf-relay, application/dtmf, message/sipfrag"

// admitted finds out whose a request is; of who may not come in ok is false, and
// the request is answered.
func (e *Endpoint) admitted(req *gosip.Request, tx *gosip.ServerTx) (origin Origin, ok bool) {
	origin, refusal := e.originOf(req, tx)
	if refusal == nil {
		return origin, true
	}
	e.count.rejected.Add(1)
	refusal.AppendHeader(gosip.NewHeader("Server", e.agent()))
	e.dismiss(tx, req, refusal)
	return origin, false
}

// onInvite turns an INVITE into a dialog, or refuses it.
func (e *Endpoint) onInvite(req *gosip.Request, tx *gosip.ServerTx) {
	m := readMessage(req)
	origin, ok := e.admitted(req, tx)
	if !ok {
		return
	}
	if code, reason, h := e.screen(req, m); code != 0 {
		e.respond(tx, req, code, reason, h...)
		return
	}
	replaces, code := e.toReplace(m, origin)
	if code != 0 {
		e.respond(tx, req, code, statusText(code))
		return
	}
	d := e.newInbound(m, origin)
	d.replaces = replaces
	switch e.dialogs.add(d, e.maxCalls(d.account)) {
	case nil:
	case errUserBusy:
		e.untap(d)
		e.respond(tx, req, 486, "Busy Here")
		return
	default:
		e.untap(d)
		e.count.dialogsFull.Add(1)
		e.respond(tx, req, 503, "Service Unavailable", retryAfter(retryAfterSeconds))
		return
	}
	e.count.inbound.Add(1)
	d.serve(req, tx, m)
	e.incoming(d)
}

// incoming hands a new dialog to the owner of the endpoint, whose panic ends
// this call only.
func (e *Endpoint) incoming(d *Dialog) {
	defer func() {
		if r := recover(); r != nil {
			e.panicked(r, debug.Stack())
			d.box.postUrgent(input{kind: inClose, reason: ReasonError})
		}
	}()
	if e.deps.Incoming == nil {
		_ = d.Reject(404, "Not Found") // fails only when the caller has left
		return
	}
	e.deps.Incoming(d)
}

// screen refuses an admitted INVITE that we cannot handle; code 0 lets it pass.
func (e *Endpoint) screen(req *gosip.Request, m *message) (code int, reason string, h []Header) {
	seconds, _, timed := sessionExpires(m.headers)
	switch accept := m.headers.Get("Accept"); {
	case e.dialogs.copyOf(req, e.clk.Now()):
		e.count.merged.Add(1)
		return 482, "Loop Detected", nil
	case strings.TrimSpace(m.headers.Get("Max-Forwards")) == "0":
		return 483, "Too Many Hops", nil // a call that is passed on in a circle ends here (RFC 7332)
	case e.draining.Load():
		e.count.drained.Add(1)
		return 503, "Service Unavailable", []Header{retryAfter(retryAfterSeconds)}
	case len(m.body) > 0 && m.contentType() != "application/sdp",
		m.headers.Get("Content-Encoding") != "" && !m.headers.Has("Content-Encoding", "identity"):
		return 415, "Unsupported Media Type", []Header{{"Accept", "application/sdp"}, {"Accept-Encoding", "identity"}}
	case accept != "" && !acceptsSDP(accept):
		return 406, "Not Acceptable", []Header{{"Accept", "application/sdp"}}
	case timed && seconds < minSession && m.headers.Has("Supported", "timer"):
		return 422, "Session Interval Too Small", []Header{{"Min-SE", strconv.Itoa(minSession)}}
	}
	return 0, "", nil
}

func acceptsSDP(accept string) bool {
	for item := range strings.SplitSeq(accept, ",") {
		t, _, _ := strings.Cut(item, ";")
		if slices.Contains([]string{"application/sdp", "application/*", "*/*"}, strings.ToLower(strings.TrimSpace(t))) {
			return true
		}
	}
	return false
}

// originOf applies the rules of who may call: a trunk, a trusted source, a
// user with credentials. refusal is nil for those.
func (e *Endpoint) originOf(req *gosip.Request, tx *gosip.ServerTx) (o Origin, refusal *gosip.Response) {
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return o, newResponse(req, 403, "Forbidden")
	}
	o = Origin{Source: source, Transport: e.transportOf(req)}
	request, _ := parseURI(req.Recipient.String())
	if name, ok := e.trunkFor(source, request); ok {
		o.Kind, o.Name = FromTrunk, name
	} else if e.trusts(source.Addr()) {
		o.Kind = FromTrusted
		if user := e.trustedUser(req, source); user != "" {
			o.Kind, o.Name = FromUser, user
		}
	} else {
		user, no := e.admitUser(req, source)
		if no != nil {
			return o, no
		}
		o.Kind, o.Name = FromUser, user
		e.limiter.spare(source.Addr(), e.clk.Now())
	}
	if c := e.hub.lookup(req.Source()); c != nil && o.Transport != "udp" {
		c.keep()
	}
	return o, nil
}
