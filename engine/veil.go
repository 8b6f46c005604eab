package engine

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"

	"github.com/loopstart/loopstart/config"
)

// veil hides the secrets of the configuration in what is logged and noted: a
// script that prints one does not give it away.
//
// # Concurrency
//
// Any goroutine may use it; set comes with each configuration.
type veil struct {
	words atomic.Pointer[strings.Replacer]
}

// hidden stands for a secret.
const hidden = "•••"

func (v *veil) set(cfg *config.Config) {
	var pairs []string
	for _, s := range cfg.Hidden() {
		pairs = append(pairs, s, hidden)
	}
	v.words.Store(strings.NewReplacer(pairs...))
}

// text is s without secrets.
func (v *veil) text(s string) string {
	if words := v.words.Load(); words != nil {
		return words.Replace(s)
	}
	return s
}

// veiledLog is a log in which secrets are hidden, in messages and in values.
type veiledLog struct {
	slog.Handler
	veil *veil
}

// Handle implements slog.Handler.
func (h veiledLog) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.veil.text(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (h veiledLog) WithAttrs(list []slog.Attr) slog.Handler {
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
		return slog.String(a.Key, h.veil.text(v.String()))
	case slog.KindAny:
		switch x := v.Any().(type) {
		case error:
			return slog.String(a.Key, h.veil.text(x.Error()))
		case []string:
			out := make([]string, len(x))
			for i, s := range x {
				out[i] = h.veil.text(s)
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
