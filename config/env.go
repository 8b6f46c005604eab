package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// envPrefix begins the variables that override keys.
const envPrefix = "LOOPSTART_"

// maxVariable bounds what one ${VAR} may bring in.
const maxVariable = 64 << 10

// environment is the process's variables over those of .env.
func (o Options) environment(r *report) map[string]string {
	env := map[string]string{}
	if text, err := os.ReadFile(filepath.Join(o.Dir, ".env")); err == nil && o.Dir != "" {
		parseDotEnv(string(text), env, r.add)
	}
	if o.Env != nil {
		maps.Copy(env, o.Env)
		return env
	}
	for _, pair := range os.Environ() {
		if name, value, ok := strings.Cut(pair, "="); ok {
			env[name] = value
		}
	}
	return env
}

// parseDotEnv reads NAME=value lines: # comments, an optional export, values
// in 'single' (literal) or "double" quotes (\n, \" and \\). Its errors never
// quote a line, since all of them hold secrets.
func parseDotEnv(text string, env map[string]string, fail func(at place, message, hint string)) {
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		name = strings.TrimSpace(name)
		value, closed := unquoteEnv(strings.TrimSpace(value))
		if !ok || !variableName(name) || !closed {
			fail(place{".env", i + 1, 1}, "this line is no NAME=value", "")
			continue
		}
		env[name] = value
	}
}

func unquoteEnv(v string) (string, bool) {
	if v == "" || v[0] != '"' && v[0] != '\'' {
		if i := strings.Index(v, " #"); i >= 0 {
			v = strings.TrimSpace(v[:i])
		}
		return v, true
	}
	quote, rest := v[0], v[1:]
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch {
		case rest[i] == quote:
			tail := strings.TrimSpace(rest[i+1:])
			return b.String(), tail == "" || tail[0] == '#'
		case rest[i] == '\\' && quote == '"' && i+1 < len(rest):
			if i++; rest[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(rest[i])
			}
		default:
			b.WriteByte(rest[i])
		}
	}
	return "", false
}

func variableName(s string) bool {
	for i, r := range s {
		letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// interpolate fills in ${NAME} and ${NAME:-default}; $${ stands for ${.
func (d *decoder) interpolate(path string, n *node) (string, bool) {
	if !strings.Contains(n.text, "${") {
		return n.text, true
	}
	var b strings.Builder
	rest := n.text
	for {
		before, after, found := strings.Cut(rest, "${")
		if !found {
			b.WriteString(rest)
			return b.String(), true
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(literal + "${")
			rest = after
			continue
		}
		name, tail, closed := strings.Cut(after, "}")
		value, ok := d.variable(path, n, name, closed)
		if !ok {
			return "", false
		}
		b.WriteString(before + value)
		rest = tail
	}
}

func (d *decoder) variable(path string, n *node, expression string, closed bool) (string, bool) {
	name, fallback, hasFallback := strings.Cut(expression, ":-")
	if !closed || !variableName(name) {
		d.add(n.at, path+": this ${ is no ${NAME}", "write ${NAME}, ${NAME:-default}, or $${ for the two characters")
		return "", false
	}
	value, ok := d.look(name)
	switch {
	case ok && value != "" && len(value) <= maxVariable:
		d.variables[value] = name
		return value, true
	case hasFallback:
		return fallback, true
	case len(value) > maxVariable:
		d.add(n.at, fmt.Sprintf("%s: the variable %s is longer than %s", path, name, Bytes(maxVariable)), "")
	case d.lenient(path):
		d.notices = append(d.notices, Notice{d.where(n.at), fmt.Sprintf("%s: the variable %s is not set; dev does without it", path, name)})
	default:
		d.add(n.at, fmt.Sprintf("%s: the variable %s is not set", path, name), "set it in the environment or in the file .env beside the config")
	}
	return "", false
}

// override puts LOOPSTART_… variables and flags into the tree as if the file
// had them, so that one decoder judges all.
func (o Options) override(root *node, env map[string]string, r *report) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		rest, ok := strings.CutPrefix(name, envPrefix)
		if !ok || env[name] == "" {
			continue
		}
		at := place{source: "environment variable " + name}
		path, t, known := resolve(reflect.TypeFor[Config](), root, rest, envName)
		switch {
		case known:
			set(root, path, overrideNode(env[name], t, at, r), r)
		case len(path) > 0:
			r.add(at, fmt.Sprintf("no key of %s is meant by this name", strings.Join(path, ".")), "LOOPSTART_<SECTION>_<KEY>, such as LOOPSTART_HTTP_LISTEN; names of trunks and users must be in the file")
		}
	}
	for _, dotted := range slices.Sorted(maps.Keys(o.Overrides)) {
		at := place{source: "override " + dotted}
		path, t, known := resolve(reflect.TypeFor[Config](), root, dotted, dotName)
		if !known {
			r.add(at, "there is no such key", didYouMean(dotted, keysOf(reflect.TypeFor[Config]())))
			continue
		}
		set(root, path, overrideNode(o.Overrides[dotted], t, at, r), r)
	}
}

// naming is how a key stands in a path: HTTP_LISTEN or http.listen.
type naming struct {
	separator string
	spell     func(string) string
}

var (
	dotName = naming{".", func(s string) string { return s }}
	envName = naming{"_", func(s string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' {
				return r - 'a' + 'A'
			}
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, s)
	}}
)

// resolve finds the key that rest means inside a value of type t. Keys and
// separators share the underscore, so every key that fits is tried. When none
// fits, path is as far as it got.
func resolve(t reflect.Type, n *node, rest string, by naming) (path []string, leaf reflect.Type, ok bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for key, child := range children(t, n) {
		after, fits := strings.CutPrefix(rest, by.spell(key))
		if !fits {
			continue
		}
		if after == "" {
			return []string{key}, child, true
		}
		inner, fits := strings.CutPrefix(after, by.separator)
		if !fits {
			continue
		}
		var below *node
		if n != nil {
			below, _ = n.get(key)
		}
		tail, leaf, found := resolve(child, below, inner, by)
		if found {
			return append([]string{key}, tail...), leaf, true
		}
		path = append([]string{key}, tail...)
	}
	return path, nil, false
}

// children are the keys a value of type t may have: fields of a struct, or
// the names that the file gives in a keyed section.
func children(t reflect.Type, n *node) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	switch {
	case t.Kind() == reflect.Struct && decoderFor(t) == nil:
		for _, f := range fieldsOf(t) {
			out[f.key] = t.Field(f.index).Type
		}
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && n != nil && n.kind == mapNode:
		for _, e := range n.entries {
			out[e.key] = t.Elem()
			if i, ok := inlineField(t.Elem()); ok {
				out[e.key] = t.Elem().Field(i).Type
			}
		}
	}
	return out
}

// overrideNode is a variable's text as a node of the wanted type: texts are
// taken as they are, lists may be written with commas, the rest is YAML.
func overrideNode(text string, t reflect.Type, at place, r *report) *node {
	literal := &node{kind: scalarNode, text: text, raw: true, at: at}
	if t.Kind() == reflect.String {
		return literal
	}
	if t.Kind() == reflect.Slice && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		list := &node{kind: listNode, at: at}
		for part := range strings.SplitSeq(text, ",") {
			list.items = append(list.items, &node{kind: scalarNode, text: strings.TrimSpace(part), raw: true, at: at})
		}
		return list
	}
	if !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		return literal
	}
	n := parseYAML([]byte(text), at.source, func(place, string, string) {
		r.add(at, "its value is no YAML", "")
	})
	if n == nil {
		return literal
	}
	place(at).mark(n)
	return n
}

func (p place) mark(n *node) {
	n.at, n.raw = p, true
	for _, item := range n.items {
		p.mark(item)
	}
	for i := range n.entries {
		n.entries[i].at = p
		p.mark(n.entries[i].value)
	}
}

// set puts value at path, making maps on the way.
func set(root *node, path []string, value *node, r *report) {
	for _, key := range path[:len(path)-1] {
		next, ok := root.get(key)
		if !ok || next.kind == nullNode {
			next = &node{kind: mapNode, at: value.at}
			root.put(key, next, value.at)
		}
		if next.kind != mapNode {
			r.add(value.at, strings.Join(path, ".")+": cannot be set, the file has no map there", "")
			return
		}
		root = next
	}
	root.put(path[len(path)-1], value, value.at)
}

func (n *node) put(key string, value *node, at place) {
	for i := range n.entries {
		if n.entries[i].key == key {
			n.entries[i] = entry{key, at, value}
			return
		}
	}
	n.entries = append(n.entries, entry{key, at, value})
}
