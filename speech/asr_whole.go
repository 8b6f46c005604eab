package speech

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

// whole is a Recognition for recognisers that want an utterance in one piece.
type whole struct {
	pcm []byte
	do  func(ctx context.Context, wav []byte) (Transcript, error)
}

// Write implements Recognition.
func (w *whole) Write(pcm []int16) error {
	for _, s := range pcm {
		w.pcm = binary.LittleEndian.AppendUint16(w.pcm, uint16(s))
	}
	return nil
}

// Finish implements Recognition.
func (w *whole) Finish(ctx context.Context) (Transcript, error) {
	return w.do(ctx, wrapPCM(w.pcm, asrRate))
}

// Close implements Recognition; what Finish does ends with its context.
func (w *whole) Close() {}

const transcriptionPath = "/audio/transcriptions"

// Transcriber is a server with OpenAI's POST /v1/audio/transcriptions.
type Transcriber struct {
	Label  string // its name in the chain; "" means openai
	URL    string // of the API ("http://host:8000/v1") or of the call itself
	Token  string // bearer; "" sends none
	Model  string // "" means whisper-1
	Client *http.Client
}

// Name is the name in the chain.
func (h *Transcriber) Name() string { return orDefault(h.Label, "openai") }

// Open begins to keep an utterance.
func (h *Transcriber) Open(_ context.Context, o ListenOptions) (Recognition, error) {
	return &whole{do: func(ctx context.Context, wav []byte) (Transcript, error) { return h.ask(ctx, wav, o) }}, nil
}

func (h *Transcriber) ask(ctx context.Context, wav []byte, o ListenOptions) (t Transcript, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file, err := form.CreateFormFile("file", "utterance.wav")
	if err == nil {
		_, err = file.Write(wav)
	}
	fields := [][2]string{
		{"model", orDefault(h.Model, "whisper-1")}, {"response_format", "json"}, {"language", base(o.Language)}, {"prompt", strings.Join(o.Hints, ", ")},
	}
	for _, f := range fields {
		if err == nil && f[1] != "" {
			err = form.WriteField(f[0], f[1])
		}
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		return t, err
	}
	url := strings.TrimRight(h.URL, "/")
	if !strings.HasSuffix(url, transcriptionPath) && !strings.HasSuffix(url, "/inference") { // whisper.cpp's own path
		url += transcriptionPath
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, &body)
	if err != nil {
		return t, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	if h.Token != "" {
		req.Header.Set("Authorization", "Bearer "+h.Token)
	}
	client := h.Client
	if client == nil {
		client = http.DefaultClient
	}
	res, err := client.Do(req)
	if err != nil {
		return t, err
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(io.LimitReader(res.Body, maxTranscript+1))
	switch {
	case err != nil:
		return t, err
	case res.StatusCode != http.StatusOK:
		return t, fmt.Errorf("%s: %s", res.Status, oneLine(string(out)))
	}
	return readTranscript(out)
}

// maxTranscript is how many bytes a recogniser may answer with.
const maxTranscript = 64 << 10

// readTranscript reads {"text", "confidence", "alternatives"}, or plain text.
func readTranscript(out []byte) (t Transcript, err error) {
	if len(out) > maxTranscript {
		return t, fmt.Errorf("more than %d KiB of text", maxTranscript>>10)
	}
	text := strings.TrimSpace(strings.ToValidUTF8(string(out), ""))
	if !strings.HasPrefix(text, "{") {
		t.Text = strings.Join(strings.Fields(text), " ")
		return t, nil
	}
	var o struct {
		Text         *string       `json:"text"`
		Confidence   float64       `json:"confidence"`
		Alternatives []Alternative `json:"alternatives"`
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil || o.Text == nil {
		return t, fmt.Errorf("no transcript but %s", oneLine(text))
	}
	return Transcript{Text: strings.TrimSpace(*o.Text), Confidence: o.Confidence, Alternatives: o.Alternatives}, nil
}

// CommandRecognizer is a program that gets a WAV file on its standard input and
// prints the text, or {"text", "confidence", "alternatives"}. LOOPSTART_LANGUAGE
// and LOOPSTART_HINTS (one a line) are in its environment.
type CommandRecognizer struct {
	Label string // its name in the chain; "" means command
	Argv  []string
}

// Name is the name in the chain.
func (c *CommandRecognizer) Name() string { return orDefault(c.Label, "command") }

// Open begins to keep an utterance.
func (c *CommandRecognizer) Open(_ context.Context, o ListenOptions) (Recognition, error) {
	if len(c.Argv) == 0 {
		return nil, fmt.Errorf("no command")
	}
	return &whole{do: func(ctx context.Context, wav []byte) (Transcript, error) {
		out, err := run(ctx, c.Argv, string(wav), "LOOPSTART_LANGUAGE="+o.Language, "LOOPSTART_HINTS="+strings.Join(o.Hints, "\n"))
		if err != nil {
			return Transcript{}, err
		}
		return readTranscript(out)
	}}, nil
}
