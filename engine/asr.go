package engine

import (
	"context"
	"net/url"
	"slices"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/speech"
)

// openASR builds the chain of speech recognisers; a reload another one, for
// what is said from then on.
func (e *Engine) openASR(cfg *config.Config) error {
	t, err := ClientTLS(cfg)
	if err != nil {
		return err
	}
	languages := map[string][]string{}
	for _, l := range cfg.Speech.ASR.Languages {
		languages[l.Name] = l.Engines
	}
	o := speech.ListenerOptions{
		Chain: recognizers(cfg, t), Languages: languages, Timeout: cfg.Speech.ASR.Timeout, Clock: e.clk, Log: e.log,
	}
	if e.ears != nil {
		e.ears.Use(o)
	} else {
		e.ears = speech.NewListener(o)
	}
	return nil
}

// recognizers are those of the configuration, the default ones first.
func recognizers(cfg *config.Config, t netx.TLS) (out []speech.Recognizer) {
	asr := cfg.Speech.ASR
	names := slices.Clone(asr.Default)
	for _, x := range asr.Engines {
		if !slices.Contains(names, x.Name) {
			names = append(names, x.Name)
		}
	}
	for _, name := range names {
		for _, x := range asr.Engines {
			if x.Name == name {
				out = append(out, recognizer(x, t))
			}
		}
	}
	return out
}

func recognizer(x config.ASREngine, t netx.TLS) speech.Recognizer {
	switch x.Driver {
	case "vosk":
		host := ""
		if u, err := url.Parse(x.URL); err == nil {
			host = u.Host // the operator's own choice: private addresses too
		}
		return &speech.Vosk{
			Label: x.Name, URL: x.URL, Alternatives: x.Alternatives,
			Sockets: netx.NewSockets(netx.Options{Rules: netx.Rules{Hosts: []string{host}}, TLS: t}),
		}
	case "command":
		return &speech.CommandRecognizer{Label: x.Name, Argv: x.Command}
	}
	return &speech.Transcriber{Label: x.Name, URL: x.URL, Token: x.Key.Reveal(), Model: x.Model}
}

// ears implements call.Recognizer.
type ears struct{ *speech.Listener }

// Listen implements call.Recognizer.
func (e ears) Listen(o speech.ListenOptions) (call.Utterance, error) {
	u, err := e.Listener.Listen(o)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// recognizer is what calls are heard with.
func (e *Engine) recognizer() call.Recognizer {
	if w := e.opts.World; w != nil {
		return w.Recognizer
	}
	return ears{e.ears}
}

// asrFigures are the metrics of speech recognition.
func (e *Engine) asrFigures() []figure {
	st := e.ears.Stats()
	return []figure{
		{"asr_open", "Utterances being heard.", false, float64(st.Open)},
		{"asr_utterances_total", "Utterances that a recogniser has answered.", true, float64(st.Heard)},
		{"asr_empty_total", "Of them, those without a word.", true, float64(st.Empty)},
		{"asr_failures_total", "Attempts of a speech recogniser that failed.", true, float64(st.Failures)},
		{"asr_fallbacks_total", "Utterances heard by another recogniser than the first.", true, float64(st.Fallbacks)},
		{"asr_refused_total", "Utterances refused by the limit of those at once.", true, float64(st.Refused)},
	}
}

// hearing lets every recogniser hear a second of silence.
func (d *doctor) hearing(ctx context.Context) {
	t, err := ClientTLS(d.cfg)
	if err != nil {
		return // said elsewhere
	}
	for _, r := range recognizers(d.cfg, t) {
		name := "recogniser " + r.Name()
		ctx, cancel := context.WithTimeout(ctx, max(d.cfg.Speech.ASR.Timeout, time.Second))
		if err := tryHearing(ctx, r, d.cfg.Project.Language); err != nil {
			d.fail(name, "is it running, and are speech.asr.engines."+r.Name()+" and its key right?", "gather({speech}) will not work with it: %v", err)
		} else {
			d.ok(name, "it answers")
		}
		cancel()
	}
}

func tryHearing(ctx context.Context, r speech.Recognizer, language string) error {
	rec, err := r.Open(ctx, speech.ListenOptions{Language: language})
	if err != nil {
		return err
	}
	defer rec.Close()
	if err := rec.Write(make([]int16, 8000)); err != nil {
		return err
	}
	_, err = rec.Finish(ctx)
	return err
}
