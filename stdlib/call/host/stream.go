package host

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/call/stream"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// reserved are headers that belong to the handshake.
var reserved = []string{"Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding"}

// startStream is call.stream; it settles when the stream has ended.
func startStream(q *request) {
	o := struct {
		Stream     uint32            `json:"stream"`
		URL        string            `json:"url"`
		Track      string            `json:"track"`
		Format     string            `json:"format"`
		Parameters map[string]string `json:"parameters"`
		Headers    [][2]string       `json:"headers"`
		Protocols  []string          `json:"protocols"`
		Reconnect  int               `json:"reconnect"`
		BufferMs   int64             `json:"bufferMs"`
	}{Reconnect: stream.DefaultReconnect}
	if !q.read(&o) {
		return
	}
	s := call.StreamOptions{
		ID: o.Stream, On: o.Stream, URL: o.URL, Parameters: o.Parameters, Protocols: o.Protocols, Reconnect: o.Reconnect, Buffer: ms(o.BufferMs),
	}
	var ok bool
	if s.Format, ok = stream.FormatNamed(o.Format); !ok {
		q.verb.Reply(nil, fault.New(fault.Invalid, "stream: no format %q", o.Format))
		return
	}
	if s.Tracks, ok = tracks[strings.TrimSuffix(strings.TrimSuffix(o.Track, "s"), "_track")]; !ok {
		q.verb.Reply(nil, fault.New(fault.Invalid, "stream: no track %q", o.Track))
		return
	}
	if s.Header, ok = q.httpHeader(o.Headers); !ok {
		return
	}
	q.onCancel(func() { q.leg.StreamCommand(o.Stream, "stop", "", nil, q.verb.At) })
	q.leg.Stream(s, q.verb)
}

var tracks = map[string][]media.Track{
	"": {media.TrackInbound}, "inbound": {media.TrackInbound}, "outbound": {media.TrackOutbound},
	"both": {media.TrackInbound, media.TrackOutbound},
}

// httpHeader reads the headers of the handshake.
func (q *request) httpHeader(pairs [][2]string) (http.Header, bool) {
	out := http.Header{}
	for _, p := range pairs {
		name := http.CanonicalHeaderKey(p[0])
		if strings.ContainsAny(p[0]+p[1], "\r\n\x00") || strings.HasPrefix(name, "Sec-Websocket-") {
			q.verb.Reply(nil, fault.New(fault.Invalid, "stream: the header %q cannot be set", p[0]).WithHint("subprotocols are the option protocols"))
			return nil, false
		}
		for _, r := range reserved {
			if name == r {
				q.verb.Reply(nil, fault.New(fault.Invalid, "stream: the header %q cannot be set", p[0]))
				return nil, false
			}
		}
		out.Add(name, p[1])
	}
	return out, true
}

// streamCommand is a method of a stream; it has no answer.
func streamCommand(q *request) {
	var o struct {
		Stream uint32          `json:"stream"`
		Do     string          `json:"do"`
		Name   string          `json:"name"`
		Body   json.RawMessage `json:"body"`
	}
	if q.read(&o) {
		q.leg.StreamCommand(o.Stream, o.Do, o.Name, o.Body, q.verb.At)
		q.verb.Reply(nil, nil)
	}
}
