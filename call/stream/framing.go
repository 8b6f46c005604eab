package stream

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/loopstart/loopstart/media/codec"
)

// Format is how audio travels inside messages; always 8000 Hz, one channel.
type Format struct {
	Name     string // as scripts say it
	Encoding string // as start messages say it
	codec    *codec.Codec
}

// Formats are those that exist, the default first.
var Formats = []Format{
	{"mulaw", "audio/x-mulaw", codec.PCMU},
	{"alaw", "audio/x-alaw", codec.PCMA},
	{"l16", "audio/x-l16", nil}, // signed 16 bit, little endian
}

// FormatNamed finds a format; "" is the default.
func FormatNamed(name string) (Format, bool) {
	for _, f := range Formats {
		if f.Name == name || name == "" {
			return f, true
		}
	}
	return Format{}, false
}

func (f Format) encode(pcm []int16) []byte {
	if f.codec != nil {
		out := make([]byte, len(pcm))
		f.codec.Encode(out, pcm)
		return out
	}
	out := make([]byte, 0, 2*len(pcm))
	for _, s := range pcm {
		out = binary.LittleEndian.AppendUint16(out, uint16(s))
	}
	return out
}

func (f Format) decode(b []byte) []int16 {
	if f.codec != nil {
		pcm := make([]int16, len(b))
		f.codec.Decode(pcm, b)
		return pcm
	}
	pcm := make([]int16, len(b)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return pcm
}

// What we send. Numbers are texts, as servers of this framing expect.

type connectedMessage struct {
	Event    string `json:"event"`
	Protocol string `json:"protocol"`
	Version  string `json:"version"`
}

type startMessage struct {
	Event     string    `json:"event"`
	Sequence  string    `json:"sequenceNumber"`
	StreamSID string    `json:"streamSid"`
	Start     startBody `json:"start"`
}

type startBody struct {
	StreamSID  string            `json:"streamSid"`
	AccountSID string            `json:"accountSid"`
	CallSID    string            `json:"callSid"`
	Tracks     []string          `json:"tracks"`
	Format     mediaFormat       `json:"mediaFormat"`
	Parameters map[string]string `json:"customParameters"`
	From       string            `json:"from,omitempty"`
	To         string            `json:"to,omitempty"`
	Direction  string            `json:"direction,omitempty"`
	Reconnect  int               `json:"reconnect,omitempty"`
}

type mediaFormat struct {
	Encoding   string `json:"encoding"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
}

type outMessage struct {
	Event     string          `json:"event"`
	Sequence  string          `json:"sequenceNumber"`
	StreamSID string          `json:"streamSid"`
	Media     *mediaBody      `json:"media,omitempty"`
	DTMF      *dtmfBody       `json:"dtmf,omitempty"`
	Mark      *markBody       `json:"mark,omitempty"`
	Stop      *stopBody       `json:"stop,omitempty"`
	Message   json.RawMessage `json:"message,omitempty"`
}

type mediaBody struct {
	Track     string `json:"track"`
	Chunk     string `json:"chunk"`
	Timestamp string `json:"timestamp"` // ms since the stream began
	Payload   string `json:"payload"`
}

type dtmfBody struct {
	Track string `json:"track"`
	Digit string `json:"digit"`
}

type markBody struct {
	Name string `json:"name"`
}

type stopBody struct {
	AccountSID string `json:"accountSid"`
	CallSID    string `json:"callSid"`
}

// account stands where servers expect the name of an account.
const account = "loopstart"

// inMessage is what a server may send: media, mark, clear, stop, message.
type inMessage struct {
	Event string `json:"event"`
	Media struct {
		Payload string `json:"payload"`
	} `json:"media"`
	Mark struct {
		Name string `json:"name"`
	} `json:"mark"`
	Message json.RawMessage `json:"message"`

	audio []byte
}

// parse reads a message of the server.
func parse(data []byte) (m inMessage, err error) {
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("no JSON: %w", err)
	}
	switch m.Event {
	case "media":
		if m.audio, err = base64.StdEncoding.DecodeString(m.Media.Payload); err != nil {
			return m, fmt.Errorf("media: the payload is no base64: %w", err)
		}
	case "mark", "clear", "stop", "message":
	case "":
		return m, fmt.Errorf("no event")
	default:
		return m, fmt.Errorf("no event %q", clip(m.Event))
	}
	return m, nil
}

// clip bounds what of a stranger's text is shown.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func itoa[N int | int64](n N) string { return strconv.FormatInt(int64(n), 10) }
