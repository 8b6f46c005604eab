package sip

import (
	"context"
	"runtime/debug"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
)

// Messages outside of calls (RFC 3428 page mode).

// Page is a MESSAGE that belongs to no call.
type Page struct {
	Origin      Origin
	Request     Address // Request-URI
	From, To    Address
	ContentType string
	Body        []byte
	Headers     Headers
}

// onPage admits a MESSAGE by the rules of INVITE and gives it to the owner of
// the endpoint, whose word is the answer.
func (e *Endpoint) onPage(req *gosip.Request, tx *gosip.ServerTx) {
	m := readMessage(req)
	origin, ok := e.admitted(req, tx)
	if !ok {
		return
	}
	code, h := refusePage(m)
	switch {
	case code != 0:
	case e.draining.Load():
		e.count.drained.Add(1)
		code, h = 503, []Header{retryAfter(retryAfterSeconds)}
	case e.deps.Message == nil:
		code = 404
	default:
		code, h = e.page(m, origin)
	}
	e.respond(tx, req, code, statusText(code), h...)
}

// page hands a message over; a panic there is not ours.
func (e *Endpoint) page(m *message, o Origin) (code int, h []Header) {
	defer func() {
		if r := recover(); r != nil {
			e.panicked(r, debug.Stack())
			code = 500
		}
	}()
	p := Page{Origin: o, ContentType: m.pageType(), Body: m.body, Headers: m.headers}
	p.Request, _ = parseURI(m.uri)
	p.From, _, _ = parseNameAddr(m.from)
	p.To, _, _ = parseNameAddr(m.to)
	if code = e.deps.Message(p); code == 503 {
		h = []Header{retryAfter(retryAfterSeconds)}
	}
	return code, h
}

// SendPage sends a MESSAGE outside of calls and waits for its final answer. An
// unknown trunk or unregistered user is fault.NotFound; that nothing answers is
// fault.Network.
func (e *Endpoint) SendPage(ctx context.Context, o Outgoing, contentType string) (code int, reason string, err error) {
	if err := CheckHeaders(append([]Header{{"Content-Type", contentType}}, o.Headers...)); err != nil {
		return 0, "", err
	}
	if err := o.check(); err != nil {
		return 0, "", err
	}
	if len(o.Body) > MaxPageMessage {
		return 0, "", fault.New(fault.Limit, "sip: a message of %d bytes, at most %d are allowed", len(o.Body), MaxPageMessage)
	}
	p, err := e.planFor(o)
	if err != nil {
		return 0, "", err
	}
	hops := p.hops
	if len(hops) == 0 {
		if hops, err = e.resolve(ctx, p.next); err != nil {
			return 0, "", fault.New(fault.Network, "sip: message to %s: %w", p.next.Host, err)
		}
	}
	if p.from.Host == "" {
		p.from.Host = e.ownHost(p)
	}
	dr := draft{
		method: "MESSAGE", uri: p.request.URI(), routes: p.route, callID: token(16), seq: 1, from: withTag(p.from.String(), token(8)),
		to: p.to.String(), headers: append(p.headers, o.Headers...), body: o.Body, ctype: contentType, forward: o.MaxForwards,
	}
	req, err := e.address(dr, hops[0], "")
	if err != nil {
		return 0, "", err
	}
	res, err := e.send(ctx, req, hops, p.auth)
	if err != nil {
		return 0, "", err
	}
	return res.StatusCode, res.Reason, nil
}
