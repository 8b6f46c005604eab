package runtime

import (
	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// keyed are functions that list the keys of an object; a long text or buffer
// has one for each of its elements.
var keyed = []string{"keys", "values", "entries", "getOwnPropertyNames", "getOwnPropertyDescriptors", "freeze", "seal", "isFrozen", "isSealed"}

func (g *guard) checkObjects(object *goja.Object) {
	for _, name := range keyed {
		g.wrap(object, name, fewKeys)
	}
	g.wrap(object, "assign", func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		for _, v := range c.Arguments {
			g.fewKeysOf(v)
		}
	})
	g.wrap(object, "fromEntries", drainFirst)
	g.wrap(object, "create", func(g *guard, c *goja.FunctionCall) { g.noProxy(c.Argument(0)) })
	g.wrap(object, "setPrototypeOf", newPrototype)
	proto := prototypeOf(object)
	d := g.describe(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{proto, g.rt.ToValue("__proto__")}}).ToObject(g.rt)
	setter := nativeOf(d.Get("set"))
	if setter == nil {
		return
	}
	checked := g.named(func(c goja.FunctionCall) goja.Value {
		g.noProxy(c.Argument(0))
		return setter(c)
	}, "set __proto__", g.rt.ToValue(1))
	g.vm.must(proto.DefineAccessorProperty("__proto__", d.Get("get"), checked, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

func fewKeys(g *guard, c *goja.FunctionCall) {
	running(g, c)
	g.fewKeysOf(c.Argument(0))
}

func (g *guard) fewKeysOf(v goja.Value) {
	n := 0
	switch o := v.(type) {
	case goja.String:
		n = o.Length()
	case *goja.Object:
		switch {
		case o.ClassName() == "String":
			n = int(o.Get("length").ToInteger())
		case isBinary(o):
			n = binaryLength(o)
		}
	}
	if n > maxList {
		g.refuse("list", "an object of %d elements was given to a built-in function, %d are allowed", n, maxList)
	}
}

// props is what an object spread copies from.
func (g *guard) props(v goja.Value) goja.Value {
	g.fewKeysOf(v)
	return v
}

func newPrototype(g *guard, c *goja.FunctionCall) { g.noProxy(c.Argument(1)) }

// noProxy refuses a proxy among the prototypes: one that is its own makes the
// engine recurse without end.
func (g *guard) noProxy(v goja.Value) {
	for o, ok := v.(*goja.Object); ok && o != nil; o = o.Prototype() {
		if isProxy(o) {
			g.vm.Throw(fault.Denied, "a proxy cannot be a prototype", "let the object hold the proxy instead")
		}
	}
}

var reflectChecks = map[string]check{
	"apply": func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		if len(c.Arguments) > 2 {
			set(c, 2, g.arguments(c.Arguments[2]))
		}
	},
	"construct": func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		if len(c.Arguments) > 1 {
			set(c, 1, g.arguments(c.Arguments[1]))
		}
	},
	"setPrototypeOf": newPrototype,
	"ownKeys":        fewKeys,
}

func (g *guard) checkFunctions() {
	proto := prototypeOf(g.global("Function"))
	g.wrap(proto, "apply", func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		if len(c.Arguments) > 1 {
			set(c, 1, g.arguments(c.Arguments[1]))
		}
	})
	g.wrap(proto, "bind", countMade)
}

// countMade counts proxies and bound functions: a chain of them is a depth of
// the engine's own stack.
func countMade(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if g.made++; g.made > maxProxies {
		g.refuse("proxies", "more than %d proxies and bound functions", maxProxies)
	}
}

// checkPromises stops promises that settle each other without end, which no
// instruction of the script comes between.
func (g *guard) checkPromises() {
	promise := g.global("Promise")
	g.wrap(prototypeOf(promise), "then", running)
	g.wrap(promise, "resolve", running)
}

var setChecks = map[string]check{
	"add": running, "union": withSet, "intersection": withSet, "difference": withSet, "symmetricDifference": withSet,
	"isSubsetOf": withSet, "isSupersetOf": withSet, "isDisjointFrom": withSet,
}

func withSet(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if o, ok := c.Argument(0).(*goja.Object); ok {
		if t := o.ExportType(); o.ClassName() != "Object" && o.ClassName() != "Set" && o.ClassName() != "Map" || t != typeSet && t != typeMap {
			g.vm.Throw(fault.Invalid, "a Set is needed here", "write new Set(…)")
		}
	}
}
