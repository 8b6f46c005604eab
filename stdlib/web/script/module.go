// Package script is the globals of the web platform as scripts have them:
// console, fetch, URL, text and Base64, structuredClone, AbortController,
// crypto and Intl. Timers are the runtime's own.
//
// A global is made when it is first touched. What is naturally a class is
// JavaScript (js/*.js), compiled once per process; what touches bytes, zones
// and digests is Go.
//
// # Concurrency
//
// Everything runs on the lane of its VM; compiled programs are shared.
//
// # Limits
//
// A console line is at most 4 KB; a fetch's body is bounded by the worker's
// body_bytes and by the host; [MaxRandom] bytes of randomness at once; JSON of
// a response nests at most [MaxJSONDepth] deep.
//
// # Errors
//
// As the standards say (TypeError, SyntaxError, DOMException), with the code
// INVALID where an author most likely made a mistake. A fetch that fails
// rejects with the host's code, mostly NETWORK or DENIED.
package script

import (
	"embed"
	"maps"
	"slices"
	"sync"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/runtime"
	"github.com/loopstart/loopstart/stdlib/internal/bind"
)

// Types are the declarations of the globals for editors.
//
//go:embed types.d.ts
var Types string

//go:embed js/*.js
var sources embed.FS

// files are the JavaScript sources with the globals that each defines.
var files = map[string][]string{
	"abort":  {"DOMException", "Event", "EventTarget", "AbortSignal", "AbortController"},
	"url":    {"URL", "URLSearchParams"},
	"text":   {"TextEncoder", "TextDecoder"},
	"clone":  {"structuredClone"},
	"fetch":  {"fetch", "Headers", "Request", "Response", "FormData", "Blob"},
	"crypto": {"crypto", "CryptoKey"},
	"intl":   {"Intl"},

	"performance": {"performance"},
}

// programs compiles each source once per process, when it is first needed.
var programs = func() map[string]func() *goja.Program {
	list := map[string]func() *goja.Program{}
	for name := range files {
		list[name] = sync.OnceValue(func() *goja.Program {
			text, err := sources.ReadFile("js/" + name + ".js")
			if err != nil {
				panic(err) // it is embedded
			}
			return goja.MustCompile("loopstart:web/"+name, string(text), true)
		})
	}
	return list
}()

// Names are the globals, sorted.
func Names() []string { return slices.Sorted(maps.Keys(members)) }

var members = globalMembers()

func globalMembers() map[string]bind.Member {
	list := map[string]bind.Member{
		"console": func(vm *runtime.VM, _ string) goja.Value { return newConsole(vm) },
		"atob":    bind.Sync(atob),
		"btoa":    bind.Sync(btoa),
	}
	for file, names := range files {
		for _, name := range names {
			list[name] = func(vm *runtime.VM, name string) goja.Value { return load(vm, file).Get(name) }
		}
	}
	return list
}

// Globals gives a new VM the globals of this package. They stand on the
// prototype of the global object, where an untouched one costs nothing and a
// script may still put its own in front.
func Globals(vm *runtime.VM) error {
	g := &globals{vm: vm, made: map[string]goja.Value{}}
	if err := vm.Runtime().GlobalObject().SetPrototype(vm.Runtime().NewDynamicObject(g)); err != nil {
		return err
	}
	return localize(vm)
}

// globals makes the members of the global object's prototype.
type globals struct {
	vm   *runtime.VM
	made map[string]goja.Value // at most one per global
}

func (g *globals) Get(key string) goja.Value {
	if v, ok := g.made[key]; ok {
		return v
	}
	member, ok := members[key]
	if !ok {
		return g.vm.LateGlobal(key) // AbortSignal.timeout needs a timer
	}
	v := member(g.vm, key)
	g.made[key] = v
	return v
}

// Set gives the VM the script's own value.
func (g *globals) Set(key string, v goja.Value) bool {
	g.made[key] = v
	return true
}

func (g *globals) Has(key string) bool {
	_, ok := members[key]
	return ok
}

func (g *globals) Delete(key string) bool { return !g.Has(key) }

func (g *globals) Keys() []string { return Names() }

// load runs a source once for a VM: a function that is given the natives and
// returns its globals.
func load(vm *runtime.VM, file string) *goja.Object {
	var g *globals
	if prototype := vm.Runtime().GlobalObject().Prototype(); prototype != nil {
		g, _ = bind.Go(prototype).(*globals)
	}
	if g == nil {
		vm.Throw(fault.Invalid, "the prototype of globalThis was replaced", "leave it alone")
	}
	key := "js/" + file // no script can name it
	if v, ok := g.made[key]; ok {
		return v.(*goja.Object)
	}
	v, err := vm.Runtime().RunProgram(programs[file]())
	if err != nil {
		panic(err)
	}
	fn, _ := goja.AssertFunction(v)
	o := bind.Call(fn, bind.Namespace(vm, natives)).(*goja.Object)
	g.made[key] = o
	return o
}
