package testrun

import (
	"encoding/json"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// sends is a text that a party sends within the talk.
func (h *host) sends(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("sends", args)
	if err != nil {
		return err
	}
	ph, err := p.up("sends")
	if err != nil {
		return err
	}
	ph.message(a.Text)
	h.last(func() { done(nil, nil) })
	return nil
}

// refers is a transfer that a party asks for, as phones do by their transfer
// key; it resolves with how that ended.
func (h *host) refers(args json.RawMessage, done func(any, error)) error {
	a, p, err := h.of("refers", args)
	if err != nil {
		return err
	}
	ph, err := p.up("refers")
	if err != nil {
		return err
	}
	if a.Text == "" {
		return fault.New(fault.Invalid, "refers: to whom?").WithHint(`write refers("101")`)
	}
	ph.transfer(a.Text, h.settled(func(_ any, err error) { done(map[string]int{"code": p.referred}, err) }))
	return nil
}

// message is a SIP MESSAGE from outside of calls.
func (h *host) message(args json.RawMessage, done func(any, error)) error {
	a, err := read[struct {
		inboundArgs
		Text        string `json:"text"`
		ContentType string `json:"contentType"`
	}]("message", args)
	if err != nil {
		return err
	}
	in, err := h.inviteOf(a.inboundArgs)
	if err != nil {
		return err
	}
	page := sip.Page{Origin: in.origin, Request: in.to, From: in.from, To: in.to, ContentType: a.ContentType, Body: []byte(a.Text), Headers: in.headers}
	if page.ContentType == "" {
		page.ContentType = "text/plain"
	}
	// The script runs on the clock: not under the lock.
	h.clk.AfterFunc(0, func() {
		code := h.engine.Message(page)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.last(func() { done(map[string]int{"code": code}, nil) })
	})
	return nil
}
