package sip

import "sync"

// maxArrivals is how many INVITEs are remembered for a CANCEL that overtakes
// them. They are overtaken by microseconds, so this is ample.
const maxArrivals = 8192

// arrivals knows INVITEs from the moment they are read. sipgo handles every
// message on its own goroutine, so a CANCEL may be looked at before the INVITE
// that came first; it must not be lost, or the call rings for ever.
type arrivals struct {
	mu   sync.Mutex
	list *recent[string, *arrival] // by our To tag, which both share
}

type arrival struct {
	cancel *message // came before the dialog
	d      *Dialog
	tx     uint64
}

func newArrivals() *arrivals { return &arrivals{list: newRecent[string, *arrival](maxArrivals, nil)} }

// note runs in the order of arrival.
func (a *arrivals) note(tag string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.list.get(tag); !ok {
		a.list.put(tag, &arrival{})
	}
}

// begin ties the dialog to its INVITE and gives it a CANCEL that waits.
func (a *arrivals) begin(tag string, d *Dialog, tx uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if v, ok := a.list.get(tag); ok {
		v.d, v.tx = d, tx
		v.post()
	}
}

// end forgets the INVITE of a dialog that is over: remembered on, it would hold
// the dialog and with it the whole call.
func (a *arrivals) end(tag string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list.remove(tag)
}

// cancel takes a CANCEL without transaction; false means that its INVITE never
// came.
func (a *arrivals) cancel(m *message) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.list.get(m.toTag)
	if ok && v.cancel == nil {
		v.cancel = m
		v.post()
	}
	return ok
}

func (v *arrival) post() {
	if v.d != nil && v.cancel != nil {
		v.d.box.postUrgent(input{kind: inCancel, tx: v.tx, msg: v.cancel, overtook: true})
		v.d = nil
	}
}
