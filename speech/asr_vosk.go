package speech

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/loopstart/loopstart/internal/netx"
)

// Sockets opens WebSockets.
type Sockets interface {
	Open(context.Context, netx.SocketRequest) (netx.Socket, error)
}

// Vosk is a server with the WebSocket protocol of vosk-server: it hears while
// the caller speaks.
type Vosk struct {
	Label        string // its name in the chain; "" means vosk
	URL          string // ws://host:2700
	Alternatives int    // readings that are asked for; 0 asks for words with confidence
	Sockets      Sockets
}

// voskEnd is what the server compares byte by byte.
const voskEnd = `{"eof" : 1}`

// unknown is the word that the server says for what is not in the phrase list.
const unknown = "[unk]"

// Name is the name in the chain.
func (v *Vosk) Name() string { return orDefault(v.Label, "vosk") }

// Open connects and sends the configuration.
func (v *Vosk) Open(ctx context.Context, o ListenOptions) (Recognition, error) {
	sock, err := v.Sockets.Open(ctx, netx.SocketRequest{URL: v.URL})
	if err != nil {
		return nil, err
	}
	config := map[string]any{"sample_rate": asrRate, "words": v.Alternatives == 0, "max_alternatives": v.Alternatives}
	if len(o.Hints) > 0 {
		config["phrase_list"] = append(append([]string{}, o.Hints...), unknown)
	}
	body, err := json.Marshal(map[string]any{"config": config})
	if err == nil {
		err = sock.Write(ctx, true, body)
	}
	if err != nil {
		sock.Close(netx.SocketNormal, "")
		return nil, err
	}
	u := &voskUtterance{sock: sock, over: make(chan struct{})}
	go u.read()
	return u, nil
}

// voskUtterance is one connection.
type voskUtterance struct {
	sock netx.Socket
	over chan struct{} // closed when the server has said everything
	once sync.Once

	mu      sync.Mutex
	results []voskAnswer
	err     error
}

// voskAnswer is one message of the server.
type voskAnswer struct {
	Partial string `json:"partial"`
	Text    string `json:"text"`
	Result  []struct {
		Conf float64 `json:"conf"`
	} `json:"result"`
	Alternatives []Alternative `json:"alternatives"`
}

func (u *voskUtterance) read() {
	defer close(u.over)
	for {
		_, data, err := u.sock.Read(context.Background()) // ended by Close
		if err != nil {
			u.end(err)
			return
		}
		var a voskAnswer
		if json.Unmarshal(data, &a) != nil {
			u.end(fmt.Errorf("not JSON: %s", oneLine(string(data))))
			return
		}
		u.mu.Lock()
		if a.Text != "" || len(a.Alternatives) > 0 {
			u.results = append(u.results, a)
		}
		u.mu.Unlock()
	}
}

func (u *voskUtterance) end(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if bye, ok := errors.AsType[*netx.SocketClosed](err); !ok || bye.Status != netx.SocketNormal && bye.Status != 1005 {
		u.err = err
	}
}

// Write implements Recognition.
func (u *voskUtterance) Write(pcm []int16) error {
	const most = asrRate / 5 // 200 ms: the server answers each chunk
	for len(pcm) > 0 {
		n := min(len(pcm), most)
		out := make([]byte, 0, 2*n)
		for _, s := range pcm[:n] {
			out = binary.LittleEndian.AppendUint16(out, uint16(s))
		}
		if err := u.sock.Write(context.Background(), false, out); err != nil {
			return err
		}
		pcm = pcm[n:]
	}
	return nil
}

// Finish implements Recognition.
func (u *voskUtterance) Finish(ctx context.Context) (Transcript, error) {
	if err := u.sock.Write(ctx, true, []byte(voskEnd)); err != nil {
		return Transcript{}, err
	}
	select {
	case <-u.over:
	case <-ctx.Done():
		return Transcript{}, context.Cause(ctx)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.err != nil && len(u.results) == 0 {
		return Transcript{}, u.err
	}
	return joinVosk(u.results), nil
}

// Close implements Recognition.
func (u *voskUtterance) Close() { u.once.Do(func() { u.sock.Close(netx.SocketNormal, "") }) }

// joinVosk makes one transcript of the finals of an utterance: a pause inside
// it is an end for the server.
func joinVosk(answers []voskAnswer) (t Transcript) {
	var texts []string
	sum, words := 0.0, 0
	for _, a := range answers {
		text := a.Text
		if len(a.Alternatives) > 0 {
			text = a.Alternatives[0].Text
			t.Alternatives = append(t.Alternatives, a.Alternatives[1:]...)
		}
		if text = strings.Join(strings.Fields(strings.ReplaceAll(text, unknown, "")), " "); text != "" {
			texts = append(texts, text)
		}
		for _, w := range a.Result {
			sum, words = sum+w.Conf, words+1
		}
	}
	t.Text = strings.Join(texts, " ")
	if words > 0 {
		t.Confidence = math.Round(sum/float64(words)*1000) / 1000
	}
	if len(texts) > 1 {
		t.Alternatives = nil // of parts, not of the whole
	}
	return t
}
