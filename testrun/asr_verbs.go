package testrun

import (
	"encoding/json"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/speech"
)

// asrOn tells what is understood.
func (h *host) asrOn(args json.RawMessage) (any, error) {
	a, err := read[struct {
		What         pattern              `json:"what"`
		Text         string               `json:"text"`
		Confidence   float64              `json:"confidence"`
		Alternatives []speech.Alternative `json:"alternatives"`
		Fails        string               `json:"fails"`
	}]("asr.on", args)
	if err == nil {
		err = a.What.compile()
	}
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.asr) >= MaxASRMocks {
		return nil, fault.New(fault.Limit, "asr.on: %d mocks already (limit asr_mocks)", MaxASRMocks)
	}
	h.asr = append(h.asr, &asrMock{a.What, a.Text, a.Confidence, a.Alternatives, a.Fails})
	return nil, nil
}
