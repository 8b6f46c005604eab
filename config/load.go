package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// FileName is what a project's config is called.
const FileName = "loopstart.yaml"

// Options says where the values of Load come from.
type Options struct {
	Env       map[string]string // nil: the environment of the process
	Overrides map[string]string // "http.listen": "127.0.0.1:0"; wins over everything
	Dir       string            // project folder; "": the folder of the file
	Dev       bool              // trunks and webhooks may lack their ${VARIABLES}
	Live      []string          // trunks that dev uses all the same; "*": all
}

// Load reads, completes and checks a config. An empty path means defaults and
// environment only. Errors are Problems, or one *fault.Error when there is no
// such file; all have fault.ExitConfig.
func Load(path string, o Options) (*Config, error) {
	var text []byte
	if path != "" {
		var err error
		if text, err = readFile(path); err != nil {
			return nil, err
		}
	}
	if o.Dir == "" {
		o.Dir = "."
		if path != "" {
			o.Dir = filepath.Dir(path)
		}
	}
	c, err := Parse(text, filepath.Base(path), o)
	if err != nil {
		return nil, err
	}
	c.Path, c.Dir = path, o.Dir
	return c, nil
}

func readFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "config: there is no file %s", path).WithExit(fault.ExitConfig).
			WithHint("`loopstart init` makes a project; -c FILE or -C DIR names another one")
	case err != nil:
		return nil, fault.New(fault.Invalid, "config: read %s: %w", path, err).WithExit(fault.ExitConfig)
	case len(text) > MaxFileBytes:
		return nil, fault.New(fault.Limit, "config: %s is larger than %s", path, Bytes(MaxFileBytes)).WithExit(fault.ExitConfig)
	}
	return text, nil
}

// Parse is Load for a text in memory; name stands in the places of errors.
func Parse(text []byte, name string, o Options) (*Config, error) {
	if name == "" || name == "." {
		name = FileName
	}
	text = bytes.ReplaceAll(bytes.TrimPrefix(text, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
	r := &report{file: name, lines: strings.Split(string(text), "\n"), variables: map[string]string{}}
	root := parseYAML(text, "", r.add)
	env := o.environment(r)
	if len(r.found) > 0 && root == nil {
		r.blind = true
		return nil, r.problems()
	}
	if root == nil {
		root = &node{kind: mapNode}
	}
	if root.kind == mapNode {
		o.override(root, env, r)
	}
	c := &Config{places: map[string]place{}}
	d := &decoder{report: r, places: c.places, lenient: o.lenient}
	d.look = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	d.structure("", root, reflect.ValueOf(c).Elem())
	c.complete()
	c.validate(r)
	c.notices = append(d.notices, c.notices...)
	if err := r.problems(); err != nil {
		return nil, err
	}
	return c, nil
}

// lenient tells the sections that `dev` never uses, unless --live says so.
func (o Options) lenient(path string) bool {
	if !o.Dev {
		return false
	}
	if strings.HasPrefix(path, "webhooks[") {
		return true
	}
	trunk, ok := strings.CutPrefix(path, "trunks.")
	if !ok {
		return false
	}
	for _, live := range o.Live {
		if live == "*" || strings.HasPrefix(trunk, live+".") {
			return false
		}
	}
	return true
}
