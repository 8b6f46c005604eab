package engine

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/internal/veil"
)

// curtain hides the secrets of the configuration in what is logged and noted: a
// script that prints one does not give it away.
//
// # Concurrency
//
// Any goroutine may use it; set comes with each configuration.
type curtain struct {
	words atomic.Pointer[veil.Words]
}

func (v *curtain) set(cfg *config.Config) { v.words.Store(veil.New(cfg.Hidden())) }

// text is s without secrets.
func (v *curtain) text(s string) string { return v.words.Load().Hide(s) }

// veiledLog is a log in which secrets are hidden and phone numbers masked, in
// messages and in values, whoever has written them.
type veiledLog struct {
	slog.Handler
	veil *curtain
}

// Handle implements slog.Handler.
func (h veiledLog) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler. Most calls have a log with their name and
// write nothing into it, so the attributes are looked at by the first line.
func (h veiledLog) WithAttrs(list []slog.Attr) slog.Handler {
	return &lateLog{begin: h, whole: sync.OnceValue(func() slog.Handler { return h.withAttrs(list) })}
}

// lateLog is a log whose attributes are made ready when they are needed.
type lateLog struct {
	begin slog.Handler // without the attributes
	whole func() slog.Handler
}

// Enabled implements slog.Handler.
func (l *lateLog) Enabled(ctx context.Context, at slog.Level) bool { return l.begin.Enabled(ctx, at) }

// Handle implements slog.Handler.
func (l *lateLog) Handle(ctx context.Context, r slog.Record) error { return l.whole().Handle(ctx, r) }

// WithAttrs implements slog.Handler.
func (l *lateLog) WithAttrs(list []slog.Attr) slog.Handler { return l.whole().WithAttrs(list) }

// WithGroup implements slog.Handler.
func (l *lateLog) WithGroup(name string) slog.Handler { return l.whole().WithGroup(name) }

func (h veiledLog) withAttrs(list []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(list))
	for i, a := range list {
		out[i] = h.attr(a)
	}
	return veiledLog{h.Handler.WithAttrs(out), h.veil}
}

// WithGroup implements slog.Handler.
func (h veiledLog) WithGroup(name string) slog.Handler {
	return veiledLog{h.Handler.WithGroup(name), h.veil}
}

func (h veiledLog) attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		return slog.String(a.Key, h.text(v.String()))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return slog.String(a.Key, h.text(x.Error()))
		case []string:
			out := make([]string, len(x))
			for i, s := range x {
				out[i] = h.text(s)
			}
			return slog.Any(a.Key, out)
		}
	case slog.KindGroup:
		var out []any
		for _, member := range v.Group() {
			out = append(out, h.attr(member))
		}
		return slog.Group(a.Key, out...)
	}
	return a
}

// text is s as the log may have it.
func (h veiledLog) text(s string) string { return phone.MaskRuns(h.veil.text(s)) }
