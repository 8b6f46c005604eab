package config

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/duration"
)

// Show is the effective config as YAML: every key with its value after file,
// environment and defaults; secrets are ***. Loading it gives the same config,
// but for the secrets.
func (c *Config) Show() string {
	w := &yamlWriter{}
	w.structure(reflect.ValueOf(c).Elem(), 0)
	return w.b.String()
}

type yamlWriter struct{ b strings.Builder }

func (w *yamlWriter) line(depth int, text string) {
	w.b.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

func (w *yamlWriter) structure(v reflect.Value, depth int) {
	for _, f := range fieldsOf(v.Type()) {
		w.entry(f.key, v.Field(f.index), f, depth)
	}
}

// entry writes one key; what is absent is written as an empty value of its
// kind, so that every key can be seen.
func (w *yamlWriter) entry(key string, v reflect.Value, f field, depth int) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		w.line(depth, key+":")
	case v.Kind() == reflect.Pointer:
		w.entry(key, v.Elem(), f, depth)
	case f.keyed || v.Type() == reflect.TypeFor[Tokens]():
		w.keyed(key, v, depth)
	case v.Kind() == reflect.Struct && decoderFor(v.Type()) == nil:
		w.line(depth, key+":")
		w.structure(v, depth+1)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && decoderFor(v.Type().Elem()) == nil:
		w.list(key, v, depth)
	default:
		w.line(depth, key+": "+inline(v, f.tag))
	}
}

func (w *yamlWriter) keyed(key string, v reflect.Value, depth int) {
	if v.Len() == 0 {
		w.line(depth, key+": {}")
		return
	}
	w.line(depth, key+":")
	for i := range v.Len() {
		item := v.Index(i)
		name := quote(item.FieldByName("Name").String())
		if i, ok := inlineField(item.Type()); ok {
			w.line(depth+1, name+": "+inline(item.Field(i), ""))
			continue
		}
		w.line(depth+1, name+":")
		w.structure(item, depth+2)
	}
}

// list writes structs in a list; keys that are not set are left out, since a
// route has one action and not three empty ones.
func (w *yamlWriter) list(key string, v reflect.Value, depth int) {
	if v.Len() == 0 {
		w.line(depth, key+": []")
		return
	}
	w.line(depth, key+":")
	for i := range v.Len() {
		w.line(depth+1, "- "+flow(v.Index(i)))
	}
}

// flow is a struct on one line without what is empty.
func flow(v reflect.Value) string {
	var parts []string
	for _, f := range fieldsOf(v.Type()) {
		value := v.Field(f.index)
		if !value.IsZero() && !(value.Kind() == reflect.Slice && value.Len() == 0) {
			parts = append(parts, f.key+": "+inline(value, f.tag))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// inline is any value on one line.
func inline(v reflect.Value, tag reflect.StructTag) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		if value == 0 && tag.Get("off") != "" {
			return "off"
		}
		return duration.Format(value)
	case netip.Addr:
		if !value.IsValid() {
			return ""
		}
		return quote(value.String())
	case Listener:
		text := value.Transport + "://" + value.Addr.String()
		switch {
		case value.Advertise.IsValid():
			return "{address: " + strconv.Quote(text) + ", advertise: " + quote(value.Advertise.String()) + "}"
		case value.Addr.Addr().Is6(): // brackets begin a list in YAML
			return strconv.Quote(text)
		}
		return text
	case Register:
		if !value.On {
			return "false"
		}
		return "{expires: " + duration.Format(value.Expires) + "}"
	case SessionTimer:
		switch {
		case value.Off:
			return "off"
		case value.Interval > 0:
			return duration.Format(value.Interval)
		}
		return "accept"
	case map[string]any:
		return plainMap(value)
	case fmt.Stringer: // addresses, sizes, port ranges and masked secrets
		return quote(value.String())
	}
	switch v.Kind() {
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range v.Len() {
			parts[i] = inline(v.Index(i), tag)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Struct:
		return flow(v)
	case reflect.String:
		return quote(v.String())
	}
	return fmt.Sprint(v.Interface())
}

func plainMap(m map[string]any) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, quote(key)+": "+plainAny(m[key]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func plainAny(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(v)
	case map[string]any:
		return plainMap(v)
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = plainAny(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(v)
}

// safeText needs no quotes anywhere in YAML.
var safeText = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/_.-]*$`)

func quote(s string) string {
	reserved := slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off"}, strings.ToLower(s))
	if safeText.MatchString(s) && !reserved {
		return s
	}
	if s == mask {
		return `"` + mask + `"`
	}
	return cmp.Or(strconv.Quote(s), `""`)
}
