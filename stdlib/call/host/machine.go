package host

import (
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/media/detect"
)

// machine is the wire of detectMachine's options.
type machine struct {
	Preset           string `json:"preset"`
	InitialSilenceMs int64  `json:"initialSilenceMs"`
	GreetingMs       int64  `json:"greetingMs"`
	AfterGreetingMs  int64  `json:"afterGreetingMs"`
	TotalMs          int64  `json:"totalMs"`
	MinWordMs        int64  `json:"minWordMs"`
	BetweenWordsMs   int64  `json:"betweenWordsMs"`
	MaxWordLengthMs  int64  `json:"maxWordLengthMs"`
	MaxWords         int    `json:"maxWords"`
	Threshold        int    `json:"threshold"`
	Clip             bool   `json:"clip"`
}

// options are those of the preset, with what was named instead.
func (m machine) options() (o call.Detection, err error) {
	o.Clip = m.Clip
	o.AnswerOptions, err = detect.AnswerPreset(m.Preset)
	if err != nil {
		return o, err
	}
	for _, f := range []struct {
		to *time.Duration
		ms int64
	}{
		{&o.InitialSilence, m.InitialSilenceMs}, {&o.Greeting, m.GreetingMs}, {&o.AfterGreeting, m.AfterGreetingMs}, {&o.Total, m.TotalMs},
		{&o.MinWord, m.MinWordMs}, {&o.BetweenWords, m.BetweenWordsMs}, {&o.MaxWordLength, m.MaxWordLengthMs},
	} {
		if f.ms > 0 {
			*f.to = ms(f.ms)
		}
	}
	if m.MaxWords > 0 {
		o.MaxWords = m.MaxWords
	}
	if m.Threshold > 0 {
		o.Threshold = m.Threshold
	}
	return o, nil
}

func detectMachine(q *request) {
	var m machine
	if !q.read(&m) {
		return
	}
	o, err := m.options()
	if err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.onCancel(q.leg.DetectMachine(o, q.verb))
}

func waitForBeep(q *request) {
	var o struct {
		TimeoutMs int64 `json:"timeoutMs"`
	}
	if q.read(&o) {
		q.onCancel(q.leg.WaitForBeep(ms(o.TimeoutMs), q.verb))
	}
}

// asked is dial's wish to know who answers.
func (m *machine) asked() (*call.Detection, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // not asked
	}
	o, err := m.options()
	return &o, err
}

// told adds who answered to dial's answer.
func told(answer map[string]any, a *call.Answered) {
	if a != nil {
		answer["machine"] = a
	}
}
