package runtime

import (
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
	"github.com/go-sourcemap/sourcemap"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/veil"
	"github.com/loopstart/loopstart/runtime/message"
)

// wrapper makes a function of a CommonJS bundle. Its head stands on the first
// line of the bundle, so no line moves.
const (
	wrapperHead = "(function (exports, require, module) {"
	wrapperTail = "\n})"
)

// versionKey names a version of a script within a worker.
type versionKey struct{ script, version string }

// version is one compiled bundle, shared by its VMs.
//
// program, places and err are written once, before ready is true.
type version struct {
	key     versionKey
	bundle  message.Bundle // without Source and Map once compiled
	limits  message.Limits
	name    string // of the program, in the stack frames of the bundle itself
	program *goja.Program
	sources *sourcemap.Consumer // nil without a map
	needs   needs
	guard   Guard
	steps   []stepSite  // of a version that is traced
	secrets *veil.Words // that steps do not show
	err     *message.ScriptError

	mu      sync.Mutex
	ready   bool
	waiting []*VM                      // started before the version was compiled
	places  map[goja.StackFrame]string // of frames seen before

	vms     int  // guarded by the worker's lock
	retired bool // guarded by the worker's lock
}

func newVersion(b message.Bundle, least Guard) *version {
	asked, err := ParseGuard(b.Guard)
	if err != nil {
		asked = Full // the build has refused the name
	}
	return &version{
		guard: max(least, asked),
		key:   versionKey{b.Script, b.Version}, bundle: b, limits: fillLimits(b.Limits),
		name: b.Script + ".bundle.js", places: map[goja.StackFrame]string{},
	}
}

// compile parses the bundle and its map. It may take long and is called once,
// on a goroutine of its own.
func (v *version) compile() {
	v.err = v.parse()
	v.needs = needsOf(v.bundle.Source, v.needs)
	v.bundle.Source, v.bundle.Map = "", ""
}

func (v *version) parse() *message.ScriptError {
	if v.bundle.Map != "" {
		sources, err := readMap([]byte(v.bundle.Map), v.bundle.Source, len(wrapperHead))
		if err != nil {
			return &message.ScriptError{Code: string(fault.Internal), Name: "Error", Message: "the source map cannot be read: " + err.Error()}
		}
		v.sources = sources
	}
	tree, err := goja.Parse(v.name, wrapperHead+lighten(v.bundle.Source)+wrapperTail, parser.WithDisableSourceMaps)
	if err != nil {
		return v.syntaxError(err)
	}
	if v.sources != nil {
		tree.File.SetSourceMap(v.sources)
	}
	f := filterTree(tree, v.guard >= Full)
	if f.why != "" {
		return v.refused(tree, f)
	}
	v.needs = f.found
	if v.bundle.Steps {
		v.traceSteps(tree)
	}
	v.program, err = goja.CompileAST(tree, false)
	if err != nil {
		return v.syntaxError(err)
	}
	return nil
}

// admit says whether vm may run now; else it is kept until the version is
// compiled.
func (v *version) admit(vm *VM) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.ready {
		v.waiting = append(v.waiting, vm)
	}
	return v.ready
}

// open marks the version as compiled and returns the VMs that waited.
func (v *version) open() []*VM {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ready = true
	waiting := v.waiting
	v.waiting = nil
	return waiting
}

// maxPlaces bounds the cache of places; a bundle has not many more calls.
const maxPlaces = 10_000

// place is where a frame is in the author's source as file:line:col, "" for a
// native or for code that the author did not write.
func (v *version) place(f goja.StackFrame) string {
	if f.SrcName() != v.name {
		return ""
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if p, known := v.places[f]; known {
		return p
	}
	p := v.locate(f.Position().Filename, f.Position().Line, f.Position().Column)
	if len(v.places) < maxPlaces {
		v.places[f] = p
	}
	return p
}

// locate writes a position as a place; a position that is not mapped is in the
// bundle's own helpers.
func (v *version) locate(file string, line, col int) string {
	if v.sources != nil && file == v.name {
		return ""
	}
	if v.sources == nil && line == 1 {
		col -= len(wrapperHead)
	}
	if plain, err := url.PathUnescape(file); err == nil {
		file = plain // goja writes it as a URL
	}
	return file + ":" + strconv.Itoa(line) + ":" + strconv.Itoa(col)
}

// innermost is the first place of the author's own code, or else of a package
// that is bundled with it.
func (v *version) innermost(frames []goja.StackFrame) string {
	found := ""
	for _, f := range frames {
		p := v.place(f)
		if p == "" {
			continue
		}
		if !strings.Contains(p, "node_modules/") {
			return p
		}
		if found == "" {
			found = p
		}
	}
	return found
}

// stackText is a stack as a script sees it in error.stack.
func (v *version) stackText(head string, frames []goja.StackFrame) string {
	var b strings.Builder
	b.WriteString(head)
	for _, f := range frames {
		if p := v.place(f); p != "" {
			b.WriteString("\n\tat ")
			b.WriteString(frameText(f.FuncName(), p))
		}
	}
	return b.String()
}

func frameText(function, place string) string {
	if function == "" || function == "<anonymous>" {
		return place
	}
	return function + " (" + place + ")"
}

// source is the text of a file that the bundle was made of, "" if the map does
// not hold it.
func (v *version) source(file string) string {
	if v.sources == nil {
		return ""
	}
	return v.sources.SourceContent(file)
}
