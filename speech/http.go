package speech

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const (
	// pcmRate is what the OpenAI shape means by "pcm": s16le mono at 24 kHz.
	pcmRate     = 24000
	speechPath  = "/audio/speech"
	maxComplain = 2 << 10
)

// HTTP is a server with OpenAI's POST /v1/audio/speech.
type HTTP struct {
	URL    string // of the API ("http://host:8880/v1") or of the call itself
	Token  string // bearer; "" sends none
	Model  string // "" means tts-1
	Voice  string // when neither utterance nor Voices name one; "" means alloy
	Format string // "wav" (also "") or "pcm"
	Speed  float64
	Voices Voices
	Client *http.Client // nil means one of our own
}

// Name is "http".
func (h *HTTP) Name() string { return "http" }

// Fingerprint holds what is asked for.
func (h *HTTP) Fingerprint(u Utterance) string {
	return strings.Join([]string{h.endpoint(), h.model(), h.voice(u), h.format(), fmt.Sprint(h.Speed)}, "\x01")
}

// Synthesize asks the server.
func (h *HTTP) Synthesize(ctx context.Context, u Utterance) ([]byte, error) {
	body, err := json.Marshal(speechRequest{Model: h.model(), Input: u.Text, Voice: h.voice(u), Format: h.format(), Speed: h.Speed})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.endpoint(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	res, err := h.client().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return h.answer(res)
}

// speechRequest is the body of the call; its field names are OpenAI's.
type speechRequest struct {
	Model  string  `json:"model"`
	Input  string  `json:"input"`
	Voice  string  `json:"voice"`
	Format string  `json:"response_format"`
	Speed  float64 `json:"speed,omitempty"`
}

func (h *HTTP) answer(res *http.Response) ([]byte, error) {
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxComplain)) // it is only to be shown
		return nil, fmt.Errorf("%s: %s", res.Status, oneLine(string(text)))
	}
	out, err := io.ReadAll(io.LimitReader(res.Body, MaxOutput+1))
	switch {
	case err != nil:
		return nil, err
	case len(out) > MaxOutput:
		return nil, fmt.Errorf("more than %d MiB of output", MaxOutput>>20)
	case bytes.HasPrefix(out, []byte("RIFF")): // some servers send WAV whatever was asked
		return out, nil
	case strings.Contains(res.Header.Get("Content-Type"), "json"), strings.Contains(res.Header.Get("Content-Type"), "text/"):
		return nil, fmt.Errorf("not audio but %s", oneLine(string(out)))
	case h.format() == "pcm":
		return wrapPCM(out, pcmRate), nil
	}
	return out, nil // repairWAV says what is wrong with it
}

func (h *HTTP) endpoint() string {
	u := strings.TrimRight(h.URL, "/")
	if strings.HasSuffix(u, speechPath) {
		return u
	}
	return u + speechPath
}

func (h *HTTP) model() string            { return orDefault(h.Model, "tts-1") }
func (h *HTTP) format() string           { return orDefault(h.Format, "wav") }
func (h *HTTP) voice(u Utterance) string { return h.Voices.pick(u, orDefault(h.Voice, "alloy")) }

func (h *HTTP) client() *http.Client {
	if h.Client != nil {
		return h.Client
	}
	return http.DefaultClient
}
