package script

import (
	"net/url"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
	"github.com/loopstart/loopstart/stdlib/internal/weburl"
)

// nativeParseURL is (url, base): the parts of a URL, or undefined.
func nativeParseURL(vm *runtime.VM, args []goja.Value) goja.Value {
	var base *weburl.URL
	if b := bind.Arg(args, 1); !bind.Missing(b) {
		var ok bool
		if base, ok = weburl.Parse(b.String(), nil); !ok {
			return goja.Undefined()
		}
	}
	u, ok := weburl.Parse(bind.Arg(args, 0).String(), base)
	if !ok {
		return goja.Undefined()
	}
	return urlParts(vm, u)
}

// nativeSetURL is (href, part, value): the parts after the change, or
// undefined when the value does not fit.
func nativeSetURL(vm *runtime.VM, args []goja.Value) goja.Value {
	u, ok := weburl.Parse(bind.Arg(args, 0).String(), nil)
	if !ok || !u.Set(bind.Arg(args, 1).String(), bind.Arg(args, 2).String()) {
		return goja.Undefined()
	}
	return urlParts(vm, u)
}

func urlParts(vm *runtime.VM, u *weburl.URL) goja.Value {
	o := vm.Runtime().NewObject()
	for name, value := range u.Parts() {
		if err := o.Set(name, value); err != nil {
			panic(err)
		}
	}
	return o
}

// nativeParseForm is the pairs of an application/x-www-form-urlencoded text.
func nativeParseForm(vm *runtime.VM, args []goja.Value) goja.Value {
	pairs := []any{}
	for part := range strings.SplitSeq(bind.Arg(args, 0).String(), "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		pairs = append(pairs, vm.Runtime().NewArray(formText(name), formText(value)))
	}
	return vm.Runtime().NewArray(pairs...)
}

func formText(s string) string {
	return strings.ToValidUTF8(weburl.Decode(strings.ReplaceAll(s, "+", " ")), "\uFFFD")
}

// nativeFormatForm is the text of pairs.
func nativeFormatForm(vm *runtime.VM, args []goja.Value) goja.Value {
	var b strings.Builder
	list := bind.Arg(args, 0).ToObject(vm.Runtime())
	for _, i := range list.Keys() {
		pair := list.Get(i).ToObject(vm.Runtime())
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(formEscape(pair.Get("0").String()))
		b.WriteByte('=')
		b.WriteString(formEscape(pair.Get("1").String()))
	}
	return vm.Runtime().ToValue(b.String())
}

// formEscape differs from Go's in ~ and *, as the URL standard wants.
func formEscape(s string) string {
	return strings.NewReplacer("~", "%7E", "%2A", "*").Replace(url.QueryEscape(strings.ToValidUTF8(s, "\uFFFD")))
}
