package runtime

import (
	"reflect"

	"github.com/dop251/goja"
)

// buffers are the kinds of typed array and the bytes of an element.
var buffers = map[string]int64{
	"Uint8Array": 1, "Uint8ClampedArray": 1, "Int8Array": 1, "Uint16Array": 2, "Int16Array": 2,
	"Uint32Array": 4, "Int32Array": 4, "Float32Array": 4, "Float64Array": 8,
}

// walkers of a typed array call a function for each element, or make a text.
var walkers = []string{
	"every", "filter", "find", "findIndex", "findLast", "findLastIndex", "forEach", "map", "reduce", "reduceRight", "some", "sort",
	"toSorted", "join", "toLocaleString",
}

// maxWalked is how many elements of a buffer a built-in walks.
const maxWalked = 1 << 20

// checkBinary checks the sizes of buffers. The prototype that all typed arrays
// share is seen to with the first of them.
func (g *guard) checkBinary() {
	global := g.rt.GlobalObject()
	for _, name := range []string{"BigInt64Array", "BigUint64Array"} {
		g.vm.must(global.Delete(name))
	}
	g.later("DataView", func(o *goja.Object) *goja.Object {
		for _, name := range []string{"getBigInt64", "getBigUint64", "setBigInt64", "setBigUint64"} {
			g.vm.must(prototypeOf(o).Delete(name))
		}
		return o
	})
	buffer := g.constructor(g.global("ArrayBuffer"), "ArrayBuffer", func(g *guard, c *goja.FunctionCall) { g.bytes(g.whole(c, 0)) })
	g.vm.must(global.DefineDataProperty("ArrayBuffer", buffer, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	shared := false
	for name, size := range buffers {
		g.later(name, func(old *goja.Object) *goja.Object {
			if !shared {
				shared = true
				g.checkTyped(old.Prototype())
			}
			return g.constructor(old, name, func(g *guard, c *goja.FunctionCall) { g.newTyped(c, size) })
		})
	}
}

// checkTyped checks what all typed arrays inherit.
func (g *guard) checkTyped(class *goja.Object) {
	for _, name := range walkers {
		g.wrap(prototypeOf(class), name, func(g *guard, c *goja.FunctionCall) {
			running(g, c)
			g.walked(c.This)
		})
	}
	g.wrap(prototypeOf(class), "set", func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		if len(c.Arguments) > 0 && !isBinaryValue(c.Arguments[0]) {
			set(c, 0, g.settled(c.Arguments[0], true))
		}
	})
	g.wrap(class, "from", func(g *guard, c *goja.FunctionCall) {
		running(g, c)
		switch {
		case len(c.Arguments) == 0:
		case isBinaryValue(c.Arguments[0]):
			g.walked(c.Arguments[0]) // by its iterator, unlike in new and slice
		default:
			set(c, 0, g.elements(c.Arguments[0]))
		}
	})
}

// walked checks a buffer that a built-in takes element by element.
func (g *guard) walked(v goja.Value) {
	o, ok := v.(*goja.Object)
	if !ok || !isBinary(o) {
		return
	}
	if n := binaryLength(o); n > maxWalked {
		g.refuse("list", "a buffer of %d elements was given to a built-in function, %d are allowed", n, maxWalked)
	}
}

func (g *guard) bytes(n int64) {
	if n > maxBinary {
		g.refuse("buffer", "a buffer of %d bytes, %d are allowed", n, maxBinary)
	}
}

func (g *guard) newTyped(c *goja.FunctionCall, size int64) {
	running(g, c)
	if len(c.Arguments) == 0 {
		return
	}
	if o, ok := c.Arguments[0].(*goja.Object); ok {
		if isBinary(o) {
			if o.ExportType() != typeArrayBuffer {
				g.bytes(int64(binaryLength(o)) * size)
			}
			return
		}
		set(c, 0, g.elements(o))
		return
	}
	g.bytes(min(g.whole(c, 0), maxBinary+1) * size)
}

// isBinary reports whether o is a typed array or an ArrayBuffer.
func isBinary(o *goja.Object) bool {
	t := o.ExportType()
	if t == typeArrayBuffer {
		return true
	}
	if t == nil || t.Kind() != reflect.Slice {
		return false
	}
	k := t.Elem().Kind()
	return k >= reflect.Int && k <= reflect.Float64
}

func isBinaryValue(v goja.Value) bool {
	o, ok := v.(*goja.Object)
	return ok && isBinary(o)
}

func binaryLength(o *goja.Object) int {
	switch x := o.Export().(type) {
	case goja.ArrayBuffer:
		return len(x.Bytes())
	default:
		return reflect.ValueOf(x).Len()
	}
}
