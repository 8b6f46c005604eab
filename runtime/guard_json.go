package runtime

import (
	"github.com/dop251/goja"
)

var jsonChecks = map[string]check{"parse": parseJSON, "stringify": writeJSON}

// parseJSON counts brackets and commas before the engine recurses on them.
func parseJSON(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if len(c.Arguments) == 0 {
		return
	}
	v := g.sized(c.Arguments[0], maxText)
	set(c, 0, v)
	text := v.String()
	depth, values := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > maxJSONDeep {
				g.refuse("depth", "JSON is nested deeper than %d", maxJSONDeep)
			}
			values++
		case ']', '}':
			depth--
		case ',':
			values++
		}
	}
	if values > maxJSONSize {
		g.refuse("nodes", "JSON of more than %d values", maxJSONSize)
	}
}

// jsonCount counts what JSON.stringify writes; the engine calls it for each
// value.
type jsonCount struct {
	g      *guard
	path   []*goja.Object // the holders of the present value
	values int
	bytes  int
	user   goja.Callable   // the script's own replacer
	only   map[string]bool // or its list of keys
}

// writeJSON puts a counter in place of the replacer: values that stand in
// several places make the text grow beyond all bounds.
func writeJSON(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if len(c.Arguments) == 0 {
		return
	}
	if _, isObject := c.Arguments[0].(*goja.Object); !isObject {
		if len(c.Arguments) == 1 {
			set(c, 0, g.jsonText(c.Arguments[0]))
			return
		}
	}
	count := &jsonCount{g: g}
	if len(c.Arguments) > 1 {
		if fn, ok := goja.AssertFunction(c.Arguments[1]); ok {
			count.user = fn
		} else if o, ok := c.Arguments[1].(*goja.Object); ok && (isList(o) || isProxy(o)) {
			g.countListed(c, o)
			return
		}
		c.Arguments = append([]goja.Value(nil), c.Arguments...)
	} else {
		c.Arguments = []goja.Value{c.Arguments[0], goja.Undefined()}
	}
	c.Arguments[1] = g.rt.ToValue(count.replace)
}

func (g *guard) jsonText(v goja.Value) goja.Value {
	if s, ok := v.(goja.String); ok {
		return g.sized(s, maxText)
	}
	return v
}

// countListed makes the text once with a counter, for a replacer that is a
// list of keys, whose order counts.
func (g *guard) countListed(c *goja.FunctionCall, keys *goja.Object) {
	list := g.snapshot(keys, g.lengthOf(keys))
	set(c, 1, list)
	count := &jsonCount{g: g, only: map[string]bool{}}
	for _, key := range list.Keys() {
		count.only[list.Get(key).String()] = true
	}
	stringify, _ := goja.AssertFunction(g.global("JSON").Get("stringify"))
	if _, err := stringify(goja.Undefined(), c.Arguments[0], g.rt.ToValue(count.replace)); err != nil {
		panic(err)
	}
}

func (j *jsonCount) replace(c goja.FunctionCall) goja.Value {
	holder, _ := c.This.(*goja.Object)
	key, v := c.Argument(0), c.Argument(1)
	if j.only != nil && len(j.path) > 0 && !isList(holder) && !j.only[key.String()] {
		return goja.Undefined()
	}
	if j.user != nil {
		made, err := j.user(c.This, key, v)
		if err != nil {
			panic(err)
		}
		v = made
	}
	for len(j.path) > 0 && j.path[len(j.path)-1] != holder {
		j.path = j.path[:len(j.path)-1]
	}
	if len(j.path) == 0 {
		j.path = append(j.path, holder)
	}
	if o, ok := v.(*goja.Object); ok {
		if j.path = append(j.path, o); len(j.path) > maxJSONDeep {
			j.g.refuse("depth", "the value is nested deeper than %d", maxJSONDeep)
		}
		if isList(o) || isProxy(o) {
			j.g.lengthOf(o)
		}
		j.g.fewKeysOf(o)
	}
	j.values++
	j.bytes += lengthOfText(key) + lengthOfText(v) + 4
	if j.values > maxJSONSize || j.bytes > maxText {
		j.g.refuse("nodes", "JSON of more than %d values or %d characters", maxJSONSize, maxText)
	}
	running(j.g, &c)
	return v
}
