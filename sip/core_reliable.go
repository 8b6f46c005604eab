package sip

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Reliable provisional responses (RFC 3262): a callee's announcement reaches
// the caller also over a network that loses packets.

// maxUnsent is how many provisional responses wait for the PRACK of the one
// before.
const maxUnsent = 8

// firstRSeq is the range of our first RSeq (RFC 3262 §3: below 2³¹ by far).
const firstRSeq = 1 << 20

// reliable is what a UAS keeps of its reliable responses. They go out one at a
// time.
type reliable struct {
	seq     uint32 // RSeq of the newest; 0: none yet
	open    bool   // its PRACK has not come
	media   bool   // it carries a session description
	agreed  bool   // one with a session description was acknowledged
	wait    time.Duration
	total   time.Duration
	waiting []command
	accept  *command // the 2xx that waits, since the open one carries media
}

// required tells that the caller demands reliable provisional responses. To one
// that only could take them we send plain ones: they are repeated every minute
// anyway, and many that claim the ability never acknowledge.
func (c *core) required() bool { return c.client.invite.headers.Has("Require", "100rel") }

// provisional sends a 1xx of the call.
func (c *core) provisional(cmd command) {
	r := &c.rel
	switch {
	case !c.required():
		c.respond(c.inviteTx, cmd.code, textOr(cmd.reason, cmd.code), cmd.body, cmd.headers...)
		c.arm(tm1xx, provisionalEach)
	case r.open && len(r.waiting) < maxUnsent:
		r.waiting = append(r.waiting, cmd)
	case !r.open:
		if r.seq == 0 {
			r.seq = uint32(c.jitter(firstRSeq))
		}
		r.seq++
		r.open, r.media, r.wait, r.total = true, len(cmd.body) > 0, timerT1, 0
		headers := append([]Header{{"Require", "100rel"}, {"RSeq", strconv.FormatUint(uint64(r.seq), 10)}}, cmd.headers...)
		c.respond(c.inviteTx, cmd.code, textOr(cmd.reason, cmd.code), cmd.body, headers...)
		c.arm(tmPrack, r.wait)
	}
}

// onPrackTimer repeats the open response; a caller that never acknowledges it
// gets no answer but an error (RFC 3262 §3).
func (c *core) onPrackTimer() {
	r := &c.rel
	if !r.open || c.phase != phProceeding {
		return
	}
	r.total += r.wait
	if r.total >= timer64 {
		c.respond(c.inviteTx, 504, "Server Time-out", nil)
		c.finish(Event{Kind: Ended, Code: 504, Reason: ReasonTimeout, Remote: true, Line: "504 Server Time-out"})
		return
	}
	c.emit(effect{kind: fxRepeat, tx: c.inviteTx})
	r.wait = min(2*r.wait, timer64-r.total)
	c.arm(tmPrack, r.wait)
}

// onPrack closes the open response and goes on with what waited for it. An
// offer in the PRACK is answered like one in an UPDATE.
func (c *core) onPrack(m *message) {
	r := &c.rel
	want := fmt.Sprintf("%d %d INVITE", r.seq, c.inviteSeq())
	if !c.uas || r.seq == 0 || !strings.EqualFold(strings.Join(strings.Fields(m.headers.Get("RAck")), " "), want) {
		c.respond(m.tx, 481, "Call/Transaction Does Not Exist", nil)
		return
	}
	if r.open {
		r.open, r.agreed = false, r.agreed || r.media
		c.disarm(tmPrack)
	}
	if len(m.body) > 0 && r.agreed && c.pending == nil {
		c.offer(m)
	} else {
		c.respond(m.tx, 200, "OK", nil)
	}
	if c.phase != phProceeding {
		return
	}
	if len(r.waiting) > 0 {
		next := r.waiting[0]
		r.waiting = r.waiting[1:]
		c.provisional(next)
	}
	if r.accept != nil && !(r.open && r.media) {
		cmd := *r.accept
		r.accept = nil
		c.acceptCall(cmd)
	}
}

func (c *core) inviteSeq() uint32 {
	if c.client.invite == nil {
		return 0
	}
	return c.client.invite.seq
}

// acceptCall sends the 2xx, after the PRACK of a response that carries media
// (RFC 3262 §3).
func (c *core) acceptCall(cmd command) {
	r := &c.rel
	if r.open && r.media {
		r.accept = &cmd
		return
	}
	r.open, r.waiting = false, nil
	c.disarm(tmPrack)
	c.phase = phAccepted
	c.disarm(tm1xx)
	headers := append(c.refreshed(c.client.invite), cmd.headers...)
	c.session.sdp = cmd.body
	c.respond(c.inviteTx, 200, "OK", cmd.body, headers...)
	c.await(answer2xx{tx: c.inviteTx, seq: c.client.invite.seq, late: len(c.client.invite.body) == 0})
}

// fork is an early dialog of our INVITE.
type fork struct {
	leg
	rseq   uint32   // newest reliable response that was acknowledged
	answer *message // the reliable one that carried the answer to our offer
	early  *message // the newest with a session description
}

// acknowledged handles a reliable response: it is acknowledged once, in the
// order of RSeq (RFC 3262 §4). False means that the call has nothing to learn:
// it came before, or one before it is missing.
func (c *core) acknowledged(f *fork, m *message) bool {
	n, err := strconv.ParseUint(strings.TrimSpace(m.headers.Get("RSeq")), 10, 32)
	if err != nil || !m.headers.Has("Require", "100rel") || f == nil {
		return true // not reliable
	}
	if seq := uint32(n); f.rseq != 0 && seq != f.rseq+1 || seq == 0 {
		return false
	}
	f.rseq = uint32(n)
	if len(m.body) > 0 && f.answer == nil {
		f.answer = m
	}
	c.requestPrack(f, fmt.Sprintf("%d %d INVITE", n, m.seq))
	return true
}

// prack is a PRACK under way, for its retry with credentials.
type prack struct {
	rack string
	fork *fork
}

func (c *core) requestPrack(f *fork, rack string) {
	tx := c.request(&f.leg, "PRACK", []Header{{"RAck", rack}}, "", nil)
	if c.client.pracks == nil {
		c.client.pracks = map[uint64]prack{}
	}
	c.client.pracks[tx] = prack{rack, f}
}

// onPrackResponse forgets a PRACK; one that failed leaves the peer to repeat its
// response or give up.
func (c *core) onPrackResponse(m *message) {
	if m.code < 200 {
		return
	}
	p := c.client.pracks[m.tx]
	if len(m.auth) > 0 && c.phase < phClosing {
		c.retry(m.tx, &p.fork.leg, "PRACK", append([]Header{{"RAck", p.rack}}, m.auth...), "", nil)
		return
	}
	delete(c.client.pracks, m.tx)
}

// earlyAgreed tells that both sides have agreed on media before the answer, so
// that an UPDATE may change them (RFC 3311 §5.1).
func (c *core) earlyAgreed() bool {
	if c.uas {
		return c.rel.agreed
	}
	if len(c.client.forks) != 1 {
		return false // an answer to one fork would change what all hear
	}
	for _, f := range c.client.forks {
		return f.answer != nil
	}
	return false
}
