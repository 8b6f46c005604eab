package runtime

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// Guard is how much of the language is taken away or checked.
type Guard uint8

// The guards. A bundle can ask for a stricter one than the worker has.
const (
	// Light limits time, stack, allocation and host calls from outside the
	// language and removes eval and Function; natives that hang or exhaust
	// memory are left to the supervisor, which kills the worker.
	Light Guard = iota
	// Full checks also what is given to built-in functions that could run or
	// allocate without end, so that most offenders end alone. BigInt is
	// removed. It costs memory and start-up time per VM; docs/SANDBOX.md has
	// the price.
	Full
)

// ParseGuard reads the name of a guard as a script's config has it; "" is
// light.
func ParseGuard(name string) (Guard, error) {
	switch name {
	case "", "light":
		return Light, nil
	case "full":
		return Full, nil
	}
	return Light, fault.New(fault.Invalid, "there is no guard %q", name).WithHint(`guard is "full" or "light"`)
}

// Limits of what one call of a built-in function may be given or make, under
// the full guard.
const (
	maxText     = 4 << 20       // characters of a string that a built-in makes
	maxList     = 1 << 18       // elements of a list that a built-in walks or makes
	maxBinary   = 16 << 20      // bytes of a buffer
	maxJSONDeep = 200           // nesting of JSON and of lists in lists
	maxJSONSize = 200_000       // values in one JSON text
	maxProxies  = 10_000        // proxies and bound functions of a VM
	maxCompare  = 1_000_000_000 // character comparisons of one search
)

// guard is the full guard of one VM. It belongs to the VM's lane.
type guard struct {
	vm       *VM
	rt       *goja.Runtime
	made     int // proxies and bound functions
	joining  []*goja.Object
	joined   int    // elements of all lists in the outermost join
	describe native // Object.getOwnPropertyDescriptor
	values   goja.Value
	stepper  *goja.Object // %ArrayIteratorPrototype%
	step     goja.Value   // its next
	drained  goja.Callable
	class    *goja.Object // RegExp
	regexps  bool         // it is checked already
	replaces replaceBudget
}

type native = func(goja.FunctionCall) goja.Value

// check looks at a call of a built-in before it happens. It may put safe
// values in place of what it was given, so that a getter or valueOf cannot
// give the built-in something else than it gave the check.
type check func(g *guard, c *goja.FunctionCall)

// installGuard checks the built-ins of a new VM. Globals that few scripts use
// are seen to when they are first asked for.
func (vm *VM) installGuard(helpers *goja.Object) {
	g := &guard{vm: vm, rt: vm.rt}
	vm.guard = g
	object := g.global("Object")
	list := g.rt.Get("Array").ToObject(g.rt)
	lists := list.Get("prototype").ToObject(g.rt)
	g.describe = nativeOf(object.Get("getOwnPropertyDescriptor"))
	g.values = lists.Get("values")
	g.stepper = helpers.Get("listIterator").ToObject(g.rt)
	g.step = g.stepper.Get("next")
	g.drained, _ = goja.AssertFunction(helpers.Get("drain"))
	g.checkLists(list, lists)
	g.checkText()
	g.checkObjects(object)
	g.checkFunctions()
	g.checkPromises()
	g.later("JSON", func(o *goja.Object) *goja.Object { g.wrapAll(o, jsonChecks); return o })
	g.later("Map", func(o *goja.Object) *goja.Object {
		g.wrapAll(prototypeOf(o), map[string]check{"set": running})
		return o
	})
	g.later("WeakMap", func(o *goja.Object) *goja.Object {
		g.wrapAll(prototypeOf(o), map[string]check{"set": running})
		return o
	})
	g.later("WeakSet", func(o *goja.Object) *goja.Object {
		g.wrapAll(prototypeOf(o), map[string]check{"add": running})
		return o
	})
	g.later("Set", func(o *goja.Object) *goja.Object { g.wrapAll(prototypeOf(o), setChecks); return o })
	g.later("Reflect", func(o *goja.Object) *goja.Object { g.wrapAll(o, reflectChecks); return o })
	g.later("Proxy", func(o *goja.Object) *goja.Object { return g.constructor(o, "Proxy", countMade) })
	g.later("AggregateError", func(o *goja.Object) *goja.Object { return g.constructor(o, "AggregateError", drainFirst) })
	g.class = g.global("RegExp")
	g.later("RegExp", func(*goja.Object) *goja.Object { return g.checkRegexps() })
	g.checkBinary()
	vm.must(g.rt.GlobalObject().Delete("BigInt"))
	if vm.version.needs.regexps {
		g.checkRegexps()
	}
	if vm.version.needs.rest {
		getter := vm.Func("rest", func(c goja.FunctionCall) goja.Value { return g.iter(c.This) })
		vm.must(g.global("Object").Get("prototype").ToObject(g.rt).DefineAccessorPropertySymbol(restSymbol, getter, nil, goja.FLAG_FALSE, goja.FLAG_FALSE))
	}
}

func prototypeOf(o *goja.Object) *goja.Object { return o.Get("prototype").(*goja.Object) }

func (g *guard) global(name string) *goja.Object { return g.rt.Get(name).ToObject(g.rt) }

// nativeOf is the Go function behind a built-in, nil if there is none.
func nativeOf(v goja.Value) native {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil
	}
	run, _ := o.Export().(native)
	return run
}

// wrap puts a check before a built-in. Its name and length stay.
func (g *guard) wrap(owner *goja.Object, name string, check check) *goja.Object {
	old, _ := owner.Get(name).(*goja.Object)
	if old == nil {
		return nil
	}
	return g.replace(owner, name, old, func(run native) native {
		return func(c goja.FunctionCall) goja.Value {
			check(g, &c)
			return run(c)
		}
	})
}

// replace puts another function in place of a built-in.
func (g *guard) replace(owner *goja.Object, name string, old *goja.Object, make func(run native) native) *goja.Object {
	run := nativeOf(old)
	if run == nil {
		return nil
	}
	fn := g.named(make(run), name, old.Get("length"))
	g.vm.must(owner.DefineDataProperty(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return fn
}

func (g *guard) named(run any, name string, length goja.Value) *goja.Object {
	fn := g.rt.ToValue(run).(*goja.Object)
	g.vm.must(fn.DefineDataProperty("name", g.rt.ToValue(name), goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	g.vm.must(fn.DefineDataProperty("length", length, goja.FLAG_FALSE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	return fn
}

func (g *guard) wrapAll(owner *goja.Object, checks map[string]check) {
	for name, check := range checks {
		g.wrap(owner, name, check)
	}
}

// later makes a global an accessor that prepares it when it is first read.
func (g *guard) later(name string, prepare func(*goja.Object) *goja.Object) {
	global := g.rt.GlobalObject()
	old, _ := global.Get(name).(*goja.Object)
	if old == nil {
		return
	}
	settle := func(v goja.Value) {
		g.vm.must(global.DefineDataProperty(name, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	get := func(goja.FunctionCall) goja.Value {
		made := prepare(old)
		settle(made)
		return made
	}
	set := func(c goja.FunctionCall) goja.Value { settle(c.Argument(0)); return goja.Undefined() }
	g.vm.must(global.DefineAccessorProperty(name, g.rt.ToValue(get), g.rt.ToValue(set), goja.FLAG_TRUE, goja.FLAG_FALSE))
}

// constructor puts a checked constructor in place of one that must not be
// reachable any more.
func (g *guard) constructor(old *goja.Object, name string, check check) *goja.Object {
	construct, _ := goja.AssertConstructor(old)
	var fn *goja.Object
	fn = g.named(func(c goja.ConstructorCall) *goja.Object {
		call := goja.FunctionCall{This: goja.Undefined(), Arguments: c.Arguments}
		check(g, &call)
		target := c.NewTarget
		if target == fn {
			target = nil
		}
		made, err := construct(target, call.Arguments...)
		if err != nil {
			panic(err)
		}
		return made
	}, name, old.Get("length"))
	for _, key := range old.GetOwnPropertyNames() {
		switch key {
		case "name", "length":
		case "prototype":
			proto := prototypeOf(old)
			g.vm.must(fn.DefineDataProperty(key, proto, goja.FLAG_FALSE, goja.FLAG_FALSE, goja.FLAG_FALSE))
			g.vm.must(proto.DefineDataProperty("constructor", fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
		default:
			g.vm.must(fn.DefineDataProperty(key, old.Get(key), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
		}
	}
	if old.GetSymbol(goja.SymSpecies) != nil {
		species := g.rt.ToValue(func(c goja.FunctionCall) goja.Value { return c.This })
		g.vm.must(fn.DefineAccessorPropertySymbol(goja.SymSpecies, species, nil, goja.FLAG_TRUE, goja.FLAG_FALSE))
	}
	if parent := old.Prototype(); parent != nil {
		g.vm.must(fn.SetPrototype(parent))
	}
	return fn
}

// refuse throws LIMIT. The script may catch it: nothing has happened yet.
func (g *guard) refuse(limit, format string, args ...any) {
	g.vm.Throw(fault.Limit, fmt.Sprintf(format, args...)+" (limit "+limit+")", "this is a limit of guard: \"full\"")
}

// running throws when the slice is over a limit already: a loop of built-ins
// that never comes back to the script has to end here.
func running(g *guard, _ *goja.FunctionCall) {
	if why := g.vm.stop.Load(); why != nil {
		g.vm.ThrowError(why)
	}
}

// set puts v in place of argument i, in a copy of the arguments: the slice is
// the engine's own.
func set(c *goja.FunctionCall, i int, v goja.Value) {
	c.Arguments = slices.Clone(c.Arguments)
	c.Arguments[i] = v
}

// whole makes argument i an integer that cannot change any more and returns
// it; 0 when it is absent.
func (g *guard) whole(c *goja.FunctionCall, i int) int64 {
	if len(c.Arguments) <= i || goja.IsUndefined(c.Arguments[i]) {
		return 0
	}
	v := c.Arguments[i]
	if _, isObject := v.(*goja.Object); isObject {
		v = v.ToNumber()
		set(c, i, v)
	}
	if f := v.ToFloat(); f >= 1<<62 {
		return 1 << 62
	}
	return v.ToInteger()
}

var typeProxy = reflect.TypeFor[goja.Proxy]()

func isProxy(v goja.Value) bool {
	o, ok := v.(*goja.Object)
	return ok && o.ExportType() == typeProxy
}
