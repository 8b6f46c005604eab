package engine

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/engine/sounds"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/words"
	"github.com/loopstart/loopstart/media/sound"
	"github.com/loopstart/loopstart/speech"
)

// prompts implements call.Prompts: files of the script's folder, tones, URLs,
// recordings and speech become audio.
type prompts Engine

// Ready implements call.Prompts. Only tones and silence need no disk.
func (p *prompts) Ready(r call.PromptRequest) ([]*sound.Prompt, bool) {
	if p.opts.World != nil {
		// In tests everything is at hand: no race between a disk and a key.
		out, err := p.Load(context.Background(), r)
		return out, err == nil
	}
	var out []*sound.Prompt
	for i := range r.Parts {
		src := r.Parts[i].Play
		if !sounds.IsTone(src) {
			return nil, false
		}
		t, err := p.tones.get(src)
		if err != nil {
			return nil, false
		}
		out = append(out, t)
	}
	return out, true
}

// Load implements call.Prompts. Neighbouring speech parts are spoken as one
// sentence, so that the engine gets its melody right.
func (p *prompts) Load(ctx context.Context, r call.PromptRequest) ([]*sound.Prompt, error) {
	var out []*sound.Prompt
	for _, piece := range pieces(r, p.today) {
		audio, err := p.piece(ctx, r, piece)
		if err != nil {
			return nil, err
		}
		if piece.text == "" {
			audio = p.named(piece.play+piece.recording, audio)
		}
		out = append(out, audio)
	}
	return out, nil
}

// named gives a sound the name by which tests hear it.
func (p *prompts) named(name string, audio *sound.Prompt) *sound.Prompt {
	if w := p.opts.World; w != nil {
		return w.Voice.Sound(name, audio)
	}
	return audio
}

// piece is one source, or a run of text in one voice.
type piece struct {
	play, recording       string
	text, language, voice string
	err                   error
}

// today is the day as the project sees it. The zone is read from its file, which
// only dates are worth.
func (p *prompts) today() time.Time {
	if zone, err := time.LoadLocation((*Engine)(p).Config().Project.Zone); err == nil {
		return p.clk.Now().In(zone)
	}
	return p.clk.Now()
}

func pieces(r call.PromptRequest, today func() time.Time) []piece {
	var out []piece
	for i := range r.Parts {
		part := &r.Parts[i]
		if part.Play != "" || part.Recording != "" {
			out = append(out, piece{play: part.Play, recording: part.Recording})
			continue
		}
		n := piece{language: first(part.Language, r.Language), voice: first(part.Voice, r.Voice)}
		n.text, n.err = speak(part, n.language, today)
		if k := len(out) - 1; k >= 0 && !part.Apart && out[k].text != "" && out[k].err == nil && out[k].language == n.language && out[k].voice == n.voice {
			out[k].text, out[k].err = out[k].text+" "+n.text, n.err
			continue
		}
		out = append(out, n)
	}
	return out
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// speak is a part as words for a speech engine.
func speak(part *call.Part, language string, today func() time.Time) (string, error) {
	kind, value := part.Value()
	if kind == "" {
		return part.Text, nil
	}
	text, err := spoken(kind, value, language, part, today)
	if err != nil {
		return "", fault.New(fault.Invalid, "prompt: %s: %w", kind, err)
	}
	return text, nil
}

func spoken(kind, value, language string, part *call.Part, today func() time.Time) (string, error) {
	switch kind {
	case "digits":
		return words.Digits(language, value)
	case "spell":
		return words.Spell(language, value)
	case "phone":
		return words.Phone(language, value)
	}
	form, err := formOf(part)
	if err != nil {
		return "", err
	}
	switch kind {
	case "time":
		return words.Time(language, value, form)
	case "number":
		return words.Number(language, value, form)
	case "count":
		return words.Count(language, value, part.Of, form)
	case "money":
		return words.Money(language, value, part.Currency, form)
	}
	if part.Year != nil {
		form.Year = *part.Year
	} else {
		form.Year = words.NeedsYear(value, today())
	}
	return words.Date(language, value, form)
}

func formOf(part *call.Part) (f words.Form, err error) {
	if f.Case, err = words.ParseCase(part.Case); err != nil {
		return f, err
	}
	f.Gender, err = words.ParseGender(part.Gender)
	f.GenderSet = part.Gender != ""
	return f, err
}

func (p *prompts) piece(ctx context.Context, r call.PromptRequest, n piece) (*sound.Prompt, error) {
	switch {
	case n.err != nil:
		return nil, n.err
	case n.recording != "":
		path, err := p.record.path(n.recording)
		if err != nil {
			return nil, err
		}
		return p.library.Load(ctx, path, sound.LoadOptions{})
	case n.play == "":
		return p.speech(ctx, n)
	case sounds.IsTone(n.play):
		return p.tones.get(n.play)
	case strings.HasPrefix(n.play, "http://") || strings.HasPrefix(n.play, "https://"):
		return p.url(ctx, r, n.play)
	}
	return p.file(ctx, r, n.play)
}

func (p *prompts) speech(ctx context.Context, n piece) (*sound.Prompt, error) {
	if strings.TrimSpace(n.text) == "" {
		return sound.NewPrompt(nil), nil
	}
	if w := p.opts.World; w != nil {
		return w.Voice.Speak(speech.Utterance{Text: n.text, Language: n.language, Voice: n.voice}), nil
	}
	clip, err := p.speaker.Render(ctx, speech.Utterance{Text: n.text, Language: n.language, Voice: n.voice})
	if err != nil {
		return nil, err
	}
	return p.library.Load(ctx, clip.Path, sound.LoadOptions{Normalise: true, Trim: true})
}

// file finds a sound in the script's folder, then in prompts/<language>/ there.
// Nothing outside of the folder is opened, whatever the name.
func (p *prompts) file(ctx context.Context, r call.PromptRequest, name string) (*sound.Prompt, error) {
	dir := p.folder(r)
	if path, ok := sounds.Find(dir, r.Language, name); ok {
		return p.library.Load(ctx, path, sound.LoadOptions{})
	}
	if data, ok := sounds.Builtin(r.Language, name); ok {
		return p.library.LoadReader(ctx, bytes.NewReader(data), "wav", sound.LoadOptions{})
	}
	return nil, fault.New(fault.NotFound, "prompt file %s not found", name).
		WithHint("it is looked for in %s, and in prompts/%s/ there", p.relative(dir), r.Language)
}

func (p *prompts) folder(r call.PromptRequest) string {
	if v, err := p.scripts.Get(r.Script, r.Version); err == nil {
		return v.Dir
	}
	return (*Engine)(p).path(p.cfg.Load().Scripts.Dir)
}

func (p *prompts) relative(dir string) string {
	if rel, err := filepath.Rel(p.cfg.Load().Dir, dir); err == nil {
		return rel
	}
	return dir
}
