package runtime

import (
	"regexp"
	"strconv"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a regular expression.
const (
	maxPattern      = 4 << 10 // characters
	maxPatternDepth = 50      // groups in groups
	maxPatternCount = 10_000  // parts of a pattern whose counts {n,m} are written out
)

// badPattern says what is too much in a regular expression, "" if nothing is.
func badPattern(p string) string {
	if len(p) > maxPattern {
		return "a regular expression of " + strconv.Itoa(len(p)) + " bytes, " + strconv.Itoa(maxPattern) + " are allowed"
	}
	m := patternMeter{sizes: make([]patternSize, 1, 8)}
	for i := 0; i < len(p); i++ {
		i += m.take(p, i)
		if len(m.sizes) > maxPatternDepth+1 {
			return "groups of a regular expression are nested deeper than " + strconv.Itoa(maxPatternDepth)
		}
		if m.most > maxPatternCount {
			return "the counts in a regular expression multiply to more than " + strconv.Itoa(maxPatternCount)
		}
	}
	return ""
}

// patternMeter tells how large a pattern is when its counts are written out:
// those side by side add up, those around each other multiply.
type patternMeter struct {
	sizes   []patternSize // of the open groups, the whole pattern first
	inClass bool
	most    int // of any part so far
}

// patternSize is what a group holds; last is its latest atom, which a count
// that follows multiplies.
type patternSize struct{ before, last int }

// take meters the character at i and says how many more belong to it.
func (m *patternMeter) take(p string, i int) (more int) {
	switch c := p[i]; {
	case c == '\\':
		m.atom(1)
		return 1
	case m.inClass:
		m.inClass = c != ']'
	case c == '[':
		m.inClass = true
		m.atom(1)
	case c == '(':
		m.sizes = append(m.sizes, patternSize{})
		return len(groupForm.FindString(p[i:])) - 1
	case c == ')' && len(m.sizes) > 1:
		inner := m.sizes[len(m.sizes)-1]
		m.sizes = m.sizes[:len(m.sizes)-1]
		m.atom(inner.before + inner.last)
	case c == '{' && countForm.MatchString(p[i:]):
		s := &m.sizes[len(m.sizes)-1]
		s.last = min(max(s.last, 1)*countOf(p[i:]), maxPatternCount+1)
		m.most = max(m.most, s.before+s.last)
		return len(countForm.FindString(p[i:])) - 1
	case c != '?' && c != '*' && c != '+' && c != '|':
		m.atom(1)
	}
	return 0
}

func (m *patternMeter) atom(size int) {
	s := &m.sizes[len(m.sizes)-1]
	s.before = min(s.before+s.last, maxPatternCount+1)
	s.last = size
	m.most = max(m.most, s.before+s.last)
}

// groupForm is what a group begins with.
var groupForm = regexp.MustCompile(`^\((?:\?(?:<?[=!]|<[^>]*>|[a-z-]*:))?`)

var countForm = regexp.MustCompile(`^\{(\d+)(?:,(\d*))?\}`)

// countOf is the greatest number in a quantifier {n,m}, at least 1.
func countOf(p string) int {
	most := 1
	for _, digits := range countForm.FindStringSubmatch(p)[1:] {
		n, err := strconv.Atoi(digits)
		if digits != "" && err != nil {
			n = maxPatternCount + 1
		}
		most = max(most, n)
	}
	return min(most, maxPatternCount+1)
}

// replaceBudget counts the text that a replace with a regular expression makes.
// A group named by $ counts as 64 characters: all matches together are no
// longer than the text.
type replaceBudget struct {
	active   bool
	perMatch int64
	total    int64
}

// checkRegexps checks RegExp and its prototype, once.
func (g *guard) checkRegexps() *goja.Object {
	if g.regexps {
		return g.class
	}
	g.regexps = true
	old := g.class
	fn := g.constructor(old, "RegExp", newPattern)
	g.vm.must(g.rt.GlobalObject().DefineDataProperty("RegExp", fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
	g.class = fn
	proto := prototypeOf(fn)
	g.wrap(proto, "compile", newPattern)
	exec, _ := proto.Get("exec").(*goja.Object)
	g.replace(proto, "exec", exec, g.execs)
	test, _ := proto.Get("test").(*goja.Object)
	g.replace(proto, "test", test, g.execs)
	for _, name := range []*goja.Symbol{goja.SymMatch, goja.SymMatchAll, goja.SymSearch, goja.SymSplit} {
		g.wrapSymbol(proto, name, func(run native) native {
			return func(c goja.FunctionCall) goja.Value {
				if len(c.Arguments) > 0 {
					set(&c, 0, g.sized(c.Arguments[0], maxText))
				}
				return run(c)
			}
		})
	}
	g.wrapSymbol(proto, goja.SymReplace, g.replacesMatches)
	return fn
}

func (g *guard) wrapSymbol(proto *goja.Object, name *goja.Symbol, wrap func(native) native) {
	old, _ := proto.GetSymbol(name).(*goja.Object)
	run := nativeOf(old)
	if run == nil {
		return
	}
	fn := g.named(wrap(run), old.Get("name").String(), old.Get("length"))
	g.vm.must(proto.DefineDataPropertySymbol(name, fn, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_FALSE))
}

func isRegExp(o *goja.Object) bool { return !isProxy(o) && o.ClassName() == "RegExp" }

func newPattern(g *guard, c *goja.FunctionCall) {
	if len(c.Arguments) == 0 || goja.IsUndefined(c.Arguments[0]) {
		return
	}
	if o, ok := c.Arguments[0].(*goja.Object); ok && isRegExp(o) {
		return
	}
	set(c, 0, g.pattern(c.Arguments[0]))
}

// pattern is v as the text of a regular expression that is not too much.
func (g *guard) pattern(v goja.Value) goja.Value {
	v = g.sized(v, maxPattern)
	if s, ok := v.(goja.String); ok {
		if why := badPattern(s.String()); why != "" {
			g.refuse("regexp", "%s", why)
		}
	}
	return v
}

// execs is RegExp.prototype.exec, through which every match goes once it is
// not the engine's own any more, and test, which the engine does by itself.
func (g *guard) execs(run native) native {
	clock := g.vm.worker.watch.clock
	return func(c goja.FunctionCall) goja.Value {
		running(g, &c)
		if len(c.Arguments) > 0 {
			if s, ok := c.Arguments[0].(goja.String); !ok || s.Length() > maxText {
				set(&c, 0, g.sized(c.Arguments[0], maxText))
			}
		}
		begun := clock.Now()
		v := run(c)
		if !v.ToBoolean() { // null of exec, false of test
			// The engine reports a match that took too long as none.
			if clock.Now().Sub(begun) >= regexpTime*3/4 {
				g.refuse("regexp", "a regular expression took longer than %s", regexpTime)
			}
			return v
		}
		if b := &g.replaces; b.active {
			if b.total += b.perMatch; b.total > maxText {
				g.makes(b.total)
			}
		}
		return v
	}
}

func (g *guard) replacesMatches(run native) native {
	return func(c goja.FunctionCall) goja.Value {
		running(g, &c)
		if len(c.Arguments) < 2 {
			return run(c)
		}
		if o, ok := c.This.(*goja.Object); ok && isRegExp(o) && nativeOf(o.Get("exec")) == nil {
			g.vm.Throw(fault.Denied, "replace needs the built-in exec", "")
		}
		text := g.sized(c.Arguments[0], maxText)
		set(&c, 0, text)
		length := int64(lengthOfText(text))
		saved := g.replaces
		defer func() { g.replaces = saved }()
		if fn, ok := goja.AssertFunction(c.Arguments[1]); ok {
			set(&c, 1, g.counted(fn, length))
			g.replaces = replaceBudget{}
			return run(c)
		}
		set(&c, 1, g.text(c.Arguments[1]))
		g.replaces = replaceBudget{active: true, perMatch: substituted(c.Arguments[1], length, 64), total: length}
		return run(c)
	}
}
