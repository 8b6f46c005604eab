package bind

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime"
)

// Limits of one formatted line.
const (
	maxLine    = 4096 // bytes
	maxLevels  = 4
	maxEntries = 50
)

// Format is what console.log makes of its arguments: at most 4 KB, 4 levels
// and 50 entries of each object, without ever calling toString or toJSON.
func Format(vm *runtime.VM, args []goja.Value) string {
	p := &printer{vm: vm}
	rest := p.directives(args)
	for i, v := range rest {
		if i > 0 || len(rest) < len(args) {
			p.text(" ")
		}
		p.top(v)
	}
	return p.String()
}

// Inspect is a value as console.log shows it inside of an object: strings are
// quoted.
func Inspect(vm *runtime.VM, v goja.Value) string {
	p := &printer{vm: vm}
	p.value(v)
	return p.String()
}

type printer struct {
	vm   *runtime.VM
	out  strings.Builder
	full bool
	path []*goja.Object
}

func (p *printer) String() string {
	if p.full {
		return strings.ToValidUTF8(p.out.String(), "") + "…"
	}
	return p.out.String()
}

func (p *printer) text(s string) {
	if room := maxLine - p.out.Len(); len(s) > room {
		s, p.full = s[:max(room, 0)], true
	}
	p.out.WriteString(s)
}

// directives fills %s and the like of a first argument and returns the
// arguments that are left.
func (p *printer) directives(args []goja.Value) []goja.Value {
	if len(args) < 2 {
		return args
	}
	format, ok := args[0].(goja.String)
	if !ok || format.Length() > maxLine {
		return args
	}
	s, rest := format.String(), args[1:]
	if !strings.Contains(s, "%") {
		return args
	}
	for s != "" {
		before, after, found := strings.Cut(s, "%")
		p.text(before)
		s = after
		if !found {
			break
		}
		s, rest = p.directive(s, rest)
	}
	return rest
}

func (p *printer) directive(s string, rest []goja.Value) (string, []goja.Value) {
	switch {
	case s == "":
		p.text("%")
		return s, rest
	case s[0] == '%':
		p.text("%")
		return s[1:], rest
	case !strings.Contains("sdifoOjc", s[:1]) || len(rest) == 0:
		p.text("%")
		return s, rest
	case s[0] == 'c': // CSS, of no use here
	case s[0] == 's':
		p.top(rest[0])
	case strings.Contains("dif", s[:1]):
		p.number(rest[0], s[0])
	default:
		p.value(rest[0])
	}
	return s[1:], rest[1:]
}

func (p *printer) number(v goja.Value, kind byte) {
	if _, isObject := v.(*goja.Object); isObject {
		p.text("NaN")
		return
	}
	if f := v.ToFloat(); kind != 'f' && f == f {
		p.text(strconv.FormatInt(int64(f), 10))
		return
	}
	p.text(v.ToNumber().String())
}

// top writes an argument: a string stands for itself.
func (p *printer) top(v goja.Value) {
	if s, ok := v.(goja.String); ok {
		p.str(s)
		return
	}
	p.value(v)
}

func (p *printer) str(s goja.String) {
	if s.Length() > maxLine {
		s = s.Substring(0, maxLine)
	}
	p.text(s.String())
}

func (p *printer) value(v goja.Value) {
	if p.full {
		return
	}
	switch x := v.(type) {
	case nil:
		p.text("undefined")
	case goja.String:
		if x.Length() > maxLine {
			x = x.Substring(0, maxLine)
		}
		p.text(strconv.Quote(x.String()))
	case *goja.Object:
		p.object(x)
	case *goja.Symbol:
		p.text("Symbol(" + x.String() + ")")
	default:
		p.text(v.String())
	}
}

func (p *printer) object(o *goja.Object) {
	for _, outer := range p.path {
		if outer == o {
			p.text("[circular]")
			return
		}
	}
	if _, ok := goja.AssertFunction(o); ok {
		p.text("[function")
		if name, ok := o.Get("name").(goja.String); ok && name.Length() > 0 {
			p.text(" " + name.String())
		}
		p.text("]")
		return
	}
	p.path = append(p.path, o)
	defer func() { p.path = p.path[:len(p.path)-1] }()
	switch class := o.ClassName(); class {
	case "Error":
		p.errorObject(o)
	case "Date", "RegExp":
		p.exported(o, class)
	case "Array":
		p.array(o)
	default:
		if name, ok := collections[o.ExportType()]; ok {
			p.text("[" + name + "]")
			return
		}
		if data, ok := plainBytes(o); ok {
			p.text("[" + strconv.Itoa(len(data)) + " bytes]")
			return
		}
		keys := o.Keys()
		if own, ok := Go(o).(interface{ Shown() []string }); ok {
			keys = own.Shown() // one of our objects hides its verbs
		}
		p.plain(o, keys)
	}
}

// collections are shown by name only.
var collections = map[reflect.Type]string{typeMap: "Map", typeList: "Set", reflect.TypeFor[*goja.Promise](): "Promise"}

// errorObject writes the stack, which begins with name and message, and a code.
func (p *printer) errorObject(o *goja.Object) {
	stack, ok := o.Get("stack").(goja.String)
	if !ok {
		p.text("[error]")
		return
	}
	p.str(stack)
	if code, ok := o.Get("code").(goja.String); ok {
		p.text(" (code " + code.String() + ")")
	}
}

func (p *printer) exported(o *goja.Object, class string) {
	if class == "RegExp" {
		p.text("/")
		p.raw(o.Get("source"))
		p.text("/")
		p.raw(o.Get("flags"))
		return
	}
	if at, ok := exportTime(o); ok {
		p.text(at)
		return
	}
	p.text("[invalid date]")
}

func (p *printer) raw(v goja.Value) {
	if s, ok := v.(goja.String); ok {
		p.str(s)
	}
}

func (p *printer) array(o *goja.Object) {
	n := int(min(o.Get("length").ToInteger(), 1<<31))
	if p.tooDeep("[…]", n == 0) {
		return
	}
	p.text("[")
	for i := 0; i < min(n, maxEntries) && !p.full; i++ {
		if i > 0 {
			p.text(", ")
		}
		p.member(o, strconv.Itoa(i))
	}
	if n > maxEntries {
		p.text(", … " + strconv.Itoa(n-maxEntries) + " more")
	}
	p.text("]")
}

func (p *printer) plain(o *goja.Object, keys []string) {
	if p.tooDeep("{…}", len(keys) == 0) {
		return
	}
	if len(keys) == 0 {
		p.text("{}")
		return
	}
	p.text("{ ")
	for i, key := range keys[:min(len(keys), maxEntries)] {
		if p.full {
			break
		}
		if i > 0 {
			p.text(", ")
		}
		p.text(key + ": ")
		p.member(o, key)
	}
	if len(keys) > maxEntries {
		p.text(", … " + strconv.Itoa(len(keys)-maxEntries) + " more")
	}
	p.text(" }")
}

// member writes one property; a getter that throws says so.
func (p *printer) member(o *goja.Object, key string) {
	var v goja.Value
	if thrown := p.vm.Runtime().Try(func() { v = o.Get(key) }); thrown != nil {
		p.text("[throws]")
		return
	}
	p.value(v)
}

func (p *printer) tooDeep(text string, empty bool) bool {
	if len(p.path) <= maxLevels || empty {
		return false
	}
	p.text(text)
	return true
}
