package sip

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"runtime/debug"
	"time"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/sip/resolve"
)

// pingWait is how long an OPTIONS waits for its answer, and pingMin the
// shortest interval between two.
const (
	pingWait = 10 * time.Second
	pingMin  = time.Second
)

// start begins what the trunk does by itself. A trunk that is not active does
// nothing.
func (t *trunk) start() {
	if !t.active {
		return
	}
	if t.cfg.Register {
		t.launch(t.runRegistration)
	}
	if t.cfg.Options > 0 || t.needsDNS() || t.cfg.Register {
		t.launch(t.runHealth)
	}
	if t.cfg.KeepAlive > 0 {
		t.launch(t.runKeepAlive)
	}
}

// launch starts a goroutine that has its first wake-up already, so that a
// virtual clock waits for it.
func (t *trunk) launch(f func(*waker)) {
	wake := newWaker(t.e.clk)
	wake.ring()
	t.running.Go(func() {
		defer wake.close()
		defer t.survive()
		f(wake)
	})
}

// survive keeps a defect in the handling of an answer from ending the process.
func (t *trunk) survive() {
	if r := recover(); r != nil {
		t.e.panicked(r, debug.Stack())
	}
}

// needsDNS tells whether the sources accepted as this trunk can change.
func (t *trunk) needsDNS() bool {
	if len(t.cfg.Allow) > 0 {
		return false
	}
	for _, host := range [...]string{t.address.Host, t.next.Host} {
		if _, err := netip.ParseAddr(host); err != nil {
			return true
		}
	}
	return false
}

// runHealth keeps the trunk's addresses up to date and pings it.
func (t *trunk) runHealth(wake *waker) {
	for {
		select {
		case <-wake.C:
			t.checkHealth()
			wake.arm(t.healthInterval())
			wake.done()
		case <-t.ctx.Done():
			return
		}
	}
}

// healthInterval is spread by a tenth, so that many trunks do not ping at once.
func (t *trunk) healthInterval() time.Duration {
	d := resolve.Fresh
	if t.cfg.Options > 0 {
		d = max(t.cfg.Options, pingMin)
	}
	if t.cfg.Register && t.cfg.Options <= 0 {
		d = movedLook
	}
	return d - time.Duration(rand.Float64()*float64(d)/10)
}

func (t *trunk) checkHealth() {
	ctx, cancel := context.WithTimeout(t.ctx, pingWait)
	defer cancel()
	if t.needsDNS() {
		_, _ = t.e.resolver.Resolve(ctx, t.address) // a failure shows when packets go there
		_, _ = t.e.resolver.Resolve(ctx, t.next)
		t.noteSources()
	}
	t.moved()
	if t.cfg.Options <= 0 {
		return
	}
	res, _, err := t.ping(ctx)
	if t.ctx.Err() != nil {
		return
	}
	now := t.e.clk.Now()
	if err != nil {
		if t.state.note(now, false, 0, inWords(err)) {
			t.log.Warn("trunk does not answer OPTIONS", "reason", inWords(err))
		}
		return
	}
	t.state.answered(now, res.StatusCode, res.Reason)
}

// ping sends one OPTIONS (RFC 3261 §11) without credentials: any answer will do.
func (t *trunk) ping(ctx context.Context) (*gosip.Response, hop, error) {
	h, err := t.pick(ctx)
	if err != nil {
		return nil, h, err
	}
	res, err := t.exchange(ctx, outside{method: gosip.OPTIONS, callID: token(8), fromTag: token(8), cseq: 1, contact: t.contact(h)}, h)
	return res, h, err
}
