package engine

import "github.com/loopstart/loopstart/sip"

// listening is what an endpoint with sockets tells of its listeners.
type listening interface {
	Unready() error
	Absent() []sip.Listener
}

// Ready reports why calls cannot be taken, or nil: the engine drains, or every
// listener of SIP waits for its address.
func (e *Engine) Ready() error {
	if err := e.admission.ready(); err != nil {
		return err
	}
	if l, ok := e.sip.(listening); ok {
		return l.Unready()
	}
	return nil
}

// Waiting lists the listeners of SIP whose address the machine does not have
// now, as sip.listen writes them.
func (e *Engine) Waiting() (out []string) {
	if l, ok := e.sip.(listening); ok {
		for _, one := range l.Absent() {
			out = append(out, one.String())
		}
	}
	return out
}
