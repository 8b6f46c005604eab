package testrun

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sdp"
	"github.com/loopstart/loopstart/media/sound"
)

type callVerb func(h *host, args json.RawMessage) (any, error)

var callVerbs = map[string]callVerb{
	"fact": (*host).fact, "behave": (*host).behave, "snapshot": (*host).snapshot, "now": (*host).now, "secret": (*host).secret, "flow.fact": (*host).flowFact, "crm": (*host).crm,
	"http.on": (*host).httpOn, "http.change": (*host).httpChange, "http.requests": (*host).httpRequests,
	"asr.on": (*host).asrOn, "agent.on": (*host).agentOn, "agent.refuses": (*host).agentRefuses, "agent.fact": (*host).agentFact,
	"kv.get": (*host).kvGet, "kv.set": (*host).kvSet, "kv.delete": (*host).kvDelete, "kv.increment": (*host).kvIncrement, "kv.list": (*host).kvList,
}

// Call implements test.Host.
func (h *host) Call(name string, args json.RawMessage) (any, error) {
	verb := callVerbs[name]
	if verb == nil {
		return nil, fault.New(fault.Internal, "test: no function %s", name)
	}
	return verb(h, args)
}

// fact is a property of a party.
func (h *host) fact(args json.RawMessage) (any, error) {
	a, err := read[struct {
		Key  key    `json:"key"`
		Name string `json:"name"`
	}]("party", args)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.find(a.Key)
	if err != nil {
		return nil, err
	}
	switch a.Name {
	case "state":
		return p.state(), nil
	case "hearing":
		return p.now(), nil
	case "heard":
		return p.texts(), nil
	case "digits":
		return p.digits, nil
	case "transfers":
		return append([]string{}, p.transfers...), nil
	case "messages":
		return append([]string{}, p.messages...), nil
	}
	return callFact(a.Name, h.logs(a.Key, p)), nil
}

// callFact is a property of the latest of some calls.
func callFact(name string, logs []*callLog) any {
	records := []*engine.Record{}
	for _, l := range logs {
		if l.record != nil {
			records = append(records, l.record)
		}
	}
	switch {
	case name == "records":
		return records
	case name == "record" && len(records) > 0:
		return records[len(records)-1]
	case name == "timeline" && len(logs) == 0:
		return []engine.Entry{}
	case name == "timeline":
		return logs[len(logs)-1].told()
	case name == "id" && len(logs) > 0:
		return logs[len(logs)-1].id()
	}
	return nil
}

// behave says how somebody takes calls.
func (h *host) behave(args json.RawMessage) (any, error) {
	a, err := read[struct {
		Key key `json:"key"`
		habit
	}]("callee", args)
	if err != nil {
		return nil, err
	}
	if a.Kind == "rejects" && (a.Code < 300 || a.Code > 699) {
		return nil, fault.New(fault.Invalid, "rejects: %d is no final SIP status", a.Code).WithHint("603 declines, 404 does not exist, 480 is away")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	p, err := h.find(a.Key)
	if err != nil {
		return nil, err
	}
	p.offline = a.Kind == "offline"
	if !p.offline {
		p.habits = append(p.habits, a.habit)
	}
	return nil, nil
}

func (h *host) now(json.RawMessage) (any, error) { return h.clk.Now(), nil }

func (h *host) secret(args json.RawMessage) (any, error) {
	a, err := read[struct{ Name, Value string }]("secrets.set", args)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return nil, h.setSecret(a.Name, a.Value)
}

func (h *host) httpOn(args json.RawMessage) (any, error) {
	a, err := read[struct {
		Method string  `json:"method"`
		URL    pattern `json:"url"`
	}]("http.on", args)
	if err == nil {
		err = a.URL.compile()
	}
	if err != nil {
		return nil, err
	}
	id, err := h.web.on(a.Method, a.URL)
	return id, err
}

func (h *host) httpChange(args json.RawMessage) (any, error) {
	c, err := read[mockChange]("http", args)
	if err != nil {
		return nil, err
	}
	return nil, h.web.change(c)
}

func (h *host) httpRequests(args json.RawMessage) (any, error) {
	a, err := read[struct {
		ID *int `json:"id"`
	}]("http.requests", args)
	if err != nil {
		return nil, err
	}
	return h.web.requests(a.ID), nil
}

// kvArgs are the arguments of the functions of kv.
type kvArgs struct {
	Key    string          `json:"key"`
	Prefix string          `json:"prefix"`
	Value  json.RawMessage `json:"value"`
	TTL    span            `json:"ttl"`
	By     *int64          `json:"by"`
	Limit  int             `json:"limit"`
	After  string          `json:"after"`
}

func (h *host) kvGet(args json.RawMessage) (any, error) {
	a, err := read[kvArgs]("kv.get", args)
	if err != nil {
		return nil, err
	}
	v, ok, err := h.engine.KV().Get(a.Key)
	if err != nil || !ok {
		return nil, err
	}
	return v, nil
}

func (h *host) kvSet(args json.RawMessage) (any, error) {
	a, err := read[kvArgs]("kv.set", args)
	if err != nil {
		return nil, err
	}
	if len(a.Value) == 0 {
		return nil, fault.New(fault.Invalid, "kv.set: the value of %s is undefined", a.Key).WithHint("use kv.delete to take a key away")
	}
	return nil, h.engine.KV().Set(a.Key, a.Value, time.Duration(a.TTL))
}

func (h *host) kvDelete(args json.RawMessage) (any, error) {
	a, err := read[kvArgs]("kv.delete", args)
	if err != nil {
		return nil, err
	}
	return unboxed(h.engine.KV().Delete(a.Key))
}

func (h *host) kvIncrement(args json.RawMessage) (any, error) {
	a, err := read[kvArgs]("kv.increment", args)
	if err != nil {
		return nil, err
	}
	by := int64(1)
	if a.By != nil {
		by = *a.By
	}
	return unboxed(h.engine.KV().Increment(a.Key, by, time.Duration(a.TTL)))
}

func (h *host) kvList(args json.RawMessage) (any, error) {
	a, err := read[kvArgs]("kv.list", args)
	if err != nil {
		return nil, err
	}
	if a.Limit == 0 {
		a.Limit = 100
	}
	items, _, err := h.engine.KV().List(a.Prefix, a.Limit, a.After)
	if items == nil {
		return []any{}, err
	}
	return items, err
}

// unboxed is a typed pair as an untyped one.
func unboxed[T any](v T, err error) (any, error) { return v, err }

// sound is what a party says.
func (h *host) sound(a partyArgs) (*sound.Prompt, error) {
	if a.Audio == "" {
		return h.voice.Speak(plain(a.Text)), nil
	}
	path, err := h.soundPath(a.Audio)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "says: %s is not there", a.Audio).WithHint("sounds are looked for in %s", h.dir)
	}
	defer f.Close()
	kind := "wav"
	if len(path) > 4 && path[len(path)-4:] == ".mp3" {
		kind = "mp3"
	}
	p, err := sound.NewLibrary(sound.LibraryOptions{MaxBytes: 64 << 20}).LoadReader(context.Background(), f, kind, sound.LoadOptions{})
	if err != nil {
		return nil, err
	}
	return h.voice.Sound(a.Audio, p), nil
}

// play plays audio and returns its number.
func (p *handset) play(audio *sound.Prompt) uint32 {
	return p.session.Play(media.Playback{Parts: []*sound.Prompt{audio}})
}

func (h *host) hold(args json.RawMessage, done func(any, error)) error {
	return h.direct("hold", sdp.SendOnly, args, done)
}

func (h *host) resume(args json.RawMessage, done func(any, error)) error {
	return h.direct("resume", sdp.SendRecv, args, done)
}

// direct changes the direction of the audio.
func (h *host) direct(verb string, dir sdp.Direction, args json.RawMessage, done func(any, error)) error {
	_, p, err := h.of(verb, args)
	if err != nil {
		return err
	}
	ph, err := p.up(verb)
	if err != nil {
		return err
	}
	ph.reoffer(dir, h.settled(done))
	return nil
}
