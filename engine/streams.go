package engine

import (
	"context"
	"sync"

	"github.com/loopstart/loopstart/call/stream"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// streams are the media streams of all calls: within which rules they connect,
// how many there may be, and what they have done.
type streams struct {
	e      *Engine
	mu     sync.Mutex
	open   int
	total  stream.Stats // of those that have ended
	began  uint64
	turned uint64 // refused by limits.streams
}

// Stream implements call.Streams.
func (s *streams) Stream(script, version string) (stream.Opener, func(stream.Stats), error) {
	limit := s.e.Config().Limits.Streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= limit {
		s.turned++
		return nil, nil, fault.New(fault.Limit, "stream: %d media streams are open (limits.streams)", s.open).
			WithHint("raise limits.streams in loopstart.yaml if the machine can bear it")
	}
	s.open++
	s.began++
	return s.e.fetchers.sockets(s.e.permitted(script, version)), s.done, nil
}

func (s *streams) done(st stream.Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.total.Sent += st.Sent
	s.total.Received += st.Received
	s.total.Dropped += st.Dropped
	s.total.Refused += st.Refused
	s.total.Garbage += st.Garbage
	s.total.Connects += st.Connects
}

// permitted are the hosts that a version of a script may reach.
func (e *Engine) permitted(script, version string) []string {
	v, err := e.scripts.Get(script, version)
	if err != nil {
		return nil
	}
	return e.settings.of(v).Permissions.HTTP
}

// sockets opens WebSockets to a list of hosts, by the rules of fetch.
func (f *fetchers) sockets(hosts []string) stream.Opener {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.world != nil {
		return f.world.Sockets(netx.Rules{Hosts: hosts})
	}
	return netx.NewSockets(netx.Options{Rules: netx.Rules{Hosts: hosts}, Agent: f.agent, TLS: f.tls})
}

// Sockets opens WebSockets within the rules of a script.
type Sockets interface {
	Open(context.Context, netx.SocketRequest) (netx.Socket, error)
}

// streamFigures are the metrics of media streams.
func (e *Engine) streamFigures() []figure {
	s := &e.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	return []figure{
		{"streams", "Media streams open.", false, float64(s.open)},
		{"streams_started_total", "Media streams begun.", true, float64(s.began)},
		{"streams_refused_total", "Media streams refused by limits.streams.", true, float64(s.turned)},
		{"stream_connections_total", "Connections of media streams that have ended.", true, float64(s.total.Connects)},
		{"stream_frames_sent_total", "Frames sent by media streams that have ended.", true, float64(s.total.Sent)},
		{"stream_frames_dropped_total", "Frames that slow servers have lost.", true, float64(s.total.Dropped)},
		{"stream_messages_received_total", "Messages of the servers of media streams that have ended.", true, float64(s.total.Received)},
		{"stream_messages_refused_total", "Messages with audio that did not fit.", true, float64(s.total.Refused)},
		{"stream_messages_garbage_total", "Messages that were none.", true, float64(s.total.Garbage)},
	}
}
