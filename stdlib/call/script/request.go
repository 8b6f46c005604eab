package script

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
)

// Request makes the argument of onRequest: what came over HTTP, with text,
// json and form read from the body only when they are asked for.
func Request(vm *runtime.VM, data json.RawMessage) (goja.Value, error) {
	var wire struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return nil, fault.New(fault.Internal, "onRequest: the request cannot be read: %w", err)
	}
	body, err := base64.StdEncoding.DecodeString(wire.Body)
	if err != nil {
		return nil, fault.New(fault.Internal, "onRequest: the body is no base64: %w", err)
	}
	v, err := vm.Decode(data)
	if err != nil {
		return nil, err
	}
	o := v.(*goja.Object)
	q := request{vm: vm, body: body, contentType: ""}
	for _, p := range headerPairs(o.Get("headers")) {
		if strings.EqualFold(p[0], "content-type") {
			q.contentType = strings.ToLower(p[1])
		}
	}
	facts := &leg{vm: vm, facts: vm.Runtime().NewObject()}
	must(facts.facts.Set("headers", o.Get("headers")))
	must(o.Set("headers", facts.headers()))
	must(o.Set("body", vm.Bytes(body)))
	for name, get := range map[string]func() goja.Value{"text": q.text, "json": q.json, "form": q.form} {
		getter := vm.Func(name, func(goja.FunctionCall) goja.Value { return get() })
		must(o.DefineAccessorProperty(name, getter, nil, goja.FLAG_FALSE, goja.FLAG_TRUE))
	}
	return o, nil
}

type request struct {
	vm          *runtime.VM
	body        []byte
	contentType string
}

func (q request) text() goja.Value {
	return q.vm.Runtime().ToValue(strings.ToValidUTF8(string(q.body), "\uFFFD"))
}

// json is the body as JSON. One that says it is JSON and is none throws INVALID;
// any other body, a form say, has no json.
func (q request) json() goja.Value {
	if len(q.body) == 0 {
		return goja.Undefined()
	}
	v, err := q.vm.Decode(q.body)
	if err != nil {
		if !strings.Contains(q.contentType, "json") {
			return goja.Undefined()
		}
		q.vm.Throw(fault.Invalid, "request.json: the body is no JSON", "its Content-Type is "+q.contentType)
	}
	return v
}

// form is the fields of a urlencoded body; the last value of a name wins. A body
// of another type has none.
func (q request) form() goja.Value {
	if q.contentType != "" && !strings.Contains(q.contentType, "urlencoded") {
		return q.vm.Runtime().NewObject()
	}
	values, err := url.ParseQuery(string(q.body))
	if err != nil {
		q.vm.Throw(fault.Invalid, "request.form: the body is no form", "its Content-Type is "+q.contentType)
	}
	o := q.vm.Runtime().NewObject()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		list := values[name]
		must(o.DefineDataProperty(name, q.vm.Runtime().ToValue(list[len(list)-1]), goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE))
	}
	return o
}
