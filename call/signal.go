package call

import (
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/sip"
)

// Ring sends 180 to the caller. It does nothing once audio flows.
func (l *Leg) Ring(v Verb) {
	switch {
	case !l.alive():
		v.fail(errHangup())
		return
	case !l.outbound && l.state < legRinging:
		if err := l.dialog.Provisional(180, "", nil); err != nil {
			v.fail(err)
			return
		}
		l.state = legRinging
		l.note("state", "ringing", v.At)
	}
	v.ok(nil)
}

// Progress opens early media with 183 (RFC 3960).
func (l *Leg) Progress(v Verb) {
	if err := l.early(v.At); err != nil {
		v.fail(err)
		return
	}
	v.ok(nil)
}

// early makes sure that the party can be heard and hears, answered or not.
func (l *Leg) early(at string) error {
	switch {
	case !l.alive():
		return errHangup()
	case l.outbound && l.state < legEarly:
		return fault.New(fault.Conflict, "the other party has not answered yet")
	case l.state >= legEarly:
		return nil
	}
	body, err := l.describe()
	if err != nil {
		return err
	}
	if err := l.dialog.Provisional(183, "", body); err != nil {
		return err
	}
	l.state = legEarly
	l.note("state", "early media", at)
	if !l.lateOffer {
		l.begin()
	}
	return nil
}

// describe is our session description: the answer to the INVITE's offer, or
// our offer when it had none. 183 and 200 carry the same one.
func (l *Leg) describe() ([]byte, error) {
	if l.described != nil {
		return l.described, nil
	}
	offer := l.dialog.Offer()
	if len(offer) == 0 {
		l.lateOffer = true
		l.described = l.session.Offer()
		return l.described, nil
	}
	body, err := l.session.Answer(offer)
	if err == nil {
		l.described = body
		l.encryption()
	}
	return body, err
}

// Answer accepts the call with these headers in the 200. It resolves when the
// caller has acknowledged it.
func (l *Leg) Answer(v Verb, h ...sip.Header) {
	switch {
	case !l.alive():
		v.fail(errHangup())
		return
	case l.outbound || l.state == legUp && len(l.answering) == 0:
		v.ok(nil)
		return
	case l.state == legUp:
		l.answering = append(l.answering, v)
		return
	}
	if err := l.accept(h); err != nil {
		v.fail(err)
		return
	}
	l.answering = append(l.answering, v)
}

func (l *Leg) accept(h []sip.Header) error {
	body, err := l.describe()
	if err != nil {
		return err
	}
	if err := l.dialog.Accept(body, h...); err != nil {
		return err
	}
	if l.lateOffer {
		l.state, l.answeredAt = legUp, l.call.clk.Now()
		l.note("state", "answered", "")
		l.call.shareDialogs()
		l.call.mainUp()
		return nil
	}
	l.up(l.call.clk.Now())
	return nil
}

// audible runs next once the leg can hear: answered when the verb needs it,
// else in early media.
func (l *Leg) audible(answer bool, v Verb, next func()) {
	switch {
	case !l.alive():
		v.fail(errHangup())
	case l.state == legUp:
		next()
	case answer && !l.outbound:
		l.Answer(Verb{At: v.At, Reply: func(_ any, err error) {
			if err != nil {
				v.fail(err)
				return
			}
			next()
		}})
	default:
		if err := l.early(v.At); err != nil {
			v.fail(err)
			return
		}
		next()
	}
}

// Reject refuses an unanswered inbound call.
func (l *Leg) Reject(code int, reason string, v Verb, h ...sip.Header) {
	switch {
	case code < 300 || code > 699:
		v.fail(fault.New(fault.Invalid, "reject: code %d", code).WithHint("use a SIP status from 400 to 699, e.g. 486 or 603"))
	case !l.alive():
		v.fail(errHangup())
	case l.outbound || l.state == legUp:
		v.fail(fault.New(fault.Conflict, "reject: the call is answered").WithHint("use call.hangup()"))
	default:
		l.code, l.reason = code, reason
		if err := l.dialog.Reject(code, reason, h...); err != nil {
			v.fail(err)
			return
		}
		l.leaving = true
		l.note("state", "rejected "+itoa(code), v.At)
		v.ok(nil)
	}
}

// Redirect sends the caller elsewhere with 302.
func (l *Leg) Redirect(uri string, v Verb) {
	if a, err := sip.ParseAddress(uri); err != nil || a.Host == "" {
		v.fail(fault.New(fault.Invalid, "redirect: %q is no SIP URI", uri).WithHint("write sip:user@host"))
		return
	}
	if !l.alive() || l.outbound || l.state == legUp {
		v.fail(fault.New(fault.Conflict, "redirect: the call is answered or over"))
		return
	}
	if err := l.dialog.Reject(302, "", sip.Header{Name: "Contact", Value: "<" + uri + ">"}); err != nil {
		v.fail(err)
		return
	}
	l.code, l.leaving = 302, true
	l.note("state", "redirected to "+uri, v.At)
	v.ok(nil)
}

// HangupOptions say how a leg is ended. A caller who was not answered gets Code
// (480 when 0) and Reason as status; in a talk they go into the Reason header
// of the BYE (RFC 3326).
type HangupOptions struct {
	Code    int
	Reason  string
	Headers []sip.Header
}

func (o HangupOptions) bye() []sip.Header {
	if o.Code == 0 && o.Reason == "" {
		return o.Headers
	}
	value := "SIP;cause=" + itoa(max(o.Code, 200))
	if text := strings.Map(quotable, o.Reason); text != "" {
		value += `;text="` + text + `"`
	}
	return append(slices.Clone(o.Headers), sip.Header{Name: "Reason", Value: value})
}

// quotable drops what would end a quoted string.
func quotable(r rune) rune {
	if r == '"' || r == '\\' || r < ' ' {
		return -1
	}
	return r
}

// Hangup ends the leg; for the first leg the whole call.
func (l *Leg) Hangup(o HangupOptions, v Verb) {
	c := l.call
	switch {
	case l != c.main:
		l.hangup(o.bye()...)
	case c.ending:
		v.fail(errHangup())
		return
	default:
		if c.endedBy == "" {
			c.endedBy = "script"
		}
		l.note("state", "hang-up by the script", v.At)
		if err := l.part(o); err != nil {
			v.fail(err)
			return
		}
	}
	v.ok(nil)
}

// part refuses a caller who was not answered and leaves any other.
func (l *Leg) part(o HangupOptions) error {
	if l.outbound || l.state == legUp || l.dialog == nil {
		l.hangup(o.bye()...)
		return nil
	}
	if o.Code == 0 {
		o.Code = 480
	}
	l.code, l.leaving = o.Code, true
	return l.dialog.Reject(o.Code, o.Reason, o.Headers...)
}

// Hold puts the party on hold (RFC 3264 §8.4) and plays music to it, if any.
func (l *Leg) Hold(on bool, music []Part, v Verb) {
	switch {
	case !l.alive() || l.state != legUp:
		v.fail(errHangup())
		return
	case l.holding == on:
		v.ok(nil)
		return
	}
	dir := sdp.SendRecv
	if on {
		dir = sdp.SendOnly
	}
	if err := l.dialog.Reoffer(l.session.Reoffer(dir)); err != nil {
		v.fail(err)
		return
	}
	l.reoffer = append(l.reoffer, func(code int, _ []byte) { l.heldBy(on, music, code, v) })
}

func (l *Leg) heldBy(on bool, music []Part, code int, v Verb) {
	if code/100 != 2 {
		v.fail(fault.New(fault.Network, "hold: the other side answered %d", code))
		return
	}
	l.holding = on
	l.note("state", map[bool]string{true: "on hold", false: "off hold"}[on], v.At)
	if on && len(music) > 0 {
		l.speak(music, PromptOptions{Loop: true}, v.At, func(_ PromptResult, err error) { l.unheard("music of hold", v.At, err) })
	}
	if !on {
		l.interrupt()
		l.session.StopPlay()
	}
	v.ok(nil)
}

// Mute silences what the party says, for bridge and recording.
func (l *Leg) Mute(on bool, v Verb) {
	if !l.alive() {
		v.fail(errHangup())
		return
	}
	l.session.Mute(on)
	l.note("state", map[bool]string{true: "muted", false: "unmuted"}[on], v.At)
	v.ok(nil)
}

// TransferResult is what transfer resolves with.
type TransferResult struct {
	Status string `json:"status"` // completed, busy, no_answer, rejected, failed
	Code   int    `json:"code"`
}

// TransferOptions are the options of transfer.
type TransferOptions struct {
	Timeout time.Duration // until the outcome is known; 0 for the default
	Headers []sip.Header  // of the REFER
	Consult *Leg          // attended: whom the party is to talk with from now on
}

// Transfer sends the party to another place by REFER (RFC 3515). A failed
// transfer returns the party to the script.
func (l *Leg) Transfer(target string, o TransferOptions, v Verb) {
	uri, err := l.referral(target, o.Consult)
	switch {
	case err != nil:
		v.fail(err)
	case !l.alive() || l.state != legUp:
		v.fail(errHangup())
	case l.transfer != nil:
		v.fail(fault.New(fault.Conflict, "a transfer is under way already"))
	default:
		if err := l.dialog.Refer(uri, o.Headers...); err != nil {
			v.fail(err)
			return
		}
		l.transfer, l.referTo, l.consult, l.taken = &v, uri, o.Consult, false
		l.note("state", "transfer to "+target, v.At)
		if o.Timeout <= 0 {
			o.Timeout = transferTimeout
		}
		l.call.after(o.Timeout, func() {
			if l.transfer == &v {
				l.transferred(408)
			}
		})
	}
}

const transferTimeout = 60 * time.Second

// referral is the value of Refer-To: in an attended transfer it names the talk
// with the consulted party, which the new one takes the place of.
func (l *Leg) referral(target string, consult *Leg) (string, error) {
	if consult == nil {
		return l.call.deps.Dialer.Referral(DialRequest{Target: target, Script: l.call.spec.Script, Version: l.call.spec.Version}, l.trunk(), l.Party().Host)
	}
	if consult == l || consult.state != legUp || consult.dialog == nil {
		return "", fault.New(fault.Conflict, "transfer: the attended call is not answered").WithHint("dial it first: const { call: other } = await dial(…)")
	}
	uri := consult.dialog.Replacement()
	if uri == "" {
		return "", fault.New(fault.Conflict, "transfer: the attended call cannot be reached by others").WithHint("use call.bridge(other)")
	}
	if own, part, ok := strings.Cut(uri, "?"); ok && strings.HasPrefix(target, "sip") && target != own {
		uri = target + "?" + part
	}
	return uri, nil
}

// trunk is the trunk that the leg talks through, "" for a phone.
func (l *Leg) trunk() string {
	if l == l.call.main && !l.outbound {
		return l.call.spec.Trunk
	}
	return l.route.Trunk
}

// referred takes the progress of a transfer.
func (l *Leg) referred(ev sip.Event) {
	l.note("state", "transfer: "+itoa(ev.Code)+" "+ev.Reason, "")
	progress := map[string]any{"call": l.name, "to": l.referTo, "code": ev.Code}
	if ev.Code >= 200 {
		progress["status"] = transferStatus(ev.Code)
	}
	l.taken = l.taken || ev.Code < 300
	l.call.notify("transfer", progress)
	if ev.Code >= 200 && l.transfer != nil {
		l.transferred(ev.Code)
	}
}

func (l *Leg) transferred(code int) {
	v := *l.transfer
	l.transfer = nil
	v.ok(TransferResult{Status: transferStatus(code), Code: code})
	if code/100 == 2 {
		l.call.facts.talked = true
		l.hangup()
		if l.consult != nil {
			l.consult.hangup()
		}
	}
	l.consult = nil
}

// transferStatus is the end of a transfer in the words of its result.
func transferStatus(code int) string {
	if code/100 == 2 {
		return "completed"
	}
	switch o := Unanswered(code, "", true); o {
	case Busy, NoAnswer, Rejected:
		return string(o)
	}
	return "failed"
}
