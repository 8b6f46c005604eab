package speech

import (
	"net/url"
	"os/exec"

	"github.com/loopstart/loopstart/internal/fault"
)

// Settings choose and set up the engines (speech.tts of the configuration).
type Settings struct {
	Default string            // "", "espeak", "rhvoice", "command" or "http"; "" finds what is installed
	Rate    float64           // of local engines; 0 means 1
	Voices  map[string]Voices // by engine: alias or language → voice

	AllowNonCommercialVoices bool
	Command                  Command
	HTTP                     HTTP

	// LookPath finds programs; nil means exec.LookPath.
	LookPath func(file string) (string, error)
}

// Detect returns the chain of engines: the chosen one, then the local ones that
// are installed, RHVoice (for Russian) before espeak-ng. That there is none, or
// not the chosen one, is a MEDIA error with the command that installs one.
func Detect(s Settings) ([]Synthesizer, error) {
	if s.LookPath == nil {
		s.LookPath = exec.LookPath
	}
	rhvoice, espeak := s.rhvoice(), s.espeak()
	var first Synthesizer
	switch s.Default {
	case "":
	case "espeak":
		if espeak == nil {
			return nil, missing("espeak-ng", "apt install espeak-ng")
		}
		rhvoice = nil // it was chosen although RHVoice may be there
	case "rhvoice":
		if rhvoice == nil {
			return nil, missing("RHVoice-test", "apt install rhvoice rhvoice-russian (Debian: component non-free)")
		}
	case "command":
		if len(s.Command.Argv) == 0 {
			return nil, fault.New(fault.Invalid, "speech: the engine command has no command line").WithHint("set speech.tts.command")
		}
		if _, err := s.LookPath(s.Command.Argv[0]); err != nil {
			return nil, missing(s.Command.Argv[0], "install it, or correct speech.tts.command")
		}
		first = s.command()
	case "http":
		if u, err := url.Parse(s.HTTP.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fault.New(fault.Invalid, "speech: %q is no URL of a speech server", s.HTTP.URL).WithHint("set speech.tts.http.url, such as http://127.0.0.1:8880/v1")
		}
		first = s.http()
	default:
		return nil, fault.New(fault.Invalid, "speech: no engine %q", s.Default).WithHint("espeak, rhvoice, command or http")
	}
	var chain []Synthesizer
	for _, e := range []Synthesizer{first, rhvoice, espeak} {
		if e != nil {
			chain = append(chain, e)
		}
	}
	if len(chain) == 0 {
		return nil, noEngine()
	}
	return chain, nil
}

func (s Settings) rhvoice() Synthesizer {
	path, err := s.LookPath("RHVoice-test")
	if err != nil {
		return nil
	}
	return &RHVoice{Path: path, Rate: s.Rate, Voices: s.Voices["rhvoice"], AllowNonCommercial: s.AllowNonCommercialVoices}
}

func (s Settings) espeak() Synthesizer {
	path, err := s.LookPath("espeak-ng")
	if err != nil {
		return nil
	}
	return &Espeak{Path: path, Rate: s.Rate, Voices: s.Voices["espeak"]}
}

func (s Settings) command() Synthesizer {
	c := s.Command
	if c.Voices == nil {
		c.Voices = s.Voices["command"]
	}
	return &c
}

func (s Settings) http() Synthesizer {
	h := s.HTTP
	if h.Voices == nil {
		h.Voices = s.Voices["http"]
	}
	return &h
}

func missing(program, install string) error {
	return fault.New(fault.Media, "speech: %s is not installed", program).WithHint("%s", install)
}

func noEngine() error {
	return fault.New(fault.Media, "speech: no speech engine is installed").
		WithHint("apt install espeak-ng; for better Russian: apt install rhvoice rhvoice-russian (Debian: component non-free)")
}
