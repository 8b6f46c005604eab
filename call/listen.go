package call

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/detect"
	"github.com/loopstart/loopstart/speech"
)

// Recognizer hears what callers say.
type Recognizer interface {
	// Ready reports why nothing can be recognised.
	Ready(speech.ListenOptions) error
	// Listen begins an utterance; it does not wait.
	Listen(speech.ListenOptions) (Utterance, error)
}

// Utterance is one utterance on its way to a text. Write never waits.
type Utterance interface {
	Write(pcm []int16)
	Finish(context.Context) (speech.Transcript, error)
	Close()
}

// SpeechOptions are the option speech of gather.
type SpeechOptions struct {
	speech.ListenOptions
	EndSilence  time.Duration // the pause that ends an utterance
	MaxDuration time.Duration // of an utterance
	BargeIn     bool          // speech ends the prompt
}

// Defaults of gather with speech.
const (
	DefaultEndSilence = 800 * time.Millisecond
	DefaultMaxSpeech  = 15 * time.Second
	// preRoll is how much is kept from before speech is known to be speech.
	preRoll = 20 // frames, 400 ms
)

// Speech is what was understood.
type Speech struct {
	Text         string               `json:"text"`
	Confidence   float64              `json:"confidence,omitempty"`
	Alternatives []speech.Alternative `json:"alternatives,omitempty"`
	Engine       string               `json:"engine,omitempty"`
}

// ear listens for one gather: a goroutine that takes the frames of a
// tap, finds speech and has it recognised. It listens in rounds, one for each
// attempt; what comes of an earlier round is not heard any more.
type ear struct {
	g      *gathering
	tap    *media.Tap
	rounds uint32        // call goroutine only
	armed  atomic.Uint32 // the round that is listened to; 0 for none

	// Below: owned by the goroutine.
	vad    detect.VAD
	round  uint32
	recent [][]int16 // before speech, the newest last
	rec    Utterance
	frames int  // of the utterance
	over   bool // the round's utterance is being recognised
}

// listen begins to take the party's audio.
func (g *gathering) startListening() {
	l := g.leg
	x := &ear{g: g, tap: media.NewTap(media.TapOptions{Inbound: true})}
	x.vad.Hangover = g.opts.Speech.EndSilence
	g.ear = x
	l.session.Tap(x.tap)
	go x.run()
}

// rearm begins a round.
func (x *ear) rearm() {
	x.rounds++
	x.armed.Store(x.rounds)
}

// arm begins a round unless there is one.
func (x *ear) arm() {
	if x.armed.Load() == 0 {
		x.rearm()
	}
}

// disarm ends the round: a key was pressed, or a prompt plays that may not be
// interrupted.
func (x *ear) disarm() { x.armed.Store(0) }

// stop gives the tap back; the goroutine ends with it.
func (x *ear) stop() {
	x.disarm()
	x.g.leg.session.Untap(x.tap)
}

func (x *ear) run() {
	for f := range x.tap.Frames() {
		x.frame(slices.Clone(f.PCM[:]))
		x.tap.Release(f)
	}
	x.drop()
}

// drop gives up the utterance of a round that is over.
func (x *ear) drop() {
	if x.rec != nil {
		x.rec.Close()
		x.rec = nil
	}
}

// frame takes 20 ms of the party.
func (x *ear) frame(pcm []int16) {
	event := x.vad.Frame(pcm)
	if round := x.armed.Load(); round != x.round {
		x.drop()
		x.round, x.over = round, false
	}
	if x.recent = append(x.recent, pcm); len(x.recent) > preRoll {
		x.recent = slices.Delete(x.recent, 0, 1)
	}
	switch {
	case x.round == 0 || x.over:
	case x.rec == nil && x.vad.Speaking():
		x.begin()
	case x.rec != nil:
		x.rec.Write(pcm)
		x.frames++
		if event == detect.SpeechEnded || time.Duration(x.frames)*audio.FrameDuration >= x.g.opts.Speech.MaxDuration {
			x.finish()
		}
	}
}

// begin opens an utterance with what was said before it was known to be one.
func (x *ear) begin() {
	rec, err := x.g.leg.call.deps.Recognizer.Listen(x.g.opts.Speech.ListenOptions)
	if err != nil {
		x.over = true
		x.tell(func(g *gathering) { g.fail(err) })
		return
	}
	x.rec, x.frames = rec, len(x.recent)
	for _, pcm := range x.recent {
		rec.Write(pcm)
	}
	x.tell(func(g *gathering) { g.spoke() })
}

// finish waits for the text on a goroutine of its own.
func (x *ear) finish() {
	rec, clk := x.rec, x.g.leg.call.clk
	x.rec, x.over = nil, true
	tell := x.teller()
	clk.Busy(1)
	go func() {
		defer clk.Busy(-1)
		ctx, cancel := context.WithTimeout(context.Background(), recognitionLimit)
		defer cancel()
		t, err := rec.Finish(ctx)
		rec.Close()
		tell(func(g *gathering) { g.understood(t, err) })
	}()
}

// recognitionLimit bounds the recognition of one utterance over all
// recognisers of the chain.
const recognitionLimit = 30 * time.Second

func (x *ear) tell(f func(*gathering)) { x.teller()(f) }

// teller posts to the call, for the round that is on now.
func (x *ear) teller() func(func(*gathering)) {
	round := x.round
	return func(f func(*gathering)) {
		x.g.leg.call.post(func() {
			if g := x.g; g.leg.gather == g && x.armed.Load() == round {
				f(g)
			}
		})
	}
}

// spoke tells that speech has begun.
func (g *gathering) spoke() {
	g.leg.note("speech", "speech began", g.verb.At)
	g.run(g.state.speechBegan())
}

// understood takes the text of an utterance, or that there is none.
func (g *gathering) understood(t speech.Transcript, err error) {
	if err != nil {
		g.fail(err)
		return
	}
	detail := "nothing understood"
	if t.Text != "" {
		g.speech = &Speech{t.Text, t.Confidence, t.Alternatives, t.Engine}
		detail = "heard " + quoted(g.shown(t.Text))
	}
	if t.Confidence > 0 {
		detail += ", confidence " + strconv.FormatFloat(t.Confidence, 'f', 2, 64)
	}
	if t.Engine != "" {
		detail += " (" + t.Engine + ")"
	}
	g.leg.note("speech", detail, g.verb.At)
	g.run(g.state.spoken(t.Text))
}

// shown is a text as timelines may hold it.
func (g *gathering) shown(text string) string {
	if g.secret {
		return "•••"
	}
	return text
}

// hears reports why a gather with speech cannot be.
func (l *Leg) hears(o *SpeechOptions) error {
	switch {
	case o == nil:
		return nil
	case l.call.deps.Recognizer == nil:
		return fault.New(fault.Unavailable, "gather: no speech recogniser")
	}
	return l.call.deps.Recognizer.Ready(o.ListenOptions)
}

// speechBegan tells that the party has begun to speak.
func (g *gatherState) speechBegan() []gatherEffect {
	if g.finished || g.digits != "" {
		return nil
	}
	out := []gatherEffect{{timer: "off"}}
	if g.playing {
		g.playing = false
		out = append(out, gatherEffect{stop: true})
	}
	return out
}

// spoken takes what the party has said; "" is nothing that makes sense.
func (g *gatherState) spoken(text string) []gatherEffect {
	switch {
	case g.finished || g.digits != "":
		return nil
	case text == "":
		return g.again(promptInvalid, reasonInvalid)
	}
	return g.end(reasonSpeech)
}
