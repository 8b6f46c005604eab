package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of the file; aliases count by what they expand to.
const (
	MaxFileBytes = 1 << 20
	MaxNodes     = 100_000
	maxDepth     = 32
)

// place is a position in a source; source "" is the config file itself.
type place struct {
	source       string
	line, column int
}

type kind uint8

const (
	nullNode kind = iota
	scalarNode
	listNode
	mapNode
)

func (k kind) String() string {
	return [...]string{"nothing", "a value", "a list", "a map"}[k]
}

// node is a YAML value with all that decoding needs, aliases and merge keys
// resolved. The parser's own tree is not used further.
type node struct {
	kind    kind
	text    string
	plain   bool // unquoted: may be a bool, a number or null
	raw     bool // from the environment: no ${VAR} inside
	items   []*node
	entries []entry
	at      place
}

type entry struct {
	key   string
	at    place
	value *node
}

func (n *node) get(key string) (*node, bool) {
	for _, e := range n.entries {
		if e.key == key {
			return e.value, true
		}
	}
	return nil, false
}

// builder turns the parser's tree into nodes.
type builder struct {
	source  string
	anchors map[string]*node
	count   int
	over    bool // a limit was passed: nothing more is read
	fail    func(at place, message, hint string)
}

// parseYAML reads one document. What is wrong goes to fail; nil is an empty
// document or a syntax error.
func parseYAML(text []byte, source string, fail func(at place, message, hint string)) *node {
	b := &builder{source: source, anchors: map[string]*node{}, fail: fail}
	file, err := parser.ParseBytes(shield(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		b.syntaxError(err)
		return nil
	}
	if len(file.Docs) > 1 && file.Docs[1].Body != nil {
		b.fail(b.place(file.Docs[1].Body.GetToken()), "a second document begins here", "keep everything in one document; remove the ---")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return nil
	}
	root := b.build(file.Docs[0].Body, 0)
	unshieldNode(root)
	if b.over {
		return nil
	}
	return root
}

func (b *builder) syntaxError(err error) {
	var detailed interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if errors.As(err, &detailed) && detailed.GetToken() != nil {
		b.fail(b.place(detailed.GetToken()), unshield(detailed.GetMessage()), `quote a text that begins with * & ! % @ { [ or holds ": " or " #"`)
		return
	}
	b.fail(place{b.source, 1, 1}, "this is no YAML", "")
}

func (b *builder) place(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{b.source, 1, 1}
	}
	return place{b.source, t.Position.Line, t.Position.Column}
}

func (b *builder) build(n ast.Node, depth int) *node {
	out := &node{at: b.place(n.GetToken())}
	if !b.room(1, depth, out.at) {
		return out
	}
	switch n := n.(type) {
	case *ast.NullNode:
	case *ast.LiteralNode:
		out.kind, out.text = scalarNode, n.Value.Value
	case *ast.StringNode:
		out.kind, out.text = scalarNode, n.Value
		out.plain = n.Token.Type == token.StringType
	case *ast.SequenceNode:
		out.kind = listNode
		for _, item := range n.Values {
			out.items = append(out.items, b.build(item, depth+1))
		}
	case *ast.MappingNode:
		b.buildMap(out, n.Values, depth)
	case *ast.MappingValueNode:
		b.buildMap(out, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		out = b.build(n.Value, depth)
		b.anchors[n.Name.GetToken().Value] = out
	case *ast.AliasNode:
		return b.alias(n)
	case *ast.TagNode:
		b.fail(out.at, "tags such as !!str have no meaning here", "remove the tag; quote a value to make it a text")
		return b.build(n.Value, depth)
	case ast.ScalarNode:
		out.kind, out.text, out.plain = scalarNode, n.GetToken().Value, true
	default:
		b.fail(out.at, "this kind of YAML has no meaning here", "")
	}
	return out
}

// alias expands *name; the count bounds "billion laughs" files.
func (b *builder) alias(n *ast.AliasNode) *node {
	name := n.Value.GetToken().Value
	target, ok := b.anchors[name]
	if !ok {
		b.fail(b.place(n.GetToken()), fmt.Sprintf("there is no anchor &%s above", name), `quote a value that begins with *: "*"`)
		return &node{at: b.place(n.GetToken())}
	}
	if !b.room(size(target, MaxNodes), 0, b.place(n.GetToken())) {
		return &node{}
	}
	return target
}

// room counts values against the limits and reports the first excess.
func (b *builder) room(values, depth int, at place) bool {
	b.count += values
	if !b.over && (b.count > MaxNodes || depth > maxDepth) {
		b.over = true
		b.fail(at, fmt.Sprintf("the file is too large: at most %d values, %d levels deep", MaxNodes, maxDepth), "")
	}
	return !b.over
}

func size(n *node, budget int) int {
	total := 1
	for _, item := range n.items {
		if total < budget {
			total += size(item, budget-total)
		}
	}
	for _, e := range n.entries {
		if total < budget {
			total += size(e.value, budget-total)
		}
	}
	return total
}

func (b *builder) buildMap(out *node, values []*ast.MappingValueNode, depth int) {
	out.kind = mapNode
	if len(values) > 0 {
		out.at = b.place(values[0].Key.GetToken())
	}
	var merged []entry
	for _, v := range values {
		at := b.place(v.Key.GetToken())
		value := b.build(v.Value, depth+1)
		if v.Key.IsMergeKey() {
			merged = append(merged, value.entries...)
			continue
		}
		key := strings.TrimSpace(v.Key.GetToken().Value)
		if first, ok := out.place(key); ok {
			b.fail(at, fmt.Sprintf("the key %q is here twice; the first is in line %d", key, first.line), "remove one of them")
			continue
		}
		out.entries = append(out.entries, entry{key, at, value})
	}
	for _, e := range merged { // keys of the map itself win
		if _, ok := out.get(e.key); !ok {
			out.entries = append(out.entries, e)
		}
	}
}

func (n *node) place(key string) (place, bool) {
	for _, e := range n.entries {
		if e.key == key {
			return e.at, true
		}
	}
	return place{}, false
}
