package runtime

import (
	"math/big"
	"reflect"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/file"
	"github.com/dop251/goja/unistring"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime/message"
)

// maxTreeDepth is how deep the syntax tree of a bundle may be: the compiler
// recurses on it. Long chains such as a + b + c + … nest too.
const maxTreeDepth = 4000

// Names that no script can spell, for what a guarded bundle calls.
const (
	spreadName = unistring.String("%spread")
	propsName  = unistring.String("%props")
	restName   = unistring.String("%rest")
)

// restSymbol is the key under which a pattern with a rest element, such as
// [first, ...others], finds the list to take apart.
var restSymbol = goja.NewSymbol("loopstart.rest")

// filter walks the syntax tree of a bundle: it refuses what would hang the
// compiler or a match, and under the full guard it puts a check around each
// spread, which the engine itself would follow without end.
type filter struct {
	rewrite bool
	seen    map[any]bool
	depth   int
	found   needs
	why     string
	at      file.Idx
}

// filterTree filters a tree in place.
func filterTree(tree *ast.Program, rewrite bool) *filter {
	f := &filter{rewrite: rewrite, seen: map[any]bool{}}
	f.walk(reflect.ValueOf(tree.Body))
	if rewrite && f.why == "" {
		addParameters(tree, spreadName, propsName, restName)
	}
	return f
}

// addParameters gives the wrapper's function what the rewritten tree calls.
func addParameters(tree *ast.Program, names ...unistring.String) {
	statement, ok := tree.Body[0].(*ast.ExpressionStatement)
	if !ok {
		return
	}
	fn, ok := statement.Expression.(*ast.FunctionLiteral)
	if !ok {
		return
	}
	for _, name := range names {
		fn.ParameterList.List = append(fn.ParameterList.List, &ast.Binding{Target: &ast.Identifier{Name: name, Idx: fn.Function}})
	}
}

func (f *filter) refuse(at file.Idx, why string) {
	if f.why == "" {
		f.why, f.at = why, at
	}
}

// walk visits everything below v. The tree has no visitor of its own.
func (f *filter) walk(v reflect.Value) {
	if f.why != "" {
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		if !v.IsNil() {
			f.walk(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			f.walk(v.Index(i))
		}
	case reflect.Pointer:
		f.pointer(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); field.CanSet() || field.Kind() == reflect.Interface {
				f.walk(field)
			}
		}
	}
}

func (f *filter) pointer(v reflect.Value) {
	if v.IsNil() || f.seen[v.Interface()] {
		return
	}
	node, isNode := v.Interface().(ast.Node)
	if isNode {
		f.seen[node] = true // declarations are listed twice
		if f.depth++; f.depth > maxTreeDepth {
			f.refuse(node.Idx0(), "the source is nested too deep")
			return
		}
		defer func() { f.depth-- }()
		f.node(node)
	}
	if v.Elem().Kind() == reflect.Struct && v.Type() != reflect.TypeFor[*big.Int]() {
		f.walk(v.Elem())
	}
	if isNode {
		placeEmptyLoop(node)
	}
	if isNode && f.rewrite {
		rewriteNode(node, f)
	}
}

// placeEmptyLoop gives a loop of which nothing is left to execute, such as
// while (true) {}, something that has a place: else the report of an endless
// loop would show the statement before it.
func placeEmptyLoop(n ast.Node) {
	switch x := n.(type) {
	case *ast.WhileStatement:
		x.Body = placed(x.Body, x.While)
	case *ast.DoWhileStatement:
		x.Body = placed(x.Body, x.Do)
	case *ast.ForStatement:
		x.Body = placed(x.Body, x.For)
	}
}

func placed(body ast.Statement, at file.Idx) ast.Statement {
	block, isBlock := body.(*ast.BlockStatement)
	if _, empty := body.(*ast.EmptyStatement); !empty && (!isBlock || len(block.List) > 0) {
		return body
	}
	return &ast.ExpressionStatement{Expression: &ast.ThisExpression{Idx: at}}
}

func (f *filter) node(n ast.Node) {
	switch x := n.(type) {
	case *ast.RegExpLiteral:
		f.found.regexps = true
		if why := badPattern(x.Pattern); why != "" {
			f.refuse(x.Idx, why)
		}
	case *ast.NumberLiteral:
		if _, long := x.Value.(*big.Int); long {
			f.refuse(x.Idx, "BigInt literals are not allowed in scripts")
		}
	}
}

// rewriteNode changes a node after what is below it.
func rewriteNode(n ast.Node, f *filter) {
	switch x := n.(type) {
	case *ast.ArrayLiteral:
		spreads(x.Value, spreadName)
	case *ast.CallExpression:
		spreads(x.ArgumentList, spreadName)
	case *ast.NewExpression:
		spreads(x.ArgumentList, spreadName)
	case *ast.ObjectLiteral:
		for _, p := range x.Value {
			if s, ok := p.(*ast.SpreadElement); ok {
				s.Expression = called(propsName, s.Expression)
			}
		}
	case *ast.Binding:
		x.Target, _ = f.rested(x.Target).(ast.BindingTarget)
	case *ast.AssignExpression:
		x.Left = f.rested(x.Left)
	case *ast.PropertyKeyed:
		x.Value = f.rested(x.Value)
	case *ast.ArrayPattern:
		for i, e := range x.Elements {
			x.Elements[i] = f.rested(e)
		}
		x.Rest = f.rested(x.Rest)
	case *ast.ParameterList:
		x.Rest = f.rested(x.Rest)
	case *ast.ForDeclaration:
		x.Target, _ = f.rested(x.Target).(ast.BindingTarget)
	case *ast.ForIntoExpression:
		x.Expression = f.rested(x.Expression)
	case *ast.CatchStatement:
		x.Parameter, _ = f.rested(x.Parameter).(ast.BindingTarget)
	}
}

func spreads(list []ast.Expression, name unistring.String) {
	for _, e := range list {
		if s, ok := e.(*ast.SpreadElement); ok {
			s.Expression = called(name, s.Expression)
		}
	}
}

func called(name unistring.String, argument ast.Expression) ast.Expression {
	at := argument.Idx0()
	return &ast.CallExpression{
		Callee: &ast.Identifier{Name: name, Idx: at}, LeftParenthesis: at, ArgumentList: []ast.Expression{argument}, RightParenthesis: at,
	}
}

// rested makes [a, ...b] into {[rest]: [a, ...b]}: the pattern takes apart what
// a getter of all objects has drained.
func (f *filter) rested(e ast.Expression) ast.Expression {
	p, ok := e.(*ast.ArrayPattern)
	if !ok || p.Rest == nil || f.seen[&p.Rest] {
		return e
	}
	f.seen[&p.Rest] = true
	f.found.rest = true
	return &ast.ObjectPattern{LeftBrace: p.LeftBracket, RightBrace: p.RightBracket, Properties: []ast.Property{
		&ast.PropertyKeyed{Key: &ast.Identifier{Name: restName, Idx: p.LeftBracket}, Kind: ast.PropertyKindValue, Computed: true, Value: p},
	}}
}

// refused is the error of a source that the filter does not let through.
func (v *version) refused(tree *ast.Program, f *filter) *message.ScriptError {
	at := tree.File.Position(int(f.at) - tree.File.Base())
	e := &message.ScriptError{Code: string(fault.Script), Name: "SyntaxError", Message: f.why}
	e.Place = v.locate(at.Filename, at.Line, at.Column)
	e.Frame = v.codeFrame(e.Place)
	return e
}
