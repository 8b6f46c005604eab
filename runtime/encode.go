package runtime

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/quote"
)

// Limits of the JSON form of a script value.
const (
	// MaxDepth is how deep objects and arrays may be nested.
	MaxDepth = 64
	// MaxNodes is how many values one encoding may hold.
	MaxNodes = 100_000
	// maxBigIntBits keeps the printing of a BigInt cheap.
	maxBigIntBits = 4096
)

// Encode returns v as JSON: what JSON.stringify would, but bounded, with bytes
// as {"$bytes": base64}, dates in RFC 3339, and regular expressions, URLs and
// BigInts as text. Functions are left out.
func (vm *VM) Encode(v goja.Value) (json.RawMessage, error) {
	enc := encoder{vm: vm, maxBytes: vm.limits.BodyBytes}
	return enc.encode(v)
}

// encoder writes one value. It never calls Export on anything that could be
// large, and it never sees a Go value that a script could have made.
type encoder struct {
	vm        *VM
	maxBytes  int
	functions bool // register functions instead of leaving them out
	plainOnly bool // refuse them
	callbacks []uint32
	out       []byte
	nodes     int
	path      []*goja.Object
}

// encodeError stops an encoding from any depth.
type encodeError struct{ *fault.Error }

func (e *encoder) fail(code fault.Code, hint, format string, args ...any) {
	panic(encodeError{fault.New(code, format, args...).WithHint("%s", hint)})
}

func (e *encoder) encode(v any) (_ json.RawMessage, err error) {
	defer func() {
		if x := recover(); x != nil {
			failure, ok := x.(encodeError)
			if !ok {
				panic(x)
			}
			err = failure.Error
		}
	}()
	if value, ok := v.(goja.Value); ok && !e.present(value) {
		return nil, nil
	}
	if thrown := e.vm.rt.Try(func() { e.any(v) }); thrown != nil {
		return nil, thrown // by a getter or toJSON of the script
	}
	if len(e.out) == 0 {
		return nil, nil
	}
	return e.out, nil
}

// any writes a goja value, or Go data as modules build it.
func (e *encoder) any(v any) {
	switch x := v.(type) {
	case nil:
		e.text("null")
	case goja.Value:
		if !e.value(x) {
			e.text("null")
		}
	case json.RawMessage:
		if len(x) == 0 {
			x = json.RawMessage("null")
		}
		e.text(string(x))
	case map[string]any:
		e.goMap(x)
	case []any:
		e.goList(x)
	case []byte:
		e.bytes(x)
	case string:
		e.string(x)
	default:
		text, err := json.Marshal(x)
		if err != nil {
			e.fail(fault.Internal, "", "encode %s: %w", reflect.TypeOf(x), err)
		}
		e.text(string(text))
	}
}

func (e *encoder) goMap(m map[string]any) {
	e.text("{")
	first := true
	for _, key := range sortedKeys(m) {
		if v, ok := m[key].(goja.Value); ok && !e.present(v) {
			continue
		}
		e.key(key, &first)
		e.any(m[key])
	}
	e.text("}")
}

func (e *encoder) goList(list []any) {
	e.text("[")
	for i, v := range list {
		if i > 0 {
			e.text(",")
		}
		e.any(v)
	}
	e.text("]")
}

// present reports whether v has a JSON form at all.
func (e *encoder) present(v goja.Value) bool {
	if v == nil || goja.IsUndefined(v) {
		return false
	}
	if _, isSymbol := v.(*goja.Symbol); isSymbol {
		return false
	}
	if o, ok := v.(*goja.Object); ok && !e.functions {
		_, callable := goja.AssertFunction(o)
		if callable && e.plainOnly {
			e.fail(fault.Invalid, "", "a function cannot stand here")
		}
		return !callable
	}
	return true
}

// value writes v and reports false if it has no JSON form.
func (e *encoder) value(v goja.Value) bool {
	if !e.present(v) {
		return false
	}
	e.nodes++
	if e.nodes > MaxNodes {
		e.fail(fault.Limit, "", "the value has more than %d parts (limit nodes)", MaxNodes)
	}
	if o, ok := v.(*goja.Object); ok {
		e.object(o)
		return true
	}
	if s, ok := v.(goja.String); ok {
		e.room(s.Length())
		e.string(s.String())
		return true
	}
	e.primitive(v)
	return true
}

func (e *encoder) primitive(v goja.Value) {
	if goja.IsNull(v) {
		e.text("null")
		return
	}
	switch x := v.Export().(type) {
	case bool:
		e.text(strconv.FormatBool(x))
	case int64:
		e.text(strconv.FormatInt(x, 10))
	case float64:
		e.float(x)
	case *big.Int:
		if x.BitLen() > maxBigIntBits {
			e.fail(fault.Limit, "", "a BigInt has more than %d bits (limit bigint)", maxBigIntBits)
		}
		e.string(x.String())
	default:
		e.text("null")
	}
}

func (e *encoder) float(x float64) {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		e.text("null")
		return
	}
	format := byte('f')
	if abs := math.Abs(x); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		format = 'e'
	}
	e.text(strconv.FormatFloat(x, format, -1, 64))
}

var (
	typeTime        = reflect.TypeFor[time.Time]()
	typeArrayBuffer = reflect.TypeFor[goja.ArrayBuffer]()
	typeBytes       = reflect.TypeFor[[]byte]()
	typePromise     = reflect.TypeFor[*goja.Promise]()
	typeMap         = reflect.TypeFor[[][2]any]()
	typeSet         = reflect.TypeFor[[]any]() // and of arrays
)

func (e *encoder) object(o *goja.Object) {
	if fn, ok := goja.AssertFunction(o); ok {
		if len(e.vm.callbacks) >= MaxCallbacks {
			e.fail(fault.Limit, "", "%d functions are registered with the host already (limit callbacks)", MaxCallbacks)
		}
		id := e.vm.Callback(fn)
		e.callbacks = append(e.callbacks, id)
		e.text(`{"$fn":` + strconv.FormatUint(uint64(id), 10) + `}`)
		return
	}
	switch o.ExportType() {
	case typeTime:
		e.date(o)
		return
	case typeArrayBuffer:
		e.bytes(o.Export().(goja.ArrayBuffer).Bytes())
		return
	case typeBytes:
		e.bytes(o.Export().([]byte))
		return
	case typePromise:
		e.fail(fault.Invalid, "await it first", "a promise cannot be passed on")
	case typeMap:
		e.fail(fault.Invalid, "use Object.fromEntries(map)", "a Map cannot be passed on")
	case typeSet:
		if o.ClassName() == "Object" {
			e.fail(fault.Invalid, "use [...set]", "a Set cannot be passed on")
		}
	}
	e.enter(o)
	e.byClass(o)
	e.path = e.path[:len(e.path)-1]
}

// byClass writes an object that may hold others.
func (e *encoder) byClass(o *goja.Object) {
	switch o.ClassName() {
	case "Array":
		e.array(o)
	case "RegExp", "String":
		e.string(o.String())
	case "Number", "Boolean":
		e.primitive(e.vm.rt.ToValue(o.Export())) // the boxed primitive
	case "Error":
		e.errorObject(o)
	default:
		e.plain(o)
	}
}

func (e *encoder) enter(o *goja.Object) {
	if len(e.path) >= MaxDepth {
		e.fail(fault.Limit, "", "the value is nested deeper than %d (limit depth)", MaxDepth)
	}
	for _, outer := range e.path {
		if outer == o {
			e.fail(fault.Invalid, "", "the value contains itself")
		}
	}
	e.path = append(e.path, o)
}

func (e *encoder) date(o *goja.Object) {
	at, valid := o.Export().(time.Time)
	if !valid {
		e.text("null")
		return
	}
	e.string(at.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (e *encoder) array(o *goja.Object) {
	length := o.Get("length").ToInteger()
	if length > MaxNodes {
		e.fail(fault.Limit, "", "an array has more than %d elements (limit nodes)", MaxNodes)
	}
	e.text("[")
	for i := range length {
		if i > 0 {
			e.text(",")
		}
		if !e.value(o.Get(strconv.FormatInt(i, 10))) {
			e.text("null")
		}
	}
	e.text("]")
}

func (e *encoder) plain(o *goja.Object) {
	if toJSON, ok := goja.AssertFunction(o.Get("toJSON")); ok {
		v, err := toJSON(o)
		if err != nil {
			panic(err)
		}
		if !e.value(v) {
			e.text("null")
		}
		return
	}
	e.text("{")
	first := true
	for _, key := range o.Keys() {
		v := o.Get(key)
		if !e.present(v) {
			continue
		}
		e.key(key, &first)
		e.value(v)
	}
	e.text("}")
}

// errorObject keeps what is not enumerable in an Error.
func (e *encoder) errorObject(o *goja.Object) {
	e.text("{")
	first := true
	for _, key := range []string{"name", "message", "code"} {
		if v := o.Get(key); e.present(v) {
			e.key(key, &first)
			e.value(v)
		}
	}
	e.text("}")
}

func (e *encoder) key(key string, first *bool) {
	if !*first {
		e.text(",")
	}
	*first = false
	e.string(key)
	e.text(":")
}

func (e *encoder) bytes(b []byte) {
	e.room(base64.StdEncoding.EncodedLen(len(b)) + 16)
	e.out = append(e.out, `{"$bytes":"`...)
	e.out = base64.StdEncoding.AppendEncode(e.out, b)
	e.text(`"}`)
}

// string writes s as a JSON string. What is no UTF-8 becomes U+FFFD.
func (e *encoder) string(s string) {
	e.room(len(s) + 2)
	e.out = quote.AppendJSON(e.out, s)
	e.room(0)
}

func (e *encoder) text(s string) {
	e.room(len(s))
	e.out = append(e.out, s...)
}

func (e *encoder) room(n int) {
	if len(e.out)+n > e.maxBytes {
		e.fail(fault.Limit, "", "the value is longer than %d bytes as JSON (limit body_bytes)", e.maxBytes)
	}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
