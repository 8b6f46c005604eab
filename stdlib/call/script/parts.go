package script

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/internal/words"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Limits of a prompt.
const (
	MaxParts = 100
	MaxWords = 8000 // characters of one text
)

// What a bare string in a prompt means.
const (
	asSay  = "say"
	asPlay = "play"
)

// partKinds are the kinds of part with the other fields each may have.
var partKinds = map[string][]string{
	"say": nil, "play": nil, "recording": nil, "digits": nil, "spell": nil, "phone": nil, "time": nil,
	"number": {"case", "gender"}, "count": {"of", "case"}, "money": {"currency", "case"}, "date": {"case", "year"},
}

// prompt makes the list of parts of a string, a part or a list of both.
func prompt(vm *runtime.VM, where string, v goja.Value, bare string) []any {
	list, ok := v.(*goja.Object)
	if !ok || list.ClassName() != "Array" {
		return []any{part(vm, where, v, bare)}
	}
	n := list.Get("length").ToInteger()
	if n == 0 || n > MaxParts {
		vm.Throw(fault.Invalid, fmt.Sprintf("%s: a prompt has 1 to %d parts, this one has %d", where, MaxParts, n), "")
	}
	parts := make([]any, n)
	for i := range n {
		parts[i] = part(vm, fmt.Sprintf("%s: part %d", where, i+1), list.Get(strconv.FormatInt(i, 10)), asSay)
	}
	return parts
}

func part(vm *runtime.VM, where string, v goja.Value, bare string) map[string]any {
	if s, ok := v.(goja.String); ok {
		return map[string]any{bare: text(vm, where, s)}
	}
	o, ok := v.(*goja.Object)
	if _, isFunc := goja.AssertFunction(v); !ok || isFunc || o.ClassName() == "Array" {
		vm.Throw(fault.Invalid, where+" is "+bind.Describe(v)+`, a text or a part such as { digits: "123" } is wanted`, "")
	}
	if id, ok := bind.RecordingID(o); ok {
		return map[string]any{"recording": id}
	}
	kind := kindOf(vm, where, o)
	r := bind.Read(vm, where+" {"+kind+"}", o, append([]string{kind, "language", "voice"}, partKinds[kind]...)...)
	r.String("language", "voice", "currency").Choice("case", "nom", "gen", "dat", "acc", "ins", "pre").Choice("gender", "m", "f", "n").Bool("year")
	if kind == "count" {
		r.Wire["of"] = forms(r)
	}
	r.Wire[kind] = content(r, kind, r.Value(kind))
	return r.Wire
}

// kindOf is the one key of a part that says what it is.
func kindOf(vm *runtime.VM, where string, o *goja.Object) string {
	kinds := slices.Sorted(maps.Keys(partKinds))
	found := []string{}
	for _, key := range o.Keys() {
		if _, ok := partKinds[key]; ok {
			found = append(found, key)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	hint := "the kinds of part are " + strings.Join(kinds, ", ")
	for _, key := range o.Keys() {
		if near := suggest.Nearest(key, kinds); len(found) == 0 && near != "" {
			hint = "did you mean " + near + "?"
			break
		}
	}
	if len(found) > 1 {
		vm.Throw(fault.Invalid, where+" is "+strings.Join(found, " and ")+" at once", "make a part of each")
	}
	vm.Throw(fault.Invalid, where+" is an object of no known kind", hint)
	return ""
}

// content is what a part says, in the form of the wire.
func content(r *bind.Options, kind string, v goja.Value) string {
	if bind.Missing(v) {
		r.VM.Throw(fault.Invalid, r.Verb+" is "+bind.Describe(v), "is the field missing in call.data?")
	}
	switch kind {
	case "number", "count", "money":
		return decimal(r, kind, v)
	case "date":
		return date(r, v)
	case "time":
		return clockTime(r, v)
	case "recording":
		if id, ok := bind.RecordingID(v); ok {
			return id
		}
		r.Bad(kind, v, "a recording", "")
	}
	if _, isObject := v.(*goja.Object); isObject {
		r.Bad(kind, v, "a text", "")
	}
	if s, ok := v.(goja.String); ok {
		return text(r.VM, r.Verb, s)
	}
	return v.String() // a number: digits, a telephone number
}

func text(vm *runtime.VM, where string, s goja.String) string {
	if s.Length() > MaxWords {
		vm.Throw(fault.Limit, fmt.Sprintf("%s: a text of %d characters; the limit is %d", where, s.Length(), MaxWords), "say it in several parts")
	}
	if strings.TrimSpace(s.String()) == "" {
		vm.Throw(fault.Invalid, where+" is an empty text", "")
	}
	return s.String()
}

var decimalForm = regexp.MustCompile(`^-?\d{1,15}(\.\d{1,6})?$`)

// decimal reads a number as it comes from JavaScript or a table: "1 521,50".
func decimal(r *bind.Options, kind string, v goja.Value) string {
	var s string
	switch x := bind.Go(v).(type) {
	case int64:
		s = strconv.FormatInt(x, 10)
	case float64:
		s = strconv.FormatFloat(x, 'f', -1, 64)
	case string:
		s = strings.Map(func(c rune) rune {
			if c == ' ' || c == '\u00a0' || c == '\u202f' {
				return -1
			}
			return c
		}, strings.TrimSpace(x))
		s = strings.Replace(s, ",", ".", 1)
	}
	if said := textOf(v); said != "" && !decimalForm.MatchString(s) {
		if _, err := words.Number(r.VM.Env().Language, said, words.Form{}); err == nil {
			return strings.TrimSpace(said) // "1,000.50": the host reads it in the language of the prompt
		}
	}
	if !decimalForm.MatchString(s) {
		r.Bad(kind, v, `a number such as 1521.5 or "1521,50"`, "")
	}
	return s
}

// forms are the words of a count: one, few, many.
func forms(r *bind.Options) []any {
	v := r.Value("of")
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Array" || o.Get("length").ToInteger() < 1 || o.Get("length").ToInteger() > 3 {
		r.Bad("of", v, `the forms of a word such as ["заказ", "заказа", "заказов"]`, "")
	}
	out := []any{}
	for i := range o.Get("length").ToInteger() {
		word := textOf(o.Get(strconv.FormatInt(i, 10)))
		if word == "" {
			r.Bad("of", v, "an array of words", "")
		}
		out = append(out, word)
	}
	return out
}

// date reads a Date, 2026-12-31, 31.12.2026 or a full RFC 3339 time.
func date(r *bind.Options, v goja.Value) string {
	if s := strings.TrimSpace(textOf(v)); s != "" {
		for _, layout := range []string{"2006-01-02", "02.01.2006", "2.1.2006"} {
			if t, err := time.Parse(layout, s); err == nil {
				return t.Format("2006-01-02")
			}
		}
		if _, isInstant := bind.Instant(v); !isInstant {
			if _, err := words.Date(r.VM.Env().Language, s, words.Form{}); err == nil {
				return s // "31.12.26" and other forms of tables
			}
		}
	}
	return instant(r, "date", v, "a Date, 2026-12-31 or 31.12.2026")
}

var clockForm = regexp.MustCompile(`^([01]?\d|2[0-3]):[0-5]\d$`)

// clockTime reads 9:30, a Date or a full RFC 3339 time.
func clockTime(r *bind.Options, v goja.Value) string {
	if s := strings.TrimSpace(textOf(v)); clockForm.MatchString(s) {
		return strings.Repeat("0", 5-len(s)) + s
	} else if _, isInstant := bind.Instant(v); s != "" && !isInstant {
		if _, err := words.Time(r.VM.Env().Language, s, words.Form{}); err == nil {
			return s // "2026-12-31 18:30:00" and other forms of tables
		}
	}
	return instant(r, "time", v, "a time such as 09:30 or a Date")
}

func instant(r *bind.Options, kind string, v goja.Value, wanted string) string {
	at, ok := bind.Instant(v)
	if _, isNumber := bind.Go(v).(int64); !ok || isNumber {
		r.Bad(kind, v, wanted, "")
	}
	if s := strings.TrimSpace(textOf(v)); s != "" && !strings.HasSuffix(s, "Z") {
		return s // keeps the author's own zone
	}
	return bind.Local(r.VM, at).Format(time.RFC3339)
}

// optionalPrompt puts an option that is a prompt on the wire.
func optionalPrompt(o *bind.Options, name, bare string) {
	if v, ok := o.Get(name); ok {
		o.Wire[name] = prompt(o.VM, o.Verb+": "+name, v, bare)
	}
}
