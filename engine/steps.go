package engine

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/runtime/supervisor"
	"github.com/loopstart/loopstart/scripts"
)

// stepsSuffix marks the version of a script whose awaits are traced: the same
// bundle, compiled another way.
const stepsSuffix = "+steps"

// stepsCost is how much more CPU time a traced slice may take: what tracing
// itself does must not end a script that is within its limit.
const stepsCost = 5

// logStep writes a step of a run that has no timeline.
func logStep(log *slog.Logger, r message.Request) {
	log.Info("step: "+maskNumbers(strings.ReplaceAll(textOf(r.Args), "\n", "  ")), "at", r.At)
}

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
		b.Limits.SliceCPU *= stepsCost
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
