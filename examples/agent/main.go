// A small voice agent without a brain: it greets with a tone, says back what
// the caller says, stops when it is interrupted by a key, and hands over to an
// operator when 0 is pressed. It shows the messages that a real one exchanges.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"log"
	"math"
	"net/http"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/detect"
)

// message is what comes and goes, as far as this agent cares.
type message struct {
	Event     string     `json:"event"`
	StreamSID string     `json:"streamSid,omitempty"`
	Start     *startBody `json:"start,omitempty"`
	Media     *mediaBody `json:"media,omitempty"`
	Mark      *markBody  `json:"mark,omitempty"`
	DTMF      *dtmfBody  `json:"dtmf,omitempty"`
	Message   any        `json:"message,omitempty"`
}

type (
	startBody struct {
		CallSID    string            `json:"callSid"`
		Parameters map[string]string `json:"customParameters"`
	}
	mediaBody struct {
		Payload string `json:"payload"`
	}
	markBody struct {
		Name string `json:"name"`
	}
	dtmfBody struct {
		Digit string `json:"digit"`
	}
)

func main() {
	listen := flag.String("listen", "127.0.0.1:9300", "address")
	flag.Parse()
	http.HandleFunc("/media", serve)
	log.Printf("an agent that echoes, at ws://%s/media", *listen)
	log.Fatal(http.ListenAndServe(*listen, nil))
}

// serve talks with one caller.
func serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.CloseNow() }()
	a := &agent{conn: conn, vad: detect.VAD{}}
	for {
		_, data, err := conn.Read(r.Context())
		if err != nil {
			log.Print("the stream has ended: ", err)
			return
		}
		var m message
		if json.Unmarshal(data, &m) == nil {
			a.take(r.Context(), m)
		}
	}
}

// agent is one conversation.
type agent struct {
	conn *websocket.Conn
	sid  string
	vad  detect.VAD
	said []byte // by the caller, mu-law
}

func (a *agent) take(ctx context.Context, m message) {
	switch {
	case m.Event == "start" && m.Start != nil:
		a.sid = m.StreamSID
		log.Printf("call %s, parameters %v", m.Start.CallSID, m.Start.Parameters)
		a.play(ctx, tone(880, 400), "greeting")
	case m.Event == "media" && m.Media != nil:
		a.hear(ctx, m.Media.Payload)
	case m.Event == "dtmf" && m.DTMF != nil:
		a.send(ctx, message{Event: "clear"})
		switch m.DTMF.Digit {
		case "0":
			a.send(ctx, message{Event: "message", Message: map[string]string{"intent": "operator"}})
		case "#":
			a.send(ctx, message{Event: "stop"})
		}
	case m.Event == "mark" && m.Mark != nil:
		log.Printf("the caller has heard %q", m.Mark.Name)
	}
}

// hear keeps what the caller says, and says it back after a pause.
func (a *agent) hear(ctx context.Context, payload string) {
	body, err := base64.StdEncoding.DecodeString(payload)
	if err != nil {
		return
	}
	pcm := make([]int16, len(body))
	codec.PCMU.Decode(pcm, body)
	switch a.vad.Frame(pcm) {
	case detect.SpeechBegan:
		a.send(ctx, message{Event: "clear"}) // the caller goes before us
		a.said = nil
	case detect.SpeechEnded:
		a.play(ctx, a.said, "echo")
		a.said = nil
	}
	if a.vad.Speaking() {
		a.said = append(a.said, body...)
	}
}

// play sends audio at once: the other side paces it.
func (a *agent) play(ctx context.Context, ulaw []byte, name string) {
	for len(ulaw) > 0 {
		n := min(len(ulaw), 160)
		a.send(ctx, message{Event: "media", Media: &mediaBody{base64.StdEncoding.EncodeToString(ulaw[:n])}})
		ulaw = ulaw[n:]
	}
	a.send(ctx, message{Event: "mark", Mark: &markBody{name}})
}

func (a *agent) send(ctx context.Context, m message) {
	m.StreamSID = a.sid
	if data, err := json.Marshal(m); err == nil {
		_ = a.conn.Write(ctx, websocket.MessageText, data) // the next read tells
	}
}

// tone is a sound of some milliseconds, mu-law.
func tone(hz float64, ms int) []byte {
	pcm := make([]int16, ms*8)
	for i := range pcm {
		pcm[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(i)/8000))
	}
	out := make([]byte, len(pcm))
	codec.PCMU.Encode(out, pcm)
	return out
}
