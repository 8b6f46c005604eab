package runtime

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// Bounds of what an error may say; scripts can throw anything.
const (
	maxErrorText   = 4 << 10
	maxErrorStack  = 20
	maxAwaited     = 10
	maxCauses      = 3
	maxStackString = 32 << 10
)

// scriptError is the report of an error that ended a slice.
func (vm *VM) scriptError(err error) *message.ScriptError {
	if e, ok := errors.AsType[*goja.InterruptedError](err); ok {
		return vm.interrupted(e)
	}
	if e, ok := errors.AsType[*goja.StackOverflowError](err); ok {
		limit := limitError("script_stack", "functions call each other more than %d deep", vm.limits.Stack)
		return vm.limited(limit.WithHint("look for a function that calls itself without an end"), e.Stack())
	}
	if e, ok := errors.AsType[*goja.Exception](err); ok {
		return vm.valueError(e.Value(), e.Stack())
	}
	return vm.limited(err, nil)
}

func (vm *VM) interrupted(e *goja.InterruptedError) *message.ScriptError {
	if why, ok := e.Value().(error); ok {
		return vm.limited(why, e.Stack())
	}
	return vm.limited(fault.New(fault.Limit, "interrupted"), e.Stack())
}

// limited reports an error of ours at the place where the script was.
func (vm *VM) limited(err error, stack []goja.StackFrame) *message.ScriptError {
	msg := err.Error()
	e := &message.ScriptError{Code: string(fault.CodeOf(err)), Name: "Error", Message: msg, Hint: fault.HintOf(err)}
	if e.Code == string(fault.Limit) {
		e.Name = "LimitError"
	}
	for _, f := range stack {
		if p := vm.version.place(f); p != "" && len(e.Stack) < maxErrorStack {
			e.Stack = append(e.Stack, "at "+frameText(f.FuncName(), p))
		}
	}
	vm.placed(e)
	if e.Place == "" && len(e.Awaited) > 0 {
		e.Place, _, _ = cutFrame(e.Awaited[0])
		e.Frame = vm.version.codeFrame(e.Place)
	}
	return e
}

// valueError reports a thrown value; stack is where it was thrown, if that is
// known. Reading the value may run code of the script.
func (vm *VM) valueError(v goja.Value, stack []goja.StackFrame) *message.ScriptError {
	e := &message.ScriptError{Code: string(fault.Script), Name: "Error"}
	o, isError := v.(*goja.Object)
	if isError {
		isError = o.ClassName() == "Error"
	}
	if !isError {
		vm.thrownValue(e, v, stack)
		return e
	}
	e.Name = vm.text(o, "name")
	e.Message = vm.text(o, "message") + vm.causes(o)
	if code := vm.text(o, "code"); code != "" {
		e.Code, e.Hint = code, vm.text(o, "hint")
	}
	e.Stack = vm.version.parseStack(vm.text(o, "stack"))
	vm.placed(e)
	vm.explain(e)
	return e
}

// ErrorOf is a thrown value as the host hears of it, for the script halves of
// modules.
func (vm *VM) ErrorOf(v goja.Value) *message.ScriptError { return vm.valueError(v, nil) }

// thrownValue reports what is no Error: it knows no place of its own.
func (vm *VM) thrownValue(e *message.ScriptError, v goja.Value, stack []goja.StackFrame) {
	enc := encoder{vm: vm, maxBytes: maxErrorText}
	text, err := enc.encode(v)
	if err != nil || len(text) == 0 {
		text = []byte("a value without text")
	}
	*e = *vm.limited(fault.New(fault.Script, "%s", text), stack)
	e.Name = "Thrown"
	e.Hint = "throw an Error instead: throw new Error(…), then the place is known too"
}

// text is a property as text, bounded, "" if there is none.
func (vm *VM) text(o *goja.Object, name string) string {
	out := ""
	_ = vm.rt.Try(func() { // a getter that throws leaves it empty
		if v := o.Get(name); v != nil && !goja.IsUndefined(v) {
			out = v.String()
		}
	})
	limit := maxErrorText
	if name == "stack" {
		limit = maxStackString
	}
	return clip(out, limit)
}

// causes follows error.cause.
func (vm *VM) causes(o *goja.Object) string {
	var out strings.Builder
	for range maxCauses {
		var cause goja.Value
		_ = vm.rt.Try(func() { cause = o.Get("cause") })
		next, ok := cause.(*goja.Object)
		if !ok || next.ClassName() != "Error" {
			break
		}
		out.WriteString("; cause: " + vm.text(next, "message"))
		o = next
	}
	return out.String()
}

// placed fills in the place, the code frame and the pending awaits.
func (vm *VM) placed(e *message.ScriptError) {
	for _, line := range e.Stack {
		p, _, ok := cutFrame(strings.TrimPrefix(line, "at "))
		if ok && (e.Place == "" || !strings.Contains(p, "node_modules/")) {
			e.Place = p
			if !strings.Contains(p, "node_modules/") {
				break
			}
		}
	}
	e.Frame = vm.version.codeFrame(e.Place)
	e.Awaited = slices.DeleteFunc(vm.awaiting(), func(line string) bool { return slices.Contains(e.Stack, "at "+line) })
}

// awaiting is where the script waits: of each request to the host that is open
// and then of each timer, the newest first, the line and the functions that
// await it, as far as the engine knows them: it loses the trail where several
// wait for one promise, as in Promise.all after a first await.
func (vm *VM) awaiting() []string {
	var lines []string
	add := func(frames []goja.StackFrame) {
		for _, f := range frames {
			p := vm.version.place(f)
			if p == "" {
				continue
			}
			line := frameText(f.FuncName(), p)
			if !slices.Contains(lines, line) && len(lines) < maxAwaited {
				lines = append(lines, line)
			}
		}
	}
	for _, seq := range slices.Backward(sortedKeys(vm.pending)) {
		add(vm.pending[seq].frames)
	}
	for _, id := range slices.Backward(sortedKeys(vm.timers.byID)) {
		add(vm.timers.byID[id].frames)
	}
	return lines
}

// stackLine is one line of goja's error.stack: a function with a position, or
// a position alone; in parentheses behind it the program counter.
var stackLine = regexp.MustCompile(`^\s*at (?:(.+) \()?(.+):(\d+):(\d+)(?:\(\d+\))?\)?$`)

// parseStack reads error.stack, which goja has already mapped, and keeps what
// is the author's.
func (v *version) parseStack(stack string) []string {
	var lines []string
	for line := range strings.Lines(stack) {
		m := stackLine.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil || len(lines) >= maxErrorStack || strings.HasPrefix(m[2], modulePrefix) {
			continue
		}
		row, _ := strconv.Atoi(m[3]) // digits by the pattern
		col, _ := strconv.Atoi(m[4])
		if p := v.locate(m[2], row, col); p != "" {
			lines = append(lines, "at "+frameText(m[1], p))
		}
	}
	return lines
}

// cutFrame splits "fn (place)" or "place".
func cutFrame(line string) (place, function string, ok bool) {
	if before, inside, found := strings.Cut(line, " ("); found && strings.HasSuffix(inside, ")") {
		return strings.TrimSuffix(inside, ")"), before, true
	}
	return line, "", line != ""
}

// messageError is a thrown value on its way to the host.
func (vm *VM) messageError(v goja.Value) *message.Error {
	e := vm.valueError(v, nil)
	return &message.Error{Code: e.Code, Message: e.Message, Hint: e.Hint}
}

// syntaxError reports a bundle that does not parse. esbuild has read it before,
// so this is something that goja alone does not know.
func (v *version) syntaxError(err error) *message.ScriptError {
	e := &message.ScriptError{Code: string(fault.Script), Name: "SyntaxError", Message: clip(err.Error(), maxErrorText)}
	if m := compilerPlace.FindStringSubmatch(e.Message); m != nil { // mapped by goja
		row, _ := strconv.Atoi(m[3])
		col, _ := strconv.Atoi(m[4])
		e.Message, e.Place = m[1], v.locate(m[2], row, col)
	} else if m := parserPlace.FindStringSubmatch(e.Message); m != nil {
		row, _ := strconv.Atoi(m[1])
		col, _ := strconv.Atoi(m[2])
		e.Message, e.Place = strings.TrimSpace(m[3]), v.parsed(row, col)
	}
	e.Frame = v.codeFrame(e.Place)
	return e
}

// parsed maps a position of the parser, which does not know the map.
func (v *version) parsed(row, col int) string {
	if v.sources == nil {
		return v.locate(v.name, row, col)
	}
	file, _, srcRow, srcCol, ok := v.sources.Source(row, col)
	if !ok {
		return ""
	}
	return v.locate(file, srcRow, srcCol)
}

// The position in the messages of the compiler and of the parser.
var (
	compilerPlace = regexp.MustCompile(`(?s)^(?:SyntaxError: )?(.*) at (.+):(\d+):(\d+)$`)
	parserPlace   = regexp.MustCompile(`(?s)Line (\d+):(\d+) (.*)`)
)
