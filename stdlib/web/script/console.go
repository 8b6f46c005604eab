package script

import (
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of one console.
const (
	maxLabels = 100 // of count and time
	maxIndent = 10
)

// console writes to the call's log. Counters, timers and groups are its own.
type console struct {
	vm     *runtime.VM
	counts map[string]int
	timers map[string]time.Time
	indent int
}

func newConsole(vm *runtime.VM) goja.Value {
	c := &console{vm: vm, counts: map[string]int{}, timers: map[string]time.Time{}}
	method := func(fn func(args []goja.Value)) bind.Member {
		return bind.Sync(func(_ *runtime.VM, args []goja.Value) goja.Value {
			fn(args)
			return goja.Undefined()
		})
	}
	line := func(level string) bind.Member {
		return method(func(args []goja.Value) { c.line(level, bind.Format(vm, args)) })
	}
	return bind.Namespace(vm, map[string]bind.Member{
		"log": line("info"), "info": line("info"), "debug": line("debug"), "warn": line("warn"), "error": line("error"),
		"dir": line("info"), "table": line("info"), "trace": line("debug"),
		"assert":     method(c.assert),
		"count":      method(c.count),
		"countReset": method(func(args []goja.Value) { delete(c.counts, label(args)) }),
		"time":       method(c.time),
		"timeLog":    method(func(args []goja.Value) { c.elapsed(label(args)) }),
		"timeEnd": method(func(args []goja.Value) {
			c.elapsed(label(args))
			delete(c.timers, label(args))
		}),
		"group": method(func(args []goja.Value) {
			if len(args) > 0 {
				c.line("info", bind.Format(vm, args))
			}
			c.indent = min(c.indent+1, maxIndent)
		}),
		"groupEnd": method(func([]goja.Value) { c.indent = max(c.indent-1, 0) }),
	})
}

func (c *console) line(level, text string) {
	if c.indent > 0 {
		pad := strings.Repeat("  ", c.indent)
		text = pad + strings.ReplaceAll(text, "\n", "\n"+pad)
	}
	c.vm.Post("console.log", map[string]any{"level": level, "text": text})
}

func (c *console) assert(args []goja.Value) {
	if bind.Arg(args, 0).ToBoolean() {
		return
	}
	text := "Assertion failed"
	if len(args) > 1 {
		text += ": " + bind.Format(c.vm, args[1:])
	}
	c.line("error", text)
}

// label is the first argument as text, without calling its methods.
func label(args []goja.Value) string {
	if s, ok := bind.Arg(args, 0).(goja.String); ok && s.Length() < 200 {
		return s.String()
	}
	return "default"
}

func (c *console) count(args []goja.Value) {
	name := label(args)
	if _, known := c.counts[name]; !known && len(c.counts) >= maxLabels {
		name = "default"
	}
	c.counts[name]++
	c.line("info", name+": "+strconv.Itoa(c.counts[name]))
}

func (c *console) time(args []goja.Value) {
	if len(c.timers) < maxLabels {
		c.timers[label(args)] = c.vm.Now()
	}
}

func (c *console) elapsed(name string) {
	if began, ok := c.timers[name]; ok {
		c.line("info", name+": "+strconv.FormatInt(c.vm.Now().Sub(began).Milliseconds(), 10)+" ms")
	}
}
