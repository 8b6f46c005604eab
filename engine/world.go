package engine

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/netip"
	"os/exec"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/runtime/message"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/sip"
	"github.com/loopstart/loopstart/speech"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
	"github.com/loopstart/loopstart/store"
)

// Endpoint is what the engine needs of signalling. The real one is a
// *sip.Endpoint; calls in virtual time have one in the process.
type Endpoint interface {
	Dial(sip.Outgoing) (call.Dialog, error)
	SendPage(ctx context.Context, o sip.Outgoing, contentType string) (code int, reason string, err error)
	ReplacesPart(referTo string) (uri, dialog string, ok bool)
	Bindings(user string) []sip.Binding
	Trunks() []sip.TrunkStatus
	CheckTrunk(ctx context.Context, name string) (sip.TrunkReport, error)
	AdvertisedFor(remote netip.Addr) netip.Addr
	LocalFor(remote netip.Addr) netip.Addr
	LocalAddr(transport string) netip.AddrPort
	Update(sip.Config) error
	Drain(bool)
	Stats() sip.Stats
	Close()
}

// Incoming is a dialog that an INVITE from outside has made.
type Incoming interface {
	call.Dialog
	Origin() sip.Origin
	RequestURI() sip.Address
	From() sip.Address
	To() sip.Address
}

// HTTP makes requests within the rules of a script.
type HTTP interface {
	Do(context.Context, netx.Request) (*netx.Response, error)
}

// Voice speaks instead of the speech engines, and gives what is not speech a
// name by which it can be heard.
type Voice interface {
	Speak(speech.Utterance) *sound.Prompt
	Sound(name string, p *sound.Prompt) *sound.Prompt
}

// Witness sees what the scripts of calls ask for and what they are answered.
// It is called on goroutines of the engine and must not block.
type Witness interface {
	Began(*call.Call)
	Asked(c *call.Call, seq uint32, r message.Request)
	Answered(c *call.Call, seq uint32, value any, err error)
}

// World replaces everything outside of the program, for tests in virtual time
// with no network and no disk but for recordings: the code of calls, media,
// scripts and delivery stays the same. All fields are set.
//
// What waits on the clock while it is counted as busy ([HTTP].Do does) takes
// itself off with Busy(-1) and comes back with Busy(1).
type World struct {
	Signalling func(sip.Config, func(Incoming)) (Endpoint, error)
	Fabric     *media.Fabric
	HTTP       func(netx.Rules) HTTP
	Sockets    func(netx.Rules) Sockets
	Recognizer call.Recognizer
	Voice      Voice
	Worker     func(script string) (message.Conn, error)
	Builder    scripts.Builder
	Locks      corehost.Locks
	NewID      func(kind string) string // of a call, an event, a delivery, …
	Witness    Witness
	Store      *store.Store // outlives the engine; nil makes one that does not
}

// LocalBuilder builds scripts in this process. What a source does to the
// compiler it does to the process, so that it is for tests only.
type LocalBuilder struct{}

// Build implements scripts.Builder.
func (LocalBuilder) Build(_ context.Context, r scripts.BuildRequest) (scripts.BuildResult, error) {
	return build(r), nil
}

// ChildBuilder builds scripts in child processes with that command line.
func ChildBuilder(command func() *exec.Cmd) scripts.Builder { return builder{command} }

// DataHeader carries call.data to a script that a trusted source calls.
func DataHeader(data json.RawMessage) sip.Header {
	return sip.Header{Name: dataHeader, Value: base64.RawURLEncoding.EncodeToString(data)}
}

// ScriptHeader asks for the script of that name, before any route.
func ScriptHeader(name string) sip.Header { return sip.Header{Name: scriptHeader, Value: name} }

// sipEndpoint is the real endpoint.
type sipEndpoint struct{ *sip.Endpoint }

// Dial implements Endpoint.
func (s sipEndpoint) Dial(o sip.Outgoing) (call.Dialog, error) {
	d, err := s.Endpoint.Dial(o)
	if err != nil {
		return nil, err
	}
	d.AcceptInfo(sip.AnyInfo)
	return d, nil
}

// newID names something new; the kind counts in tests only, where names are
// the same in every run.
func (e *Engine) newID(kind string) string {
	if w := e.opts.World; w != nil {
		return w.NewID(kind)
	}
	return newID(e.clk.Now())
}

// began tells of a new call.
func (e *Engine) began(c *call.Call) {
	if w := e.opts.World; w != nil {
		w.Witness.Began(c)
	}
}

// locks are the leases of scripts.
func (e *Engine) locks() corehost.Locks {
	if w := e.opts.World; w != nil {
		return w.Locks
	}
	return e.store
}

// startRequest begins requests of scripts in tests: one when the one before has
// settled.
func (e *Engine) startRequest() func(func()) {
	if e.opts.World == nil {
		return nil
	}
	return func(run func()) {
		e.clk.AfterFunc(0, func() {
			e.clk.Busy(1)
			go func() {
				defer e.clk.Busy(-1)
				run()
			}()
		})
	}
}

// KV is the scripts' key-value space.
func (e *Engine) KV() corehost.KV { return kv{e.store} }
