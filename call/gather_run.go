package call

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// GatherOptions are the options of gather and menu, after defaults.
type GatherOptions struct {
	Prompt, Invalid, TimeoutPrompt []Part
	PromptOptions                  PromptOptions
	Min, Max                       int
	FinishOn                       string
	Choices                        []string // a menu when not nil
	Repeat                         string
	Timeout, InterDigit            time.Duration
	Attempts                       int
	Used                           int  // attempts used by earlier requests of the same gather
	Refused                        bool // the last of them by the script's validate
	Secret, Flush                  bool
	Speech                         *SpeechOptions // also hear what the party says; nil for keys only
}

// Defaults of the contract.
const (
	DefaultTimeout    = 7 * time.Second
	DefaultInterDigit = 3 * time.Second
	DefaultAttempts   = 3 // of a menu; a gather has one
)

// GatherResult is what gather resolves with.
type GatherResult struct {
	Digits string `json:"digits"`
	Reason string `json:"reason"`
	// Speech is set when the reason is speech.
	Speech *Speech `json:"speech,omitempty"`
	// Attempt is how many attempts were used, over all requests.
	Attempt int `json:"attempt"`
}

// MenuResult is what menu resolves with: the keys pressed and the entry of
// choices they fit.
type MenuResult struct {
	Key    string `json:"key"`
	Choice string `json:"choice"`
	Reason string `json:"reason"` // key, timeout, invalid
}

// gathering carries out the machine's effects on a leg.
type gathering struct {
	leg    *Leg
	state  gatherState
	opts   GatherOptions
	verb   Verb
	timer  *timer
	plays  int  // prompts started; only the latest one's end counts
	ear    *ear // nil for keys only
	speech *Speech
	secret bool
}

// Gather collects keys. On an inbound call it answers first.
func (l *Leg) Gather(o GatherOptions, v Verb) {
	if l.gather != nil {
		v.fail(fault.New(fault.Conflict, "another gather or menu is waiting on this call").WithHint("await it first"))
		return
	}
	l.audible(true, v, func() { l.collect(o, v) })
}

func (l *Leg) collect(o GatherOptions, v Verb) {
	if l.gather != nil {
		v.fail(fault.New(fault.Conflict, "another gather or menu is waiting on this call").WithHint("await it first"))
		return
	}
	if err := l.hears(o.Speech); err != nil {
		v.fail(err)
		return
	}
	g := &gathering{leg: l, opts: o, verb: v, secret: o.Secret}
	g.state = gatherState{
		plan:     digitPlan{min: o.Min, max: o.Max, finishOn: o.FinishOn, choices: o.Choices, repeat: o.Repeat},
		attempts: o.Attempts, bargeIn: o.PromptOptions.BargeIn,
	}
	typed := l.typed
	l.typed = ""
	if o.Flush {
		typed = ""
	}
	l.gather = g
	if o.Secret {
		l.call.mask(true)
	}
	if o.Speech != nil {
		o.Speech.Language = cmp.Or(o.Speech.Language, l.call.spec.Language)
		g.startListening()
	}
	g.run(g.state.start(typed, o.Used, o.Refused))
}

// run carries out effects in order.
func (g *gathering) run(effects []gatherEffect) {
	for _, e := range effects {
		switch {
		case e.play != nil:
			g.play(*e.play)
		case e.stop:
			if g.leg.play != nil {
				g.leg.play.stop()
			}
		case e.timer != "":
			g.arm(e.timer)
		case e.done != "":
			g.done(e.done)
		}
	}
}

func (g *gathering) arm(which string) {
	g.timer.stop()
	d := g.opts.Timeout
	switch which {
	case "off":
		return
	case "digit":
		d = g.opts.InterDigit
	}
	g.timer = g.leg.call.after(d, func() {
		g.leg.note("state", "no key within "+d.String(), g.verb.At)
		g.run(g.state.timeout())
	})
}

// play starts one of the prompts; the invalid and timeout ones lead over to
// the main one.
func (g *gathering) play(k promptKind) {
	parts := g.opts.Prompt
	switch k {
	case promptInvalid:
		parts = thenAsk(g.opts.Invalid, parts)
	case promptTimeout:
		parts = thenAsk(g.opts.TimeoutPrompt, parts)
	}
	g.hear(len(parts) == 0 || g.opts.Speech != nil && g.opts.Speech.BargeIn)
	if len(parts) == 0 {
		g.plays++
		g.run(g.state.promptEnded())
		return
	}
	g.plays++
	play := g.plays
	g.leg.speak(parts, g.opts.PromptOptions, g.verb.At, func(_ PromptResult, err error) {
		if g.leg.gather != g || g.plays != play {
			return
		}
		if err != nil {
			g.fail(err)
			return
		}
		if g.ear != nil {
			g.ear.arm()
		}
		g.run(g.state.promptEnded())
	})
}

// thenAsk is what was wrong, and then the question again as it was first
// asked: a sentence that the speech cache has already.
func thenAsk(wrong, prompt []Part) []Part {
	all := slices.Concat(wrong, prompt)
	if len(wrong) < len(all) {
		all[len(wrong)].Apart = true
	}
	return all
}

// hear begins a round of listening, at once or when the prompt has ended.
func (g *gathering) hear(now bool) {
	switch {
	case g.ear == nil:
	case now:
		g.ear.rearm()
	default:
		g.ear.disarm()
	}
}

func (g *gathering) fail(err error) {
	g.close()
	g.verb.fail(err)
}

func (g *gathering) close() {
	g.timer.stop()
	g.state.finished = true
	if g.ear != nil {
		g.ear.stop()
	}
	if g.leg.gather == g {
		g.leg.gather = nil
	}
	if g.secret {
		g.leg.call.mask(false)
	}
}

func (g *gathering) done(why gatherReason) {
	g.close()
	l := g.leg
	l.typed = g.state.rest() + l.typed
	shown := g.state.digits
	if g.secret {
		shown = strings.Repeat("•", len(shown))
	}
	if g.opts.Choices != nil {
		g.doneMenu(why, shown)
		return
	}
	if why == reasonSpeech {
		shown = g.shown(g.speech.Text)
	} else {
		g.speech = nil
	}
	l.note("gather", string(why)+" "+quoted(shown), g.verb.At)
	g.verb.ok(GatherResult{Digits: g.state.digits, Speech: g.speech, Reason: string(why), Attempt: g.state.attempt})
}

func (g *gathering) doneMenu(why gatherReason, shown string) {
	r := MenuResult{Reason: string(why)}
	if why == reasonDigits {
		r = MenuResult{Key: g.state.digits, Choice: g.state.plan.choice(g.state.digits), Reason: "key"}
	}
	g.leg.note("menu", r.Reason+" "+quoted(shown), g.verb.At)
	g.verb.ok(r)
}
