package runtime

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// Decode makes a script value of JSON: plain objects, arrays and primitives,
// and a Uint8Array of {"$bytes": base64}. Empty text is undefined.
func (vm *VM) Decode(text json.RawMessage) (goja.Value, error) {
	if len(text) == 0 {
		return goja.Undefined(), nil
	}
	d := decoder{vm: vm, text: text}
	v, err := d.document()
	if err != nil {
		return nil, fault.New(fault.Invalid, "runtime: decode JSON at byte %d: %w", d.pos, err)
	}
	return v, nil
}

// DecodeLater is Decode of an object whose member name, if it is an array, is
// left out and returned as JSON: what few scripts look at costs the others
// nothing.
func (vm *VM) DecodeLater(text json.RawMessage, name string) (v goja.Value, later json.RawMessage, err error) {
	if len(text) == 0 {
		return goja.Undefined(), nil, nil
	}
	d := decoder{vm: vm, text: text, later: name}
	if v, err = d.document(); err != nil {
		return nil, nil, fault.New(fault.Invalid, "runtime: decode JSON at byte %d: %w", d.pos, err)
	}
	return v, d.left, nil
}

// decoder reads JSON straight into goja values. encoding/json would lose the
// order of keys, and goja's own JSON.parse overflows the stack on deep input.
type decoder struct {
	vm    *VM
	text  []byte
	pos   int
	depth int
	later string          // a member of the outermost object that is left out
	left  json.RawMessage // and its text
}

type syntaxError string

func (e syntaxError) Error() string { return string(e) }

func (d *decoder) document() (goja.Value, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(d.text) {
		return nil, syntaxError("something follows the value")
	}
	return v, nil
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek skips space and returns the next byte, 0 at the end.
func (d *decoder) peek() byte {
	d.space()
	if d.pos < len(d.text) {
		return d.text[d.pos]
	}
	return 0
}

func (d *decoder) value() (goja.Value, error) {
	switch c := d.peek(); {
	case c == '{':
		return d.nested(d.object)
	case c == '[':
		return d.nested(d.array)
	case c == '"':
		s, err := d.string()
		return d.vm.rt.ToValue(s), err
	case c == 't':
		return d.word("true", d.vm.rt.ToValue(true))
	case c == 'f':
		return d.word("false", d.vm.rt.ToValue(false))
	case c == 'n':
		return d.word("null", goja.Null())
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	return nil, syntaxError("a value is missing")
}

func (d *decoder) word(word string, v goja.Value) (goja.Value, error) {
	end := d.pos + len(word)
	if end > len(d.text) || string(d.text[d.pos:end]) != word {
		return nil, syntaxError("unknown word")
	}
	d.pos = end
	return v, nil
}

// maxDecodeDepth is above MaxDepth, so that whatever a script could send comes
// back to it.
const maxDecodeDepth = 2 * MaxDepth

func (d *decoder) nested(read func() (goja.Value, error)) (goja.Value, error) {
	if d.depth++; d.depth > maxDecodeDepth {
		return nil, syntaxError("nested too deep (limit depth)")
	}
	d.pos++
	v, err := read()
	d.depth--
	return v, err
}

func (d *decoder) array() (goja.Value, error) {
	var items []any
	if d.peek() == ']' {
		d.pos++
		return d.vm.rt.NewArray(), nil
	}
	for {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		items = append(items, v)
		more, err := d.separator(']')
		if err != nil {
			return nil, err
		}
		if !more {
			return d.vm.rt.NewArray(items...), nil
		}
	}
}

func (d *decoder) object() (goja.Value, error) {
	o := d.vm.rt.NewObject()
	if d.peek() == '}' {
		d.pos++
		return o, nil
	}
	for {
		key, v, err := d.member()
		if err != nil {
			return nil, err
		}
		more, err := d.separator('}')
		if err != nil {
			return nil, err
		}
		if key == "$bytes" && !more && len(o.Keys()) == 0 {
			return d.bytes(v)
		}
		if v == nil { // left out
			if !more {
				return o, nil
			}
			continue
		}
		// Defined, not set: "__proto__" and setters must stay data.
		if err := o.DefineDataProperty(key, v, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE); err != nil {
			return nil, err
		}
		if !more {
			return o, nil
		}
	}
}

func (d *decoder) member() (string, goja.Value, error) {
	if d.peek() != '"' {
		return "", nil, syntaxError("a key is missing")
	}
	key, err := d.string()
	if err != nil {
		return "", nil, err
	}
	if d.peek() != ':' {
		return "", nil, syntaxError("a colon is missing")
	}
	d.pos++
	if d.depth == 1 && d.later != "" && key == d.later && d.peek() == '[' {
		start := d.pos
		err := d.skip()
		d.left = d.text[start:d.pos]
		return key, nil, err
	}
	v, err := d.value()
	return key, v, err
}

// skip passes over an array, whose text is read later.
func (d *decoder) skip() error {
	for depth := 0; d.pos < len(d.text); {
		switch d.text[d.pos] {
		case '"':
			for d.pos++; d.pos < len(d.text) && d.text[d.pos] != '"'; d.pos++ {
				if d.text[d.pos] == '\\' {
					d.pos++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		}
		if d.pos++; depth == 0 {
			return nil
		}
	}
	d.pos = len(d.text)
	return syntaxError("an array does not end")
}

// separator reads a comma (more is true) or the closing bracket.
func (d *decoder) separator(end byte) (more bool, err error) {
	c := d.peek()
	d.pos++
	switch c {
	case ',':
		return true, nil
	case end:
		return false, nil
	}
	return false, syntaxError("a comma or a bracket is missing")
}

func (d *decoder) bytes(v goja.Value) (goja.Value, error) {
	data, err := base64.StdEncoding.DecodeString(v.String())
	if err != nil {
		return nil, syntaxError("$bytes is not base64")
	}
	return d.vm.Bytes(data), nil
}

// Bytes is a Uint8Array that owns data.
func (vm *VM) Bytes(data []byte) goja.Value {
	o, err := vm.rt.New(vm.intrinsic.uint8Array(vm), vm.rt.ToValue(vm.rt.NewArrayBuffer(data)))
	vm.must(err)
	return o
}

// string reads a string; the fast path has neither escapes nor errors.
func (d *decoder) string() (string, error) {
	start := d.pos + 1
	for i := start; i < len(d.text); i++ {
		switch c := d.text[i]; {
		case c == '"':
			d.pos = i + 1
			raw := d.text[start:i]
			if !utf8.Valid(raw) {
				return string([]rune(string(raw))), nil
			}
			return string(raw), nil
		case c == '\\':
			return d.escaped(start - 1)
		case c < 0x20:
			d.pos = i
			return "", syntaxError("a control character in a string")
		}
	}
	return "", syntaxError("a string does not end")
}

// escaped lets encoding/json read a string that has escapes.
func (d *decoder) escaped(start int) (string, error) {
	end := start + 1
	for end < len(d.text) && d.text[end] != '"' {
		if d.text[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(d.text) {
		return "", syntaxError("a string does not end")
	}
	d.pos = end + 1
	var s string
	if err := json.Unmarshal(d.text[start:end+1], &s); err != nil {
		return "", syntaxError("a bad escape in a string")
	}
	return s, nil
}

func (d *decoder) number() (goja.Value, error) {
	start := d.pos
	for d.pos < len(d.text) && slices.Contains([]byte("+-.eE0123456789"), d.text[d.pos]) {
		d.pos++
	}
	raw := d.text[start:d.pos]
	if !json.Valid(raw) {
		return nil, syntaxError("a bad number")
	}
	if n, err := strconv.ParseInt(string(raw), 10, 53); err == nil && string(raw) != "-0" {
		return d.vm.rt.ToValue(n), nil
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && f == 0 {
		return nil, syntaxError("a bad number")
	}
	return d.vm.rt.ToValue(f), nil
}
