package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// readable is the log of `dev` and of terminals: time, message, values; errors
// of scripts with their code frame below.
type readable struct {
	mu    *sync.Mutex
	out   io.Writer
	paint func(code, text string) string
	level slog.Leveler
	attrs []slog.Attr
}

// logger makes the log of a verb: readable on a terminal, JSON elsewhere.
func (m *Main) logger(format, level string) *slog.Logger {
	var l slog.LevelVar
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l.Set(slog.LevelInfo)
	}
	if m.global.verbose {
		l.Set(slog.LevelDebug)
	}
	if m.global.quiet && l.Level() < slog.LevelWarn {
		l.Set(slog.LevelWarn)
	}
	if format == "json" || format == "auto" && !isTerminal(m.Stderr) {
		return slog.New(slog.NewJSONHandler(m.Stderr, &slog.HandlerOptions{Level: &l}))
	}
	return slog.New(&readable{mu: &sync.Mutex{}, out: m.Stderr, paint: m.paint, level: &l})
}

// Enabled implements slog.Handler.
func (h *readable) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

// WithAttrs implements slog.Handler.
func (h *readable) WithAttrs(a []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(append([]slog.Attr(nil), h.attrs...), a...)
	return &c
}

// WithGroup implements slog.Handler; groups are not used here.
func (h *readable) WithGroup(string) slog.Handler { return h }

// Handle implements slog.Handler.
func (h *readable) Handle(_ context.Context, r slog.Record) error {
	var values strings.Builder
	frame, stack := "", ""
	add := func(a slog.Attr) bool {
		text := clean(a.Value.String())
		if a.Key == "frame" {
			frame = a.Value.String()
			return true
		}
		if a.Key == "stack" {
			stack = a.Value.String()
			return true
		}
		if strings.ContainsAny(text, " \"") {
			text = fmt.Sprintf("%q", text)
		}
		fmt.Fprintf(&values, " %s=%s", a.Key, text)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	mark := map[slog.Level]string{slog.LevelWarn: h.paint("33", "! "), slog.LevelError: h.paint("31;1", "✗ ")}[r.Level]
	line := h.paint("2", r.Time.Format("15:04:05.000")) + " " + mark + clean(r.Message) + h.paint("2", values.String()) + "\n"
	if frame != "" {
		line += frame + "\n"
	}
	if stack != "" {
		line += "  " + strings.ReplaceAll(stack, "\n", "\n  ") + "\n\n"
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, line)
	return err
}

// clean keeps foreign text on one line and out of the terminal's controls.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
}
