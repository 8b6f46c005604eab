package bind

import (
	"strconv"

	"github.com/dop251/goja"
)

// Describe names a value for an error message, shortly and without calling
// any of its methods.
func Describe(v goja.Value) string {
	switch {
	case v == nil || goja.IsUndefined(v):
		return "undefined"
	case goja.IsNull(v):
		return "null"
	}
	if s, ok := v.(goja.String); ok {
		if s.Length() > 40 {
			return strconv.Quote(s.Substring(0, 40).String()) + "…"
		}
		return strconv.Quote(s.String())
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return v.String()
	}
	if _, callable := goja.AssertFunction(o); callable {
		return "a function"
	}
	switch o.ClassName() {
	case "Array":
		return "an array"
	case "Promise":
		return "a promise (is an await missing?)"
	case "Date":
		return "a Date"
	}
	return "an object"
}
