package sip

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	gosip "github.com/emiago/sipgo/sip"
)

// message is what the dialog core sees of a request or response: plain values,
// no sockets and no transactions.
type message struct {
	tx      uint64 // of the transaction, chosen by the driver
	method  string // of the request, or of the request that is answered
	uri     string // Request-URI
	code    int    // of a response
	reason  string
	headers Headers
	body    []byte
	ctype   string // of body when it is a part of what came
	seq     uint32

	callID         string
	from, to       string // name-addr without header parameters
	fromTag, toTag string
	contact        string   // URI of the first Contact, or ""
	recordRoutes   []string // in message order
	auth           []Header // credentials for the retry after a 401 or 407
}

// readMessage copies what the core needs out of a parsed message.
func readMessage(msg gosip.Message) *message {
	m := &message{body: msg.Body(), headers: headersOf(msg)}
	if h := msg.CallID(); h != nil {
		m.callID = h.Value()
	}
	if h := msg.CSeq(); h != nil {
		m.seq, m.method = h.SeqNo, string(h.MethodName)
	}
	if h := msg.From(); h != nil {
		m.fromTag, _ = h.Params.Get("tag")
		m.from = nameAddr(h.DisplayName, &h.Address)
	}
	if h := msg.To(); h != nil {
		m.toTag, _ = h.Params.Get("tag")
		m.to = nameAddr(h.DisplayName, &h.Address)
	}
	for _, f := range msg.GetHeaders("Contact") {
		if a, _, err := parseNameAddr(f.Value()); err == nil {
			m.contact = a.URI()
			break
		}
	}
	for _, f := range msg.GetHeaders("Record-Route") {
		m.recordRoutes = append(m.recordRoutes, f.Value())
	}
	switch v := msg.(type) {
	case *gosip.Request:
		m.method, m.uri = string(v.Method), v.Recipient.String()
	case *gosip.Response:
		m.code, m.reason = v.StatusCode, v.Reason
	}
	if len(m.body) > 0 {
		m.openParts()
	}
	return m
}

func nameAddr(display string, uri *gosip.Uri) string {
	if display == "" {
		return "<" + uri.String() + ">"
	}
	return `"` + display + `" <` + uri.String() + ">" // escapes stand as received
}

func headersOf(msg gosip.Message) Headers {
	var list []gosip.Header
	switch v := msg.(type) {
	case *gosip.Request:
		list = v.Headers()
	case *gosip.Response:
		list = v.Headers()
	}
	out := make(Headers, len(list))
	for i, h := range list {
		if c, ok := h.(*gosip.CSeqHeader); ok { // whose Value formats with reflection
			out[i] = Header{h.Name(), strconv.FormatUint(uint64(c.SeqNo), 10) + " " + string(c.MethodName)}
			continue
		}
		out[i] = Header{h.Name(), h.Value()}
	}
	return out
}

// contentType is the media type without parameters, in lower case.
func (m *message) contentType() string {
	if m.ctype != "" {
		return m.ctype
	}
	t, _, _ := strings.Cut(m.headers.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// status is the status line without the version: "486 Busy Here".
func (m *message) status() string { return strconv.Itoa(m.code) + " " + m.reason }

// line is the message's short form for a timeline.
func (m *message) line() string {
	if m.code > 0 {
		return m.status() + " (" + m.method + ")"
	}
	return m.method + " " + m.uri
}

// draft is a request to be sent.
type draft struct {
	method  string
	uri     string
	from    string // with tag
	to      string // with tag, if there is one
	callID  string
	seq     uint32
	routes  []string
	headers []Header
	body    []byte
	ctype   string
	forward int // Outgoing.MaxForwards
}

// build writes the request and lets the parser of sipgo read it. via and
// contact depend on where it goes.
func (d *draft) build(via, contact, agent string) (*gosip.Request, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: %s\r\n", d.method, d.uri, via)
	for _, r := range d.routes {
		b.WriteString("Route: " + r + "\r\n")
	}
	fmt.Fprintf(&b, "Max-Forwards: %d\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n",
		max(cmp.Or(d.forward, DefaultMaxForwards), 0), d.from, d.to, d.callID, d.seq, d.method)
	if contact != "" {
		b.WriteString("Contact: " + contact + "\r\n")
	}
	b.WriteString("User-Agent: " + agent + "\r\n")
	for _, h := range d.headers {
		b.WriteString(h.Name + ": " + h.Value + "\r\n")
	}
	if d.ctype != "" && len(d.body) > 0 {
		b.WriteString("Content-Type: " + d.ctype + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(d.body))
	b.Write(d.body)
	msg, err := gosip.ParseMessage([]byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("sip: build %s: %w", d.method, err)
	}
	req, ok := msg.(*gosip.Request)
	if !ok {
		return nil, fmt.Errorf("sip: build %s: no request", d.method)
	}
	return req, nil
}

func withTag(nameAddr, tag string) string {
	if tag == "" {
		return nameAddr
	}
	return nameAddr + ";tag=" + tag
}

// newResponse builds a response to a received request, with our tag.
func newResponse(req *gosip.Request, code int, reason string) *gosip.Response {
	return gosip.NewResponseFromRequest(req, code, reason, nil)
}

// respond answers a request that belongs to no dialog.
func (e *Endpoint) respond(tx *gosip.ServerTx, req *gosip.Request, code int, reason string, h ...Header) {
	res := newResponse(req, code, reason)
	res.AppendHeader(gosip.NewHeader("Server", e.agent()))
	for _, f := range h {
		res.AppendHeader(gosip.NewHeader(f.Name, f.Value))
	}
	e.answer(tx, res)
}

// answer sends a response and repairs what sipgo does with one that comes after
// CANCEL: it would retransmit it in place of its own 487.
func (e *Endpoint) answer(tx *gosip.ServerTx, res *gosip.Response) (cancelled bool) {
	switch err := tx.Respond(res); {
	case err == nil, errors.Is(err, gosip.ErrTransactionTerminated):
	case errors.Is(err, gosip.ErrTransactionCanceled):
		_ = tx.Respond(newResponse(tx.Origin(), 487, "Request Terminated")) // only stored
		return true
	default: // it does not fit into a message
		e.count.writeErrors.Add(1)
		tx.Terminate() // one that has accepted a 2xx which it could not write sets no timer to end by
	}
	return false
}
