package call

import (
	"cmp"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// consentWait is how long a script may take to say yes or no to a transfer.
const consentWait = 8 * time.Second

// Transfers reads what parties ask for by REFER (RFC 3515).
type Transfers interface {
	// Destination reads the value of Refer-To: whom to dial, in the words of
	// connect, and the ID of the dialog of ours that it names by Replaces.
	Destination(referTo string) (target, dialog string, err error)
	// Permit tells whether the user may transfer on a call that has no script;
	// attended: whom it has already called.
	Permit(user, target string, attended bool) error
	// Patch is the way into the place of the dialog of ours of that ID, for who
	// calls itself as. The place has no name while whom it calls has not answered.
	Patch(dialog, as string) (Place, error)
}

// handing is a transfer that the party of a leg has asked for.
type handing struct {
	id       uint64
	leg      *Leg
	target   string
	dialog   string // to replace, when the party has talked to the target before
	consents bool   // was agreed to
	wait     *timer
}

// asked takes a REFER of the leg's party: the script decides, or on a call that
// has none, what the configuration allows the user.
func (l *Leg) asked(ev sip.Event) {
	refuse := func(code int, why string) {
		l.note("state", "transfer to "+ev.Line+" refused: "+why, "")
		_ = l.dialog.Consent(ev.ID, code)
	}
	c := l.call
	if c.deps.Transfers == nil || l.state != legUp || l.handing != nil || c.ending || l.supervises != nil {
		refuse(603, "not now")
		return
	}
	target, dialog, err := c.deps.Transfers.Destination(ev.Line)
	if err != nil {
		refuse(transferRefusal(err), err.Error())
		return
	}
	h := &handing{id: ev.ID, leg: l, target: target, dialog: dialog}
	switch {
	case c.script != nil && !c.done:
		l.handing = h
		h.wait = c.after(consentWait, func() { h.refuse(603, "the script did not answer") })
		l.note("state", "asks for a transfer to "+target, "")
		c.notify("transfer", map[string]any{
			"call": l.handle(), "request": l.name, "to": target, "attended": dialog != "", "by": l.Party(), "referredBy": ev.Headers.Get("Referred-By"),
		})
	case c.scripted:
		refuse(603, "the script has ended")
	default:
		if err := c.deps.Transfers.Permit(l.user(), target, dialog != ""); err != nil {
			refuse(transferRefusal(err), err.Error())
			return
		}
		l.handing = h
		h.accept("")
	}
}

// user is the registered user at the leg, "" for anybody else.
func (l *Leg) user() string {
	if l == l.call.main && !l.moved && !l.outbound {
		return l.call.spec.User
	}
	return cmp.Or(l.route.Outgoing.Target.User, l.place.Name)
}

func transferRefusal(err error) int {
	switch fault.CodeOf(err) {
	case fault.Denied:
		return 403
	case fault.NotFound:
		return 404
	case fault.Invalid:
		return 400
	}
	return 603
}

// Decide is the script's answer to the transfer that a leg's party asked for:
// allow it, to another target when one is given, or refuse it with a code.
func (l *Leg) Decide(allow bool, target string, code int, v Verb) {
	h := l.handing
	switch {
	case h == nil || h.consents:
	case allow:
		h.accept(target)
	default:
		h.refuse(code, "by the script")
	}
	v.ok(nil)
}

func (h *handing) refuse(code int, why string) {
	if h.leg.handing != h || h.consents {
		return
	}
	h.wait.stop()
	h.leg.handing = nil
	h.leg.note("state", "transfer to "+h.target+" refused: "+why, "")
	_ = h.leg.dialog.Consent(h.id, code)
}

// accept dials the target and gives it the leg when it answers.
func (h *handing) accept(target string) {
	l := h.leg
	h.wait.stop()
	if target != "" && target != h.target {
		h.target, h.dialog = target, ""
	}
	h.consents = true
	places, err := h.places()
	if err != nil {
		h.consents = false
		h.refuse(transferRefusal(err), err.Error())
		return
	}
	_ = l.dialog.Consent(h.id, 202)
	l.note("state", "transferred to "+h.target, "")
	h.dial(places)
}

// dial rings who is to come.
func (h *handing) dial(places []Place) {
	l, c := h.leg, h.leg.call
	c.made32++
	c.dialPlaces(1<<31|c.made32, places, h.request(), Verb{Reply: h.dialled}, func() {
		_ = l.dialog.Progress(h.id, 180, "")
	})
}

func (h *handing) request() DialRequest {
	r := h.leg.call.spec.Dial(h.target)
	if r.Timeout = fallbackRing; !h.leg.call.scripted {
		r.User = h.leg.user()
	}
	return r
}

func (h *handing) places() ([]Place, error) {
	c := h.leg.call
	if h.dialog != "" {
		p, err := c.deps.Transfers.Patch(h.dialog, c.With(h.leg.dialog.ID()))
		p.Name = cmp.Or(p.Name, h.target)
		return []Place{p}, err
	}
	return c.deps.Dialer.Resolve(h.request())
}

// dialled is the end of the transfer: somebody else is there, or the party
// stays, unless it has left already.
func (h *handing) dialled(value any, err error) {
	l := h.leg
	r, _ := value.(DialResult)
	if err != nil {
		r = DialResult{Status: "failed", Code: 503}
	}
	if l.handing != h || r.Leg == nil && h.missed(r.Code) {
		return
	}
	l.handing = nil
	l.note("state", "transfer to "+h.target+": "+r.Status+" "+itoa(r.Code), "")
	switch {
	case r.Leg == nil && l.parted != nil:
		ev := *l.parted
		l.parted = nil
		l.ended(ev)
	case r.Leg == nil:
		_ = l.dialog.Progress(h.id, max(r.Code, 300), "")
	case l.state != legUp:
		r.Leg.hangup()
	default:
		if l.parted == nil {
			_ = l.dialog.Progress(h.id, 200, "")
		}
		r.Leg.hidden = true
		l.adopt(r.Leg, byeAfter)
	}
}

// missed rings the target anew when the call to be taken over has ended just
// now: phones that transfer while it still rings cancel it as soon as we agree.
func (h *handing) missed(code int) bool {
	c := h.leg.call
	if h.dialog == "" || code != 481 || c.ending {
		return false
	}
	h.dialog = ""
	if !c.scripted && c.deps.Transfers.Permit(h.leg.user(), h.target, false) != nil {
		return false
	}
	places, err := h.places()
	if err != nil {
		return false
	}
	h.leg.note("state", "the call to "+h.target+" has ended meanwhile, dialled again", "")
	h.dial(places)
	return true
}
