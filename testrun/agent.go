package testrun

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media/audio"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/sound"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// Limits of the servers of media streams in one test.
const (
	MaxAgents        = 100  // mocks
	MaxAgentMessages = 1000 // kept of one mock
)

// agent is a mocked server of media streams. The stage's lock guards it.
type agent struct {
	stage    *stage
	url      pattern
	refused  string
	party    *party // what it hears
	conns    []*agentConn
	messages []json.RawMessage // all but audio
	marks    []string          // that came back
	said     int
	saying   map[string]func(error) // by the mark behind the words
}

// agentConn is the server's end of one connection. It implements netx.Socket.
type agentConn struct {
	agent  *agent
	format string
	start  json.RawMessage
	recent []int16 // the last frame and the one before
	silent int     // frames
	now    time.Duration

	mu      sync.Mutex // of what the client reads
	queue   []reading
	wake    chan struct{}
	reading bool // a message is with the client
	over    bool
}

// reading is a message, or the end, on its way to the client.
type reading struct {
	data []byte
	err  error
}

// sockets opens WebSockets to the mocks, within the rules of a script.
type sockets struct {
	stage *stage
	rules netx.Rules
}

// Open implements engine.Sockets.
func (s sockets) Open(_ context.Context, r netx.SocketRequest) (netx.Socket, error) {
	if err := s.rules.CheckSocket(r.URL); err != nil {
		return nil, err
	}
	s.stage.mu.Lock()
	var found *agent
	for _, a := range s.stage.agents {
		if a.url.address(r.URL) {
			found = a // the latest wins
		}
	}
	if found == nil {
		s.stage.mu.Unlock()
		s.stage.breaks(fault.New(test.Failed, "the stream to %s is not mocked", r.URL).WithHint("add streams.on(%q) before it", bare(r.URL)))
		return nil, fault.New(fault.Network, "websocket: %s: not mocked", hostOf(r.URL))
	}
	defer s.stage.mu.Unlock()
	if found.refused != "" {
		return nil, fault.New(fault.Network, "websocket: %s: %s", hostOf(r.URL), found.refused)
	}
	c := &agentConn{agent: found, wake: make(chan struct{}, 1)}
	found.conns = append(found.conns, c)
	return c, nil
}

// Read implements netx.Socket.
func (c *agentConn) Read(context.Context) (bool, []byte, error) {
	clk := c.agent.stage.clk
	for {
		c.mu.Lock()
		if c.reading {
			c.reading = false
			clk.Busy(-1)
		}
		if c.over {
			c.mu.Unlock()
			return false, nil, errors.New("closed")
		}
		if len(c.queue) > 0 {
			r := c.queue[0]
			c.queue = c.queue[1:]
			c.reading = true
			c.mu.Unlock()
			return true, r.data, r.err
		}
		c.mu.Unlock()
		select {
		case <-c.wake:
		case <-c.agent.stage.closing:
			return false, nil, errors.New("the test is over")
		}
	}
}

// Close implements netx.Socket.
func (c *agentConn) Close(int, string) {
	c.mu.Lock()
	if !c.over {
		c.over = true
		flight := len(c.queue)
		if c.reading {
			c.reading = false
			flight++
		}
		c.agent.stage.clk.Busy(-flight)
		c.queue = nil
	}
	c.mu.Unlock()
	c.rouse()
}

func (c *agentConn) rouse() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// put sends something to the client.
func (c *agentConn) put(r reading) {
	c.mu.Lock()
	if !c.over {
		c.agent.stage.clk.Busy(1)
		c.queue = append(c.queue, r)
	}
	c.mu.Unlock()
	c.rouse()
}

// agentMessage is what a client sends, as far as a mock looks at it.
type agentMessage struct {
	Event string          `json:"event"`
	Start json.RawMessage `json:"start"`
	Media struct {
		Track     string `json:"track"`
		Timestamp string `json:"timestamp"`
		Payload   string `json:"payload"`
	} `json:"media"`
	DTMF struct {
		Digit string `json:"digit"`
	} `json:"dtmf"`
	Mark struct {
		Name string `json:"name"`
	} `json:"mark"`
}

// Write implements netx.Socket.
func (c *agentConn) Write(_ context.Context, _ bool, data []byte) error {
	var m agentMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	s := c.agent.stage
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.Event == "media" {
		c.hear(m)
		return nil
	}
	if a := c.agent; len(a.messages) < MaxAgentMessages {
		a.messages = append(a.messages, append(json.RawMessage(nil), data...))
	}
	switch m.Event {
	case "start":
		c.start = m.Start
		var start struct {
			Format struct {
				Encoding string `json:"encoding"`
			} `json:"mediaFormat"`
		}
		_ = json.Unmarshal(m.Start, &start) // ours
		c.format = start.Format.Encoding
	case "dtmf":
		c.agent.party.digits += m.DTMF.Digit
	case "mark":
		if f := c.agent.saying[m.Mark.Name]; f != nil {
			delete(c.agent.saying, m.Mark.Name)
			f(nil)
		} else {
			c.agent.marks = append(c.agent.marks, m.Mark.Name)
		}
	case "stop":
		c.agent.hush(s.clk.Now())
	}
	s.poke()
	return nil
}

// hush ends what is heard and said; the lock is held.
func (a *agent) hush(at time.Time) {
	a.party.fallSilent(nil, at)
	for name, f := range a.saying {
		delete(a.saying, name)
		f(nil)
	}
}

// quietFrames is how many frames of silence end an utterance.
const quietFrames = int(pause / audio.FrameDuration)

// hear takes a frame of what the party says.
func (c *agentConn) hear(m agentMessage) {
	body, err := base64.StdEncoding.DecodeString(m.Media.Payload)
	if err != nil || m.Media.Track != "inbound" {
		return
	}
	s, p, pcm := c.agent.stage, c.agent.party, decodeAs(c.format, body)
	c.recent = append(c.recent, pcm...)
	if n := len(c.recent) - 2*audio.FrameSamples; n > 0 {
		c.recent = c.recent[n:]
	}
	for _, mark := range sound.FindMarks(c.recent) {
		if u, over, ok := s.voice.of(mark); ok {
			p.hear(nil, u, s.clk.Now().Add(-over), s.clk.Now())
		}
	}
	if c.silent++; audible(pcm) {
		c.silent = 0
	}
	if c.silent == quietFrames {
		p.fallSilent(nil, s.clk.Now().Add(-pause))
	}
	s.poke()
}

// audible tells sound from silence, as phones do.
func audible(pcm []int16) bool {
	sum := 0
	for _, v := range pcm {
		sum += int(max(v, -v))
	}
	return sum > 256*len(pcm)
}

func decodeAs(encoding string, b []byte) []int16 {
	law := codec.PCMU
	switch encoding {
	case "audio/x-l16":
		pcm := make([]int16, len(b)/2)
		for i := range pcm {
			pcm[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
		}
		return pcm
	case "audio/x-alaw":
		law = codec.PCMA
	}
	pcm := make([]int16, len(b))
	law.Decode(pcm, b)
	return pcm
}

func encodeAs(encoding string, pcm []int16) []byte {
	law := codec.PCMU
	switch encoding {
	case "audio/x-l16":
		out := make([]byte, 0, 2*len(pcm))
		for _, v := range pcm {
			out = binary.LittleEndian.AppendUint16(out, uint16(v))
		}
		return out
	case "audio/x-alaw":
		law = codec.PCMA
	}
	out := make([]byte, len(pcm))
	law.Encode(out, pcm)
	return out
}
