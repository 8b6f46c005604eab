package bind

import (
	"reflect"
	"time"

	"github.com/dop251/goja"
)

// harmless are the objects whose Go form is at hand. The Export of any other
// object copies all of it and runs its getters.
var harmless = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():        true,
	reflect.TypeFor[[]byte]():           true,
	reflect.TypeFor[goja.ArrayBuffer](): true,
	reflect.TypeFor[*goja.Promise]():    true,
}

// Collections, by the type that they would export.
var (
	typeMap     = reflect.TypeFor[[][2]any]()
	typeList    = reflect.TypeFor[[]any]()
	typeDynamic = reflect.TypeFor[goja.DynamicObject]()
)

// Go is the Go form of a primitive, a Date, bytes, a promise or an object of
// ours, and nil for everything else.
func Go(v goja.Value) any {
	o, ok := v.(*goja.Object)
	if !ok {
		if v == nil {
			return nil
		}
		return v.Export()
	}
	if t := o.ExportType(); t != nil && (harmless[t] || t.Implements(typeDynamic)) {
		return o.Export()
	}
	return nil
}
