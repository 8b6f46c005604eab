package runtime

import (
	"math"
	"strconv"
	"strings"

	"github.com/dop251/goja"
)

var textChecks = map[string]check{
	"repeat":      repeatText,
	"padStart":    padText,
	"padEnd":      padText,
	"concat":      concatText,
	"replace":     replaceText,
	"replaceAll":  replaceText,
	"split":       splitText,
	"normalize":   shortText,
	"indexOf":     searchText,
	"lastIndexOf": searchText,
	"includes":    searchText,
	"match":       matchText,
	"matchAll":    matchText,
	"search":      matchText,
}

var globalTextChecks = []string{"encodeURI", "encodeURIComponent", "decodeURI", "decodeURIComponent", "escape", "unescape"}

func (g *guard) checkText() {
	text := g.global("String")
	g.wrapAll(prototypeOf(text), textChecks)
	g.wrap(text, "raw", rawText)
	for _, name := range globalTextChecks {
		g.wrap(g.rt.GlobalObject(), name, func(g *guard, c *goja.FunctionCall) {
			if len(c.Arguments) > 0 {
				set(c, 0, g.sized(c.Arguments[0], maxText/4))
			}
		})
	}
}

// text is v as a text, made once; what has no text form is left to the engine.
func (g *guard) text(v goja.Value) goja.Value {
	switch v.(type) {
	case goja.String:
		return v
	case *goja.Symbol:
		return v
	}
	if goja.IsUndefined(v) || goja.IsNull(v) {
		return v
	}
	return v.ToString()
}

func lengthOfText(v goja.Value) int {
	if s, ok := v.(goja.String); ok {
		return s.Length()
	}
	return 0
}

func (g *guard) sized(v goja.Value, limit int) goja.Value {
	v = g.text(v)
	if n := lengthOfText(v); n > limit {
		g.refuse("text", "a text of %d characters was given to a built-in function, %d are allowed", n, limit)
	}
	return v
}

func (g *guard) makes(n int64) {
	if n > maxText {
		g.refuse("text", "a text of %d characters would be made, %d are allowed", n, maxText)
	}
}

func shortText(g *guard, c *goja.FunctionCall) { c.This = g.sized(c.This, maxText/16) }

func repeatText(g *guard, c *goja.FunctionCall) {
	c.This = g.text(c.This)
	n := g.whole(c, 0)
	if length := int64(lengthOfText(c.This)); length > 0 && n > 0 && !math.IsInf(c.Argument(0).ToFloat(), 1) {
		g.makes(min(n, maxText+1) * length)
	}
}

func padText(g *guard, c *goja.FunctionCall) {
	c.This = g.text(c.This)
	if n := g.whole(c, 0); n > int64(lengthOfText(c.This)) {
		g.makes(n)
	}
}

func concatText(g *guard, c *goja.FunctionCall) {
	c.This = g.text(c.This)
	total := int64(lengthOfText(c.This))
	for i, v := range c.Arguments {
		if _, ok := v.(goja.String); !ok {
			v = g.text(v)
			set(c, i, v)
		}
		total += int64(lengthOfText(v))
	}
	g.makes(total)
}

// searchText bounds a search that compares character by character.
func searchText(g *guard, c *goja.FunctionCall) {
	c.This = g.text(c.This)
	if len(c.Arguments) == 0 {
		return
	}
	if o, ok := c.Arguments[0].(*goja.Object); ok && !isRegExp(o) {
		set(c, 0, g.text(o))
	}
	g.compares(c.This, c.Arguments[0])
}

func (g *guard) compares(text, part goja.Value) {
	n, m := int64(lengthOfText(text)), int64(lengthOfText(part))
	if m > 1<<10 && (n-m)*m > maxCompare {
		g.refuse("compare", "a text of %d characters is searched in one of %d", m, n)
	}
}

// splitText counts the parts before they are made.
func splitText(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if o, ok := c.Argument(0).(*goja.Object); ok {
		if hasMethod(o, goja.SymSplit) {
			c.This = g.sized(c.This, maxText)
			return
		}
		set(c, 0, g.text(o))
	}
	c.This = g.text(c.This)
	text, ok := c.This.(goja.String)
	if !ok || text.Length() <= maxList {
		return
	}
	if len(c.Arguments) > 1 && !goja.IsUndefined(c.Arguments[1]) {
		if limit := g.whole(c, 1); limit >= 0 && limit <= maxList {
			return
		}
	}
	separator := g.text(c.Argument(0))
	if goja.IsUndefined(separator) {
		return
	}
	g.compares(text, separator)
	if n := strings.Count(text.String(), separator.String()); n >= maxList {
		g.refuse("list", "a list of %d texts would be made, %d are allowed", n+1, maxList)
	}
}

func hasMethod(o *goja.Object, name *goja.Symbol) bool {
	v := o.GetSymbol(name)
	return v != nil && !goja.IsUndefined(v) && !goja.IsNull(v)
}

// matchText checks a pattern that is given as text before the engine makes a
// regular expression of it.
func matchText(g *guard, c *goja.FunctionCall) {
	running(g, c)
	g.checkRegexps()
	c.This = g.sized(c.This, maxText)
	if len(c.Arguments) == 0 {
		return
	}
	if _, ok := c.Arguments[0].(*goja.Object); ok && hasMethod(c.Arguments[0].(*goja.Object), goja.SymMatch) {
		return
	}
	if p := c.Arguments[0]; !goja.IsUndefined(p) {
		set(c, 0, g.pattern(p))
	}
}

// replaceText knows the length of the result before it is made where both
// texts are plain, and counts while it is made where they are not.
func replaceText(g *guard, c *goja.FunctionCall) {
	running(g, c)
	if len(c.Arguments) < 2 {
		return
	}
	if o, ok := c.Arguments[0].(*goja.Object); ok {
		if hasMethod(o, goja.SymReplace) {
			g.checkRegexps()
			c.This = g.sized(c.This, maxText)
			return // RegExp.prototype[Symbol.replace] counts
		}
		set(c, 0, g.text(o))
	}
	c.This = g.text(c.This)
	text, ok := c.This.(goja.String)
	if !ok {
		return
	}
	part := c.Arguments[0].ToString()
	g.compares(text, part)
	if fn, isFunction := goja.AssertFunction(c.Arguments[1]); isFunction {
		set(c, 1, g.counted(fn, int64(text.Length())))
		return
	}
	set(c, 1, g.text(c.Arguments[1]))
	length := int64(text.Length())
	per := substituted(c.Arguments[1], length, int64(lengthOfText(part)))
	found := int64(1)
	if per*(length+1) > maxText {
		found = int64(strings.Count(text.String(), part.String()))
	}
	g.makes(length + found*per)
}

// substituted is the most that one replacement can become: $ names parts of
// the text or what was found.
func substituted(v goja.Value, length, part int64) int64 {
	s, ok := v.(goja.String)
	if !ok {
		return 16
	}
	n := int64(s.Length())
	if text := s.String(); strings.ContainsRune(text, '$') {
		wide := strings.Count(text, "$`") + strings.Count(text, "$'")
		n += int64(wide)*length + int64(strings.Count(text, "$"))*part
	}
	return n
}

// counted is a replacer whose results are counted.
func (g *guard) counted(fn goja.Callable, total int64) goja.Value {
	return g.rt.ToValue(func(c goja.FunctionCall) goja.Value {
		v, err := fn(c.This, c.Arguments...)
		if err != nil {
			panic(err)
		}
		v = v.ToString()
		if total += int64(lengthOfText(v)); total > maxText {
			g.makes(total)
		}
		running(g, &c)
		return v
	})
}

func rawText(g *guard, c *goja.FunctionCall) {
	running(g, c)
	o, ok := c.Argument(0).(*goja.Object)
	if !ok {
		return
	}
	raw, ok := o.Get("raw").(*goja.Object)
	if !ok {
		return
	}
	n := g.lengthOf(raw)
	total, parts := int64(0), make([]any, n)
	for i := range parts {
		part := goja.Value(goja.Undefined())
		if v := raw.Get(strconv.Itoa(i)); v != nil {
			part = v
		}
		part = part.ToString()
		total += int64(lengthOfText(part))
		parts[i] = part
	}
	for i := 1; i < len(c.Arguments); i++ {
		set(c, i, g.text(c.Arguments[i]))
		total += int64(lengthOfText(c.Arguments[i]))
	}
	g.makes(total)
	safe := g.rt.NewObject()
	g.vm.must(safe.Set("raw", g.rt.NewArray(parts...)))
	set(c, 0, safe)
}
