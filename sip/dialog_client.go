package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/digest"
)

// clientTx is one request of a dialog on its way, with its retries after a
// challenge.
type clientTx struct {
	d        *Dialog
	n        uint64
	hop      hop
	exchange *digest.Exchange
	req      *gosip.Request // newest try
	ctx      context.Context
	cancel   context.CancelFunc
	left     atomic.Bool // its hop was given up: what comes is not for the dialog
}

// prepare builds a request of the dialog for a hop.
func (d *Dialog) prepare(f effect, h hop) (*gosip.Request, error) {
	uri, routes := f.leg.addressed()
	dr := draft{
		method: f.method, uri: uri, routes: routes, callID: f.leg.callID, seq: f.seq,
		from: withTag(f.leg.local, f.leg.localTag), to: withTag(f.leg.remote, f.leg.remoteTag),
		headers: d.furnish(f), body: f.body, ctype: f.ctype,
	}
	if f.method == "INVITE" {
		dr.forward = d.maxForwards
	}
	contact := ""
	switch f.method {
	case "INVITE", "UPDATE", "REFER", "NOTIFY":
		contact = d.e.contact(h, d.contactUser)
	}
	return d.e.address(dr, h, contact)
}

// furnish adds what every request of a kind carries.
func (d *Dialog) furnish(f effect) []Header {
	hs := slices.Clone(f.headers)
	if f.method == "INVITE" {
		hs = append(hs, Header{"Allow", allowed}, Header{"Accept", acceptTypes}, Header{"Supported", "100rel, replaces, norefersub"})
	}
	return hs
}

// address builds a draft for a hop and says from which socket it goes.
func (e *Endpoint) address(dr draft, h hop, contact string) (*gosip.Request, error) {
	host, port := e.sentBy(h)
	via := "SIP/2.0/" + strings.ToUpper(h.transport) + " " + hostText(host) + ":" + strconv.Itoa(int(port)) + ";rport;branch=z9hG4bK" + token(10)
	req, err := dr.build(via, contact, e.agent())
	if err != nil {
		return nil, err
	}
	return req, e.aim(req, h)
}

// aim tells sipgo where a request goes and from which socket.
func (e *Endpoint) aim(req *gosip.Request, h hop) error {
	req.SetDestination(h.addr.String())
	if h.stream() {
		req.SetTransport("TCP") // of any kind: the hub owns them all
		return nil
	}
	req.SetTransport("UDP")
	s := e.socketTo(h.addr)
	if s == nil {
		return e.noListener()
	}
	local := s.conn.LocalAddr().String()
	ip, portText, err := gosip.ParseAddr(local)
	if err != nil {
		return err
	}
	req.Laddr = gosip.Addr{IP: netip.MustParseAddr(ip).AsSlice(), Port: portText}
	return nil
}

// sendInvite sends the initial INVITE to the hop of that number.
func (d *Dialog) sendInvite(f effect) {
	h := d.hops[f.code]
	if f.code > 0 && d.plan.trunk != "" {
		d.e.resolver.MarkDead(d.hops[f.code-1].resolved(), deadFor) // it rests for other calls, too
	}
	d.peer = h
	d.start(f, h, d.plan.auth)
}

// sendRequest sends a request inside the dialog.
func (d *Dialog) sendRequest(f effect) {
	d.followBinding()
	h := nextHop(f.leg.next(), d.peer, d.user)
	switch {
	case f.code == forkEnds:
		d.e.count.forkEnded.Add(1)
	case f.method == "BYE" && d.leftAt.IsZero():
		d.leftAt = d.e.clk.Now()
	}
	d.start(f, h, d.authFor(h))
}

// authFor gives credentials only for requests of calls that we placed through
// a trunk, and only towards that trunk's own addresses.
func (d *Dialog) authFor(h hop) *digest.Client {
	if d.plan == nil || d.plan.auth == nil {
		return nil
	}
	for _, known := range d.hops {
		if known.addr.Addr() == h.addr.Addr() {
			return d.plan.auth
		}
	}
	return nil
}

// start runs a client transaction; f.tx names it through its retries.
func (d *Dialog) start(f effect, h hop, auth *digest.Client) {
	c := d.client[f.tx]
	if c == nil || f.method == "INVITE" && f.code > 0 && c.hop != h {
		c = &clientTx{d: d, n: f.tx, hop: h}
		if auth != nil {
			uri, _ := f.leg.addressed()
			c.exchange = auth.Begin(digest.Request{Method: f.method, URI: asSent(uri), Body: f.body})
			f.headers = append(slices.Clone(f.headers), fieldsOf(c.exchange.Fields())...)
		}
		d.client[f.tx] = c
	}
	req, err := d.prepare(f, h)
	if err != nil {
		d.e.log.Info("a request could not be sent", "dialog", d.id, "method", f.method, "error", err)
		d.box.postUrgent(input{kind: inFailed, tx: f.tx})
		return
	}
	c.req = req
	c.ctx, c.cancel = context.WithCancel(d.e.ctx)
	d.traceLine(f.method+" "+req.Recipient.String(), false)
	d.e.clk.Busy(1)
	d.e.sends.Add(1)
	ctx, cancel := c.ctx, c.cancel
	d.e.wg.Go(func() { c.run(ctx, cancel, req) })
}

// asSent is a URI as sipgo writes it into the request line, which the digest
// covers.
func asSent(uri string) string {
	var u gosip.Uri
	if gosip.ParseUri(uri, &u) != nil {
		return uri
	}
	return u.String()
}

func fieldsOf(list []digest.Field) []Header {
	out := make([]Header, len(list))
	for i, f := range list {
		out[i] = Header{f.Name, f.Value}
	}
	return out
}

// run sends the request and posts what comes back.
func (c *clientTx) run(ctx context.Context, cancel context.CancelFunc, req *gosip.Request) {
	defer cancel()
	e := c.d.e
	var repeated func(*gosip.Response)
	if req.IsInvite() { // the transaction of another method must not keep the dialog
		repeated = c.onRepeated
	}
	tx, err := e.begin(ctx, req, c.hop, repeated)
	e.clk.Busy(-1)
	e.sends.Done()
	if err != nil {
		c.fail(err)
		return
	}
	flow := e.watchFlow(c.hop)
	defer flow.stop()
	over, rings, left := c.orphaned(req), false, false
	for {
		select {
		case res := <-tx.Responses():
			flow.heard()
			if c.pass(res) {
				e.refusals.take(e, tx, res, c.hop)
				return
			}
			rings = true
		case <-over:
			over, left = nil, true
			defer e.clk.AfterFunc(timer64, cancel).Stop() // an INVITE that was answered 1xx has no timer of its own
		case <-flow.gone:
			flow.wait()
		case <-flow.lost:
			tx.Terminate()
			c.fail(net.ErrClosed)
			return
		case <-tx.Done():
			c.fail(tx.Err())
			return
		case <-ctx.Done():
			tx.Terminate()
			return
		}
		if left && rings && ctx.Err() == nil {
			left = false
			e.cancelInvite(req, c.hop, nil, func() {})
		}
	}
}

// orphaned is closed when the dialog of an INVITE is over: by a full queue or a
// defect of ours that may be before the answer. nil for other requests.
func (c *clientTx) orphaned(req *gosip.Request) <-chan struct{} {
	if req.IsInvite() {
		return c.d.done
	}
	return nil
}

// begin starts a client transaction; repeated gets further 2xx to an INVITE.
func (e *Endpoint) begin(ctx context.Context, req *gosip.Request, h hop, repeated func(*gosip.Response)) (*gosip.ClientTx, error) {
	if h.stream() {
		if err := e.hub.connect(ctx, h); err != nil {
			return nil, err
		}
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.ending {
		return nil, net.ErrClosed
	}
	tx, err := e.tx.NewClientTransaction(ctx, req)
	if err != nil {
		return nil, err
	}
	e.requests.Add(1)
	if !tx.OnTerminate(func(string, error) { e.requests.Add(-1) }) {
		e.requests.Add(-1)
	}
	if repeated != nil {
		tx.OnRetransmission(repeated)
	}
	if err := tx.Init(); err != nil {
		tx.Terminate()
		e.count.writeErrors.Add(1)
		return nil, err
	}
	return tx, nil
}

// pass posts a response; true means it was the last one. Provisional ones may
// be lost when the mailbox is full, final ones never.
func (c *clientTx) pass(res *gosip.Response) (final bool) {
	if c.left.Load() {
		c.d.e.silentHops.heard(c.d.e, res)
		return res.StatusCode >= 200
	}
	m := readMessage(res)
	m.tx = c.n
	if m.code < 200 {
		_ = c.d.box.post(input{kind: inResponse, msg: m}) // a flood of them is not kept
		return false
	}
	if (m.code == 401 || m.code == 407) && c.exchange != nil {
		m.auth = c.answer(m)
	}
	if !c.d.box.postUrgent(input{kind: inResponse, msg: m}) && m.method == "INVITE" && m.code < 300 {
		c.d.endFork(res, c.hop)
	}
	return true
}

// answer asks the credentials for the retry; none when they were refused.
func (c *clientTx) answer(m *message) []Header {
	var challenges []digest.Field
	for _, h := range m.headers {
		challenges = append(challenges, digest.Field{Name: h.Name, Value: h.Value})
	}
	fields, err := c.exchange.Challenged(challenges)
	if err != nil {
		c.d.e.log.Info("a challenge was not answered", "dialog", c.d.id, "method", m.method, "error", err)
		return nil
	}
	return fieldsOf(fields)
}

func (c *clientTx) fail(err error) {
	if c.left.Load() {
		return
	}
	c.d.box.postUrgent(input{kind: inFailed, tx: c.n, timeout: errors.Is(err, gosip.ErrTransactionTimeout)})
}

// onRepeated gets 2xx that follow the first one: repeated ones, and those of
// other forks. It runs on a goroutine of sipgo, for as long as the transaction
// lives, that is also after the dialog.
func (c *clientTx) onRepeated(res *gosip.Response) {
	m := readMessage(res)
	m.tx = c.n
	if c.d.ackAgain(ackKey{m.toTag, m.seq}) {
		return
	}
	if !c.d.box.postUrgent(input{kind: inResponse, msg: m}) {
		c.d.endFork(res, c.hop)
	}
}

func (d *Dialog) dropClient(n uint64) {
	if c := d.client[n]; c != nil && c.cancel != nil {
		c.cancel()
	}
}

// sendAck acknowledges a 2xx and keeps the ACK for its repetitions.
func (d *Dialog) sendAck(f effect) {
	f.method = "ACK"
	h := nextHop(f.leg.next(), d.peer, d.user)
	if c := d.client[f.tx]; c != nil && d.authFor(h) != nil {
		f.headers = append(slices.Clone(f.headers), credentialsOf(c.req)...)
	}
	req, err := d.prepare(f, h)
	if err == nil {
		d.keepAck(ackKey{f.leg.remoteTag, f.seq}, ackSent{req, h})
		err = d.e.write(req, h)
	}
	if err != nil {
		d.e.log.Info("an ACK could not be sent", "dialog", d.id, "error", err)
		return
	}
	d.traceLine("ACK "+req.Recipient.String(), false)
}

// credentialsOf repeats those of the INVITE in its ACK (RFC 3261 §22.1).
func credentialsOf(req *gosip.Request) (out []Header) {
	for _, name := range [...]string{"Authorization", "Proxy-Authorization"} {
		for _, h := range req.GetHeaders(name) {
			out = append(out, Header{h.Name(), h.Value()})
		}
	}
	return out
}

// ackKey names a 2xx to an INVITE of ours.
type ackKey struct {
	tag string
	seq uint32
}

// ackSent is an ACK and where it went.
type ackSent struct {
	req *gosip.Request
	to  hop
}

func (d *Dialog) keepAck(k ackKey, ack ackSent) {
	d.acksMu.Lock()
	defer d.acksMu.Unlock()
	if d.acks == nil {
		d.acks = newRecent[ackKey, ackSent](4*MaxForks, nil)
	}
	ack.req = ack.req.Clone() // sipgo writes into what it sends
	d.acks.put(k, ack)
}

// ackAgain repeats the ACK of a 2xx that came again.
func (d *Dialog) ackAgain(k ackKey) bool {
	ack, ok := d.ackOf(k)
	if ok {
		d.e.repeat(ack)
	}
	return ok
}

func (d *Dialog) ackOf(k ackKey) (ackSent, bool) {
	d.acksMu.Lock()
	defer d.acksMu.Unlock()
	if d.acks == nil {
		return ackSent{}, false
	}
	return d.acks.get(k)
}

// endFork acknowledges and ends a 2xx that came after the dialog's end.
func (d *Dialog) endFork(res *gosip.Response, from hop) {
	m := readMessage(res)
	l := d.base.answeredBy(m)
	h := nextHop(l.next(), from, d.user)
	ack, err := d.prepare(effect{method: "ACK", leg: &l, seq: m.seq}, h)
	if err != nil {
		return
	}
	d.keepAck(ackKey{m.toTag, m.seq}, ackSent{ack, h})
	_ = d.e.write(ack, h) // counted there
	d.e.count.forkEnded.Add(1)
	bye, err := d.prepare(effect{method: "BYE", leg: &l, seq: m.seq + 1}, h)
	if err != nil {
		return
	}
	d.e.spawn(func() { _, _ = d.e.exchange(d.e.ctx, bye, h) })
}

// sendCancel cancels the INVITE on its own way.
func (d *Dialog) sendCancel(f effect) {
	if c := d.client[f.tx]; c != nil && c.req != nil {
		d.traceLine("CANCEL "+c.req.Recipient.String(), false)
		d.e.sends.Add(1)
		d.e.cancelInvite(c.req, c.hop, f.headers, d.e.sends.Done)
	}
}
