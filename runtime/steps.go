package runtime

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/token"
	"github.com/dop251/goja/unistring"

	"github.com/loopstart/loopstart/internal/veil"
)

// Step tracing: in a version that is compiled for it, every await of the
// author's code goes through a native that tells the host where the script
// waited, what came back, and what the variables hold. The promise itself is
// awaited unchanged, so that nothing runs in another order. A version that is
// compiled without it has no trace of this.

// Bounds of what one step shows.
const (
	maxStepNames = 16      // variables, the nearest ones
	maxStepValue = 400     // runes of what the await gave
	maxStepLocal = 80      // runes of a variable
	maxStepLine  = 120     // runes of the source line
	maxConcealed = 100     // texts that are kept from steps, the newest ones
	maxStepBytes = 1 << 20 // of one VM and second, as log_bytes
)

// stepName is the native's parameter in the bundle's wrapper, stepIndex that of
// the function which reads a variable; no script can spell them.
const (
	stepName  = unistring.String("%step")
	stepIndex = unistring.String("%i")
)

// stepSite is one await in the source.
type stepSite struct {
	place string
	line  string   // of the source, trimmed
	names []string // of the variables there
}

// stepper rewrites the awaits of a tree.
type stepper struct {
	v       *version
	tree    *ast.Program
	seen    map[any]bool
	names   []unistring.String // of what is declared so far, the nearest last
	outside int                // of names, those of the modules
	depth   int                // of functions
}

// traceSteps puts the tracing native around each await of the author.
func (v *version) traceSteps(tree *ast.Program) {
	s := &stepper{v: v, tree: tree, seen: map[any]bool{}}
	s.walk(reflect.ValueOf(tree.Body))
	v.secrets = veil.New(slices.Collect(maps.Values(v.bundle.Env.Secrets)))
	addParameters(tree, stepName)
}

func (s *stepper) walk(x reflect.Value) {
	switch x.Kind() {
	case reflect.Interface:
		if !x.IsNil() {
			s.walk(x.Elem())
		}
	case reflect.Slice:
		for i := range x.Len() {
			s.walk(x.Index(i))
		}
	case reflect.Struct:
		for i := range x.NumField() {
			if field := x.Field(i); field.CanSet() || field.Kind() == reflect.Interface {
				s.walk(field)
			}
		}
	case reflect.Pointer:
		if x.IsNil() || s.seen[x.Interface()] || x.Elem().Kind() != reflect.Struct {
			return
		}
		s.seen[x.Interface()] = true // declarations are listed twice
		s.node(x)
	}
}

// node visits a node with what it declares.
func (s *stepper) node(x reflect.Value) {
	switch n := x.Interface().(type) {
	case *ast.FunctionLiteral:
		s.function(x, n.ParameterList)
	case *ast.ArrowFunctionLiteral:
		s.function(x, n.ParameterList)
	case *ast.BlockStatement, *ast.ForStatement, *ast.ForInStatement, *ast.ForOfStatement, *ast.SwitchStatement:
		s.scope(x)
	case *ast.CatchStatement:
		mark := len(s.names)
		s.declare(n.Parameter)
		s.walk(x.Elem())
		s.names = s.names[:mark]
	case *ast.ForDeclaration:
		s.declare(n.Target)
	case *ast.Binding:
		s.walk(x.Elem())
		s.declare(n.Target)
	case *ast.AwaitExpression:
		s.walk(x.Elem())
		s.await(n)
	default:
		s.walk(x.Elem())
	}
}

func (s *stepper) scope(x reflect.Value) {
	mark := len(s.names)
	s.walk(x.Elem())
	s.names = s.names[:mark]
}

// function visits a function; what stands outside of all but the bundle's own
// wrapper belongs to the modules.
func (s *stepper) function(x reflect.Value, parameters *ast.ParameterList) {
	mark, outside := len(s.names), s.outside
	if s.depth++; s.depth <= 2 {
		s.outside = mark
	}
	if parameters != nil {
		s.walk(reflect.ValueOf(parameters))
		s.declare(parameters.Rest)
	}
	s.walk(x.Elem())
	s.depth--
	s.names, s.outside = s.names[:mark], outside
}

// declare notes the names of a binding.
func (s *stepper) declare(target any) {
	switch t := target.(type) {
	case *ast.Identifier:
		if !strings.HasPrefix(string(t.Name), "%") {
			s.names = append(s.names, t.Name)
		}
	case *ast.AssignExpression:
		s.declare(t.Left)
	case *ast.ArrayPattern:
		for _, e := range t.Elements {
			s.declare(e)
		}
		s.declare(t.Rest)
	case *ast.ObjectPattern:
		for _, p := range t.Properties {
			switch p := p.(type) {
			case *ast.PropertyShort:
				s.names = append(s.names, p.Name.Name)
			case *ast.PropertyKeyed:
				s.declare(p.Value)
			}
		}
		s.declare(t.Rest)
	}
}

// await makes `await X` into `await %step(site, X, i => i === 0 ? a : …)`.
func (s *stepper) await(x *ast.AwaitExpression) {
	at := s.tree.File.Position(int(x.Await) - s.tree.File.Base())
	place := s.v.locate(at.Filename, at.Line, at.Column)
	if place == "" || strings.Contains(place, "node_modules/") {
		return
	}
	site := stepSite{place: place, line: s.v.sourceLine(place)}
	var read ast.Expression = &ast.Identifier{Name: stepIndex, Idx: x.Await}
	for _, name := range s.visible() {
		read = &ast.ConditionalExpression{Test: isIndex(len(site.names), x.Await), Consequent: &ast.Identifier{Name: name, Idx: x.Await}, Alternate: read}
		site.names = append(site.names, name.String())
	}
	number := len(s.v.steps)
	s.v.steps = append(s.v.steps, site)
	reader := &ast.ArrowFunctionLiteral{
		Start: x.Await, Body: &ast.ExpressionBody{Expression: read},
		ParameterList: &ast.ParameterList{Opening: x.Await, Closing: x.Await, List: []*ast.Binding{{Target: &ast.Identifier{Name: stepIndex, Idx: x.Await}}}},
	}
	x.Argument = &ast.CallExpression{
		Callee: &ast.Identifier{Name: stepName, Idx: x.Await}, LeftParenthesis: x.Await, RightParenthesis: x.Await,
		ArgumentList: []ast.Expression{literal(number, x.Await), x.Argument, reader},
	}
}

func isIndex(i int, at file.Idx) ast.Expression {
	return &ast.BinaryExpression{Operator: token.STRICT_EQUAL, Left: &ast.Identifier{Name: stepIndex, Idx: at}, Right: literal(i, at), Comparison: true}
}

func literal(i int, at file.Idx) ast.Expression {
	return &ast.NumberLiteral{Idx: at, Literal: strconv.Itoa(i), Value: int64(i)}
}

// visible are the nearest variables, in the order of their declaration.
func (s *stepper) visible() []unistring.String {
	var out []unistring.String
	for _, name := range slices.Backward(s.names[s.outside:]) {
		if !slices.Contains(out, name) && len(out) < maxStepNames {
			out = append(out, name)
		}
	}
	slices.Reverse(out)
	return out
}

// sourceLine is the line of a place without its indentation.
func (v *version) sourceLine(place string) string {
	name, row, _, ok := splitPlace(place)
	if !ok {
		return ""
	}
	lines := strings.Split(v.source(name), "\n")
	if row > len(lines) {
		return ""
	}
	return clipRunes(strings.TrimSpace(lines[row-1]), maxStepLine)
}

func clipRunes(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// Conceal keeps a text that the caller has entered in secret out of the steps.
func (vm *VM) Conceal(text string) {
	if text == "" || !vm.version.bundle.Steps || slices.Contains(vm.concealed, text) {
		return
	}
	vm.concealed = append(vm.concealed, text)
	if len(vm.concealed) > maxConcealed {
		vm.concealed = vm.concealed[1:]
	}
}

// stepping makes the function that traced awaits go through.
func (vm *VM) stepping() (goja.Value, error) {
	now := vm.Func("now", func(goja.FunctionCall) goja.Value { return vm.rt.ToValue(vm.Now().UnixMilli()) })
	return vm.runShared(vm.worker.shared.steps, now, vm.Func("done", vm.stepDone))
}

// stepDone takes the end of an await: site, reader of variables, value or
// reason, whether it was fulfilled, since when.
func (vm *VM) stepDone(c goja.FunctionCall) goja.Value {
	site := &vm.version.steps[c.Argument(0).ToInteger()]
	read, _ := goja.AssertFunction(c.Argument(1))
	gave := "✗ "
	if c.Argument(3).ToBoolean() {
		gave = "→ " + vm.stepValue(c.Argument(2), maxStepValue)
	} else {
		gave += vm.stepError(c.Argument(2))
	}
	vm.stepped(site, read, gave, vm.Now().UnixMilli()-c.Argument(4).ToInteger())
	return goja.Undefined()
}

// stepped tells the host of an await that is over.
func (vm *VM) stepped(site *stepSite, read goja.Callable, gave string, ms int64) {
	if ms > 0 {
		gave += " after " + (time.Duration(ms) * time.Millisecond).String()
	}
	text := site.line + "\n" + gave
	if locals := vm.stepLocals(site, read); locals != "" {
		text += "\n" + locals
	}
	body, err := json.Marshal(text)
	if err != nil || !vm.stepBytes.take(vm.Now(), int64(len(body))) {
		return
	}
	vm.request(0, "step", body, site.place)
}

// stepLocals are the variables that hold data.
func (vm *VM) stepLocals(site *stepSite, read goja.Callable) string {
	var out []string
	for i, name := range site.names {
		v, err := read(goja.Undefined(), vm.rt.ToValue(i))
		if err != nil || v == nil || goja.IsUndefined(v) || v == vm.argument {
			continue // not yet declared, or the call itself
		}
		if _, isFunction := goja.AssertFunction(v); isFunction {
			continue
		}
		out = append(out, name+" = "+vm.stepValue(v, maxStepLocal))
	}
	return strings.Join(out, ", ")
}

// stepValue is a value on one line, without what is secret.
func (vm *VM) stepValue(v goja.Value, most int) string {
	show := vm.worker.options.Inspect
	if show == nil {
		show = func(vm *VM, v goja.Value) string {
			enc := encoder{vm: vm, maxBytes: maxErrorText}
			text, err := enc.encode(v)
			if err != nil || text == nil {
				return "…"
			}
			return string(text)
		}
	}
	text := strings.Join(strings.Fields(show(vm, v)), " ")
	return clipRunes(vm.veil(text), most)
}

func (vm *VM) stepError(v goja.Value) string {
	o, ok := v.(*goja.Object)
	if !ok || o.ClassName() != "Error" {
		return vm.stepValue(v, maxStepValue)
	}
	text := vm.text(o, "name")
	if code := vm.text(o, "code"); code != "" {
		text = code
	}
	return clipRunes(vm.veil(text+": "+vm.text(o, "message")), maxStepValue)
}

// veil hides the secrets of the configuration and what a caller has entered in
// secret. Of a few digits only the whole value is hidden: they stand everywhere.
func (vm *VM) veil(text string) string {
	text = vm.version.secrets.Hide(text)
	for _, secret := range vm.concealed {
		if len(secret) < veil.MinText {
			secret = `"` + secret + `"`
		}
		text = strings.ReplaceAll(text, secret, veil.Mark)
	}
	return text
}
