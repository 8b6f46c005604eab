package engine

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/sip"
)

// Messages outside of calls (SIP MESSAGE, RFC 3428): what comes is routed like
// a call to a script's onMessage, and scripts send by sendMessage.

// MaxMessageRuns is how many onMessage may run at one time; more are answered
// 503.
const MaxMessageRuns = 100

// messages counts what runs.
type messages struct {
	running atomic.Int64
	refused atomic.Int64
}

// letter makes a message look like what routes are matched with.
type letter struct {
	call.Dialog // nil: there is none
	page        sip.Page
}

// Origin implements Incoming.
func (l letter) Origin() sip.Origin { return l.page.Origin }

// RequestURI implements Incoming.
func (l letter) RequestURI() sip.Address { return l.page.Request }

// From implements Incoming.
func (l letter) From() sip.Address { return l.page.From }

// To implements Incoming.
func (l letter) To() sip.Address { return l.page.To }

// Headers implements Incoming.
func (l letter) Headers() sip.Headers { return l.page.Headers }

// Message is the argument of onMessage.
type Message struct {
	From        call.Party  `json:"from"`
	To          call.Party  `json:"to"`
	Text        string      `json:"text"`
	ContentType string      `json:"contentType"`
	Headers     [][2]string `json:"headers"`
	At          time.Time   `json:"at"`
	Trunk       string      `json:"trunk,omitempty"`
	User        string      `json:"user,omitempty"`
}

// Message takes a SIP MESSAGE that belongs to no call and says with which
// status it is answered. It returns before the script has run.
func (e *Engine) Message(p sip.Page) int {
	select {
	case <-e.up:
	case <-e.ctx.Done():
		return 503
	}
	cfg := e.Config()
	d := letter{page: p}
	in := e.parties(cfg, d)
	route, why := cfg.Match(in.Incoming, e.isOpen)
	if direct := e.directScript(d); direct != nil && (route == nil || e.meansScript(d, direct.Script)) {
		route = direct
	}
	switch {
	case route == nil:
		code := e.relay(cfg, p, in, nil)
		if code == 404 {
			e.log.Warn("message refused: "+why, "to", phone.Mask(in.To), "from", phone.Mask(in.From))
		}
		return code
	case route.Script == "":
		return e.relay(cfg, p, in, route)
	case e.messages.running.Add(1) > MaxMessageRuns:
		e.messages.running.Add(-1)
		e.messages.refused.Add(1)
		return 503
	}
	v, err := e.scripts.AcquireActive(route.Script)
	if err != nil || !v.Has("onMessage") {
		e.messages.running.Add(-1)
		if err != nil {
			e.log.Warn("message refused: "+err.Error(), "route", route.Place)
			return 480
		}
		e.scripts.Release(v)
		return e.relay(cfg, p, in, route)
	}
	m := Message{
		From: in.from, To: in.to, Text: strings.ToValidUTF8(string(p.Body), "\uFFFD"), ContentType: p.ContentType, Headers: [][2]string{},
		At: e.clk.Now(), Trunk: in.Trunk, User: in.User,
	}
	for _, h := range p.Headers {
		m.Headers = append(m.Headers, [2]string{h.Name, h.Value})
	}
	e.clk.Busy(1)
	e.wg.Go(func() {
		defer e.clk.Busy(-1)
		defer e.messages.running.Add(-1)
		defer e.scripts.Release(v)
		e.onMessage(v, m, p)
	})
	return 200
}

// onMessage runs the script and sends the text that it returns back to the
// sender.
func (e *Engine) onMessage(v *scripts.Version, m Message, p sip.Page) {
	out, err := e.run(e.ctx, v, "onMessage", "", m, e.Config().Limits.Hook)
	var reply string
	if err != nil || json.Unmarshal(out, &reply) != nil || reply == "" {
		return // run has logged an error; anything but a text is no reply
	}
	e.clk.Busy(-1)
	code, reason, err := e.sip.SendPage(e.ctx, sip.Outgoing{Target: sender(p), From: sip.Address{User: p.Request.User}, Body: []byte(reply)}, textType)
	e.clk.Busy(1)
	if err != nil || code >= 300 {
		e.log.Warn("the reply to a message was not delivered", "script", v.Script, "to", phone.Mask(m.From.Number()), "code", code, "reason", reason, "err", err)
	}
}

const textType = "text/plain;charset=utf-8"

// sender is where a reply goes: the trunk or user that the message came from,
// for anybody else the place its packet did.
func sender(p sip.Page) sip.Target {
	switch p.Origin.Kind {
	case sip.FromTrunk:
		return sip.Target{Trunk: p.Origin.Name, Number: p.From.User}
	case sip.FromUser:
		return sip.Target{User: p.Origin.Name}
	}
	from := p.From
	from.Display, from.Params = "", ""
	return sip.Target{URI: from.URI(), Next: p.Origin.Source, NextTransport: p.Origin.Transport}
}

// pageRequest is what sendMessage asks for.
type pageRequest struct {
	To      string      `json:"to"`
	Text    string      `json:"text"`
	From    string      `json:"from"`
	Trunk   string      `json:"trunk"`
	Headers [][2]string `json:"headers"`
}

// sendPage is sendMessage of a script: to every phone of a user, to a number
// through the first trunk that takes it, to a sip: address that the script may
// dial.
func (e *Engine) sendPage(v *scripts.Version) func(context.Context, json.RawMessage) (any, error) {
	return func(ctx context.Context, args json.RawMessage) (any, error) {
		var o pageRequest
		if err := json.Unmarshal(args, &o); err != nil {
			return nil, fault.New(fault.Invalid, "sendMessage: %w", err)
		}
		r := call.DialRequest{Target: o.To, From: o.From, Trunk: o.Trunk, Script: v.Script, Version: v.ID}
		for _, h := range o.Headers {
			r.Headers = append(r.Headers, sip.Header{Name: h[0], Value: h[1]})
		}
		if err := sip.CheckHeaders(r.Headers); err != nil {
			return nil, err
		}
		places, err := dialer{e}.Resolve(r)
		if err != nil {
			return nil, err
		}
		if _, isUser := e.Config().User(r.Target); isUser {
			places = dialer{e}.phones(r.Target, r)
		}
		return e.pageAll(ctx, places, []byte(o.Text), textType), nil
	}
}

// pageAll sends to all places at one time; one that takes it is enough, and the
// others have it all the same.
func (e *Engine) pageAll(ctx context.Context, places []call.Place, text []byte, kind string) call.SendResult {
	results := make(chan call.SendResult, len(places))
	for _, p := range places {
		e.clk.Busy(1)
		e.wg.Go(func() {
			defer e.clk.Busy(-1)
			ctx, cancel := context.WithTimeout(e.ctx, pageWait)
			defer cancel()
			results <- e.pagePlace(ctx, p, text, kind)
		})
	}
	best := call.SendResult{Status: "failed", Code: 480}
	for range places {
		select {
		case r := <-results:
			switch {
			case r.Status == "delivered":
				return r
			case best.Status == "failed":
				best = r
			}
		case <-ctx.Done():
			return best
		}
	}
	return best
}

// pageWait is how long a phone or trunk may take for the final answer to a text:
// Timer F (RFC 3261 §17.1.2.2).
const pageWait = 32 * time.Second

// pagePlace sends by the first route of a place that answers at all.
func (e *Engine) pagePlace(ctx context.Context, p call.Place, text []byte, kind string) call.SendResult {
	for _, route := range p.Routes {
		o := route.Outgoing
		o.Body = text
		code, _, err := e.sip.SendPage(ctx, o, kind)
		switch {
		case err != nil: // the next trunk
		case code/100 == 2:
			return call.SendResult{Status: "delivered", Code: code}
		default:
			return call.SendResult{Status: "rejected", Code: code}
		}
	}
	return call.SendResult{Status: "failed", Code: 480}
}
