package call

import (
	"errors"

	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

// reasonDowngrade is the end of a leg that was to be encrypted and would not be.
const reasonDowngrade = "refusing downgrade"

// mediaReason is why an exchange of session descriptions has failed.
func mediaReason(err error) string {
	if errors.Is(err, sdp.ErrUnsecured) {
		return reasonDowngrade
	}
	return "media"
}

// unfit ends a leg whose other side has answered with media that cannot be
// taken. Nothing has been sent to it.
func (l *Leg) unfit(err error) {
	l.note("media", "answer refused: "+err.Error(), "")
	l.code, l.reason = 488, mediaReason(err)
	if l == l.call.main && l.reason == reasonDowngrade {
		l.call.endedBy, l.call.outcome = "system", Failed
	}
	l.hangup(sip.Header{Name: "Reason", Value: `SIP;cause=488;text="` + l.reason + `"`})
}

// peerNamed is what became of a host name in the other side's description. Where
// nothing can be sent, the leg ends: a call in which one side is not heard is worse
// than one that fails.
func (l *Leg) peerNamed(ev media.Event) {
	if ev.Err == nil {
		l.note("media", "the other side's "+ev.Reason, "")
		return
	}
	l.call.deps.Log.Warn("the address in a session description cannot be used", "call", l.call.ID(), "leg", l.name, "err", ev.Err)
	if ev.Completed {
		l.note("media", ev.Err.Error()+"; sent to where its signalling comes from: "+ev.Reason, "")
		return
	}
	if !l.outbound && l.state < legUp {
		l.call.refuse(l, 488, ev.Err)
		return
	}
	l.note("media", ev.Err.Error(), "")
	if l.reason = "media"; l == l.call.main {
		l.call.endedBy, l.call.outcome = "system", Failed
	}
	l.hangup(sip.Header{Name: "Reason", Value: `SIP;cause=488;text="no address for audio"`})
}

// encryption notes whether the leg is encrypted when that has changed, and that
// somebody to whom we have offered it does without.
func (l *Leg) encryption() {
	now := l.session.Negotiated().Suite
	switch {
	case now == l.suite && (now != "" || l.policy == srtp.Off || !l.outbound || l.bareTold):
		return
	case now != "":
		l.note("media", "encrypted with SRTP, "+now, "")
	case l.suite != "":
		l.note("media", "not encrypted any more: the other side has dropped SRTP", "")
	default:
		l.note("media", "not encrypted: the other side does without SRTP", "")
	}
	l.suite, l.bareTold = now, now == ""
	if l == l.call.main {
		l.call.suite = now
	}
}

// insist dials once more with nothing but SRTP after 488 to an offer that had
// keys beside plain RTP (RFC 8643): phones that encrypt always take no other
// transport than RTP/SAVP.
func (l *Leg) insist(ev sip.Event) bool {
	if ev.Code != 488 && ev.Code != 606 || l.policy != srtp.Optional || l.state >= legRinging || l.reason != "" {
		return false
	}
	again := l.route
	again.Media.SRTP = srtp.Required
	l.note("state", itoa(ev.Code)+" "+ev.Reason+", once more with SRTP only", "")
	l.place.Routes = append([]Route{again}, l.place.Routes...)
	return l.again()
}
