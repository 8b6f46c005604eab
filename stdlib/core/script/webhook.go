package script

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// MaxFiles is how many files one delivery may carry.
const MaxFiles = 20

var webhookMembers = map[string]bind.Member{"deliver": bind.Async(deliver)}

func webhook(vm *runtime.VM, _ string) goja.Value { return bind.Namespace(vm, webhookMembers) }

// deliver hands a request to the host's outbox; it resolves when that is on disk.
func deliver(vm *runtime.VM, args []goja.Value) goja.Value {
	const verb = "webhook.deliver"
	target := bind.Arg(args, 0).String()
	if u, err := url.Parse(target); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		vm.Throw(fault.Invalid, verb+": "+bind.Describe(bind.Arg(args, 0))+" is no http or https URL", "")
	}
	o := bind.Read(vm, verb, bind.Arg(args, 2), "key", "method", "form", "files", "headers", "sign", "expires")
	o.Wire["url"], o.Wire["method"], o.Wire["headers"] = target, "POST", []any{}
	o.Choice("method", "POST", "PUT", "PATCH", "DELETE", "GET").String("key").Headers("headers")
	o.Duration("expires", time.Second, duration.Year)
	sign(o)
	files(o)
	body(o, bind.Arg(args, 1))
	return vm.Call(verb, o.Wire)
}

// sign is true for the project's secret, or the name of one.
func sign(o *bind.Options) {
	v, ok := o.Get("sign")
	if !ok {
		return
	}
	switch bind.Go(v).(type) {
	case bool:
		if v.ToBoolean() {
			o.Wire["sign"] = true
		}
	case string:
		o.String("sign")
	default:
		o.Bad("sign", v, "true or the name of a secret", "")
	}
}

// body chooses the kind by the value: a form when asked for or for
// URLSearchParams, text, bytes, and JSON for everything else.
func body(o *bind.Options, v goja.Value) {
	o.Bool("form")
	asForm := o.Wire["form"] == true
	delete(o.Wire, "form")
	obj, isObject := v.(*goja.Object)
	switch {
	case bind.Missing(v):
		o.Wire["kind"] = "none"
	case asForm:
		if !isObject {
			o.Bad("form", v, "an object as the body", "")
		}
		o.Wire["kind"], o.Wire["body"] = "form", formPairs(o, obj)
	case !isObject:
		o.Wire["kind"], o.Wire["body"] = "text", v
		if _, ok := v.(goja.String); !ok {
			o.Wire["kind"] = "json"
		}
	case bind.IsBytes(obj):
		data, _ := bind.Bytes(v)
		o.Wire["kind"], o.Wire["body"] = "bytes", base64.StdEncoding.EncodeToString(data)
	case bind.ClassOf(obj) == "URLSearchParams":
		o.Wire["kind"], o.Wire["body"] = "form", searchPairs(obj)
	default:
		o.Wire["kind"], o.Wire["body"] = "json", plain(o.VM, o.Verb, v)
	}
}

func formPairs(o *bind.Options, obj *goja.Object) []any {
	if bind.ClassOf(obj) == "URLSearchParams" {
		return searchPairs(obj)
	}
	pairs := []any{}
	for _, key := range obj.Keys() {
		v := obj.Get(key)
		if bind.Missing(v) {
			continue
		}
		if _, nested := v.(*goja.Object); nested {
			o.VM.Throw(fault.Invalid, fmt.Sprintf("webhook.deliver: the form field %q is %s", key, bind.Describe(v)),
				"a form holds text and numbers; use JSON.stringify for more")
		}
		pairs = append(pairs, []any{key, v.String()})
	}
	return pairs
}

// searchPairs reads URLSearchParams through its own text form.
func searchPairs(obj *goja.Object) []any {
	pairs := []any{}
	for field := range strings.SplitSeq(obj.String(), "&") {
		key, value, _ := strings.Cut(field, "=")
		key, _ = url.QueryUnescape(key) // its own text is well formed
		value, _ = url.QueryUnescape(value)
		if field != "" {
			pairs = append(pairs, []any{key, value})
		}
	}
	return pairs
}

// files are recordings, or objects with data of their own.
func files(o *bind.Options) {
	v, ok := o.Get("files")
	if !ok {
		return
	}
	list, isObject := v.(*goja.Object)
	if !isObject || list.ClassName() != "Array" {
		o.Bad("files", v, "an array", "")
	}
	n := list.Get("length").ToInteger()
	if n > MaxFiles {
		o.Bad("files", v, fmt.Sprintf("at most %d files", MaxFiles), "")
	}
	out := []any{}
	for i := range n {
		out = append(out, file(o, i, list.Get(fmt.Sprint(i))))
	}
	o.Wire["files"] = out
}

func file(o *bind.Options, i int64, v goja.Value) map[string]any {
	where := fmt.Sprintf("webhook.deliver: files[%d]", i)
	if id, ok := bind.RecordingID(v); ok {
		return map[string]any{"field": "file", "recording": id} // the file's own name
	}
	f := bind.Read(o.VM, where, v, "field", "name", "type", "recording", "data")
	f.String("field", "name", "type")
	if f.Wire["field"] == nil {
		f.Wire["field"] = "file"
	}
	recording, hasRecording := f.Get("recording")
	data, hasData := f.Get("data")
	if hasRecording == hasData {
		o.VM.Throw(fault.Invalid, where+" needs either recording or data", "")
	}
	if hasData {
		content, ok := bind.Bytes(data)
		if text, isText := data.(goja.String); isText {
			content, ok = []byte(text.String()), true
		}
		if !ok {
			f.Bad("data", data, "a string or bytes", "")
		}
		if f.Wire["name"] == nil {
			f.Wire["name"] = fmt.Sprintf("file%d", i+1)
		}
		f.Wire["data"] = base64.StdEncoding.EncodeToString(content)
		return f.Wire
	}
	id, ok := bind.RecordingID(recording)
	if !ok {
		f.Bad("recording", recording, "a recording or its id", "")
	}
	f.Wire["recording"] = id
	return f.Wire
}
