package engine

import (
	"encoding/json"
	"net/netip"

	"github.com/loopstart/loopstart/sip"
)

// addressChange is the data of the event address.changed.
type addressChange struct {
	Name string       `json:"name,omitempty"` // that is advertised; "": the machine's interfaces
	Gone []netip.Addr `json:"gone,omitempty"`
	Came []netip.Addr `json:"came,omitempty"`
}

// moved tells that addresses of ours have changed; sip has logged it and told the
// trunks.
func (e *Engine) moved(m sip.Move) {
	data, err := json.Marshal(addressChange(m))
	if err != nil {
		return
	}
	e.emit(nil, Event{Type: "address.changed", At: e.clk.Now(), Data: data})
}
