package sip

import gosip "github.com/emiago/sipgo/sip"

// maxRefusals is how many refused INVITEs of ours are acknowledged again at one
// time, half a minute each.
const maxRefusals = 8192

// refusals has the ACKs of our INVITEs that were refused over UDP, for answers
// that come again. The transactions of sipgo would wait 4 s before each ACK and
// hold a goroutine for every repetition until then: a peer whose network loses an
// ACK hears too late, and one that keeps repeating fills our memory.
type refusals struct{ aftermath[ackSent] }

// take ends the transaction of an INVITE whose refusal sipgo has acknowledged,
// and keeps the ACK. Where there is no room the transaction stays as it is.
func (r *refusals) take(e *Endpoint, tx *gosip.ClientTx, res *gosip.Response, h hop) {
	if !tx.Origin().IsInvite() || res.StatusCode < 300 || h.stream() {
		return
	}
	ack, err := ackOfRefusal(tx.Origin(), res, e.agent())
	if err != nil || e.aim(ack, h) != nil {
		return
	}
	if r.keep(branchOf(ack), ackSent{ack, h}) {
		tx.Terminate()
	}
}

func (r *refusals) keep(branch string, ack ackSent) bool {
	return r.remember(branch, ack, maxRefusals)
}

// again acknowledges a refusal that has come again.
func (r *refusals) again(e *Endpoint, res *gosip.Response) {
	if ack, ok := r.of(res); ok {
		e.repeat(ack)
	}
}

// ackOfRefusal is the ACK of a final answer other than 2xx: the INVITE's, but for
// To (RFC 3261 §17.1.1.3).
func ackOfRefusal(invite *gosip.Request, res *gosip.Response, agent string) (*gosip.Request, error) {
	dr := draft{
		method: "ACK", uri: invite.Recipient.String(), from: invite.From().Value(), to: invite.To().Value(),
		callID: invite.CallID().Value(), seq: invite.CSeq().SeqNo,
	}
	if to := res.To(); to != nil {
		dr.to = to.Value()
	}
	for _, r := range invite.GetHeaders("Route") {
		dr.routes = append(dr.routes, r.Value())
	}
	return dr.build(invite.Via().Value(), "", agent)
}
