package sip

import gosip "github.com/emiago/sipgo/sip"

// newResponse builds a response to a received request, with our tag.
func newResponse(req *gosip.Request, code int, reason string) *gosip.Response {
	return gosip.NewResponseFromRequest(req, code, reason, nil)
}

// respond answers a request that belongs to no dialog.
func (e *Endpoint) respond(tx *gosip.ServerTx, req *gosip.Request, code int, reason string, h ...Header) {
	res := newResponse(req, code, reason)
	for _, f := range h {
		res.AppendHeader(gosip.NewHeader(f.Name, f.Value))
	}
	if tx.Respond(res) != nil {
		e.count.writeErrors.Add(1)
	}
}
