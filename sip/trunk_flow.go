package sip

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
)

// A trunk that can call us only by the connection that we opened to it is deaf
// when that connection ends: it is opened again at once, and later and later
// when it keeps ending (RFC 5626 §4.5).

// Waits before a connection is opened again.
const (
	firstComeback = time.Second     // up to it, at random
	longComeback  = 2 * time.Minute // at most
	steadyFlow    = time.Minute     // a connection that lasted so long begins the waits anew
)

// comeback counts the connections that ended soon after they had begun.
type comeback struct {
	mu    sync.Mutex
	count int
	timer clock.Timer
}

// after is how long to wait now; lasted is the age of the connection that ended.
func (c *comeback) after(lasted time.Duration, roll float64) time.Duration {
	if lasted >= steadyFlow {
		c.count = 0
	}
	wait := firstComeback
	for range c.count {
		wait = min(2*wait, longComeback)
	}
	if wait < longComeback {
		c.count++
	}
	if wait == firstComeback {
		return time.Duration(roll * float64(wait)) // after a fault of theirs many come back at once
	}
	return wait - time.Duration(roll*float64(wait)/2)
}

func (c *comeback) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer != nil {
		c.timer.Stop()
	}
}

// parted tells the trunks that a connection which we had opened is gone.
func (e *Endpoint) parted(c *tcpConn) {
	lasted := clock.System().Now().Sub(c.since)
	for _, t := range *e.live.Load() {
		if t.onlyBy(c) {
			t.comeBack(lasted)
		}
	}
}

// onlyBy tells that the trunk's calls come by that connection and in no other
// way: we listen to nothing that it could connect to.
func (t *trunk) onlyBy(c *tcpConn) bool {
	t.state.mu.Lock()
	h := t.state.hop
	t.state.mu.Unlock()
	if !t.active || !t.cfg.Register || !h.stream() || h.addr != c.source || h.transport != c.transport {
		return false
	}
	return isWS(h.transport) || !t.e.hub.localAddr(h.transport, h.addr.Addr()).IsValid()
}

// comeBack registers anew, which opens a connection, after a pause.
func (t *trunk) comeBack(lasted time.Duration) {
	t.back.mu.Lock()
	defer t.back.mu.Unlock()
	wait := t.back.after(lasted, rand.Float64())
	t.log.Info("the connection to the trunk has ended, it is opened again", "in", wait.Round(time.Millisecond).String())
	if t.back.timer != nil {
		t.back.timer.Stop()
	}
	t.back.timer = t.e.clk.AfterFunc(wait, func() {
		if t.ctx.Err() != nil {
			return
		}
		select {
		case t.move <- struct{}{}:
		default: // it registers anyway
		}
	})
}
