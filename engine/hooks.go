package engine

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/stdlib"
)

// HookRequest is an HTTP request for a script's onRequest.
type HookRequest struct {
	Method  string         `json:"method"`
	Path    string         `json:"path"`
	Query   map[string]any `json:"query"`
	Headers [][2]string    `json:"headers"`
	Body    []byte         `json:"body"`
	IP      string         `json:"ip"`
}

// HookAnswer is what onRequest returned.
type HookAnswer struct {
	Status  int
	Headers [][2]string
	Body    []byte
}

// Hook runs a script's onRequest. config.hook guards it: a token in the header
// Authorization or X-Hook-Token or in the query, allowed origins, a rate, a
// signature.
func (e *Engine) Hook(ctx context.Context, script string, r HookRequest) (HookAnswer, error) {
	e.clk.Busy(1)
	defer e.clk.Busy(-1)
	return e.HookBusy(ctx, script, r)
}

// HookBusy is Hook for a caller that counts as busy.
func (e *Engine) HookBusy(ctx context.Context, script string, r HookRequest) (HookAnswer, error) {
	v, err := e.scripts.AcquireActive(script)
	if err != nil {
		return HookAnswer{}, err
	}
	defer e.scripts.Release(v)
	if !v.Has("onRequest") {
		return HookAnswer{}, fault.New(fault.NotFound, "script %s has no onRequest", script)
	}
	forget, err := e.guardHook(v, r)
	if err != nil {
		return HookAnswer{}, err
	}
	a, err := e.answerHook(ctx, v, r)
	if err != nil || a.Status >= 500 {
		forget()
	}
	return a, err
}

func (e *Engine) answerHook(ctx context.Context, v *scripts.Version, r HookRequest) (HookAnswer, error) {
	out, err := e.run(ctx, v, "onRequest", "", r, e.Config().Limits.Hook)
	if err != nil {
		return HookAnswer{}, err
	}
	a, err := stdlib.HookAnswer(out)
	return HookAnswer(a), err
}

// guardHook refuses what config.hook does not let in. forget is for a request
// that was not served after all.
func (e *Engine) guardHook(v *scripts.Version, r HookRequest) (forget func(), err error) {
	h := e.settings.of(v).Hook
	forget = func() {}
	if h == nil {
		return forget, nil
	}
	if h.Token != "" && !hasToken(r, h.Token) {
		return nil, fault.New(fault.Unauthorized, "hook %s: wrong or missing token", v.Script)
	}
	if origin := hookHeader(r, "origin"); len(h.Origins) > 0 && origin != "" && !slices.Contains(h.Origins, origin) {
		return nil, fault.New(fault.Denied, "hook %s: origin %s is not allowed", v.Script, origin)
	}
	if h.Rate.n > 0 && !e.settings.hookRate(v.Script, e.clk.Now(), h.Rate) {
		return nil, fault.New(fault.Rate, "hook %s: more than %s requests", v.Script, h.Rate)
	}
	if h.Sign != nil {
		return e.checkSignature(v.Script, h.Sign, r)
	}
	return forget, nil
}

func hookHeader(r HookRequest, name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

func hasToken(r HookRequest, want string) bool {
	q, _ := r.Query["token"].(string)
	bearer, _ := strings.CutPrefix(hookHeader(r, "authorization"), "Bearer ")
	for _, have := range []string{bearer, hookHeader(r, "x-hook-token"), q} {
		if subtle.ConstantTimeCompare([]byte(have), []byte(want)) == 1 {
			return true
		}
	}
	return false
}

// hookRates are the token buckets of config.hook.rate by script.
type hookRates struct {
	mu      sync.Mutex
	buckets map[string]*share
}

func (s *settings) hookRate(script string, now time.Time, r hookRate) bool {
	s.rates.mu.Lock()
	defer s.rates.mu.Unlock()
	if s.rates.buckets == nil {
		s.rates.buckets = map[string]*share{}
	}
	b := of(s.rates.buckets, script)
	if !b.bucket(now, r.n/r.seconds, max(r.n, 1)) {
		return false
	}
	b.tokens--
	return true
}
