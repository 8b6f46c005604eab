package engine

import (
	"context"
	"sync"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
)

// stepsSuffix marks the version of a script whose awaits are traced: the same
// bundle, compiled another way.
const stepsSuffix = "+steps"

// tracing says which scripts show their steps. A normal bundle costs nothing
// for it: tracing is compiled in when it is asked for.
type tracing struct {
	mu     sync.Mutex
	on     bool
	script string // "" means all
}

// TraceSteps makes the scripts that start from now on show each await: its
// line, what it gave, and the variables. The script "" means all.
func (e *Engine) TraceSteps(on bool, script string) {
	e.tracing.mu.Lock()
	defer e.tracing.mu.Unlock()
	e.tracing.on, e.tracing.script = on, script
}

func (t *tracing) of(script string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.on && (t.script == "" || t.script == script)
}

// runSpec is a version as it is to be started now: traced or not.
func (e *Engine) runSpec(v *scripts.Version, asked bool) supervisor.Spec {
	spec := e.bundleSpec(v)
	if !asked && !e.tracing.of(v.Script) {
		return spec
	}
	plain := spec.Bundle
	spec.Version += stepsSuffix
	spec.Bundle = func() message.Bundle {
		b := plain()
		b.Version, b.Steps = spec.Version, true
		return b
	}
	return spec
}

// Refresh is Reload with all scripts built again.
func (e *Engine) Refresh(ctx context.Context, cfg *config.Config) error {
	if err := e.Reload(cfg); err != nil {
		return err
	}
	return e.scripts.Reload(ctx)
}
