package docs_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
)

var update = flag.Bool("update", false, "write what is generated")

// fresh compares a generated document with the file, or writes it.
func fresh(t *testing.T, path, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != want {
		t.Errorf("%s is stale: run go test ./docs -update (%v)", path, err)
	}
}

// TestConfigurationReference generates reference/configuration.md from the
// structs of package config and their tags.
func TestConfigurationReference(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Configuration reference\n\nGenerated from the code. How it is meant: [configuration.md](../configuration.md).\n")
	top := reflect.TypeFor[config.Config]()
	for f := range keys(top) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f.key, f.doc())
		section(&b, f)
	}
	fresh(t, filepath.Join("reference", "configuration.md"), b.String())
}

// key is one key of the configuration.
type key struct {
	path, key string
	keyed     bool
	later     bool // its part is not built, or that of the section around it
	reflect.StructField
}

func keys(t reflect.Type) func(func(key) bool) { return below("", t) }

func below(path string, t reflect.Type) func(func(key) bool) {
	return func(yield func(key) bool) {
		for f := range t.Fields() {
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name == "" || name == "-" {
				continue
			}
			if !yield(key{strings.TrimPrefix(path+"."+name, "."), name, options == "keyed", f.Tag.Get("later") != "", f}) {
				return
			}
		}
	}
}

func (k key) doc() string {
	doc := k.Tag.Get("doc")
	if k.later {
		doc += " **Not in this version.**"
	}
	if words := k.Tag.Get("unbuilt"); words != "" {
		doc += " Not in this version: " + code(words) + "."
	}
	return doc
}

// section writes the table of a section, and those of what is below it.
func section(b *strings.Builder, k key) {
	var rows []key
	collect(&rows, k.path, k)
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.path, r.kind(), r.standard(), strings.ReplaceAll(r.doc(), "|", "\\|"))
	}
}

func collect(rows *[]key, path string, k key) {
	t := k.Type
	if k.keyed {
		path += ".NAME"
	}
	list := false
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		list = list || t.Kind() == reflect.Slice
		t = t.Elem()
	}
	if list && !k.keyed && hasKeys(t) {
		path += "[]"
	}
	if !hasKeys(t) {
		if k.path != path || !strings.Contains(path, ".") {
			k.path = path
			*rows = append(*rows, k)
		}
		return
	}
	for f := range below(path, t) {
		f.later = f.later || k.later
		if _, nested := inner(f); nested {
			collect(rows, f.path, f)
			continue
		}
		if f.keyed {
			f.path += ".NAME"
		}
		*rows = append(*rows, f)
	}
}

func inner(k key) (reflect.Type, bool) {
	t := k.Type
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t, hasKeys(t)
}

// hasKeys reports whether a type is a section of its own.
func hasKeys(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.PkgPath() != reflect.TypeFor[config.Config]().PkgPath() {
		return false
	}
	for range keys(t) {
		return true
	}
	return false
}

var kinds = map[string]string{
	"time.Duration": "duration", "config.Bytes": "size", "config.Secret": "secret", "config.PortRange": "ports", "config.Listener": "address",
	"netip.Addr": "address", "netip.AddrPort": "address", "netip.Prefix": "network", "config.Register": "bool or object",
	"config.SessionTimer": "word or duration", "config.Tokens": "list or by name", "float64": "number", "int": "number", "string": "text",
	"map[string]interface {}": "object", "bool": "bool", "config.Entry": "secret", "config.Chain": "list", "config.VoiceFor": "text", "config.Open": "list of ranges",
}

func (k key) kind() string {
	if words := k.Tag.Get("enum"); words != "" {
		if k.Type.Kind() == reflect.Slice {
			return "list of " + code(words)
		}
		return code(words)
	}
	t, list := k.Type, false
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && kinds[t.String()] == "" {
		list = list || t.Kind() == reflect.Slice
		t = t.Elem()
	}
	kind := kinds[t.String()]
	if kind == "" {
		kind = t.String()
	}
	if k.Tag.Get("off") != "" {
		kind += " or `off`"
	}
	if least := k.Tag.Get("least"); least != "" {
		kind += ", at least " + least
	}
	if r := k.Tag.Get("range"); r != "" {
		low, high, _ := strings.Cut(r, "..")
		kind += ", " + low + " to " + high
	}
	if list && !k.keyed {
		return "list of " + plural(kind)
	}
	return kind
}

func plural(kind string) string {
	if strings.HasSuffix(kind, "s") {
		return kind + "es"
	}
	return kind + "s"
}

func code(words string) string { return "`" + strings.Join(strings.Fields(words), "`, `") + "`" }

func (k key) standard() string {
	switch {
	case k.Tag.Get("required") != "":
		return "required"
	case k.Tag.Get("default") != "":
		return "`" + k.Tag.Get("default") + "`"
	}
	return ""
}

// TestSchemasOfTheAPI: the records of the OpenAPI document have the fields that
// the program writes.
func TestSchemasOfTheAPI(t *testing.T) {
	d := openAPI(t)
	for name, typ := range map[string]reflect.Type{
		"Record": reflect.TypeFor[call.Record](), "TimelineEntry": reflect.TypeFor[call.Entry](), "OrderRequest": reflect.TypeFor[engine.OrderRequest](),
		"OrderAnswer": reflect.TypeFor[engine.OrderAnswer](), "Attempt": reflect.TypeFor[engine.OrderAttempt](), "Event": reflect.TypeFor[engine.Event](),
		"GroupMember": reflect.TypeFor[queue.Member](), "Group": reflect.TypeFor[queue.State](),
		"Trunk": reflect.TypeFor[engine.TrunkLine](), "TrunkCheck": reflect.TypeFor[engine.TrunkCheck](),
	} {
		left := map[string]bool{}
		for p := range d.Components.Schemas[name].Properties {
			left[p] = true
		}
		for f := range typ.Fields() {
			field, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if field == "-" || field == "" {
				continue
			}
			if !left[field] {
				t.Errorf("schema %s lacks %s", name, field)
			}
			delete(left, field)
		}
		for p := range left {
			t.Errorf("schema %s has %s, the program has not", name, p)
		}
	}
}
