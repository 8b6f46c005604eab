package runtime

import (
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Seal is what a VM goes by whose run is repeated from a journal: nothing that
// would differ the next time may reach its code by another way.
type Seal interface {
	// Now is the time of what the journal has told last.
	Now() time.Time
	// Random and Read give the same numbers in every run.
	Random() float64
	Read(p []byte)
	// Silent reports whether an earlier run has written the log lines of now.
	Silent() bool
}

// Seal puts a VM under a seal, before its script is run. Dates, random numbers
// and log lines come from it; requests to the host and timers are refused, but
// for what [VM.Unsealed] runs.
func (vm *VM) Seal(s Seal) {
	vm.seal = &sealed{Seal: s}
	vm.rt.SetAsyncContextTracker(vm.seal)
	vm.rt.SetTimeSource(vm.Now)
	vm.rt.SetRandSource(vm.Rand)
}

// Unsealed runs fn, and what it awaits, with the world at hand.
func (vm *VM) Unsealed(fn func()) { vm.within(true, fn) }

func (vm *VM) within(free bool, fn func()) {
	if vm.seal == nil {
		fn()
		return
	}
	before := vm.seal.free
	vm.seal.free = free
	defer func() { vm.seal.free = before }()
	fn()
}

// Sealed reports whether the code that runs now is under a seal.
func (vm *VM) Sealed() bool { return vm.seal != nil && !vm.seal.free }

// sealed follows which code runs: that of the journal, or that of a step. It is
// a goja.AsyncContextTracker: a promise's reaction runs as who asked for it.
type sealed struct {
	Seal
	free bool
}

func (s *sealed) Grab() any { return s.free }

func (s *sealed) Resumed(free any) { s.free, _ = free.(bool) }

func (s *sealed) Exited() { s.free = false }

// refusal is the error of what sealed code may not do.
func (vm *VM) refusal(what string) *fault.Error {
	what = strings.TrimPrefix(what, "http.") // authors write fetch
	return fault.New(fault.Invalid, "%s outside of a step: a flow is run again from its journal at every wake-up, and this would be done each time", what).
		WithHint(`put it into a step: await f.step("name", () => …); to wait there are f.sleep, f.sleepUntil and f.event`)
}
