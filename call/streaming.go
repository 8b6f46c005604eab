package call

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call/stream"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
)

// MaxStreams is how many media streams a leg may have at once.
const MaxStreams = 2

// Streams lets calls open media streams.
type Streams interface {
	// Stream takes a place for one stream of a script. done gives it back,
	// exactly once, with the stream's figures.
	Stream(script, version string) (o stream.Opener, done func(stream.Stats), err error)
}

// StreamOptions are the options of stream.
type StreamOptions struct {
	ID         uint32 // by which the script names it
	URL        string
	Tracks     []media.Track
	Format     stream.Format
	Header     http.Header
	Protocols  []string
	Parameters map[string]string
	Reconnect  int
	Buffer     time.Duration // longest queue of audio from the server
	On         uint32        // function of the script that hears of events; 0 for none
}

// StreamResult is what stream resolves with.
type StreamResult struct {
	EndedBy    string `json:"endedBy"` // server, script, caller, callee
	DurationMs int64  `json:"durationMs"`
	Reconnects int    `json:"reconnects"`
}

// streaming is one stream of a leg.
type streaming struct {
	leg     *Leg
	opts    StreamOptions
	name    string
	tap     *media.Tap
	client  *stream.Client
	began   time.Time
	opens   int
	verb    Verb
	settled bool
}

// Stream carries the leg's audio to a WebSocket server and back until either
// side ends it.
func (l *Leg) Stream(o StreamOptions, v Verb) {
	l.audible(true, v, func() {
		if len(l.streams) >= MaxStreams {
			l.call.deps.Counters.Refused.Add(1)
			v.fail(fault.New(fault.Limit, "stream: this call has %d streams (limit streams)", MaxStreams).WithHint("stop one first: stream.stop()"))
			return
		}
		opener, done, err := l.call.deps.Streams.Stream(l.call.spec.Script, l.call.spec.Version)
		if err != nil {
			l.call.deps.Counters.Refused.Add(1)
			v.fail(err)
			return
		}
		l.startStream(o, opener, done, v)
	})
}

func (l *Leg) startStream(o StreamOptions, opener stream.Opener, done func(stream.Stats), v Verb) {
	c := l.call
	c.streams++
	s := &streaming{leg: l, opts: o, name: c.spec.ID + "-s" + itoa(c.streams), began: c.clk.Now(), verb: v}
	s.tap = media.NewTap(media.TapOptions{
		Inbound: slices.Contains(o.Tracks, media.TrackInbound), Outbound: slices.Contains(o.Tracks, media.TrackOutbound), Feed: o.Buffer,
	})
	if l.streams == nil {
		l.streams = map[uint32]*streaming{}
	}
	l.streams[o.ID] = s
	l.note("stream", "start "+s.name+" "+bareURL(o.URL), v.At)
	l.session.Tap(s.tap)
	from, to := c.caller(), c.spec.To
	direction := "inbound"
	if l.outbound {
		direction = "outbound"
	}
	if l != c.main {
		to = l.Party()
	}
	var client *stream.Client
	ready := make(chan struct{})
	client = stream.Start(stream.Options{
		ID: s.name, Call: c.spec.ID, URL: o.URL, Header: o.Header, Protocols: o.Protocols, Tracks: o.Tracks, Format: o.Format,
		Parameters: o.Parameters, From: from.Number(), To: to.Number(), Direction: direction, Reconnect: o.Reconnect,
		Opener: opener, Tap: s.tap, Clock: c.clk,
		Notify: func(ev stream.Event) {
			if ev.Kind == stream.Ended {
				<-ready
				done(client.Stats())
			}
			c.post(func() { s.event(ev) })
		},
	})
	s.client = client
	close(ready)
}

// bareURL is an address without what may be secret in it.
func bareURL(address string) string {
	bare, _, _ := strings.Cut(address, "?")
	if scheme, rest, ok := strings.Cut(bare, "://"); ok {
		if i := strings.LastIndex(rest, "@"); i >= 0 {
			bare = scheme + "://" + rest[i+1:]
		}
	}
	return bare
}

// event takes what happens on the stream.
func (s *streaming) event(ev stream.Event) {
	if s.settled {
		return
	}
	detail, told := "", map[string]any{}
	switch ev.Kind {
	case stream.Opened:
		s.opens++
		detail, told = "connected", map[string]any{"type": "open", "id": s.name, "reconnect": ev.N}
	case stream.Lost:
		detail, told = "connection lost: "+ev.Err.Error(), map[string]any{"type": "lost", "attempt": ev.N, "reason": ev.Err.Error()}
	case stream.Marked:
		word := map[bool]string{true: "cleared", false: "heard"}[ev.Cleared]
		detail, told = "mark "+quoted(ev.Name)+" "+word, map[string]any{"type": "mark", "name": ev.Name, "heard": !ev.Cleared}
	case stream.Cleared:
		detail, told = "cleared by the server", map[string]any{"type": "clear"}
	case stream.Message:
		detail, told = "message of the server", map[string]any{"type": "message", "body": orNull(ev.Body)}
	case stream.Overflow:
		detail, told = overflowWords[ev.Name], map[string]any{"type": "overflow", "reason": ev.Name}
	case stream.Garbage:
		detail, told = "message refused: "+ev.Err.Error(), map[string]any{"type": "error", "message": ev.Err.Error()}
	case stream.Ended:
		s.ended(ev.Err)
		return
	}
	s.note(detail)
	s.leg.call.callback(s.opts.On, told)
}

var overflowWords = map[string]string{
	"slow":  "the server is too slow: the oldest audio is dropped",
	"flood": "the server sends more than is played: audio is dropped (option buffer)",
}

func orNull(body json.RawMessage) json.RawMessage {
	if len(body) == 0 {
		return json.RawMessage("null")
	}
	return body
}

func (s *streaming) note(detail string) {
	s.leg.note("stream", s.name+": "+detail, s.verb.At)
}

// ended settles the verb of a stream that has ended by itself.
func (s *streaming) ended(err error) {
	if err == nil {
		s.finish("server")
		return
	}
	s.leave(err.Error())
	s.verb.fail(err)
}

// finish settles the verb.
func (s *streaming) finish(by string) {
	if s.settled {
		return
	}
	s.leave("ended by the " + by)
	s.verb.ok(StreamResult{EndedBy: by, DurationMs: s.leg.call.clk.Now().Sub(s.began).Milliseconds(), Reconnects: max(s.opens-1, 0)})
}

// leave takes the stream off its leg.
func (s *streaming) leave(why string) {
	s.settled = true
	st := s.client.Stats()
	detail := why
	if st.Dropped+st.Refused > 0 {
		detail += ", " + itoa(int(st.Dropped)) + " frames to it and " + itoa(int(st.Refused)) + " messages from it were dropped"
	}
	s.note(detail)
	delete(s.leg.streams, s.opts.ID)
	s.client.Stop()
	s.leg.session.Untap(s.tap)
}

// endStreams ends all streams of a leg.
func (l *Leg) endStreams(by string) {
	for _, id := range slices.Sorted(maps.Keys(l.streams)) {
		l.streams[id].finish(by)
	}
}

// streamDigit tells the servers of a key.
func (l *Leg) streamDigit(d byte) {
	for _, s := range l.streams {
		s.client.Digit(string(d))
	}
}

// streamEvent takes an event of a tap.
func (l *Leg) streamEvent(ev media.Event) {
	for _, s := range l.streams {
		switch {
		case s.tap != ev.Tap:
		case ev.Kind == media.FeedMark:
			s.client.Passed(ev.Mark, ev.Completed)
		case ev.Reason == media.ReasonLimit:
			s.ended(fault.New(fault.Limit, "stream: too many listen to this call already"))
		}
	}
}

// StreamCommand is what a script asks of its stream: stop, clear, mark, send.
// A stream that has ended takes nothing.
func (l *Leg) StreamCommand(id uint32, do, name string, body json.RawMessage, at string) {
	s := l.streams[id]
	if s == nil {
		return
	}
	switch do {
	case "stop":
		s.finish("script")
	case "clear":
		s.client.Clear()
		l.note("stream", s.name+": cleared by the script", at)
	case "mark":
		if !s.client.Mark(name) {
			l.note("stream", s.name+": mark "+quoted(name)+" refused: too many wait", at)
		}
	case "send":
		s.client.Send(body)
	}
}
