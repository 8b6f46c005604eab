package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
)

// send runs a non-INVITE client transaction to the first hop that answers. A
// 401 or 407 is answered with auth, when that is not nil. It may be called
// from any goroutine but a dialog's and blocks until a final response, an
// error or the end of ctx. req is a template: Via, and with credentials CSeq,
// are ours.
func (e *Endpoint) send(ctx context.Context, req *gosip.Request, hops []hop, auth *digest.Client) (*gosip.Response, error) {
	err := error(fault.New(fault.Network, "sip: %s: there is no address to send to", req.Method))
	for _, h := range hops {
		var res *gosip.Response
		res, err = e.sendTo(ctx, req, h, auth)
		if ctx.Err() != nil || err == nil && res.StatusCode != 503 {
			return res, err
		}
		if err == nil && h == hops[len(hops)-1] {
			return res, nil
		}
	}
	return nil, err
}

// sendTo tries one hop, with credentials as long as the server asks for them.
func (e *Endpoint) sendTo(ctx context.Context, template *gosip.Request, h hop, auth *digest.Client) (*gosip.Response, error) {
	var x *digest.Exchange
	var fields []Header
	if auth != nil {
		x = auth.Begin(digest.Request{Method: string(template.Method), URI: template.Recipient.String(), Body: template.Body()})
		fields = fieldsOf(x.Fields())
	}
	seq := template.CSeq().SeqNo
	for {
		req := template.Clone()
		e.rebranch(req, h)
		req.CSeq().SeqNo = seq
		for _, f := range fields {
			req.AppendHeader(gosip.NewHeader(f.Name, f.Value))
		}
		if err := e.aim(req, h); err != nil {
			return nil, err
		}
		res, err := e.exchange(ctx, req, h)
		if err != nil || x == nil || res.StatusCode != 401 && res.StatusCode != 407 {
			return res, err
		}
		var challenges []digest.Field
		for _, f := range headersOf(res) {
			challenges = append(challenges, digest.Field{Name: f.Name, Value: f.Value})
		}
		answer, err := x.Challenged(challenges)
		if err != nil {
			return res, nil //nolint:nilerr // the 401 is the answer then
		}
		fields = fieldsOf(answer)
		seq++
		template.CSeq().SeqNo = seq // the caller counts on from here
	}
}

// rebranch gives a request the Via of a hop.
func (e *Endpoint) rebranch(req *gosip.Request, h hop) {
	req.RemoveHeader("Via")
	host, port := e.sentBy(h)
	via := &gosip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(h.transport),
		Host: host, Port: int(port), Params: gosip.HeaderParams{},
	}
	via.Params.Add("rport", "")
	via.Params.Add("branch", "z9hG4bK"+token(10))
	req.PrependHeader(via)
}

// exchange waits for the final response to one request.
func (e *Endpoint) exchange(ctx context.Context, req *gosip.Request, h hop) (*gosip.Response, error) {
	tx, err := e.begin(ctx, req, h, nil)
	if err != nil {
		return nil, fault.New(fault.Network, "sip: %s to %s: %w", req.Method, h.addr, err)
	}
	return e.await(ctx, tx, h)
}

// errEnded is a connection that its peer has ended in place of an answer.
var errEnded = errors.New("the connection has ended")

// await reads a client transaction to its final response.
func (e *Endpoint) await(ctx context.Context, tx *gosip.ClientTx, h hop) (*gosip.Response, error) {
	flow := e.watchFlow(h)
	defer flow.stop()
	for {
		select {
		case res := <-tx.Responses():
			flow.heard()
			if res.StatusCode >= 200 {
				return res, nil
			}
		case <-flow.gone:
			flow.wait()
		case <-flow.lost:
			tx.Terminate()
			return nil, fault.New(fault.Network, "sip: %s to %s: %w", tx.Origin().Method, h.addr, errEnded)
		case <-tx.Done():
			return nil, fault.New(fault.Network, "sip: %s to %s: %w", tx.Origin().Method, h.addr, tx.Err())
		case <-ctx.Done():
			tx.Terminate()
			return nil, ctx.Err()
		}
	}
}

// write sends a message without a transaction: an ACK.
func (e *Endpoint) write(req *gosip.Request, h hop) error {
	if h.stream() {
		if err := e.hub.connect(e.ctx, h); err != nil {
			return err
		}
	}
	e.gate.RLock()
	defer e.gate.RUnlock()
	if e.ending {
		return net.ErrClosed
	}
	if err := e.tp.WriteMsg(req); err != nil {
		e.count.writeErrors.Add(1)
		return err
	}
	return nil
}

// cancelOf builds the CANCEL of an INVITE (RFC 3261 §9.1).
func cancelOf(invite *gosip.Request, headers []Header, agent string) (*gosip.Request, error) {
	dr := draft{
		method: "CANCEL", uri: invite.Recipient.String(), from: invite.From().Value(), to: invite.To().Value(),
		callID: invite.CallID().Value(), seq: invite.CSeq().SeqNo, headers: headers,
	}
	for _, r := range invite.GetHeaders("Route") {
		dr.routes = append(dr.routes, r.Value())
	}
	return dr.build(invite.Via().Value(), "", agent)
}

// repeat sends an ACK again. Several answers may come at one time.
func (e *Endpoint) repeat(ack ackSent) {
	_ = e.write(ack.req.Clone(), ack.to) // counted there
}

// cancelInvite cancels an INVITE on its own way: same branch, same hop (RFC 3261
// §9.1). One that is cancelled already is not cancelled again. begun is called
// when the CANCEL is out, or will never be.
func (e *Endpoint) cancelInvite(invite *gosip.Request, h hop, headers []Header, begun func()) {
	req, err := cancelOf(invite, headers, e.agent())
	if err == nil {
		err = e.aim(req, h)
	}
	if err != nil {
		begun()
		return
	}
	e.wg.Go(func() {
		tx, err := e.begin(e.ctx, req, h, nil)
		begun()
		if err == nil {
			_, _ = e.await(e.ctx, tx, h) // the INVITE's own answer matters
		}
	})
}

// onStrayResponse gets responses without a transaction: hops that were given up
// are refused, final ones to an INVITE that are repeated after its end are
// acknowledged, all else is ignored.
func (e *Endpoint) onStrayResponse(res *gosip.Response) {
	if res.CSeq() == nil || res.CSeq().MethodName != gosip.INVITE || e.silentHops.heard(e, res) || res.StatusCode < 200 {
		return
	}
	if res.StatusCode > 299 {
		e.refusals.again(e, res)
		return
	}
	e.count.lateAnswers.Add(1)
	m := readMessage(res)
	if d := e.dialogs.find(m.callID, m.fromTag); d != nil {
		d.ackAgain(ackKey{m.toTag, m.seq})
	}
}

func parseAddrPort(s string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return a, err
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}
