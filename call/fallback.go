package call

import (
	"errors"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
)

// Action is one step of a fallback: exactly one field is set.
type Action struct {
	Say     string   `json:"say,omitempty"`
	Play    string   `json:"play,omitempty"`
	Connect []string `json:"connect,omitempty"`
	Reject  int      `json:"reject,omitempty"`
	Hangup  bool     `json:"hangup,omitempty"`
}

// falling runs a fallback after a script has failed. It ends the call in any
// case: never silent, never for ever.
type falling struct {
	call *Call
	left []Action
	gone bool
}

// scriptFailed runs the fallback of the route or script, else the apology.
func (c *Call) scriptFailed(err error) {
	c.facts.scriptFailed = true
	text, place := err.Error(), ""
	if e, ok := errors.AsType[*fault.Error](err); ok {
		place = e.Place
		for _, more := range []string{e.Hint, strings.TrimRight(e.Frame, "\n ")} { // whoever reads it may not see the log
			if more != "" {
				text += "\n" + more
			}
		}
	}
	c.note("error", "", text, place)
	if c.main == nil || !c.main.alive() || c.fallback != nil {
		return
	}
	c.clear()
	c.fall(c.spec.Fallback)
}

// fall begins a fallback; one without steps is the apology.
func (c *Call) fall(steps []Action) {
	c.deps.Counters.Fallbacks.Add(1)
	c.fallback = &falling{call: c, left: steps}
	c.note("fallback", "", "the fallback runs", "")
	if len(steps) == 0 {
		c.fallback.apologise()
		return
	}
	c.fallback.next()
}

// Fallback runs the fallback of a call that never got a script.
func (c *Call) Fallback(err error) {
	c.post(func() {
		c.done = true
		c.scriptFailed(err)
		c.tryFinish()
	})
}

// clear takes everything off the first leg that the dead script had begun.
func (c *Call) clear() {
	l := c.main
	if g := l.gather; g != nil {
		g.close()
		g.verb.Reply = func(any, error) {}
	}
	if k := c.connect; k != nil {
		k.verb.Reply = func(any, error) {}
		k.cancel()
		if k.winner != nil {
			k.winner.hangup()
		}
		c.connect = nil
	}
	for _, other := range c.legsInOrder() {
		if other != l {
			other.hangup()
		}
	}
}

func (f *falling) over() { f.gone = true }

// next runs the first step that is left.
func (f *falling) next() {
	c := f.call
	if f.gone || c.ending {
		return
	}
	if len(f.left) == 0 {
		c.hangup("system", 480)
		return
	}
	a := f.left[0]
	f.left = f.left[1:]
	switch {
	case a.Say != "":
		f.speak([]Part{{Text: a.Say}})
	case a.Play != "":
		f.speak([]Part{{Play: a.Play}})
	case len(a.Connect) > 0:
		f.connect(a.Connect)
	case a.Reject > 0 && c.main.state < legUp && !c.main.outbound:
		c.hangup("system", a.Reject)
	default:
		c.hangup("system", 480)
	}
}

func (f *falling) speak(parts []Part) {
	c := f.call
	c.main.audible(true, Verb{Reply: func(_ any, err error) { f.next() }}, func() {
		c.main.speak(parts, PromptOptions{}, "", func(_ PromptResult, err error) {
			if err != nil && !f.gone {
				f.apologise()
				return
			}
			f.next()
		})
	})
}

func (f *falling) connect(targets []string) {
	c := f.call
	c.main.Connect(ConnectOptions{
		Targets: c.requests(targets), Timeout: fallbackRing,
	}, Verb{Reply: func(value any, err error) {
		if err != nil {
			c.note("error", "", err.Error(), "")
		}
		if r, ok := value.(ConnectResult); ok && r.Status == "completed" {
			f.left = nil
		}
		f.next()
	}})
}

// requests are dial requests for targets that a configuration names.
func (c *Call) requests(targets []string) []DialRequest {
	var out []DialRequest
	for _, t := range targets {
		r := c.spec.Dial(t)
		r.User = c.spec.User
		out = append(out, r)
	}
	return out
}

// RunConnect is a route with connect and no script: ring, talk, hang up. A
// caller whom nobody answers gets the route's fallback, else the status that
// says why.
func (c *Call) RunConnect(targets []string, record bool, ring time.Duration) {
	c.post(func() {
		if c.ending || c.main == nil {
			return
		}
		c.main.Connect(ConnectOptions{Targets: c.requests(targets), Timeout: ring, Waiting: Waiting{Silent: true}, Record: record}, Verb{Reply: c.connected})
	})
}

func (c *Call) connected(value any, err error) {
	r, _ := value.(ConnectResult)
	switch {
	case c.ending || r.Status == "abandoned":
	case err != nil:
		c.note("error", "", err.Error(), "")
		c.hangup("system", map[fault.Code]int{fault.Denied: 403, fault.NotFound: 404}[fault.CodeOf(err)])
	case r.Status == "completed":
		c.facts.scriptEnded = true
		c.hangup(r.EndedBy, 480)
	case len(c.spec.Fallback) > 0:
		c.fall(c.spec.Fallback)
	default:
		c.hangup("system", r.Code)
	}
}

const fallbackRing = 30 * time.Second

// apologise plays the built-in words that need no engine and no file.
func (f *falling) apologise() {
	c := f.call
	f.left = nil
	c.main.audible(true, Verb{Reply: func(any, error) { c.hangup("system", 480) }}, func() {
		audio := c.deps.Apology(c.spec.Language)
		if audio == nil {
			c.hangup("system", 480)
			return
		}
		c.main.interrupt()
		p := &playing{leg: c.main, label: `"apology"`, done: func(PromptResult, error) { c.hangup("system", 480) }}
		c.main.play = p
		p.start([]*sound.Prompt{audio}, 0)
	})
}
