package host

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// verbs are the methods of this package by name.
var verbs = map[string]func(*request){
	"call.ring":             func(q *request) { q.leg.Ring(q.verb) },
	"call.progress":         func(q *request) { q.leg.Progress(q.verb) },
	"call.answer":           answer,
	"call.reject":           reject,
	"call.redirect":         redirect,
	"call.hangup":           hangup,
	"call.say":              prompt,
	"call.play":             prompt,
	"call.prompt":           prompt,
	"call.stop":             func(q *request) { q.leg.StopPrompt(q.verb) },
	"call.gather":           gather,
	"call.menu":             menu,
	"call.record":           record,
	"call.recording.start":  startRecording,
	"call.recording.pause":  func(q *request) { q.leg.PauseRecording(true, q.verb) },
	"call.pause":            func(q *request) { q.leg.PausePrompt(true, q.verb) },
	"call.resume":           func(q *request) { q.leg.PausePrompt(false, q.verb) },
	"call.seek":             seek,
	"call.recording.resume": func(q *request) { q.leg.PauseRecording(false, q.verb) },
	"call.recording.stop":   func(q *request) { q.leg.StopRecording(q.verb) },
	"call.connect":          connect,
	"call.bridge":           bridge,
	"call.unbridge":         func(q *request) { q.leg.Unbridge(q.verb) },
	"call.hold":             hold,
	"call.unhold":           func(q *request) { q.leg.Hold(false, nil, q.verb) },
	"call.mute":             mute,
	"call.stream":           startStream,
	"call.stream.do":        streamCommand,
	"call.sendDigits":       sendDigits,
	"call.detectMachine":    detectMachine,
	"call.waitForBeep":      waitForBeep,
	"call.transfer":         transfer,
	"call.transfer.decide":  decide,
	"call.sendMessage":      sendMessage,
	"call.sendInfo":         sendInfo,
	"call.retry":            retry,
	"call.dial":             dial,
	"call.cancel":           cancel,
	"queue.enter":           enterQueue,
	"queue.leave":           leaveQueue,
	"queue.priority":        queuePriority,
	"call.set":              func(q *request) { q.verb.Reply(nil, nil) },
	"conference.join":       joinConference,
	"conference.members":    conferenceMembers,
	"conference.do":         conferenceDo,
	"conference.say":        conferenceSay,
	"conference.watch":      watchConference,
	"conference.unwatch":    unwatchConference,
	"recording.link":        link,
}

func answer(q *request) {
	v := q.verb
	v.Reply = func(_ any, err error) {
		if err != nil {
			q.verb.Reply(nil, err)
			return
		}
		q.verb.Reply(map[string]any{"answeredAt": q.leg.AnsweredAt()}, nil)
	}
	var o struct {
		Headers [][2]string `json:"headers"`
	}
	if !q.read(&o) {
		return
	}
	if h, ok := q.headers(o.Headers); ok {
		q.leg.Answer(v, h...)
	}
}

// final are the options of reject and hangup.
type final struct {
	Code    int         `json:"code"`
	Reason  string      `json:"reason"`
	Headers [][2]string `json:"headers"`
}

func reject(q *request) {
	var o final
	if !q.read(&o) {
		return
	}
	if h, ok := q.headers(o.Headers); ok {
		q.leg.Reject(o.Code, o.Reason, q.verb, h...)
	}
}

func hangup(q *request) {
	var o final
	if !q.read(&o) {
		return
	}
	if h, ok := q.headers(o.Headers); ok {
		q.leg.Hangup(call.HangupOptions{Code: o.Code, Reason: o.Reason, Headers: h}, q.verb)
	}
}

func redirect(q *request) {
	var o struct {
		URI string `json:"uri"`
	}
	if q.read(&o) {
		q.leg.Redirect(o.URI, q.verb)
	}
}

// spoken are the options that every prompt takes.
type spoken struct {
	Prompt   []call.Part `json:"prompt"`
	Loop     bool        `json:"loop"`
	BargeIn  *bool       `json:"bargeIn"`
	Language string      `json:"language"`
	Voice    string      `json:"voice"`
	Volume   float64     `json:"volume"`
	FromMs   int64       `json:"fromMs"`
}

func (o *spoken) options(bargeIn bool) call.PromptOptions {
	if o.BargeIn != nil {
		bargeIn = *o.BargeIn
	}
	return call.PromptOptions{Loop: o.Loop, BargeIn: bargeIn, Language: o.Language, Voice: o.Voice, Volume: o.Volume, From: ms(o.FromMs)}
}

// check reports the first part that says nothing.
func check(lists ...[]call.Part) error {
	for _, parts := range lists {
		for i := range parts {
			if err := parts[i].Check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// seek goes on elsewhere in the prompt.
func seek(q *request) {
	var o struct {
		ToMs     int64 `json:"toMs"`
		Relative bool  `json:"relative"`
	}
	if q.read(&o) {
		q.leg.SeekPrompt(ms(o.ToMs), o.Relative, q.verb)
	}
}

func prompt(q *request) {
	var o spoken
	if !q.read(&o) {
		return
	}
	if err := check(o.Prompt); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.onCancel(func() { q.leg.StopPrompt(call.Verb{Reply: func(any, error) {}}) })
	q.leg.Prompt(o.Prompt, o.options(false), q.verb)
}

// collected are the options that gather and menu share.
type collected struct {
	spoken
	TimeoutMs     int64       `json:"timeoutMs"`
	InterDigitMs  int64       `json:"interDigitTimeoutMs"`
	Attempts      int         `json:"attempts"`
	Invalid       []call.Part `json:"invalidPrompt"`
	TimeoutPrompt []call.Part `json:"timeoutPrompt"`
	Flush         bool        `json:"flush"`
}

func (o *collected) options() call.GatherOptions {
	g := call.GatherOptions{
		Prompt: o.Prompt, Invalid: o.Invalid, TimeoutPrompt: o.TimeoutPrompt, PromptOptions: o.spoken.options(true),
		Timeout: ms(o.TimeoutMs), InterDigit: ms(o.InterDigitMs), Attempts: o.Attempts, Flush: o.Flush,
	}
	if g.Timeout <= 0 {
		g.Timeout = call.DefaultTimeout
	}
	if g.InterDigit <= 0 {
		g.InterDigit = call.DefaultInterDigit
	}
	return g
}

func gather(q *request) {
	var o struct {
		collected
		Min      int    `json:"min"`
		Max      int    `json:"max"`
		FinishOn string `json:"finishOn"`
		Attempt  int    `json:"attempt"`
		Because  string `json:"because"`
		Secret   bool   `json:"secret"`
		Speech   *heard `json:"speech"`
	}
	if !q.read(&o) {
		return
	}
	g := o.collected.options()
	g.Min, g.Max, g.FinishOn, g.Secret = max(o.Min, 1), o.Max, o.FinishOn, o.Secret
	g.Used, g.Refused, g.Attempts = o.Attempt, o.Because == "invalid", max(g.Attempts, 1)
	g.Speech = o.Speech.options(g.PromptOptions)
	q.collect(g)
}

// heard is the option speech of gather.
type heard struct {
	Language     string   `json:"language"`
	Hints        []string `json:"hints"`
	Engine       string   `json:"engine"`
	EndSilenceMs int64    `json:"endSilenceMs"`
	MaxMs        int64    `json:"maxDurationMs"`
	BargeIn      *bool    `json:"bargeIn"`
}

// options are nil without the option: keys only.
func (h *heard) options(p call.PromptOptions) *call.SpeechOptions {
	if h == nil {
		return nil
	}
	o := &call.SpeechOptions{EndSilence: ms(h.EndSilenceMs), MaxDuration: ms(h.MaxMs), BargeIn: p.BargeIn}
	o.Language, o.Hints, o.Engine = cmp.Or(h.Language, p.Language), h.Hints, h.Engine
	if o.EndSilence <= 0 {
		o.EndSilence = call.DefaultEndSilence
	}
	if o.MaxDuration <= 0 {
		o.MaxDuration = call.DefaultMaxSpeech
	}
	if h.BargeIn != nil {
		o.BargeIn = *h.BargeIn
	}
	return o
}

func menu(q *request) {
	var o struct {
		collected
		Choices []string `json:"choices"`
		Repeat  string   `json:"repeat"`
	}
	if !q.read(&o) {
		return
	}
	g := o.collected.options()
	g.Choices, g.Repeat, g.FinishOn = o.Choices, o.Repeat, "#"
	if g.Attempts <= 0 {
		g.Attempts = call.DefaultAttempts
	}
	if len(g.Choices) == 0 {
		q.verb.Reply(nil, fault.New(fault.Invalid, "menu: no choices"))
		return
	}
	q.collect(g)
}

func (q *request) collect(g call.GatherOptions) {
	if err := check(g.Prompt, g.Invalid, g.TimeoutPrompt); err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.onCancel(q.leg.CancelGather)
	q.leg.Gather(g, q.verb)
}

func record(q *request) {
	var o struct {
		MaxMs     int64  `json:"maxDurationMs"`
		SilenceMs int64  `json:"silenceMs"`
		FinishOn  string `json:"finishOn"`
		Beep      bool   `json:"beep"`
		Format    string `json:"format"`
	}
	if !q.read(&o) {
		return
	}
	q.onCancel(q.leg.CancelRecord)
	q.leg.Record(call.RecordOptions{MaxDuration: ms(o.MaxMs), Silence: ms(o.SilenceMs), FinishOn: o.FinishOn, Beep: o.Beep, Format: o.Format}, q.verb)
}

func startRecording(q *request) {
	var o struct {
		Stereo bool   `json:"stereo"`
		Format string `json:"format"`
	}
	if q.read(&o) {
		q.leg.StartRecording(o.Stereo, o.Format, q.verb)
	}
}

func bridge(q *request) {
	var o struct {
		Other  string `json:"other"`
		MaxMs  int64  `json:"maxDurationMs"`
		Record bool   `json:"record"`
	}
	if !q.read(&o) {
		return
	}
	other, err := q.s.call.Leg(o.Other)
	if err != nil {
		q.verb.Reply(nil, fault.New(fault.Conflict, "bridge: the other call is over"))
		return
	}
	q.onCancel(func() { q.leg.Unbridge(call.Verb{Reply: func(any, error) {}}) })
	q.leg.Bridge(other, ms(o.MaxMs), o.Record, q.verb)
}

func hold(q *request) {
	var o struct {
		Music []call.Part `json:"music"`
	}
	if q.read(&o) {
		q.leg.Hold(true, o.Music, q.verb)
	}
}

func mute(q *request) {
	var o struct {
		Muted bool `json:"muted"`
	}
	if q.read(&o) {
		q.leg.Mute(o.Muted, q.verb)
	}
}

func sendDigits(q *request) {
	var o struct {
		Digits string `json:"digits"`
		Method string `json:"method"`
	}
	if q.read(&o) {
		q.leg.SendDigits(o.Digits, o.Method, q.verb)
	}
}

func transfer(q *request) {
	var o struct {
		Target    string      `json:"target"`
		TimeoutMs int64       `json:"timeoutMs"`
		Headers   [][2]string `json:"headers"`
		Attended  string      `json:"attended"`
	}
	if !q.read(&o) {
		return
	}
	h, ok := q.headers(o.Headers)
	if !ok {
		return
	}
	t := call.TransferOptions{Timeout: ms(o.TimeoutMs), Headers: h}
	if o.Attended != "" {
		other, err := q.s.call.Leg(o.Attended)
		if err != nil {
			q.verb.Reply(nil, fault.New(fault.Conflict, "transfer: the attended call is over"))
			return
		}
		t.Consult = other
	}
	q.leg.Transfer(o.Target, t, q.verb)
}

// decide is what the script says to a transfer that a party has asked for.
func decide(q *request) {
	var o struct {
		Allow  bool   `json:"allow"`
		Target string `json:"target"`
	}
	if q.read(&o) {
		q.leg.Decide(o.Allow, o.Target, 603, q.verb)
	}
}

func sendMessage(q *request) {
	var o struct {
		Text string `json:"text"`
	}
	if q.read(&o) {
		q.leg.SendMessage(o.Text, q.verb)
	}
}

func sendInfo(q *request) {
	var o struct {
		Type string `json:"type"`
		Body string `json:"body"`
	}
	if q.read(&o) {
		q.leg.SendInfo(o.Type, o.Body, q.verb)
	}
}

func retry(q *request) {
	var o struct {
		InMs     int64     `json:"inMs"`
		At       time.Time `json:"at"`
		Never    bool      `json:"never"`
		StopList bool      `json:"stopList"`
	}
	if !q.read(&o) {
		return
	}
	err := q.s.serv.Retries.Retry(q.s.call, Retry{After: ms(o.InMs), At: o.At, Never: o.Never, StopList: o.StopList})
	q.verb.Reply(nil, err)
}

// cancel gives up a waiting verb whose {signal} has fired.
func cancel(q *request) {
	if f := q.s.cancels[q.cancel]; f != nil {
		delete(q.s.cancels, q.cancel)
		f()
	}
}

func link(q *request) {
	var o struct {
		ID    string `json:"id"`
		TTLMs int64  `json:"ttlMs"`
	}
	if !q.read(&o) {
		return
	}
	url, err := q.s.serv.Links.Link(o.ID, ms(o.TTLMs))
	if err != nil {
		q.verb.Reply(nil, err)
		return
	}
	q.verb.Reply(map[string]string{"url": url}, nil)
}

// headers reads [[name, value], …] and refuses what would break a message.
func headers(pairs [][2]string) ([]sip.Header, error) {
	var out []sip.Header
	for _, p := range pairs {
		out = append(out, sip.Header{Name: p[0], Value: p[1]})
	}
	return out, sip.CheckHeaders(out)
}

// headers is headers of a verb's own; a failure settles the request.
func (q *request) headers(pairs [][2]string) ([]sip.Header, bool) {
	h, err := headers(pairs)
	if err != nil {
		q.verb.Reply(nil, err)
	}
	return h, err == nil
}

// function reads {"$fn": n}; 0 when there is none.
type function struct {
	ID uint32 `json:"$fn"`
}

// flexMusic is a prompt, false, or absent.
type flexMusic struct{ call.Waiting }

func (m *flexMusic) UnmarshalJSON(b []byte) error {
	if string(b) == "false" {
		m.Silent = true
		return nil
	}
	return json.Unmarshal(b, &m.Music)
}
