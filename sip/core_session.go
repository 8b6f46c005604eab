package sip

import (
	"strconv"
	"strings"
	"time"
)

// Session timers (RFC 4028): a call whose end got lost does not live for ever,
// because one side keeps refreshing it and the other watches.

const (
	minSession     = 90               // seconds, RFC 4028 §5
	refreshAgain   = 5 * time.Second  // when another offer was under way
	maxSessionLift = 3                // INVITEs with a longer interval after 422
	watchMargin    = 32 * time.Second // RFC 4028 §10: we give up that long before the end, or a third
)

// session is the session timer of one dialog.
type session struct {
	off      bool // we neither ask for a timer nor agree to one
	wish     int  // seconds we ask for; 0: what the peer wants
	least    int  // of Min-SE in a 422, which our next requests repeat
	lifts    int
	interval time.Duration // agreed; 0: none
	ours     bool          // we refresh; else we watch
	noUpdate bool          // the peer takes no UPDATE: refresh by re-INVITE
	tx       uint64        // of the UPDATE under way
	sdp      []byte        // our newest session description
	later    []byte        // an offer of the call that waits for the end of a refresh
}

// agreeTo takes over how calls of a trunk take part in session timers.
func (c *core) agreeTo(t SessionTimer) {
	c.session.off, c.session.wish = t.Off, int(t.Interval/time.Second)
}

// sessionFields are the header fields by which a request of ours asks for a
// session timer or goes on with the agreed one.
func (c *core) sessionFields() []Header {
	s := &c.session
	if s.off {
		return nil
	}
	out := []Header{{"Supported", "timer"}}
	seconds, refresher := s.wish, ""
	if s.interval > 0 {
		// The roles are those of the request: the sender is its "uac".
		if seconds, refresher = int(s.interval/time.Second), ";refresher=uas"; s.ours {
			refresher = ";refresher=uac"
		}
	}
	if seconds > 0 {
		out = append(out, Header{"Session-Expires", strconv.Itoa(seconds) + refresher},
			Header{"Min-SE", strconv.Itoa(max(s.least, min(seconds, minSession)))})
	}
	return out
}

// refreshed agrees on the session timer of a request that we accept (RFC 4028
// §9) and returns the header fields of our 2xx. The peer refreshes when it can
// and does not ask us to.
func (c *core) refreshed(m *message) []Header {
	s := &c.session
	c.noteMethods(m)
	if s.off {
		return nil
	}
	seconds, refresher, asked := sessionExpires(m.headers)
	able := m.headers.Has("Supported", "timer") || m.headers.Has("Require", "timer")
	switch {
	case !asked && s.wish == 0:
		c.armSession() // a refresh all the same
		return nil
	case !asked:
		seconds, refresher = s.wish, "uas"
	case s.wish > 0:
		seconds = max(min(seconds, s.wish), minSE(m.headers))
	}
	if s.ours = !able || refresher == "uas"; s.ours {
		refresher = "uas"
	} else {
		refresher = "uac"
	}
	s.interval = time.Duration(seconds) * time.Second
	c.armSession()
	out := []Header{{"Session-Expires", strconv.Itoa(seconds) + ";refresher=" + refresher}}
	if able {
		out = append(out, Header{"Require", "timer"})
	}
	return out
}

// agree takes the session timer out of a 2xx to a request of ours (RFC 4028
// §7.2); one without the header ends an earlier agreement.
func (c *core) agree(m *message) {
	s := &c.session
	c.noteMethods(m)
	if s.off {
		return
	}
	seconds, refresher, ok := sessionExpires(m.headers)
	if !ok || seconds < minSession {
		s.interval = 0
		c.disarm(tmSession)
		return
	}
	s.interval, s.ours = time.Duration(seconds)*time.Second, refresher != "uas"
	c.armSession()
}

// noteMethods learns from Allow how the peer can be refreshed.
func (c *core) noteMethods(m *message) {
	if len(m.headers.All("Allow")) > 0 {
		c.session.noUpdate = !m.headers.Has("Allow", "UPDATE")
	}
}

// armSession starts the time to our next refresh, or to the end of a session
// that the peer does not refresh (RFC 4028 §10).
func (c *core) armSession() {
	switch s := &c.session; {
	case s.interval == 0:
	case s.ours:
		c.arm(tmSession, s.interval/2)
	default:
		c.arm(tmSession, s.interval-min(watchMargin, s.interval/3))
	}
}

// onSessionTimer refreshes the session, or ends one that was not refreshed.
func (c *core) onSessionTimer() {
	s := &c.session
	switch {
	case !s.ours:
		c.bye(Event{Kind: Ended, Code: 408, Reason: ReasonTimeout, Remote: true},
			[]Header{{"Reason", `SIP;cause=408;text="Session Expired"`}})
	case c.phase != phConfirmed:
	case c.ours != nil || c.pending != nil || c.waiting != nil || s.tx != 0:
		c.arm(tmSession, refreshAgain)
	case !s.noUpdate || len(s.sdp) == 0:
		s.tx = c.request(&c.leg, "UPDATE", c.sessionFields(), "", nil)
	default:
		c.ours = &localOffer{body: s.sdp, refresh: true}
		c.sendOffer()
	}
}

// onUpdateResponse takes the answer to a refresh by UPDATE.
func (c *core) onUpdateResponse(m *message) {
	s := &c.session
	if m.code < 200 || c.phase != phConfirmed {
		return
	}
	if len(m.auth) > 0 {
		c.retry(s.tx, &c.leg, "UPDATE", append(c.sessionFields(), m.auth...), "", nil)
		return
	}
	s.tx = 0
	switch {
	case m.code < 300:
		c.retarget(m)
		c.agree(m)
	case c.lost(m):
	default:
		c.refreshFailed(m)
	}
}

// refreshFailed tries again: with a longer interval after 422, by re-INVITE
// when the peer does not know UPDATE, else a little later.
func (c *core) refreshFailed(m *message) {
	s := &c.session
	switch {
	case c.lift(m):
		c.onSessionTimer()
		return
	case m.code == 405 || m.code == 501:
		s.noUpdate = true
		if len(s.sdp) > 0 {
			c.onSessionTimer()
			return
		}
	}
	c.arm(tmSession, refreshAgain)
}

// lift raises our interval to what a 422 demands (RFC 4028 §7.3); false when
// that is not what m says, or it was tried often enough.
func (c *core) lift(m *message) bool {
	s := &c.session
	if m.code != 422 || s.off || s.lifts >= maxSessionLift {
		return false
	}
	s.lifts++
	least := minSE(m.headers)
	s.least = max(s.least, least)
	s.wish = max(s.wish, least)
	s.interval = max(s.interval, time.Duration(least)*time.Second)
	if c.phase < phConfirmed {
		s.interval = 0 // nothing is agreed yet
	}
	return true
}

// sessionExpires reads the header: seconds and refresher, "uac", "uas" or "".
func sessionExpires(h Headers) (seconds int, refresher string, ok bool) {
	v, params, _ := strings.Cut(h.Get("Session-Expires"), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	for p := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(p, "="); strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return int(n), refresher, err == nil
}

// minSE is the smallest interval the sender takes, in seconds.
func minSE(h Headers) int {
	v, _, _ := strings.Cut(h.Get("Min-SE"), ";")
	n, _ := strconv.ParseUint(strings.TrimSpace(v), 10, 31) // none: the RFC's own floor
	return max(int(n), minSession)
}
