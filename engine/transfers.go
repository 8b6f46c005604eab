package engine

import (
	"cmp"
	"net/netip"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// transfers implements call.Transfers: what a REFER of a phone or trunk means
// here.
type transfers struct{ e *Engine }

// Destination implements call.Transfers. Phones write whom they mean into the
// user part, with the host by which they know us: a user, a group or a number is
// taken as such. Anything else is a SIP address, which only some may dial.
func (t transfers) Destination(referTo string) (target, dialog string, err error) {
	uri, dialog, ok := t.e.sip.ReplacesPart(referTo)
	a, bad := sip.ParseAddress(uri)
	switch {
	case bad != nil:
		return "", "", fault.New(fault.Invalid, "transfer: Refer-To %q is no address", referTo)
	case !ok:
		return "", "", fault.New(fault.NotFound, "transfer: the call to be taken over is not here")
	}
	cfg := t.e.Config()
	if _, user := cfg.User(a.User); user {
		return a.User, dialog, nil
	}
	if _, group := cfg.Group(a.User); group {
		return a.User, dialog, nil
	}
	if n := phone.Normalize(a.User, cfg.Project.Country); phone.Dialable(strings.TrimPrefix(n, "+")) {
		return n, dialog, nil
	}
	return a.URI(), dialog, nil
}

// Permit implements call.Transfers by sip.users.NAME.transfer. To whom the user
// talks already it may give the other side, unless that is off.
func (t transfers) Permit(user, target string, attended bool) error {
	cfg := t.e.Config()
	u, ok := cfg.User(user)
	switch {
	case !ok:
		return fault.New(fault.Denied, "only users of sip.users may transfer a call that has no script")
	case u.Transfer == "any", u.Transfer == "users" && attended:
		return nil
	case u.Transfer == "users":
		if _, is := cfg.User(target); is {
			return nil
		}
		if _, is := cfg.Group(target); is {
			return nil
		}
	}
	return fault.New(fault.Denied, "user %s may not transfer to %s", user, phone.Mask(target)).WithHint("see sip.users.%s.transfer", user)
}

// Patch implements call.Transfers: the way to the other side of the talk that
// the dialog belongs to is a pipe to that call. Each side knows the other by who
// talks at its end, and where nobody does by the call; one that rings still is
// known by whom the phone has asked for.
func (t transfers) Patch(dialog, as string) (call.Place, error) {
	l := t.e.calls.holding(dialog)
	if l == nil {
		return call.Place{}, fault.New(fault.NotFound, "transfer: the call to be taken over has ended")
	}
	options := t.e.patchSession()
	with := l.With(dialog)
	if with == "" && !l.Unanswered(dialog) {
		with = l.ID()
	}
	return call.Place{Name: with, Routes: []call.Route{{Media: options, Dial: func(o sip.Outgoing) (call.Dialog, error) {
		near, far := call.Pipe(t.e.clk, o.Body)
		t.e.clk.Busy(1)
		t.e.wg.Go(func() { // the other call may be asking for us at the same time
			defer t.e.clk.Busy(-1)
			if !l.Replace(dialog, far, options, call.Place{Name: cmp.Or(as, l.ID())}) {
				_ = far.Reject(481, "")
				t.e.swallow(far)
			}
		})
		return near, nil
	}}}}, nil
}

// patchSession is the media between two calls of this process.
func (e *Engine) patchSession() media.SessionOptions {
	here := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return media.SessionOptions{Bind: here, Advertise: here, Codecs: codecs(e.Config().Media.Codecs)}
}

// swallow reads the events of a dialog that nobody follows.
func (e *Engine) swallow(d call.Dialog) {
	for range d.Events() {
		e.clk.Busy(-1) // counted by dialogs of this process
	}
}

// holding finds the call that has the dialog.
func (s *calls) holding(dialog string) *live {
	for _, l := range s.list() {
		if l.Holds(dialog) {
			return l
		}
	}
	return nil
}

// replacing is an INVITE that names by Replaces which dialog it takes the place
// of.
type replacing interface{ Replaces() string }

// takeOver gives a call whose INVITE has a Replaces header to the call that it
// means. It reports whether it was one.
func (e *Engine) takeOver(d Incoming) bool {
	r, ok := d.(replacing)
	if !ok || r.Replaces() == "" {
		return false
	}
	l := e.calls.holding(r.Replaces())
	cfg := e.Config()
	o := d.Origin()
	if u, is := cfg.User(o.Name); o.Kind == sip.FromUser && is && u.Transfer == "off" {
		e.turnAway(d, 403, "")
		return true
	}
	if l == nil {
		e.turnAway(d, 481, "")
		return true
	}
	names := cfg.Media.Codecs
	options := e.sessionFor(o.Source.Addr(), names, o.Kind == sip.FromUser || o.Kind == sip.FromTrunk)
	who := call.Place{Name: e.parties(cfg, d).From}
	if o.Kind == sip.FromUser {
		who.Name = o.Name
	}
	if !l.Replace(r.Replaces(), d, options, who) {
		e.turnAway(d, 481, "")
	}
	return true
}
