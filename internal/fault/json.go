package fault

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	"github.com/loopstart/loopstart/internal/suggest"
)

// BadJSON words why the JSON of a request could not be read into a struct with
// the given fields: the field, what it is and what it has to be, or the field
// that there is not and the one that is meant. It is an *Error of Invalid; one
// that err already holds is returned as it is.
func BadJSON(err error, fields string) *Error {
	if f, ok := errors.AsType[*Error](err); ok {
		return f
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		name := kind.Field[strings.LastIndexByte(kind.Field, '.')+1:]
		if name == "" {
			name = "the value"
		}
		return New(Invalid, "%s: %s is not what is wanted here", name, given(kind.Value)).WithHint("it is %s", wanted(kind.Type))
	}
	said := strings.TrimPrefix(err.Error(), "json: ")
	e := New(Invalid, "%s", said)
	if fields == "" {
		return e
	}
	if quoted, unknown := strings.CutPrefix(said, "unknown field "); unknown {
		if near := suggest.Nearest(strings.Trim(quoted, `"`), strings.Split(fields, ", ")); near != "" {
			return e.WithHint("did you mean %s? fields are %s", near, fields)
		}
	}
	return e.WithHint("fields are %s", fields)
}

// given puts encoding/json's word for a value into a sentence.
func given(value string) string {
	article := "a "
	if strings.HasPrefix(value, "array") || strings.HasPrefix(value, "object") {
		article = "an "
	}
	return article + value
}

// wanted is what a field of that type holds, in the words of JSON.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, such as 3"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list in [ ]"
	case reflect.Map, reflect.Struct:
		return "an object in { }"
	}
	return `a text in quotes`
}
