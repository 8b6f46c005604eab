package sip

import (
	"net/netip"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/location"
)

// registrar is the endpoint's side of users. HOOK: placeholder, the builder of
// the registrar replaces this file and keeps the signatures.
type registrar struct {
	locations *location.Table
}

// Binding is one place where a user can be reached.
type Binding = location.Binding

// openRegistrar prepares users before the sockets open; closeRegistrar ends it.
func (e *Endpoint) openRegistrar() error { return nil }

func (e *Endpoint) closeRegistrar() {}

// updateRegistrar takes a new configuration.
func (e *Endpoint) updateRegistrar(cfg *Config) {}

// onRegister answers a REGISTER. It runs on its own goroutine.
func (e *Endpoint) onRegister(req *gosip.Request, tx *gosip.ServerTx) {
	e.respond(tx, req, 405, "Method Not Allowed")
}

// admitUser checks the credentials of a request from a user of Config.Users.
// refusal is the 401 or 403 to answer with, nil when user is admitted.
func (e *Endpoint) admitUser(req *gosip.Request, source netip.AddrPort) (user string, refusal *gosip.Response) {
	return "", newResponse(req, 403, "Forbidden")
}

// planUser addresses a call to a registered user; no binding is fault.NotFound.
func (e *Endpoint) planUser(o Outgoing) (plan, error) {
	return plan{}, fault.New(fault.NotFound, "sip: user %s is not registered", o.Target.User)
}

// Bindings lists where a user is registered, newest first.
func (e *Endpoint) Bindings(user string) []Binding { return nil }
