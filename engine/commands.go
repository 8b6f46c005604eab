package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/internal/fault"
)

// command is the body of POST /v1/calls/{id}/commands. What a verb is about has
// the name that scripts know it by, and a plain one: src and source, parts and
// prompt, uri, target and to.
type command struct {
	saying
	URI     string          `json:"uri"`
	Target  string          `json:"target"`
	To      string          `json:"to"`
	From    string          `json:"from"`
	Trunk   string          `json:"trunk"`
	Timeout text            `json:"timeout"`
	Muted   *bool           `json:"muted"`
	Held    *bool           `json:"held"`
	Music   json.RawMessage `json:"music"`
	Stereo  bool            `json:"stereo"`
	Format  string          `json:"format"`
	Stop    bool            `json:"stop"`
	Body    json.RawMessage `json:"body"`
}

// commandPatience is how long an API caller waits for a verb that takes long:
// then it is told that the verb was begun.
const commandPatience = 2 * time.Second

// Command implements api.Calls: a verb on a running call from outside.
func (a *surface) Command(id string, body json.RawMessage) (any, error) {
	e := a.e()
	l := e.calls.find(id)
	if l == nil {
		return nil, fault.New(fault.NotFound, "no call %q in progress", id)
	}
	c, err := readCommand(body)
	if err != nil {
		return nil, err
	}
	run, err := c.verb(e, l)
	if err != nil {
		return nil, err
	}
	type reply struct {
		value any
		err   error
	}
	done := make(chan reply, 1)
	ok := l.Do(func() {
		leg, err := l.Leg("")
		if err != nil || leg == nil {
			done <- reply{nil, fault.New(fault.Hangup, "the call is over")}
			return
		}
		run(leg, call.Verb{At: "api", Reply: func(v any, err error) {
			select {
			case done <- reply{v, err}:
			default:
			}
		}})
	})
	if !ok {
		return nil, fault.New(fault.Hangup, "the call is over")
	}
	late := make(chan struct{})
	t := e.clk.AfterFunc(commandPatience, func() { close(late) })
	defer t.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-late:
		return map[string]any{"state": "begun"}, nil
	}
}

func readCommand(body []byte) (*command, error) {
	var c command
	if err := commandBody(body, &c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	c.Target = cmp.Or(c.Target, c.To, c.URI)
	return &c, oneLine("command: target", c.Target, "command: from", c.From, "command: trunk", c.Trunk)
}

// commandBody reads the body of a command; what is wrong is told in its words.
func commandBody(body []byte, into any) error {
	err := strictly(body, into, "do and the options of the verb, as in scripts")
	if f, ok := errors.AsType[*fault.Error](err); ok {
		f.Message = "command: " + strings.TrimPrefix(f.Message, ": ") // the body itself has no name
	}
	return err
}

// loudest is the highest factor of a prompt's volume, as in scripts.
const loudest = 4

// saying is what a command says, to a call or to a conference.
type saying struct {
	Do       string          `json:"do"`
	Text     string          `json:"text"`
	Src      string          `json:"src"`
	Source   string          `json:"source"`
	Parts    json.RawMessage `json:"parts"`
	Prompt   json.RawMessage `json:"prompt"`
	Loop     bool            `json:"loop"`
	Language string          `json:"language"`
	Voice    string          `json:"voice"`
	Volume   float64         `json:"volume"`
}

// check completes what has two names, and refuses what no prompt has.
func (s *saying) check() error {
	s.Source = cmp.Or(s.Source, s.Src)
	if len(s.Prompt) == 0 {
		s.Prompt = s.Parts
	}
	if s.Volume < 0 || s.Volume > loudest {
		return fault.New(fault.Invalid, "command: volume is %v, a number from 0 to %d is wanted", s.Volume, loudest)
	}
	return nil
}

// parts reads what is said.
func (s *saying) parts() ([]call.Part, error) {
	switch {
	case len(s.Prompt) > 0:
		return parseParts(s.Prompt)
	case s.Text != "":
		return []call.Part{{Text: s.Text}}, nil
	case s.Source != "":
		return []call.Part{{Play: s.Source}}, nil
	}
	return nil, fault.New(fault.Invalid, "%s: nothing to say", s.Do).WithHint("give text, src or parts")
}

type legVerb func(*call.Leg, call.Verb)

// verb finds what a command does.
func (c *command) verb(e *Engine, l *live) (legVerb, error) {
	switch c.Do {
	case "say", "play":
		return c.speech()
	case "stop":
		return func(leg *call.Leg, v call.Verb) { leg.StopPrompt(v) }, nil
	case "hangup":
		return func(leg *call.Leg, v call.Verb) { leg.Hangup(call.HangupOptions{}, v) }, nil
	case "mute":
		return func(leg *call.Leg, v call.Verb) { leg.Mute(c.Muted == nil || *c.Muted, v) }, nil
	case "hold":
		return c.hold()
	case "record":
		return c.record(), nil
	case "transfer":
		return func(leg *call.Leg, v call.Verb) { leg.Transfer(c.Target, call.TransferOptions{}, v) }, nil
	case "connect":
		return c.connect(e, l)
	case "message":
		return func(leg *call.Leg, v call.Verb) { leg.Tell("command", c.Body, v) }, nil
	case call.Listen, call.Coach, call.Barge:
		return c.supervise(l)
	}
	return nil, fault.New(fault.Invalid, "no command %q", c.Do).
		WithHint("do is say, play, stop, connect, transfer, mute, hold, record, hangup, message, listen, coach or barge")
}

func (c *command) speech() (legVerb, error) {
	parts, err := c.parts()
	if err != nil {
		return nil, err
	}
	o := call.PromptOptions{Loop: c.Loop, Language: c.Language, Voice: c.Voice, Volume: c.Volume}
	return func(leg *call.Leg, v call.Verb) { leg.Prompt(parts, o, v) }, nil
}

func (c *command) hold() (legVerb, error) {
	var music []call.Part
	if len(c.Music) > 0 {
		var err error
		if music, err = parseParts(c.Music); err != nil {
			return nil, err
		}
	}
	return func(leg *call.Leg, v call.Verb) { leg.Hold(c.Held == nil || *c.Held, music, v) }, nil
}

func (c *command) record() legVerb {
	if c.Stop {
		return func(leg *call.Leg, v call.Verb) { leg.StopRecording(v) }
	}
	return func(leg *call.Leg, v call.Verb) { leg.StartRecording(c.Stereo, c.Format, v) }
}

func (c *command) connect(e *Engine, l *live) (legVerb, error) {
	ring, err := c.ring()
	if err != nil {
		return nil, err
	}
	r := l.Spec().Dial(c.Target)
	r.From, r.Trunk = c.From, c.Trunk
	return func(leg *call.Leg, v call.Verb) {
		leg.Connect(call.ConnectOptions{
			Targets: []call.DialRequest{r},
			Timeout: ring,
		}, v)
	}, nil
}

// ring is how long a command's target rings.
func (c *command) ring() (time.Duration, error) {
	if c.Timeout == "" {
		return defaultRing, nil
	}
	ring, err := parseSpan(string(c.Timeout))
	if err != nil {
		return 0, fault.New(fault.Invalid, "%s: timeout: %q is no duration", c.Do, string(c.Timeout)).WithHint(`write "30s" or milliseconds`)
	}
	return ring, nil
}
