package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder fills structs from nodes and reports everything that does not fit.
type decoder struct {
	*report
	look    func(name string) (string, bool) // ${VAR}
	lenient func(path string) bool           // sections that may lack variables
	places  map[string]place
	notices []Notice
}

// field is what the tags of one struct field say.
type field struct {
	key    string
	keyed  bool
	inline bool
	tag    reflect.StructTag
	index  int
}

// fieldsOf lists the fields of a struct type that have a key.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if !f.IsExported() || key == "-" || key == "" && options == "" {
			continue
		}
		out = append(out, field{key, options == "keyed", options == "inline", f.Tag, i})
	}
	return out
}

// inlineField is the field of a keyed element whose value stands for the
// whole element, as in {mon-fri: "09:00-18:00"}.
func inlineField(t reflect.Type) (int, bool) {
	for _, f := range fieldsOf(t) {
		if f.inline {
			return f.index, true
		}
	}
	return 0, false
}

func keysOf(t reflect.Type) []string {
	var out []string
	for _, f := range fieldsOf(t) {
		out = append(out, f.key)
	}
	return out
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// structure decodes a map into a struct: defaults first, then the keys.
func (d *decoder) structure(path string, n *node, v reflect.Value) {
	if n != nil && n.kind != mapNode && n.kind != nullNode {
		d.mismatch(path, n, "a map with the keys "+strings.Join(keysOf(v.Type()), ", "))
		n = nil
	}
	if n == nil {
		n = &node{}
	}
	if _, ok := d.places[path]; !ok {
		d.places[path] = n.at
	}
	fields := fieldsOf(v.Type())
	var meant []string // keys that a misspelt one probably stands for
	for _, e := range n.entries {
		if !slices.ContainsFunc(fields, func(f field) bool { return f.key == e.key }) {
			d.unknownKey(path, e, v.Type())
			meant = append(meant, nearest(e.key, keysOf(v.Type())))
		}
	}
	for _, f := range fields {
		at := join(path, f.key)
		value, set := n.get(f.key)
		set = set && value.kind != nullNode
		if place, ok := n.place(f.key); ok {
			d.places[at] = place
		}
		before := len(d.found) + len(d.notices) // a variable that is not set was told
		d.field(at, f, value, set, v.Field(f.index))
		if set && f.tag.Get("required") != "" && v.Field(f.index).Kind() == reflect.String && v.Field(f.index).Len() == 0 && len(d.found)+len(d.notices) == before {
			d.add(value.at, at+": this is empty", f.tag.Get("doc"))
		}
		if !set && f.tag.Get("required") != "" && n.at != (place{}) && !slices.Contains(meant, f.key) {
			d.add(n.at, fmt.Sprintf("%s: the key %q is missing", path, f.key), f.tag.Get("doc"))
		}
	}
}

func (d *decoder) unknownKey(path string, e entry, t reflect.Type) {
	known := keysOf(t)
	if e.value.kind == scalarNode && len(e.value.text) >= minMasked && d.maybeSecret(e.key, t) {
		d.secrets = append(d.secrets, e.value.text)
	}
	where := path
	if where == "" {
		where = "the file"
	}
	d.add(e.at, fmt.Sprintf("unknown key %q in %s", e.key, where), didYouMean(e.key, known))
}

// maybeSecret tells whether an unknown key may be a misspelt secret: it is
// near one, or near nothing.
func (d *decoder) maybeSecret(key string, t reflect.Type) bool {
	best := nearest(key, keysOf(t))
	for _, f := range fieldsOf(t) {
		if f.key == best {
			return t.Field(f.index).Type == reflect.TypeFor[Secret]()
		}
	}
	return true
}

// minMasked: shorter literals are not searched for in frames, they would blank
// out half a line.
const minMasked = 3

func (d *decoder) field(path string, f field, n *node, set bool, v reflect.Value) {
	if text := f.tag.Get("default"); text != "" {
		d.value(path, f.tag, defaultNode(text), v)
	}
	switch {
	case set && f.keyed:
		d.keyed(path, n, v)
	case set:
		d.value(path, f.tag, n, v)
	case v.Kind() == reflect.Struct && f.tag.Get("default") == "" && decoderFor(v.Type()) == nil:
		d.structure(path, nil, v)
	}
	if set {
		d.later(path, f.tag, n, v)
		d.empty(path, f, n, v)
	}
}

// empty refuses a list or a text that is there and has nothing in it, where
// that would mean something else than it says.
func (d *decoder) empty(path string, f field, n *node, v reflect.Value) {
	if hint := f.tag.Get("some"); hint != "" && n.kind == listNode && len(n.items) == 0 {
		d.add(n.at, path+": the list is empty", hint)
	}
	if v.Kind() == reflect.String && n.kind == scalarNode && v.Len() == 0 && f.tag.Get("default") != "" && f.tag.Get("enum") == "" {
		d.add(n.at, path+": this is empty", "leave the key out for "+f.tag.Get("default"))
	}
}

// defaultNode is a default tag as a node.
func defaultNode(text string) *node {
	n := parseYAML([]byte(text), "default", func(_ place, message, _ string) { panic("config: default " + text + ": " + message) })
	clearPlaces(n)
	return n
}

func clearPlaces(n *node) {
	n.at, n.raw = place{}, true
	for _, item := range n.items {
		clearPlaces(item)
	}
}

// keyed decodes a map into a slice in file order.
func (d *decoder) keyed(path string, n *node, v reflect.Value) {
	if n.kind != mapNode {
		d.mismatch(path, n, "a map of names")
		return
	}
	element := v.Type().Elem()
	out := reflect.MakeSlice(v.Type(), 0, len(n.entries))
	for _, e := range n.entries {
		at := join(path, e.key)
		d.places[at] = e.at
		item := reflect.New(element).Elem()
		item.FieldByName("Name").SetString(e.key)
		if i, ok := inlineField(element); ok {
			d.value(at, element.Field(i).Tag, e.value, item.Field(i))
		} else {
			value := *e.value
			if value.kind == nullNode {
				value.at = e.at
			}
			d.structure(at, &value, item)
		}
		out = reflect.Append(out, item)
	}
	v.Set(out)
}

// value decodes any node into any supported type.
func (d *decoder) value(path string, tag reflect.StructTag, n *node, v reflect.Value) {
	if decode := decoderFor(v.Type()); decode != nil {
		decode(d, path, tag, n, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(path, tag, n, v.Elem())
	case reflect.Struct:
		d.structure(path, n, v)
		if p := v.FieldByName("Place"); p.IsValid() {
			p.SetString(d.where(n.at))
		}
	case reflect.Slice:
		d.list(path, tag, n, v)
	case reflect.String:
		d.stringValue(path, tag, n, v)
	case reflect.Bool:
		d.boolValue(path, n, v)
	case reflect.Int:
		d.number(path, tag, n, "a whole number", func(text string) (float64, error) {
			i, err := strconv.Atoi(text)
			v.SetInt(int64(i))
			return float64(i), err
		})
	case reflect.Float64:
		d.number(path, tag, n, "a number", func(text string) (float64, error) {
			f, err := strconv.ParseFloat(text, 64)
			v.SetFloat(f)
			return f, err
		})
	default:
		panic("config: no decoder for " + v.Type().String())
	}
}

// list decodes a list; where a list of scalars is wanted one scalar will do.
func (d *decoder) list(path string, tag reflect.StructTag, n *node, v reflect.Value) {
	items := n.items
	isStruct := v.Type().Elem().Kind() == reflect.Struct && decoderFor(v.Type().Elem()) == nil
	switch {
	case n.kind == scalarNode && !isStruct:
		items = []*node{n}
	case n.kind != listNode:
		d.mismatch(path, n, "a list")
		return
	}
	out := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if n.kind == scalarNode {
			at = path
		}
		d.places[at] = item.at
		d.value(at, tag, item, out.Index(i))
		if tag.Get("repeat") == "" && repeated(items[:i], item) && out.Index(i).Type() != reflect.TypeFor[Secret]() {
			d.add(item.at, at+": "+item.quoted()+" is here twice", "remove one of them")
		}
	}
	v.Set(out)
}

// repeated tells a scalar that stands in a list already.
func repeated(before []*node, n *node) bool {
	return n.kind == scalarNode && slices.ContainsFunc(before, func(b *node) bool { return b.kind == scalarNode && b.text == n.text })
}

func (d *decoder) stringValue(path string, tag reflect.StructTag, n *node, v reflect.Value) {
	text, ok := d.text(path, n, "a text")
	if !ok {
		return
	}
	if words := strings.Fields(tag.Get("enum")); len(words) > 0 {
		i := slices.IndexFunc(words, func(w string) bool { return strings.EqualFold(w, text) })
		if i < 0 {
			d.add(n.at, fmt.Sprintf("%s: %s is not known here", path, n.quoted()), didYouMean(text, words))
			return
		}
		text = words[i]
	}
	v.SetString(text)
}

func (d *decoder) boolValue(path string, n *node, v reflect.Value) {
	text, ok := d.text(path, n, "true or false")
	if !ok {
		return
	}
	switch strings.ToLower(text) {
	case "true", "false":
		v.SetBool(strings.EqualFold(text, "true"))
	default:
		d.add(n.at, fmt.Sprintf("%s: %s is neither true nor false", path, n.quoted()), "")
	}
}

func (d *decoder) number(path string, tag reflect.StructTag, n *node, wanted string, parse func(string) (float64, error)) {
	text, ok := d.text(path, n, wanted)
	if !ok {
		return
	}
	value, err := parse(text)
	if err != nil || math.IsNaN(value) {
		d.add(n.at, fmt.Sprintf("%s: %s is not %s", path, n.quoted(), wanted), "")
		return
	}
	d.checkRange(path, tag, n, value)
}

func (d *decoder) checkRange(path string, tag reflect.StructTag, n *node, value float64) {
	low, high, ok := strings.Cut(tag.Get("range"), "..")
	if !ok {
		return
	}
	least, err1 := strconv.ParseFloat(low, 64)
	most, err2 := strconv.ParseFloat(high, 64)
	if err1 != nil || err2 != nil {
		panic("config: range " + tag.Get("range"))
	}
	if value < least || value > most {
		d.add(n.at, fmt.Sprintf("%s: %s is out of range", path, n.quoted()), fmt.Sprintf("allowed is %s to %s", low, high))
	}
}

// text is the scalar's text with its variables filled in; ok is false when
// there is none, which has been reported.
func (d *decoder) text(path string, n *node, wanted string) (string, bool) {
	if n.kind != scalarNode {
		d.mismatch(path, n, wanted)
		return "", false
	}
	if n.raw {
		return n.text, true
	}
	return d.interpolate(path, n)
}

func (d *decoder) mismatch(path string, n *node, wanted string) {
	if path == "" {
		path = "the file"
	}
	d.add(n.at, fmt.Sprintf("%s: %s is wanted, here is %s", path, wanted, n.kind), "")
}

// quoted is the value as the file has it: a ${VAR} is not resolved, since it
// may be a secret in the wrong place.
func (n *node) quoted() string {
	const longest = 60
	if n.raw && n.at.source != "" {
		return "its value"
	}
	if text := []rune(n.text); len(text) > longest {
		return strconv.Quote(string(text[:longest]) + "…")
	}
	return strconv.Quote(n.text)
}
