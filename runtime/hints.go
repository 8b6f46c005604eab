package runtime

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/runtime/message"
)

// Messages of goja that have a better wording or a known remedy.
var (
	noMember  = regexp.MustCompile(`^Object has no member '(.+)'$`)
	notKnown  = regexp.MustCompile(`^(.+) is not defined$`)
	notCalled = regexp.MustCompile(`^Cannot read property '(.+)' of (undefined|null)$`)
)

// foreign are globals of other places where JavaScript runs.
var foreign = map[string]string{
	"process":        `there is no process here; import { secrets } from "loopstart:core" for settings`,
	"Buffer":         "there is no Buffer here; use Uint8Array, TextEncoder and TextDecoder",
	"setImmediate":   "use setTimeout(fn, 0)",
	"window":         "this is not a browser; globalThis holds the globals",
	"document":       "this is not a browser",
	"localStorage":   `import { kv } from "loopstart:core" to keep values`,
	"XMLHttpRequest": "use fetch",
	"__dirname":      "name files relative to the script's folder",
	"call":           "call is the argument of the default export: export default async function (call) { … }",
	"eval":           "code cannot be made from strings; write a function instead",
}

// rawName is how a name that is not ASCII comes out of some messages of goja:
// its UTF-16 form with a byte order mark, byte by byte, read as UTF-8.
var rawName = regexp.MustCompile(`(?s)\x{FFFD}\x{FFFD}((?:.[\x00-\x1f])+)`)

// readableNames puts such names right. A low byte over 0x7f is lost; the
// Russian letters have none.
func readableNames(msg string) string {
	return rawName.ReplaceAllStringFunc(msg, func(raw string) string {
		bytes := []rune(raw)[2:]
		name := make([]rune, 0, len(bytes)/2)
		for i := 0; i+1 < len(bytes); i += 2 {
			if bytes[i] > 0x7f {
				name = append(name, '?')
				continue
			}
			name = append(name, bytes[i]|bytes[i+1]<<8)
		}
		return string(name)
	})
}

// explain adds a hint to an error whose message is a well-known one.
func (vm *VM) explain(e *message.ScriptError) {
	e.Message = readableNames(e.Message)
	if e.Hint != "" {
		return
	}
	if m := noMember.FindStringSubmatch(e.Message); m != nil {
		e.Message = m[1] + " is not a function"
		e.Hint = didYouMean(m[1], vm.memberNames())
		return
	}
	if m := notKnown.FindStringSubmatch(e.Message); m != nil {
		if e.Hint = foreign[m[1]]; e.Hint == "" {
			e.Hint = didYouMean(m[1], vm.rt.GlobalObject().GetOwnPropertyNames())
		}
		return
	}
	if m := notCalled.FindStringSubmatch(e.Message); m != nil {
		e.Hint = "what stands before ." + m[1] + " is " + m[2] + "; is an await missing, or a value that may be absent?"
	}
}

// memberNames are the names of what the script has been given: its argument
// and its modules, and what these hold at first hand.
func (vm *VM) memberNames() []string {
	names := map[string]bool{}
	add := func(v goja.Value) {
		for o, ok := v.(*goja.Object); ok && o != nil && len(names) < 1000; o = o.Prototype() {
			for _, n := range o.GetOwnPropertyNames() {
				names[n] = true
			}
		}
	}
	_ = vm.rt.Try(func() { // a proxy of the script may throw
		add(vm.argument)
		for _, m := range vm.modules {
			add(m)
			if o, ok := m.(*goja.Object); ok {
				for _, key := range o.Keys() {
					add(o.Get(key))
				}
			}
		}
	})
	return sortedKeys(names)
}

// didYouMean is the hint that names the candidate closest to a misspelt name,
// "" if none is close.
func didYouMean(name string, candidates []string) string {
	best, bestDistance := "", max(1, len(name)/3)+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c), bestDistance); d < bestDistance && c != name {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return "did you mean " + best + "?"
}

// distance is the edit distance of a and b, or limit if it is not less; two
// letters in the wrong order are one edit.
func distance(a, b string, limit int) int {
	if len(a) > 64 || len(b) > 64 || max(len(a), len(b))-min(len(a), len(b)) >= limit {
		return limit
	}
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, row := rows[0], rows[1], rows[2]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		rows[0], rows[1], rows[2] = above, row, before
	}
	return min(rows[1][len(b)], limit)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
