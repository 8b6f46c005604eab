package bind

import "github.com/dop251/goja"

// ClassOf is the name of an object's constructor, "" when it has none. An
// author can forge it, which only changes how his own value is read.
func ClassOf(o *goja.Object) string {
	constructor, ok := o.Get("constructor").(*goja.Object)
	if !ok {
		return ""
	}
	name, ok := constructor.Get("name").(goja.String)
	if !ok || name.Length() > 64 {
		return ""
	}
	return name.String()
}

// RecordingID is the id of a recording: of what record() resolves with, or a
// string "rec_…".
func RecordingID(v goja.Value) (string, bool) {
	if s, ok := v.(goja.String); ok {
		return s.String(), s.Length() > 0 && s.Length() < 128
	}
	o, ok := v.(*goja.Object)
	if !ok {
		return "", false
	}
	id, ok := o.Get("id").(goja.String)
	if _, callable := goja.AssertFunction(o.Get("link")); !ok || !callable {
		return "", false
	}
	return id.String(), true
}

// Bytes is the content of an ArrayBuffer or of a view on one, without a copy.
func Bytes(v goja.Value) ([]byte, bool) {
	o, ok := v.(*goja.Object)
	if !ok {
		return nil, false
	}
	if data, ok := plainBytes(o); ok {
		return data, true
	}
	buffer, ok := o.Get("buffer").(*goja.Object)
	if !ok {
		return nil, false
	}
	whole, ok := Go(buffer).(goja.ArrayBuffer)
	if !ok {
		return nil, false
	}
	start, length := o.Get("byteOffset").ToInteger(), o.Get("byteLength").ToInteger()
	all := whole.Bytes()
	if start < 0 || length < 0 || start+length > int64(len(all)) {
		return nil, false
	}
	return all[start : start+length], true
}

// plainBytes is Bytes of a Uint8Array or an ArrayBuffer, without reading
// properties.
func plainBytes(o *goja.Object) ([]byte, bool) {
	switch x := Go(o).(type) {
	case []byte:
		return x, true
	case goja.ArrayBuffer:
		return x.Bytes(), true
	}
	return nil, false
}

// IsBytes tells whether Bytes would find any.
func IsBytes(v goja.Value) bool {
	_, ok := Bytes(v)
	return ok
}
