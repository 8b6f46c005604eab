package testrun

import (
	"encoding/base64"
	"encoding/json"
	"errors"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// What a test does as a server of media streams; the stage's lock is held.

// agentArgs are the arguments of all of it.
type agentArgs struct {
	ID     int             `json:"id"`
	URL    pattern         `json:"url"`
	Why    string          `json:"why"`
	Within span            `json:"within"`
	Text   string          `json:"text"`
	Audio  string          `json:"audio"`
	Do     string          `json:"do"`
	Name   string          `json:"name"`
	Body   json.RawMessage `json:"body"`
}

// addAgent mocks a server.
func (s *stage) addAgent(url pattern) (int, error) {
	if len(s.agents) >= MaxAgents {
		return 0, fault.New(fault.Limit, "streams.on: %d servers already (limit agents)", MaxAgents)
	}
	n := len(s.agents)
	s.agents = append(s.agents, &agent{stage: s, url: url, party: s.party("agent:" + itoa(n)), saying: map[string]func(error){}})
	return n, nil
}

func (h *host) agent(name string, args json.RawMessage) (agentArgs, *agent, error) {
	a, err := read[agentArgs]("streams."+name, args)
	if err != nil {
		return a, nil, err
	}
	if a.ID < 0 || a.ID >= len(h.agents) {
		return a, nil, fault.New(fault.NotFound, "streams: no such server")
	}
	return a, h.agents[a.ID], nil
}

// conn is the latest connection, if it is open.
func (a *agent) conn() *agentConn {
	if len(a.conns) == 0 {
		return nil
	}
	c := a.conns[len(a.conns)-1]
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return nil
	}
	return c
}

func (a *agent) up(verb string) (*agentConn, error) {
	c := a.conn()
	if c == nil || c.start == nil {
		return nil, fault.New(fault.Conflict, "%s: no stream is connected", verb).WithHint("await connected() first")
	}
	return c, nil
}

// agentConnected waits for a start message, and resolves with it.
func (h *host) agentConnected(args json.RawMessage, done func(any, error)) error {
	a, g, err := h.agent("connected", args)
	if err != nil {
		return err
	}
	within := a.Within.or(hearWithin)
	h.await(within, func(late bool) (any, error, bool) {
		if c := g.conn(); c != nil && c.start != nil {
			return c.start, nil, true
		}
		if late {
			return nil, fault.New(test.Failed, "no stream was connected within %s", within), true
		}
		return nil, nil, false
	}, done)
	return nil
}

// agentSays speaks to the party, and resolves when it was heard or cleared.
func (h *host) agentSays(args json.RawMessage, done func(any, error)) error {
	a, g, err := h.agent("says", args)
	if err != nil {
		return err
	}
	c, err := g.up("says")
	if err != nil {
		return err
	}
	audio, err := h.sound(partyArgs{Text: a.Text, Audio: a.Audio})
	if err != nil {
		return err
	}
	g.said++
	mark := "said " + itoa(g.said)
	g.saying[mark] = h.settled(done)
	c.say(map[string]any{"event": "media", "media": map[string]string{"payload": base64.StdEncoding.EncodeToString(encodeAs(c.format, audio.PCM()))}})
	c.say(map[string]any{"event": "mark", "mark": map[string]string{"name": mark}})
	return nil
}

func (c *agentConn) say(v map[string]any) {
	data, err := json.Marshal(v)
	if err != nil {
		return
	}
	c.put(reading{data: data})
}

// agentDo does what is not waited for.
func (h *host) agentDo(args json.RawMessage, done func(any, error)) error {
	a, g, err := h.agent("do", args)
	if err != nil {
		return err
	}
	c, err := g.up(a.Do)
	if err != nil {
		return err
	}
	switch a.Do {
	case "mark":
		c.say(map[string]any{"event": "mark", "mark": map[string]string{"name": a.Name}})
	case "clear", "stop":
		c.say(map[string]any{"event": a.Do})
	case "sends":
		c.say(map[string]any{"event": "message", "message": a.Body})
	case "raw":
		c.put(reading{data: []byte(a.Text)})
	case "hangup":
		c.put(reading{err: &netx.SocketClosed{Status: netx.SocketNormal}})
	case "drops":
		c.put(reading{err: errors.New("the connection broke")})
	}
	h.settled(done)(nil)
	return nil
}

// agentFact is what a mock knows.
func (g *agent) fact(name string) any {
	switch name {
	case "messages":
		if g.messages == nil {
			return []json.RawMessage{}
		}
		return g.messages
	case "marks":
		return append([]string{}, g.marks...)
	case "digits":
		return g.party.digits
	case "heard":
		return g.party.texts()
	case "connections":
		return len(g.conns)
	}
	return nil
}

func (h *host) agentOn(args json.RawMessage) (any, error) {
	a, err := read[agentArgs]("streams.on", args)
	if err == nil {
		err = a.URL.compile()
	}
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addAgent(a.URL)
}

func (h *host) agentRefuses(args json.RawMessage) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, g, err := h.agent("refuses", args)
	if err == nil {
		g.refused = a.Why
	}
	return nil, err
}

func (h *host) agentFact(args json.RawMessage) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	a, g, err := h.agent("fact", args)
	if err != nil {
		return nil, err
	}
	return g.fact(a.Name), nil
}
