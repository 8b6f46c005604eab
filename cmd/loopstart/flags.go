package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
)

// globals are the options that stand before or after the verb.
type globals struct {
	config  string // -c, --config
	dir     string // -C
	output  string // -o: text, json, ndjson
	quiet   bool   // -q
	verbose bool   // -v
	color   string // --color: auto, always, never
	help    bool
}

// parseGlobals takes the global options out of args, wherever they stand. What
// follows "--" is left alone.
func (m *Main) parseGlobals(args []string) ([]string, error) {
	m.global = globals{output: "text", color: "auto"}
	var rest []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return append(rest, args[i+1:]...), m.enter()
		}
		name, value, joined := strings.Cut(a, "=")
		if set, ok := m.switches()[name]; ok && !joined {
			*set = true
			continue
		}
		set, ok := m.values()[name]
		if !ok {
			rest = append(rest, a)
			continue
		}
		if !joined {
			if i++; i == len(args) {
				return nil, fault.New(fault.Invalid, "%s needs a value", name).WithExit(fault.ExitUsage)
			}
			value = args[i]
		}
		*set = value
	}
	return rest, m.enter()
}

func (m *Main) switches() map[string]*bool {
	g := &m.global
	return map[string]*bool{"-q": &g.quiet, "-v": &g.verbose, "-h": &g.help, "--help": &g.help}
}

func (m *Main) values() map[string]*string {
	g := &m.global
	return map[string]*string{"-c": &g.config, "--config": &g.config, "-C": &g.dir, "-o": &g.output, "--color": &g.color}
}

// enter checks the values and changes into -C.
func (m *Main) enter() error {
	switch m.global.output {
	case "text", "json", "ndjson":
	default:
		return fault.New(fault.Invalid, "-o %s: no such format", m.global.output).WithExit(fault.ExitUsage).WithHint("text, json or ndjson")
	}
	switch m.global.color {
	case "auto", "always", "never":
	default:
		return fault.New(fault.Invalid, "--color %s", m.global.color).WithExit(fault.ExitUsage).WithHint("auto, always or never")
	}
	if m.global.dir == "" {
		return nil
	}
	if err := os.Chdir(m.global.dir); err != nil {
		return fault.New(fault.Invalid, "-C: %w", err).WithExit(fault.ExitUsage)
	}
	return nil
}

// flags is a flag set whose errors are ours.
func flags(verb string) *flag.FlagSet {
	fs := flag.NewFlagSet(verb, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// parse reads options and arguments in any order, and refuses more arguments
// than most; most < 0 is no limit.
func parse(fs *flag.FlagSet, args []string, most int) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, badFlag(fs, err)
		}
		if args = fs.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	if most >= 0 && len(rest) > most {
		return nil, fault.New(fault.Invalid, "%s: too many arguments: %s", fs.Name(), strings.Join(rest[most:], " ")).
			WithExit(fault.ExitUsage).WithHint("see `loopstart help %s`", fs.Name())
	}
	return rest, nil
}

func badFlag(fs *flag.FlagSet, err error) error {
	e := fault.New(fault.Invalid, "%s: %s", fs.Name(), err).WithExit(fault.ExitUsage)
	if name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		var names []string
		fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
		if near := nearest(name, names); near != "" {
			return e.WithHint("did you mean --%s?", near)
		}
	}
	return e.WithHint("see `loopstart help %s`", fs.Name())
}

func nearest(name string, names []string) string { return suggest.Nearest(name, names) }

// load reads the configuration of the project at dir ("" is here).
func (m *Main) load(dir string, o config.Options) (*config.Config, error) {
	path := m.global.config
	if path == "" {
		path = filepath.Join(dir, config.FileName)
	}
	o.Env = map[string]string{}
	for _, pair := range m.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		o.Env[name] = value
	}
	return config.Load(path, o)
}
