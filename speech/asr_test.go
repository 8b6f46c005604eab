package speech

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// voskServer speaks vosk-server's protocol: it answers each chunk with what is
// next of says, and the end with the last one.
type voskServer struct {
	*httptest.Server
	mu      sync.Mutex
	config  string
	samples int
	ends    []string
	says    []string
	mute    bool // never answers the end
}

func newVosk(t *testing.T, says ...string) *voskServer {
	s := &voskServer{says: says}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *voskServer) driver() *Vosk {
	host := strings.TrimPrefix(s.URL, "http://")
	return &Vosk{URL: "ws://" + host, Sockets: netx.NewSockets(netx.Options{Rules: netx.Rules{Hosts: []string{host}}})}
}

func (s *voskServer) serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	for chunk := 0; ; {
		kind, data, err := c.Read(ctx)
		if err != nil {
			return
		}
		s.mu.Lock()
		text := string(data)
		switch {
		case kind == websocket.MessageBinary:
			s.samples += len(data) / 2
			answer := `{"partial" : "…"}`
			if chunk < len(s.says)-1 {
				answer = s.says[chunk]
			}
			chunk++
			err = c.Write(ctx, websocket.MessageText, []byte(answer))
		case strings.Contains(text, "config"):
			s.config = text
		default:
			s.ends = append(s.ends, text)
			if !s.mute && text == `{"eof" : 1}` {
				_ = c.Write(ctx, websocket.MessageText, []byte(s.says[len(s.says)-1]))
				s.mu.Unlock()
				_ = c.Close(websocket.StatusNormalClosure, "")
				return
			}
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func hear(t *testing.T, l *Listener, o ListenOptions) (Transcript, error) {
	t.Helper()
	x, err := l.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		x.Write(make([]int16, 160))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return x.Finish(ctx)
}

func TestVosk(t *testing.T) {
	s := newVosk(t, `{"text":"соедините","result":[{"conf":0.9,"word":"соедините"}]}`, `{"text":"с оператором [unk]","result":[{"conf":1},{"conf":0.5}]}`)
	l := NewListener(ListenerOptions{Chain: []Recognizer{s.driver()}})
	got, err := hear(t, l, ListenOptions{Language: "ru-RU", Hints: []string{"да", "нет"}})
	if err != nil || got.Text != "соедините с оператором" || got.Confidence != 0.8 || got.Engine != "vosk" {
		t.Fatalf("%+v %v", got, err)
	}
	var c struct {
		Config struct {
			Rate    int      `json:"sample_rate"`
			Phrases []string `json:"phrase_list"`
		} `json:"config"`
	}
	if json.Unmarshal([]byte(s.config), &c) != nil || c.Config.Rate != 8000 || strings.Join(c.Config.Phrases, " ") != "да нет [unk]" {
		t.Errorf("%s", s.config)
	}
	if s.samples != 8000 || len(s.ends) != 1 {
		t.Errorf("%d samples, %v", s.samples, s.ends)
	}
}

func TestVoskAlternatives(t *testing.T) {
	s := newVosk(t, `{"alternatives":[{"text":"да","confidence":0.8},{"text":"дай","confidence":0.1}]}`)
	d := s.driver()
	d.Alternatives = 2
	got, err := hear(t, NewListener(ListenerOptions{Chain: []Recognizer{d}}), ListenOptions{})
	if err != nil || got.Text != "да" || len(got.Alternatives) != 1 || got.Alternatives[0].Text != "дай" || !strings.Contains(s.config, `"max_alternatives":2`) {
		t.Fatalf("%+v %v %s", got, err, s.config)
	}
}

// transcriptions is a server of the OpenAI shape.
func transcriptions(t *testing.T, answer func(w http.ResponseWriter, form map[string]string, wav []byte)) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/audio/transcriptions" || r.ParseMultipartForm(1<<20) != nil {
			http.NotFound(w, r)
			return
		}
		form := map[string]string{"auth": r.Header.Get("Authorization")}
		for name, v := range r.MultipartForm.Value {
			form[name] = v[0]
		}
		f, _, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), 400)
			return
		}
		wav, _ := io.ReadAll(f)
		answer(w, form, wav)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestTranscriber(t *testing.T) {
	var form map[string]string
	var wav []byte
	s := transcriptions(t, func(w http.ResponseWriter, f map[string]string, b []byte) {
		form, wav = f, b
		_, _ = w.Write([]byte(`{"text": " Да, конечно. "}`))
	})
	l := NewListener(ListenerOptions{Chain: []Recognizer{&Transcriber{URL: s.URL + "/v1", Token: "key", Model: "whisper"}}})
	got, err := hear(t, l, ListenOptions{Language: "ru-RU", Hints: []string{"да", "нет"}})
	if err != nil || got.Text != "Да, конечно." || got.Engine != "openai" {
		t.Fatalf("%+v %v", got, err)
	}
	if form["model"] != "whisper" || form["language"] != "ru" || form["prompt"] != "да, нет" || form["auth"] != "Bearer key" || form["response_format"] != "json" {
		t.Errorf("%v", form)
	}
	if string(wav[:4]) != "RIFF" || len(wav) < 16000 || binary.LittleEndian.Uint32(wav[24:]) != 8000 {
		t.Errorf("%d bytes", len(wav))
	}
}

func TestCommandRecognizer(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   Transcript
		fails  string
	}{
		"text":        {`wc -c >/dev/null; echo "  да   конечно "`, Transcript{Text: "да конечно"}, ""},
		"json":        {`cat >/dev/null; echo '{"text":"да","confidence":0.7,"alternatives":[{"text":"дай"}]}'`, Transcript{Text: "да", Confidence: 0.7, Alternatives: []Alternative{{Text: "дай"}}}, ""},
		"nothing":     {`cat >/dev/null`, Transcript{}, ""},
		"surrounding": {`cat >/dev/null; echo "$LOOPSTART_LANGUAGE $LOOPSTART_HINTS"`, Transcript{Text: "ru-RU да нет"}, ""},
		"wav":         {`head -c 4`, Transcript{Text: "RIFF"}, ""},
		"an error":    {`echo no model >&2; exit 3`, Transcript{}, "no model"},
		"other json":  {`echo '{"hello":1}'`, Transcript{}, "no transcript"},
		"too much":    {`yes | head -c 200000`, Transcript{}, "64 KiB"},
	} {
		l := NewListener(ListenerOptions{Chain: []Recognizer{&CommandRecognizer{Argv: []string{"sh", "-c", c.script}}}})
		got, err := hear(t, l, ListenOptions{Language: "ru-RU", Hints: []string{"да", "нет"}})
		if c.fails != "" {
			if fault.CodeOf(err) != fault.Media || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || got.Text != c.want.Text || got.Confidence != c.want.Confidence || len(got.Alternatives) != len(c.want.Alternatives) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
}

// A recogniser that fails is followed by the next one, which hears everything.
func TestListenerFallsBack(t *testing.T) {
	heard := 0
	s := transcriptions(t, func(w http.ResponseWriter, _ map[string]string, wav []byte) {
		heard = len(wav)
		_, _ = w.Write([]byte(`{"text":"ok"}`))
	})
	mute := newVosk(t, `{"text":""}`)
	mute.mute = true
	gone := newVosk(t, `{"text":""}`)
	lost := gone.driver()
	lost.Label = "gone"
	gone.Close()
	l := NewListener(ListenerOptions{
		Chain:   []Recognizer{lost, mute.driver(), &Transcriber{URL: s.URL + "/v1"}},
		Timeout: 300 * time.Millisecond,
	})
	got, err := hear(t, l, ListenOptions{})
	if err != nil || got.Text != "ok" || got.Engine != "openai" || heard < 16000 {
		t.Fatalf("%+v %v, %d bytes", got, err, heard)
	}
	if st := l.Stats(); st.Failures != 2 || st.Fallbacks != 1 || st.Heard != 1 || st.Open != 0 {
		t.Errorf("%+v", st)
	}
	none := NewListener(ListenerOptions{Chain: []Recognizer{lost}, Timeout: 300 * time.Millisecond})
	if _, err := hear(t, none, ListenOptions{}); fault.CodeOf(err) != fault.Media || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func TestListenerOrder(t *testing.T) {
	chain := []Recognizer{&Vosk{}, &Transcriber{Label: "whisper"}, &CommandRecognizer{}}
	l := NewListener(ListenerOptions{Chain: chain, Languages: map[string][]string{"en": {"whisper"}}})
	for want, o := range map[string]ListenOptions{
		"vosk whisper command": {Language: "ru-RU"},
		"whisper vosk command": {Language: "en-GB"},
		"command whisper vosk": {Language: "en-GB", Engine: "command"},
	} {
		var got []string
		for _, r := range l.now.Load().order(o) {
			got = append(got, r.Name())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%+v: %v", o, got)
		}
	}
	l.Use(ListenerOptions{Chain: chain[1:]})
	if err := l.Ready(ListenOptions{Engine: "vosk"}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a recogniser that is not in the chain any more: %v", err)
	}
	if got := l.now.Load(); len(got.order(ListenOptions{Language: "en"})) != 2 || got.timeout != ASRTimeout {
		t.Errorf("%+v", got)
	}
	if err := l.Ready(ListenOptions{Engine: "voks"}); fault.CodeOf(err) != fault.NotFound {
		t.Error(err)
	}
	if _, err := NewListener(ListenerOptions{}).Listen(ListenOptions{}); fault.CodeOf(err) != fault.Unavailable || !strings.Contains(fault.HintOf(err), "speech") {
		t.Error(err)
	}
}

func TestListenerLimits(t *testing.T) {
	l := NewListener(ListenerOptions{Chain: []Recognizer{&CommandRecognizer{Argv: []string{"cat"}}}})
	var open []*Listening
	for range MaxListening {
		x, err := l.Listen(ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, x)
	}
	if _, err := l.Listen(ListenOptions{}); fault.CodeOf(err) != fault.Limit || l.Stats().Refused != 1 {
		t.Errorf("%v %+v", err, l.Stats())
	}
	for range 3 {
		open[0].Write(make([]int16, int(MaxUtterance/time.Second)*asrRate/2)) // beyond it nothing is kept
	}
	if n := len(open[0].pcm); n != asrSamples {
		t.Errorf("%d samples are kept", n)
	}
	for _, x := range open {
		x.Close()
		<-x.done
	}
	if n := l.Stats().Open; n != 0 {
		t.Errorf("%d are still open", n)
	}
}

func FuzzTranscript(f *testing.F) {
	f.Add([]byte(`{"text":"x"}`))
	f.Add([]byte("да"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tr, err := readTranscript(b); err == nil && len(tr.Text) > maxTranscript*3 {
			t.Fatal(len(tr.Text))
		}
	})
}
