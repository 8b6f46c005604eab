package speech

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/need"
)

const text = "Здравствуйте, Виктория! -x $(id) <b>"

func TestRHVoice(t *testing.T) {
	t.Setenv("CRM_TOKEN", "canary")
	path, notes := fakeBinary(t, "RHVoice-test", "wav")
	r := &RHVoice{Path: path, Rate: 1.2, Voices: Voices{"dictor": "Irina", "ru": "Elena"}}
	for _, c := range []struct {
		voice, want string
	}{{"", "Elena"}, {"dictor", "Irina"}, {"Aleksandr", "Aleksandr"}, {"Anna+Slt", "Anna+Slt"}, {"ru+f2", "Anna"}} {
		s := speaker(t, r)
		clip, err := s.Render(context.Background(), Utterance{Text: text, Language: "ru-RU", Voice: c.voice})
		must(t, err)
		checkWAV(t, clip)
		if clip.Driver != "rhvoice" || clip.Cached || clip.Duration != 10*time.Millisecond*time.Duration(len([]rune(text))) {
			t.Errorf("%+v", clip)
		}
		found := slices.ContainsFunc(calls(t, notes), func(h heard) bool {
			return slices.Equal(h.Args, []string{"-p", c.want, "-o", "-", "-r", "120"}) && h.Stdin == text
		})
		if !found {
			t.Errorf("%q: called with %v", c.voice, calls(t, notes))
		}
	}
	for _, h := range calls(t, notes) {
		if contains(h.Args, "Виктория") || contains(h.Env, "canary") {
			t.Errorf("text or secrets left the pipe: %+v", h)
		}
	}
}

func TestRHVoiceLicences(t *testing.T) {
	path, _ := fakeBinary(t, "RHVoice-test", "wav")
	for voice, code := range map[string]fault.Code{"Tatiana": fault.Denied, "Anna+Tatiana": fault.Denied, "aleksandr-hq": fault.Denied, "../x": fault.Invalid, "-o": fault.Invalid, "anna": ""} {
		_, err := (&RHVoice{Path: path}).Synthesize(context.Background(), Utterance{Text: "да", Language: "ru", Voice: voice})
		if fault.CodeOf(err) != code {
			t.Errorf("%s: %v, want %q", voice, err, code)
		}
	}
	if _, err := (&RHVoice{Path: path, AllowNonCommercial: true}).Synthesize(context.Background(), Utterance{Text: "да", Language: "ru", Voice: "Tatiana"}); err != nil {
		t.Error(err)
	}
	if _, err := (&RHVoice{Path: path}).Synthesize(context.Background(), Utterance{Text: "yes", Language: "en-US"}); err != ErrLanguage {
		t.Error(err)
	}
}

func TestEspeakVoice(t *testing.T) {
	e := &Espeak{Voices: Voices{"en": "en-gb", "robot": "ru+f3"}}
	for u, want := range map[Utterance]string{
		{Language: "ru-RU"}: "ru", {Language: "kk-KZ"}: "kk", {Language: "en-US"}: "en-gb", {}: "en", {Language: "pt-BR"}: "pt-br", {Language: "zh-CN"}: "cmn",
		{Language: "ru", Voice: "robot"}: "ru+f3", {Language: "ru", Voice: "Anna"}: "ru", {Language: "en", Voice: "Slt"}: "en-gb", {Language: "ru", Voice: "-w"}: "ru", {Language: "../x"}: "en",
	} {
		if got := e.voice(u); got != want {
			t.Errorf("%+v: %s, want %s", u, got, want)
		}
	}
	if got := (&Espeak{}).voice(Utterance{Language: "en-US"}); got != "en-us" {
		t.Error(got)
	}
	path, notes := fakeBinary(t, "espeak-ng", "wav")
	say(t, speaker(t, &Espeak{Path: path}), "[[раз]] два")
	if h := calls(t, notes)[0]; !slices.Equal(h.Args, []string{"-v", "ru", "-s", "150", "--stdin", "--stdout"}) || h.Stdin != "[ [раз]] два" {
		t.Errorf("%+v", h)
	}
}

func TestEspeakReal(t *testing.T) {
	need.Program(t, "espeak-ng", "apt install espeak-ng")
	chain, err := Detect(Settings{Default: "espeak"})
	must(t, err)
	s := speaker(t, chain...)
	lengths := map[string]time.Duration{}
	for _, u := range []Utterance{{Text: "Да.", Language: "ru-RU"}, {Text: strings.Repeat("Ваш заказ прибыл в пункт выдачи. ", 4), Language: "ru-RU"}, {Text: "Your order has arrived.", Language: "en-US"}, {Text: "-v ru --help", Language: "en"}} {
		clip, err := s.Render(context.Background(), u)
		must(t, err)
		checkWAV(t, clip)
		lengths[u.Text] = clip.Duration
		if clip.Duration < 200*time.Millisecond || clip.Duration > time.Minute {
			t.Errorf("%q is %s long", u.Text, clip.Duration)
		}
	}
	if len(lengths) != 4 {
		t.Errorf("%v", lengths)
	}
}

func TestCommand(t *testing.T) {
	path, notes := fakeBinary(t, "say", "raw")
	c := &Command{Argv: []string{path, "--lang={language}", "{voice}", "x"}, RawHz: 24000, Voice: "v1", Voices: Voices{"ru": "v2"}}
	clip := say(t, speaker(t, c), text)
	if h := calls(t, notes)[0]; !slices.Equal(h.Args, []string{"--lang=ru-RU", "v2", "x"}) || h.Stdin != text {
		t.Errorf("%+v", h)
	}
	if clip.Driver != "command" {
		t.Errorf("%+v", clip)
	}
	for _, u := range []Utterance{{Text: "a", Language: "ru", Voice: "--help"}, {Text: "a", Language: "ru", Voice: "a b"}, {Text: "a", Language: ""}, {Text: "a", Language: "../../x"}, {Text: "a", Language: "ru", Voice: "/etc/passwd"}} {
		if _, err := c.Synthesize(context.Background(), u); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", u, err)
		}
	}
}

// TestFailingPrograms lists what engines do wrong and what is said about it.
func TestFailingPrograms(t *testing.T) {
	for mode, want := range map[string]string{
		"fail": "exit status 3: no such voice", "silent": "no output", "flood": "more than 32 MiB of output", "raw": "no WAV file",
	} {
		path, _ := fakeBinary(t, "engine", mode)
		_, err := speaker(t, &Command{Argv: []string{path}}).Render(context.Background(), Utterance{Text: "да", Language: "ru"})
		if fault.CodeOf(err) != fault.Media || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%s: %v, want %s", mode, err, want)
		}
	}
	_, err := speaker(t, &Espeak{Path: "/no/such/engine"}).Render(context.Background(), Utterance{Text: "да"})
	if fault.CodeOf(err) != fault.Media || !strings.Contains(fmt.Sprint(err), "no such file") {
		t.Errorf("%v", err)
	}
}

// TestKillGroup ends a hanging engine: by its time, and by its caller leaving.
// Its child goes with it.
func TestKillGroup(t *testing.T) {
	for name, run := range map[string]func(t *testing.T, c *Command, notes string){
		"timeout": func(t *testing.T, c *Command, notes string) {
			for wait := 500 * time.Millisecond; len(pids(notes)) < 2 && wait < time.Minute; wait *= 3 { // a crowded machine starts nothing in 0.5 s
				s := speakerAt(t, Options{Dir: t.TempDir(), Chain: []Synthesizer{c}, Timeout: wait})
				if _, err := s.Render(context.Background(), Utterance{Text: "да"}); !strings.Contains(fmt.Sprint(err), "no answer in "+wait.String()) {
					t.Error(err)
				}
			}
		},
		"cancel": func(t *testing.T, c *Command, notes string) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			s, answer := speaker(t, c), make(chan error, 1)
			go func() { _, err := s.Render(ctx, Utterance{Text: "да"}); answer <- err }()
			eventually(t, "the engine runs", func() bool { return len(pids(notes)) == 2 })
			cancel()
			if err := <-answer; fault.CodeOf(err) != fault.Media {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, notes := fakeBinary(t, "engine", "hang")
			run(t, &Command{Argv: []string{path}}, notes)
			for _, pid := range pids(notes) {
				eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return ended(pid) })
			}
			if len(pids(notes)) < 2 {
				t.Error("the engine has not run")
			}
		})
	}
}

// TestOrphan takes the audio of an engine whose child keeps the pipe open.
func TestOrphan(t *testing.T) {
	path, notes := fakeBinary(t, "engine", "orphan")
	say(t, speaker(t, &Command{Argv: []string{path}}), "да")
	for _, pid := range pids(notes) {
		eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return ended(pid) })
	}
}

// TestCrashedEngine: the child of an engine that has failed goes with it.
func TestCrashedEngine(t *testing.T) {
	path, notes := fakeBinary(t, "engine", "crash")
	if _, err := speaker(t, &Command{Argv: []string{path}}).Render(context.Background(), Utterance{Text: "да"}); !strings.Contains(fmt.Sprint(err), "exit status 3") {
		t.Error(err)
	}
	left := pids(notes)
	if len(left) != 2 {
		t.Fatal("the engine has not run")
	}
	for _, pid := range left {
		eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return ended(pid) })
	}
}

func pids(notes string) (out []int) {
	b, err := os.ReadFile(filepath.Join(notes, "pids"))
	if err != nil {
		return nil
	}
	var engine, child int
	if n, _ := fmt.Sscan(string(b), &engine, &child); n == 2 {
		out = []int{engine, child}
	}
	return out
}

// ended reports whether a process is gone or only waits to be reaped.
func ended(pid int) bool {
	if unix.Kill(pid, 0) == unix.ESRCH {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestHTTP(t *testing.T) {
	var got speechRequest
	var auth string
	answers := map[string]func(w http.ResponseWriter){
		"wav": func(w http.ResponseWriter) { _, _ = w.Write(streamed(make([]byte, 4800), 24000)) },
		"pcm": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "audio/pcm")
			_, _ = w.Write(make([]byte, 4800))
		},
		"denied": func(w http.ResponseWriter) { http.Error(w, `{"error":"bad\nkey"}`, http.StatusUnauthorized) },
		"json": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"error":"no voice"}`))
		},
		"mp3":   func(w http.ResponseWriter) { _, _ = w.Write([]byte("ID3…")) },
		"empty": func(http.ResponseWriter) {},
		"flood": func(w http.ResponseWriter) {
			for range MaxOutput>>20 + 1 {
				_, _ = w.Write(make([]byte, 1<<20))
			}
		},
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v1/audio/speech" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		auth = r.Header.Get("Authorization")
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		answers[got.Model](w)
	}))
	defer srv.Close()
	for _, c := range []struct{ model, format, want string }{
		{"wav", "", ""}, {"wav", "pcm", ""}, {"pcm", "pcm", ""},
		{"denied", "", "401 Unauthorized: {\"error\":\"bad"}, {"json", "", "not audio but"}, {"mp3", "", "no WAV file"}, {"empty", "", "no output"},
		{"empty", "pcm", "holds no audio"}, {"pcm", "wav", "no WAV file"}, {"flood", "pcm", "more than 32 MiB"},
	} {
		h := &HTTP{URL: srv.URL + "/v1/", Token: "secret", Model: c.model, Format: c.format, Speed: 1.5, Voices: Voices{"ru": "nova"}}
		clip, err := speaker(t, h).Render(context.Background(), Utterance{Text: text, Language: "ru-RU"})
		if c.want != "" {
			if fault.CodeOf(err) != fault.Media || !strings.Contains(fmt.Sprint(err), c.want) || strings.Contains(fmt.Sprint(err), "secret") {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		must(t, err)
		checkWAV(t, clip)
		want := speechRequest{Model: c.model, Input: text, Voice: "nova", Format: orDefault(c.format, "wav"), Speed: 1.5}
		if clip.Duration != 100*time.Millisecond || clip.Driver != "http" || got != want || auth != "Bearer secret" {
			t.Errorf("%+v: %+v, asked %+v %s", c, clip, got, auth)
		}
	}
}

func TestHTTPHangs(t *testing.T) {
	entered := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server hears of a caller who leaves
		close(entered)
		<-r.Context().Done()
	}))
	defer srv.Close()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-entered; cancel() }()
	if _, err := speaker(t, &HTTP{URL: srv.URL}).Render(ctx, Utterance{Text: "да"}); fault.CodeOf(err) != fault.Media {
		t.Fatal(err)
	}
}

func TestDetect(t *testing.T) {
	with := func(names ...string) func(string) (string, error) {
		return func(name string) (string, error) {
			if slices.Contains(names, name) {
				return "/usr/bin/" + name, nil
			}
			return "", exec.ErrNotFound
		}
	}
	for name, c := range map[string]struct {
		s    Settings
		want string
		code fault.Code
		hint string
	}{
		"both":         {Settings{LookPath: with("espeak-ng", "RHVoice-test")}, "rhvoice espeak", "", ""},
		"espeak":       {Settings{LookPath: with("espeak-ng")}, "espeak", "", ""},
		"none":         {Settings{LookPath: with()}, "", fault.Media, "apt install espeak-ng"},
		"chosen":       {Settings{Default: "espeak", LookPath: with("espeak-ng", "RHVoice-test")}, "espeak", "", ""},
		"not there":    {Settings{Default: "espeak", LookPath: with("RHVoice-test")}, "", fault.Media, "apt install espeak-ng"},
		"no rhvoice":   {Settings{Default: "rhvoice", LookPath: with("espeak-ng")}, "", fault.Media, "apt install rhvoice rhvoice-russian"},
		"command":      {Settings{Default: "command", Command: Command{Argv: []string{"piper"}}, LookPath: with("piper", "espeak-ng")}, "command espeak", "", ""},
		"no command":   {Settings{Default: "command", LookPath: with("espeak-ng")}, "", fault.Invalid, "speech.tts.command"},
		"gone command": {Settings{Default: "command", Command: Command{Argv: []string{"piper"}}, LookPath: with("espeak-ng")}, "", fault.Media, "install it"},
		"http":         {Settings{Default: "http", HTTP: HTTP{URL: "http://127.0.0.1:8880/v1"}, LookPath: with("espeak-ng", "RHVoice-test")}, "http rhvoice espeak", "", ""},
		"http alone":   {Settings{Default: "http", HTTP: HTTP{URL: "http://127.0.0.1:8880/v1"}, LookPath: with()}, "http", "", ""},
		"no URL":       {Settings{Default: "http", HTTP: HTTP{URL: "file:///etc"}, LookPath: with()}, "", fault.Invalid, "speech.tts.http.url"},
		"other":        {Settings{Default: "yandex", LookPath: with()}, "", fault.Invalid, "espeak, rhvoice"},
	} {
		chain, err := Detect(c.s)
		var names []string
		for _, e := range chain {
			names = append(names, e.Name())
		}
		if strings.Join(names, " ") != c.want || fault.CodeOf(err) != c.code || !strings.Contains(fault.HintOf(err), c.hint) {
			t.Errorf("%s: %v %v, hint %q", name, names, err, fault.HintOf(err))
		}
	}
}
