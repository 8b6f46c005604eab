package runtime

import (
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// readers walk a list and leave it as it is; writers change it.
var (
	listReaders = []string{
		"every", "filter", "find", "findIndex", "findLast", "findLastIndex", "forEach", "map", "reduce", "reduceRight",
		"slice", "some", "toReversed", "toSorted", "toSpliced", "with",
	}
	listWriters  = []string{"copyWithin", "fill", "reverse", "shift", "sort", "splice", "unshift"}
	listSearches = []string{"includes", "indexOf", "lastIndexOf"}
)

func (g *guard) checkLists(array, proto *goja.Object) {
	for _, name := range listReaders {
		g.wrap(proto, name, readList)
	}
	for _, name := range listWriters {
		g.wrap(proto, name, writeList)
	}
	for _, name := range listSearches {
		g.wrap(proto, name, searchList)
	}
	g.wrap(proto, "concat", concatLists)
	g.wrap(proto, "flat", flatList)
	g.wrap(proto, "flatMap", readList)
	g.wrap(proto, "toString", running)
	join := nativeOf(proto.Get("join"))
	g.joins(proto, "join", join, func(v goja.Value) goja.Value { return v.ToString() })
	g.joins(proto, "toLocaleString", join, g.localeText)
	g.wrap(array, "from", func(g *guard, c *goja.FunctionCall) {
		if len(c.Arguments) > 0 {
			set(c, 0, g.elements(c.Arguments[0]))
		}
	})
}

// plain reports whether v is an ordinary array, and not too long a one.
func (g *guard) plain(v goja.Value) bool {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" {
		return false
	}
	if n := o.Get("length").ToInteger(); n > maxList {
		g.refuse("list", "a list of %d elements was given to a built-in function, %d are allowed", n, maxList)
	}
	return true
}

// isList is ClassName without the exception of a revoked proxy.
func isList(v goja.Value) bool {
	o, ok := v.(*goja.Object)
	return ok && !isProxy(v) && o.ClassName() == "Array"
}

func readList(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if !g.plain(c.This) {
		c.This = g.settled(c.This, true)
	}
}

func writeList(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if !g.plain(c.This) {
		c.This = g.settled(c.This, false)
	}
	if len(c.Arguments) > maxList {
		g.refuse("list", "%d elements at once", len(c.Arguments))
	}
}

// searchList bounds what comparing long texts may cost.
func searchList(g *guard, c *goja.FunctionCall) {
	readList(g, c)
	text, ok := c.Argument(0).(goja.String)
	if !ok || text.Length() < 1<<12 {
		return
	}
	if o, ok := c.This.(*goja.Object); ok {
		if n := o.Get("length").ToInteger(); n*int64(text.Length()) > maxCompare {
			g.refuse("compare", "a text of %d characters is searched in a list of %d", text.Length(), n)
		}
	}
}

// settled is a list-like object that is not an array, in a form whose length
// cannot change between the check and the use. With copy it may be an array
// with the same elements.
func (g *guard) settled(v goja.Value, copied bool) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		if s, ok := v.(goja.String); ok && s.Length() > maxList {
			g.refuse("list", "a text of %d characters was used as a list, %d are allowed", s.Length(), maxList)
		}
		return v
	}
	n := g.lengthOf(o)
	if g.hasPlainLength(o) {
		return v
	}
	if !copied {
		g.vm.Throw(fault.Invalid, "this list has a computed length and cannot be changed by a built-in function", "use an array")
	}
	return g.snapshot(o, n)
}

func (g *guard) lengthOf(o *goja.Object) int64 {
	length := o.Get("length")
	if length == nil || goja.IsUndefined(length) {
		return 0
	}
	f := length.ToFloat()
	if f > maxList {
		g.refuse("list", "a list of %.0f elements was given to a built-in function, %d are allowed", f, maxList)
	}
	return max(0, int64(f))
}

// hasPlainLength reports whether the length is a number that stands in the
// object itself.
func (g *guard) hasPlainLength(o *goja.Object) bool {
	if isProxy(o) {
		return false
	}
	d, ok := g.describe(goja.FunctionCall{This: goja.Undefined(), Arguments: []goja.Value{o, g.rt.ToValue("length")}}).(*goja.Object)
	if !ok {
		return o.Get("length") == nil
	}
	value := d.Get("value")
	_, isObject := value.(*goja.Object)
	return value != nil && !isObject
}

func (g *guard) snapshot(o *goja.Object, n int64) *goja.Object {
	items := make([]any, n)
	for i := range items {
		items[i] = o.Get(strconv.Itoa(i))
		if items[i] == nil {
			items[i] = goja.Undefined()
		}
	}
	return g.rt.NewArray(items...)
}

// arguments makes a list-like object safe as the arguments of apply.
func (g *guard) arguments(v goja.Value) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok || g.plain(v) {
		return v
	}
	n := g.lengthOf(o)
	if g.hasPlainLength(o) {
		return v
	}
	return g.snapshot(o, n)
}

// iter makes what is spread a list whose end is known. An iterator of the
// script is run by the script's own engine, which can be interrupted.
func (g *guard) iter(v goja.Value) goja.Value {
	switch o := v.(type) {
	case *goja.Object:
		if isList(v) && o.GetSymbol(goja.SymIterator) == g.values && g.stepper.Get("next") == g.step && g.plain(v) {
			return v
		}
	case goja.String:
		if o.Length() > maxList {
			g.refuse("list", "a text of %d characters is spread, %d are allowed", o.Length(), maxList)
		}
	default:
		return v // not iterable: the engine says so
	}
	list, err := g.drained(goja.Undefined(), v, g.rt.ToValue(maxList))
	if err != nil {
		panic(err)
	}
	if goja.IsUndefined(list) {
		g.refuse("list", "an iterator gives more than %d values", maxList)
	}
	return list
}

// elements is iter for what may also be list-like.
func (g *guard) elements(v goja.Value) goja.Value {
	o, ok := v.(*goja.Object)
	if !ok {
		if _, isText := v.(goja.String); isText {
			return g.iter(v)
		}
		return v
	}
	if method := o.GetSymbol(goja.SymIterator); method != nil && !goja.IsUndefined(method) && !goja.IsNull(method) {
		return g.iter(v)
	}
	return g.settled(v, true)
}

func drainFirst(g *guard, c *goja.FunctionCall) {
	if len(c.Arguments) > 0 {
		set(c, 0, g.iter(c.Arguments[0]))
	}
}

func concatLists(g *guard, c *goja.FunctionCall) {
	running(g, c)
	total := g.spreadLength(&c.This)
	for i := range c.Arguments {
		v := c.Arguments[i]
		total += g.spreadLength(&v)
		if v != c.Arguments[i] {
			set(c, i, v)
		}
	}
	if total > maxList {
		g.refuse("list", "a list of %d elements would be made, %d are allowed", total, maxList)
	}
}

// spreadLength is how many elements concat takes from v, which it may settle.
func (g *guard) spreadLength(v *goja.Value) int64 {
	o, ok := (*v).(*goja.Object)
	if !ok {
		return 1
	}
	if isList(o) {
		return o.Get("length").ToInteger()
	}
	spread := o.GetSymbol(goja.SymIsConcatSpreadable)
	if isProxy(o) || spread != nil && spread.ToBoolean() {
		n := g.lengthOf(o)
		if isProxy(o) && spread == nil {
			return n + 1 // of an array or not: the engine looks
		}
		*v = g.snapshot(o, n)
		return n
	}
	return 1
}

// flatList counts what flat would make: lists that stand in several places
// grow beyond all bounds.
func flatList(g *guard, c *goja.FunctionCall) {
	readList(g, c)
	depth := int64(1)
	if len(c.Arguments) > 0 && !goja.IsUndefined(c.Arguments[0]) {
		depth = g.whole(c, 0)
	}
	if o, ok := c.This.(*goja.Object); ok {
		count := 0
		g.countFlat(o, depth, 0, &count)
	}
}

func (g *guard) countFlat(o *goja.Object, depth int64, level int, count *int) {
	if level > maxJSONDeep {
		g.refuse("depth", "lists are nested deeper than %d", maxJSONDeep)
	}
	n := int(g.lengthOf(o))
	for i := range n {
		v := o.Get(strconv.Itoa(i))
		if inner, ok := v.(*goja.Object); ok && depth > 0 && (isProxy(v) || isList(v)) {
			g.countFlat(inner, depth-1, level+1, count)
			continue
		}
		if *count++; *count > maxList {
			g.refuse("list", "a list of more than %d elements would be made", maxList)
		}
	}
}

// joins replaces a method that makes a text of a list: elements become text
// one by one, and the sum is known before anything long is made.
func (g *guard) joins(proto *goja.Object, name string, join native, text func(goja.Value) goja.Value) {
	old, _ := proto.Get(name).(*goja.Object)
	g.replace(proto, name, old, func(native) native {
		return func(c goja.FunctionCall) goja.Value {
			readList(g, &c)
			o := c.This.ToObject(g.rt)
			for _, outer := range g.joining {
				if outer == o {
					return g.rt.ToValue("")
				}
			}
			defer g.leaveJoin()
			g.enterJoin(o)
			separator := goja.Value(g.rt.ToValue(","))
			if sep := c.Argument(0); name == "join" && !goja.IsUndefined(sep) {
				separator = sep.ToString()
			}
			list := g.texts(o, separator.(goja.String).Length(), text)
			return join(goja.FunctionCall{This: list, Arguments: []goja.Value{separator}})
		}
	})
}

func (g *guard) enterJoin(o *goja.Object) {
	if g.joining = append(g.joining, o); len(g.joining) > maxJSONDeep {
		g.refuse("depth", "lists are nested deeper than %d", maxJSONDeep)
	}
}

func (g *guard) leaveJoin() {
	if g.joining = g.joining[:len(g.joining)-1]; len(g.joining) == 0 {
		g.joined = 0
	}
}

// texts is a list of what is to be joined; the second reading of o by the
// engine could give something else.
func (g *guard) texts(o *goja.Object, separator int, text func(goja.Value) goja.Value) *goja.Object {
	n := int(g.lengthOf(o))
	if g.joined += n; g.joined > maxList {
		g.refuse("list", "more than %d elements would be joined", maxList)
	}
	made := make([]any, n)
	total := max(0, n-1) * separator
	for i := range made {
		v := o.Get(strconv.Itoa(i))
		if v == nil || goja.IsUndefined(v) {
			v = goja.Null()
		}
		if _, isObject := v.(*goja.Object); isObject {
			v = text(v)
		}
		made[i] = v
		if s, isText := v.(goja.String); isText {
			total += s.Length()
		}
		if total > maxText {
			g.refuse("text", "a text of more than %d characters would be made", maxText)
		}
	}
	return g.rt.NewArray(made...)
}

func (g *guard) localeText(v goja.Value) goja.Value {
	fn, ok := goja.AssertFunction(v.ToObject(g.rt).Get("toLocaleString"))
	if !ok {
		return v.ToString()
	}
	made, err := fn(v)
	if err != nil {
		panic(err)
	}
	return made.ToString()
}
