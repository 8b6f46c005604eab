package runtime

import (
	cryptorand "crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"

	"github.com/dop251/goja"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/runtime/message"
)

// Module is a built-in module, imported by scripts as "loopstart:<name>". It is
// shared by all VMs of a worker and must hold no state of any of them.
type Module interface {
	// Name is the part after "loopstart:".
	Name() string
	// New makes the module's exports for one VM, the first time the script
	// requires it, on the VM's lane.
	New(vm *VM) (goja.Value, error)
}

// Argument turns the argument of an Entry into what the export is called with.
type Argument func(vm *VM, data json.RawMessage) (goja.Value, error)

// Options say what a worker is made of.
type Options struct {
	Modules []Module
	// Globals adds the web globals to a new VM. Timers and queueMicrotask are
	// there already.
	Globals func(vm *VM) error
	// Arguments are by name of the export, "default" for the default export.
	// An export without one gets its argument as plain data.
	Arguments map[string]Argument
	// Inspect writes a value for step tracing, bounded and without running code
	// of the script; nil means JSON.
	Inspect func(vm *VM, v goja.Value) string
	// Guard is the least that all bundles get; one may ask for more.
	Guard Guard
	// Lanes is how many VMs run at the same time; 0 means [DefaultLanes].
	Lanes int
	// Clock is what timers and dates go by; nil means the system's.
	Clock clock.Clock
	// Log gets defects of the worker itself; nil means slog.Default.
	Log *slog.Logger
	// Random is behind Math.random and [VM.Rand]; nil means a seeded generator.
	Random func() float64
	// Entropy is behind crypto; nil means the system's. Only tests, in which a
	// run is the same every time, have another one.
	Entropy io.Reader

	// adoptZone is set by Serve, where the process belongs to the scripts.
	adoptZone func(zone string) error
	board     *message.Board
	grow      func(vms int) // raises the process's memory limit
}

// DefaultLanes lets one script run while another one is in a long slice.
const DefaultLanes = 2

func (o Options) withDefaults() Options {
	if o.Lanes <= 0 {
		o.Lanes = DefaultLanes
	}
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Entropy == nil {
		o.Entropy = cryptorand.Reader
	}
	return o
}

func (o Options) modules() map[string]Module {
	byName := make(map[string]Module, len(o.Modules))
	for _, m := range o.Modules {
		byName[modulePrefix+m.Name()] = m
	}
	return byName
}
