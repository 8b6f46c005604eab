package speech

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

const (
	espeakWords = 150 // words a minute at rate 1; the engine's own 175 is hurried on a phone line
	defaultRate = 1.0
)

// Voices maps aliases, and languages ("ru-RU" or "ru"), to an engine's voices.
type Voices map[string]string

// pick is the voice for u: the one it names, by alias or outright, else one for
// the language, else fallback.
func (v Voices) pick(u Utterance, fallback string) string {
	if u.Voice != "" {
		return orDefault(v[u.Voice], u.Voice)
	}
	return orDefault(v[u.Language], orDefault(v[base(u.Language)], fallback))
}

// Espeak is espeak-ng.
type Espeak struct {
	Path   string  // of the binary; "" looks for espeak-ng on PATH
	Rate   float64 // 1 is normal; 0 means 1
	Voices Voices
}

// espeakVoice is how espeak-ng's voices look; others, such as RHVoice's names,
// are not for it and give way to the language.
var espeakVoice = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]+)*(\+[A-Za-z0-9]+)?$`)

// espeakNames are languages that espeak-ng calls by another name, or of which
// the region matters.
var espeakNames = map[string]string{
	"en-us": "en-us", "en-gb": "en-gb", "pt-br": "pt-br", "es-mx": "es-419", "fr-be": "fr-be",
	"zh": "cmn", "no": "nb", "": "en",
}

// Name is "espeak".
func (e *Espeak) Name() string { return "espeak" }

// Fingerprint holds the binary and the settings.
func (e *Espeak) Fingerprint(u Utterance) string {
	return binaryPrint(e.path()) + " " + e.voice(u) + " " + speed(e.Rate, espeakWords)
}

// Synthesize runs espeak-ng.
func (e *Espeak) Synthesize(ctx context.Context, u Utterance) ([]byte, error) {
	// Without this, "[[" would begin phoneme codes.
	text := strings.ReplaceAll(u.Text, "[[", "[ [")
	return run(ctx, []string{e.path(), "-v", e.voice(u), "-s", speed(e.Rate, espeakWords), "--stdin", "--stdout"}, text)
}

func (e *Espeak) path() string { return orDefault(e.Path, "espeak-ng") }

func (e *Espeak) voice(u Utterance) string {
	full := strings.ToLower(u.Language)
	lang := base(u.Language)
	if name, ok := espeakNames[full]; ok {
		lang = name
	} else if name, ok := espeakNames[lang]; ok {
		lang = name
	}
	for _, v := range []string{e.Voices.pick(u, lang), e.Voices.pick(Utterance{Language: u.Language}, lang), lang} {
		if espeakVoice.MatchString(v) {
			return v
		}
	}
	return espeakNames[""]
}

// RHVoice is RHVoice-test, which speaks Russian.
type RHVoice struct {
	Path   string  // of the binary; "" looks for RHVoice-test on PATH
	Rate   float64 // 1 is normal; 0 means 1
	Voices Voices
	// AllowNonCommercial also takes voices whose licence forbids commercial
	// use; without it only those under the LGPL are taken.
	AllowNonCommercial bool
}

// rhvoiceFree are the Russian voices under the LGPL and, after a "+", the
// English ones for Latin words.
var rhvoiceFree = map[string]bool{
	"anna": true, "elena": true, "irina": true, "aleksandr": true,
	"alan": true, "bdl": true, "clb": true, "slt": true,
}

// Name is "rhvoice".
func (r *RHVoice) Name() string { return "rhvoice" }

// Fingerprint holds the binary and the settings.
func (r *RHVoice) Fingerprint(u Utterance) string {
	voice, err := r.voice(u)
	if err != nil {
		voice = "?"
	}
	return binaryPrint(r.path()) + " " + voice + " " + speed(r.Rate, 100)
}

// Synthesize runs RHVoice-test. Languages other than Russian are ErrLanguage.
func (r *RHVoice) Synthesize(ctx context.Context, u Utterance) ([]byte, error) {
	if base(u.Language) != "ru" {
		return nil, ErrLanguage
	}
	voice, err := r.voice(u)
	if err != nil {
		return nil, err
	}
	argv := []string{r.path(), "-p", voice, "-o", "-"}
	if r.Rate != 0 && r.Rate != defaultRate {
		argv = append(argv, "-r", speed(r.Rate, 100))
	}
	return run(ctx, argv, u.Text)
}

func (r *RHVoice) path() string { return orDefault(r.Path, "RHVoice-test") }

// voice is the profile to use; it refuses those that may not be used.
func (r *RHVoice) voice(u Utterance) (string, error) {
	voice := r.Voices.pick(u, "Anna")
	if espeakVoice.MatchString(voice) { // "ru+f2": meant for the engine behind us
		voice = "Anna"
	}
	if !plainName(voice) {
		return "", fault.New(fault.Invalid, "%q is no voice", voice)
	}
	for _, part := range strings.Split(voice, "+") {
		if !r.AllowNonCommercial && !rhvoiceFree[strings.ToLower(part)] {
			return "", fault.New(fault.Denied, "the voice %s is not one of the free ones; most others forbid commercial use", part).
				WithHint("use Anna, Elena, Irina or Aleksandr, or set speech.tts.rhvoice.allow_non_commercial_voices")
		}
	}
	return voice, nil
}

// Command is any program that reads text and prints a WAV file or raw audio.
type Command struct {
	// Argv is the program and its arguments, in which {voice} and {language}
	// are replaced. The text goes to its standard input, never into Argv.
	Argv   []string
	RawHz  int    // it prints raw s16le mono at this rate; 0: a WAV file
	Voice  string // for {voice} when neither utterance nor Voices name one
	Voices Voices
}

// Name is "command".
func (c *Command) Name() string { return "command" }

// Fingerprint holds the command line and the binary.
func (c *Command) Fingerprint(u Utterance) string {
	return strings.Join(c.Argv, "\x01") + " " + binaryPrint(c.Argv[0]) + " " + strconv.Itoa(c.RawHz) + " " + c.Voices.pick(u, c.Voice)
}

// Synthesize runs the program.
func (c *Command) Synthesize(ctx context.Context, u Utterance) ([]byte, error) {
	argv, err := c.argv(u)
	if err != nil {
		return nil, err
	}
	out, err := run(ctx, argv, u.Text)
	if err != nil || c.RawHz == 0 {
		return out, err
	}
	return wrapPCM(out, c.RawHz), nil
}

func (c *Command) argv(u Utterance) ([]string, error) {
	values := map[string]string{"{voice}": c.Voices.pick(u, c.Voice), "{language}": u.Language}
	argv := make([]string, len(c.Argv))
	for i, a := range c.Argv {
		for mark, v := range values {
			if !strings.Contains(a, mark) {
				continue
			}
			if v != "" && !plainName(v) || v == "" && mark == "{language}" {
				return nil, fault.New(fault.Invalid, "%q cannot stand for %s", v, mark)
			}
			a = strings.ReplaceAll(a, mark, v)
		}
		argv[i] = a
	}
	return argv, nil
}

// binaryPrint changes when a program is replaced, without running it.
func binaryPrint(path string) string {
	full, err := exec.LookPath(path)
	if err != nil {
		return "missing"
	}
	info, err := os.Stat(full)
	if err != nil {
		return "missing"
	}
	return fmt.Sprintf("%d.%d", info.Size(), info.ModTime().Unix())
}

func speed(rate float64, normal int) string {
	if rate <= 0 {
		rate = defaultRate
	}
	return strconv.Itoa(int(min(max(rate, 0.25), 4)*float64(normal) + 0.5))
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
