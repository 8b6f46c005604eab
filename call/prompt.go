package call

import (
	"context"
	"fmt"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/sound"
)

// Gaps between digits sent as SIP INFO.
const (
	infoGap   = 300 * time.Millisecond
	infoPause = 500 * time.Millisecond
)

// PromptOptions are the options of say, play and prompt.
type PromptOptions struct {
	Loop     bool
	BargeIn  bool
	Language string
	Voice    string
	Volume   float64
	From     time.Duration // where it begins
}

// PromptResult is what say, play and prompt resolve with.
type PromptResult struct {
	Completed bool   `json:"completed"`
	Digit     string `json:"digit,omitempty"`
	PlayedMs  int    `json:"playedMs"`
	Percent   int    `json:"percent"`
}

// playing is the one prompt of a leg: first being made, then being heard.
type playing struct {
	leg     *Leg
	id      uint32
	started bool // handed to the media session
	bargeIn bool
	loop    bool
	from    time.Duration
	paused  bool
	label   string
	digit   string
	at      string
	cancel  context.CancelFunc
	done    func(PromptResult, error)
	settled bool
	audio   []*sound.Prompt // what has started
	volume  float64
	reached time.Duration // where in the whole it has ended, of one that loops
}

// Prompt plays parts to the leg and replaces what plays.
func (l *Leg) Prompt(parts []Part, o PromptOptions, v Verb) {
	l.audible(false, v, func() {
		l.speak(parts, o, v.At, func(r PromptResult, err error) {
			if err != nil {
				v.fail(err)
				return
			}
			v.ok(r)
		})
	})
}

// StopPrompt ends the prompt; what it was heard of is its result.
func (l *Leg) StopPrompt(v Verb) {
	if l.play != nil {
		l.play.stop()
	}
	v.ok(nil)
}

// PausePrompt stops the prompt where it is, or goes on with it.
func (l *Leg) PausePrompt(on bool, v Verb) {
	if p := l.play; p != nil && p.paused != on {
		p.paused = on
		if p.started {
			l.session.PausePlay(on)
		}
		l.note("prompt", map[bool]string{true: "pause ", false: "resume "}[on]+p.label, v.At)
	}
	v.ok(nil)
}

// SeekPrompt goes on elsewhere in the prompt: at a time from its beginning, or
// relative to what is heard.
func (l *Leg) SeekPrompt(to time.Duration, relative bool, v Verb) {
	if p := l.play; p != nil {
		switch {
		case p.started:
			l.session.SeekPlay(to, relative)
		case relative:
			p.from = max(0, p.from+to)
		default:
			p.from = to
		}
		l.note("prompt", "seek "+p.label+" "+map[bool]string{true: "by ", false: "to "}[relative]+to.String(), v.At)
	}
	v.ok(nil)
}

// unheard tells of a sound beside the script's own course, as music is, that
// could not be played. The call goes on without it.
func (l *Leg) unheard(what, at string, err error) {
	if err == nil || fault.CodeOf(err) == fault.Hangup {
		return
	}
	l.note("error", what+": "+err.Error(), at)
	l.call.log.Warn(what+" cannot be played: "+err.Error(), "code", string(fault.CodeOf(err)), "hint", fault.HintOf(err), "at", at)
}

// speak makes the audio and plays it; done is called exactly once.
func (l *Leg) speak(parts []Part, o PromptOptions, at string, done func(PromptResult, error)) {
	l.interrupt()
	p := &playing{leg: l, bargeIn: o.BargeIn, loop: o.Loop, from: o.From, at: at, done: done, label: Label(parts)}
	l.play = p
	req := l.call.promptRequest(parts, o)
	if audio, ok := l.call.deps.Prompts.Ready(req); ok {
		p.start(audio, o.Volume)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renderLimit)
	p.cancel = cancel
	l.call.clk.Busy(1)
	go func() {
		defer l.call.clk.Busy(-1)
		audio, err := l.call.deps.Prompts.Load(ctx, req)
		cancel()
		l.call.post(func() { p.loaded(audio, o.Volume, err) })
	}()
}

// renderLimit bounds the making of one prompt over all engines of the chain.
const renderLimit = 15 * time.Second

func (c *Call) promptRequest(parts []Part, o PromptOptions) PromptRequest {
	r := PromptRequest{Parts: parts, Language: o.Language, Voice: o.Voice, Script: c.spec.Script, Version: c.spec.Version}
	if r.Language == "" {
		r.Language = c.spec.Language
	}
	if r.Voice == "" {
		r.Voice = c.spec.Voice
	}
	return r
}

func (p *playing) loaded(audio []*sound.Prompt, volume float64, err error) {
	if p.settled {
		return
	}
	if err != nil {
		p.leg.note("prompt", p.label+": "+err.Error(), p.at)
		p.finish(PromptResult{}, err)
		return
	}
	p.start(audio, volume)
}

func (p *playing) start(audio []*sound.Prompt, volume float64) {
	if len(audio) == 0 {
		p.finish(PromptResult{Completed: true, Percent: 100}, nil)
		return
	}
	p.started, p.audio, p.volume = true, audio, volume
	p.leg.note("prompt", "start "+p.label, p.at)
	p.id = p.leg.session.Play(media.Playback{Parts: audio, Loop: p.loop, Volume: volume, From: p.from, Paused: p.paused})
	p.leg.heard[p.id] = p
}

// ended takes the media session's report.
func (p *playing) ended(ev media.Event) {
	r := PromptResult{Completed: ev.Completed, Digit: p.digit, PlayedMs: ev.PlayedMs}
	switch {
	case ev.TotalMs > 0: // also of one that came to its end: frames may have been left out
		r.Percent = min(ev.PlayedMs*100/ev.TotalMs, 100)
	case ev.Completed:
		r.Percent = 100
	}
	if ev.TotalMs > 0 {
		p.reached = (p.from + time.Duration(ev.PlayedMs)*time.Millisecond) % (p.from + time.Duration(ev.TotalMs)*time.Millisecond)
	}
	c := p.leg.call
	if p.leg == c.main {
		c.heardMs += int64(ev.PlayedMs)
		c.totalMs += int64(max(ev.TotalMs, ev.PlayedMs))
	}
	p.leg.call.line.Add(ev.At, "prompt", p.leg.name, fmt.Sprintf("end %s: %d%%, %d ms", p.label, r.Percent, r.PlayedMs), p.at)
	p.finish(r, nil)
}

// stop ends the prompt as a key or call.stop() does.
func (p *playing) stop() {
	switch {
	case p.settled:
	case p.started:
		p.leg.session.StopPlay()
	default:
		p.finish(PromptResult{Digit: p.digit}, nil)
	}
}

// cut settles the prompt when its leg ends.
func (p *playing) cut() { p.finish(PromptResult{}, errHangup()) }

func (p *playing) finish(r PromptResult, err error) {
	if p.settled {
		return
	}
	p.settled = true
	if p.cancel != nil {
		p.cancel()
	}
	if p.leg.play == p {
		p.leg.play = nil
	}
	p.done(r, err)
}

// interrupt gives way to a new prompt. One that is being heard resolves when
// the media session has told how much of it was; one that is still being made
// resolves at once.
func (l *Leg) interrupt() {
	p := l.play
	if p == nil {
		return
	}
	l.play = nil
	if !p.started {
		p.finish(PromptResult{}, nil)
	}
}
