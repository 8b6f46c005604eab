package engine

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine/sounds"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/speech"
)

func (e *Engine) openSpeech(cfg *config.Config) (err error) {
	if e.apologies, err = loadApologies(e.library); err != nil || e.opts.World != nil {
		return err
	}
	dir := cfg.Speech.TTS.Cache.Dir
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(e.stateDir(), dir)
	}
	chain, err := speechChain(cfg)
	if err != nil {
		return err
	}
	e.chain = chain
	if len(chain) == 0 {
		// No reason not to start: prompts may all be files.
		e.log.Warn("no speech engine is installed: say and text prompts will fail", "hint", "apt-get install espeak-ng")
	}
	e.speaker, err = speech.New(speech.Options{Dir: dir, MaxBytes: int64(cfg.Speech.TTS.Cache.Max), Chain: chain, Clock: e.clk, Log: e.log})
	return err
}

// speechChain is the engines in the order in which they are tried: those the
// configuration names, then what is installed.
func speechChain(cfg *config.Config) ([]speech.Synthesizer, error) {
	var chain []speech.Synthesizer
	for _, name := range cfg.Speech.TTS.Default {
		s, err := synthesizer(cfg, name)
		if err != nil {
			return nil, err
		}
		chain = append(chain, s)
	}
	installed, _ := speech.Detect(speech.Settings{Voices: engineVoices(cfg), AllowNonCommercialVoices: cfg.Speech.TTS.NonCommercial})
	for _, s := range installed {
		if !slices.ContainsFunc(chain, func(c speech.Synthesizer) bool { return c.Name() == s.Name() }) {
			chain = append(chain, s)
		}
	}
	return chain, nil
}

// engineVoices gives every engine the configured voices by language, alias or
// the engine's own name.
func engineVoices(cfg *config.Config) map[string]speech.Voices {
	out := map[string]speech.Voices{}
	for _, name := range []string{"espeak", "rhvoice", "command", "http"} {
		v := speech.Voices{}
		for _, x := range cfg.Speech.TTS.Voices {
			if x.Name == name {
				v[strings.Split(cfg.Project.Language, "-")[0]] = x.Voice
			} else {
				v[x.Name] = x.Voice
			}
		}
		out[name] = v
	}
	return out
}

func synthesizer(cfg *config.Config, name string) (speech.Synthesizer, error) {
	def := config.Engine{Name: name, Driver: name}
	for _, x := range cfg.Speech.TTS.Engines {
		if x.Name == name {
			def = x
		}
	}
	voices := engineVoices(cfg)[def.Driver]
	switch def.Driver {
	case "espeak", "rhvoice":
		chain, err := speech.Detect(speech.Settings{
			Default: def.Driver, Rate: def.Speed, Voices: engineVoices(cfg), AllowNonCommercialVoices: cfg.Speech.TTS.NonCommercial,
		})
		if err != nil {
			return nil, err
		}
		return chain[0], nil
	case "command":
		return &speech.Command{Argv: def.Command, Voice: def.Voice, Voices: voices}, nil
	case "http", "openai":
		return &speech.HTTP{URL: def.URL, Token: def.Key.Reveal(), Model: def.Model, Voice: def.Voice, Speed: def.Speed, Voices: voices}, nil
	}
	return nil, fault.New(fault.Invalid, "speech.tts: the driver %s is not in this version", def.Driver).
		WithHint("use espeak, rhvoice, command or http").WithExit(fault.ExitConfig)
}

// loadApologies decodes the built-in apologies by language.
func loadApologies(library *sound.Library) (map[string]*sound.Prompt, error) {
	out := map[string]*sound.Prompt{}
	return out, sounds.Each("apology.wav", func(language string, wav []byte) (err error) {
		out[language], err = library.LoadReader(context.Background(), bytes.NewReader(wav), "wav", sound.LoadOptions{})
		return err
	})
}

// apology is the built-in "something went wrong" in a language.
func (e *Engine) apology(language string) *sound.Prompt {
	p := e.apologies[sounds.Base(language)]
	if p == nil {
		p = e.apologies["en"]
	}
	return (*prompts)(e).named("apology.wav", p)
}
