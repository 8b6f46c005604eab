package runtime

import (
	_ "embed"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// modulePrefix is the scheme of built-in modules.
const modulePrefix = "loopstart:"

//go:embed polyfill.js
var polyfillSource string

//go:embed guard.js
var guardSource string

// symbolsSource makes the symbols that esbuild's helpers for lowered syntax look
// for.
const symbolsSource = `(function () {
  Object.defineProperty(Symbol, "asyncIterator", { value: Symbol.for("Symbol.asyncIterator") });
  Object.defineProperty(Symbol, "dispose", { value: Symbol.for("Symbol.dispose") });
  Object.defineProperty(Symbol, "asyncDispose", { value: Symbol.for("Symbol.asyncDispose") });
})`

//go:embed steps.js
var stepsSource string

// needs are the parts of the prelude that a bundle cannot do without. Without
// eval it cannot make more than its text shows; each part costs every call.
type needs struct {
	polyfill, symbols, generators bool
	async, errors, timers, global bool // global: its object, and with it whatever has a name there
	locale                        bool
	regexps, rest                 bool // known of the tree: the full guard asks
}

var (
	polyfillWords = []string{"withResolvers", "groupBy", "fromAsync", "Promise.try"}
	symbolWords   = []string{"asyncIterator", "dispose", "asyncDispose"}
	timerWords    = []string{"setTimeout", "setInterval", "clearTimeout", "clearInterval", "queueMicrotask"}
	// globalWords name the global object, or what makes code of a text: eval, and
	// an escape within a name.
	globalWords = []string{"globalThis", "eval", `\u`}
	// generatorForm finds every generator, and now and then something else.
	generatorForm = regexp.MustCompile(`function\s*\*|(?:^|[{},;]|\bstatic|\basync)\s*\*\s*[\w$#\["'\x{80}-\x{10FFFF}\\]`)
)

func needsOf(source string, tree needs) needs {
	tree.polyfill = mentionsAny(source, polyfillWords)
	tree.symbols = mentionsAny(source, symbolWords)
	tree.generators = generatorForm.MatchString(source)
	// Code that is not strict meets the global object as this.
	tree.global = !strings.HasPrefix(source, strictBanner) || mentionsAny(source, globalWords)
	tree.async = tree.global || strings.Contains(source, "async")
	tree.errors = tree.global || strings.Contains(source, "Error")
	tree.timers = tree.global || mentionsAny(source, timerWords)
	tree.locale = tree.global || strings.Contains(source, "Locale")
	return tree
}

// strictBanner begins every bundle, so that all of it is strict.
const strictBanner = `"use strict";`

// mentionsAny reports whether the source holds one of the words.
func mentionsAny(source string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(source, w) })
}

// shared is compiled once per worker.
type shared struct {
	async, generator, symbols, polyfill, guard, steps *goja.Program
}

func compileShared() shared {
	return shared{
		async:     goja.MustCompile("loopstart:async", "(async function () {})", true),
		generator: goja.MustCompile("loopstart:generator", "(function* () {})", true),
		symbols:   goja.MustCompile("loopstart:symbols", symbolsSource, true),
		polyfill:  goja.MustCompile("loopstart:polyfill", polyfillSource, true),
		guard:     goja.MustCompile("loopstart:guard", guardSource, true),
		steps:     goja.MustCompile("loopstart:steps", stepsSource, true),
	}
}

// intrinsics are built-ins taken before the script could replace them.
type intrinsics struct {
	errorClass *goja.Object  // taken at first use by a script that does not name it
	bytesClass *goja.Object  // taken at first use: it costs 15 KB
	then       goja.Callable // of promises
	global     bool          // the script may have the global object
}

// takeError takes the class Error.
func (x *intrinsics) takeError(vm *VM) *goja.Object {
	if x.errorClass == nil {
		x.errorClass = vm.rt.Get("Error").ToObject(vm.rt)
	}
	return x.errorClass
}

func (x *intrinsics) newError(vm *VM, code, msg, hint string) *goja.Object {
	o, err := vm.rt.New(x.takeError(vm), vm.rt.ToValue(msg))
	vm.must(err)
	x.define(vm, o, "code", code)
	if hint != "" {
		x.define(vm, o, "hint", hint)
	}
	return o
}

func (x *intrinsics) setStack(o *goja.Object, text string) {
	// A plain Error of ours takes any property; the error is for frozen ones.
	_ = o.DefineDataProperty("stack", o.Get("message").ToString(), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE)
	_ = o.Set("stack", text)
}

func (x *intrinsics) define(vm *VM, o *goja.Object, name, text string) {
	vm.must(o.DefineDataProperty(name, vm.rt.ToValue(text), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

func (x *intrinsics) uint8Array(vm *VM) *goja.Object {
	if x.bytesClass == nil {
		x.bytesClass = vm.rt.Get("Uint8Array").ToObject(vm.rt)
	}
	return x.bytesClass
}

// Func makes a native function with a name, which traces and console show.
func (vm *VM) Func(name string, fn func(goja.FunctionCall) goja.Value) *goja.Object {
	o := vm.rt.ToValue(fn).(*goja.Object)
	vm.must(o.DefineDataProperty("name", vm.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return o
}

// boot makes the goja runtime, up to the point where the script can be run.
func (vm *VM) boot() error {
	rt := goja.New()
	vm.rt = rt
	vm.worker.watch.attach(vm)
	rt.SetMaxCallStackSize(vm.limits.Stack)
	rt.SetTimeSource(vm.worker.clock.Now)
	rt.SetRandSource(vm.worker.options.Random)
	rt.SetPromiseRejectionTracker(vm.trackRejection)
	if err := vm.prelude(); err != nil {
		return err
	}
	if vm.worker.options.Globals == nil {
		return nil
	}
	return vm.worker.options.Globals(vm)
}

// asksForGlobal knows the one source that popular packages give to Function:
// their way to the global object, from before it had a name.
func asksForGlobal(source goja.Value) bool {
	s, ok := source.(goja.String)
	return ok && s.Length() <= len("return this;") && strings.TrimSuffix(s.String(), ";") == "return this"
}

// prelude makes what a script needs of the runtime, and takes away what would
// make code of a text.
func (vm *VM) prelude() error {
	needs, full := vm.version.needs, vm.version.guard >= Full
	if err := vm.refuseCode(needs); err != nil {
		return err
	}
	promise := vm.rt.Get("Promise").ToObject(vm.rt).Get("prototype").ToObject(vm.rt)
	vm.intrinsic.then, _ = goja.AssertFunction(promise.Get("then"))
	if needs.errors || full {
		vm.intrinsic.takeError(vm)
	}
	if needs.symbols {
		if _, err := vm.runShared(vm.worker.shared.symbols); err != nil {
			return err
		}
	}
	if needs.polyfill {
		if _, err := vm.runShared(vm.worker.shared.polyfill); err != nil {
			return err
		}
	}
	var err error
	switch {
	case needs.global || full:
		err = vm.openGlobal()
	case needs.timers:
		err = vm.defineTimers()
	}
	if err != nil || !full {
		return err
	}
	helpers, err := vm.runShared(vm.worker.shared.guard)
	if err == nil {
		vm.installGuard(helpers.ToObject(vm.rt))
	}
	return err
}

// openGlobal completes the global object for a script that may look up any name
// in it.
func (vm *VM) openGlobal() error {
	if vm.intrinsic.global {
		return nil
	}
	vm.intrinsic.global = true
	if err := vm.rt.GlobalObject().Delete("eval"); err != nil {
		return err
	}
	return vm.defineTimers()
}

// refuseCode lets no code be made from strings. The constructors that would are
// also reachable from prototypes.
func (vm *VM) refuseCode(needs needs) error {
	refuse := vm.Func("Function", func(c goja.FunctionCall) goja.Value {
		if len(c.Arguments) == 1 && asksForGlobal(c.Arguments[0]) {
			return vm.Func("anonymous", func(goja.FunctionCall) goja.Value {
				vm.must(vm.openGlobal())
				return vm.rt.GlobalObject()
			})
		}
		vm.Throw(fault.Denied, "code cannot be made from strings", "write a function instead")
		return nil
	})
	plain := refuse.Prototype()
	vm.must(refuse.DefineDataProperty("prototype", plain, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
	owners := []*goja.Object{plain}
	for _, kind := range []struct {
		made *goja.Program
		used bool
	}{{vm.worker.shared.async, needs.async}, {vm.worker.shared.generator, needs.generators}} {
		if !kind.used {
			continue
		}
		fn, err := vm.rt.RunProgram(kind.made)
		if err != nil {
			return err
		}
		owners = append(owners, fn.ToObject(vm.rt).Prototype())
	}
	for _, o := range owners {
		vm.must(o.DefineDataProperty("constructor", refuse, goja.FLAG_NOT_SET, goja.FLAG_NOT_SET, goja.FLAG_NOT_SET))
	}
	return vm.rt.GlobalObject().DefineDataProperty("Function", refuse, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_NOT_SET)
}

// then asks a promise, or one that is resolved with v, to call ok or bad.
func (vm *VM) then(v goja.Value, ok, bad goja.Value) error {
	o, isObject := v.(*goja.Object)
	if !isObject || o.ExportType() != reflect.TypeFor[*goja.Promise]() {
		v = vm.Resolved(v)
	}
	_, err := vm.intrinsic.then(v, ok, bad)
	return err
}

// runShared evaluates a program that is a function and calls it.
func (vm *VM) runShared(p *goja.Program, args ...goja.Value) (goja.Value, error) {
	v, err := vm.rt.RunProgram(p)
	if err != nil {
		return nil, err
	}
	fn, _ := goja.AssertFunction(v)
	return fn(goja.Undefined(), args...)
}

// exports evaluates the bundle and returns its module.exports.
func (vm *VM) exports() (*goja.Object, error) {
	wrapped, err := vm.rt.RunProgram(vm.version.program)
	if err != nil {
		return nil, err
	}
	run, _ := goja.AssertFunction(wrapped)
	module, exports := vm.rt.NewObject(), vm.rt.NewObject()
	vm.must(module.Set("exports", exports))
	arguments := []goja.Value{exports, vm.Func("require", vm.require), module}
	if g := vm.guard; g != nil {
		arguments = append(arguments,
			vm.Func("spread", func(c goja.FunctionCall) goja.Value { return g.iter(c.Argument(0)) }),
			vm.Func("props", func(c goja.FunctionCall) goja.Value { return g.props(c.Argument(0)) }), restSymbol)
	}
	if vm.version.bundle.Steps {
		step, err := vm.stepping()
		if err != nil {
			return nil, err
		}
		arguments = append(arguments, step)
	}
	if _, err := run(goja.Undefined(), arguments...); err != nil {
		return nil, err
	}
	o, ok := module.Get("exports").(*goja.Object)
	if !ok {
		return exports, nil
	}
	if _, callable := goja.AssertFunction(o); callable && o.Get("default") == nil {
		_ = o.Set("default", o) // module.exports = function, as import has it; a frozen one stays as it is
	}
	return o, nil
}

// require gives the bundle the built-in modules, each made at first use.
func (vm *VM) require(call goja.FunctionCall) goja.Value {
	name := call.Argument(0).String()
	if v := vm.modules[name]; v != nil {
		return v
	}
	if vm.inspecting && strings.HasPrefix(name, modulePrefix) {
		if name == flowModule {
			return vm.flowStandIn()
		}
		return vm.standIn()
	}
	m := vm.worker.modules[name]
	if m == nil {
		vm.Throw(fault.NotFound, "there is no module "+name, vm.worker.moduleHint(name))
	}
	v, err := m.New(vm)
	if err != nil {
		vm.ThrowError(err)
	}
	if vm.modules == nil {
		vm.modules = make(map[string]goja.Value)
	}
	vm.modules[name] = v
	return v
}

func (w *worker) moduleHint(name string) string {
	if !strings.HasPrefix(name, modulePrefix) {
		return "modules of Node.js are not available; packages are bundled from the project's node_modules"
	}
	names := make([]string, 0, len(w.modules))
	for known := range w.modules {
		names = append(names, known)
	}
	return didYouMean(name, names)
}
