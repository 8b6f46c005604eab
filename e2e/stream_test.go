package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/e2e/internal/phone"
	"github.com/loopstart/loopstart/media/codec"
)

// agent is a media stream server: it keeps what it gets and says what a test
// tells it.
type agent struct {
	*httptest.Server
	mu    sync.Mutex
	conns []*websocket.Conn
	got   []agentMessage
	auth  string
}

type agentMessage struct {
	Event     string `json:"event"`
	StreamSID string `json:"streamSid"`
	Start     struct {
		CallSID    string            `json:"callSid"`
		Tracks     []string          `json:"tracks"`
		Parameters map[string]string `json:"customParameters"`
	} `json:"start"`
	Media struct {
		Track   string `json:"track"`
		Payload string `json:"payload"`
	} `json:"media"`
	DTMF struct {
		Digit string `json:"digit"`
	} `json:"dtmf"`
	Mark struct {
		Name string `json:"name"`
	} `json:"mark"`
}

func newAgent(t testing.TB) *agent {
	a := &agent{}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.kill)
	return a
}

// address is the agent's as scripts write it.
func (a *agent) address() string { return "ws" + strings.TrimPrefix(a.URL, "http") + "/media" }

func (a *agent) host() string { return strings.TrimPrefix(a.URL, "http://") }

func (a *agent) serve(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	a.mu.Lock()
	a.conns = append(a.conns, c)
	a.auth = r.Header.Get("Authorization")
	a.mu.Unlock()
	for {
		_, data, err := c.Read(context.Background())
		if err != nil {
			return
		}
		var m agentMessage
		if json.Unmarshal(data, &m) == nil {
			a.mu.Lock()
			a.got = append(a.got, m)
			a.mu.Unlock()
		}
	}
}

// kill ends the server as a crash does: no goodbye, nobody at the port.
func (a *agent) kill() {
	a.mu.Lock()
	for _, c := range a.conns {
		_ = c.CloseNow()
	}
	a.mu.Unlock()
	a.Close()
}

func (a *agent) say(t testing.TB, m map[string]any) {
	t.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	c := a.conns[len(a.conns)-1]
	a.mu.Unlock()
	if err := c.Write(context.Background(), websocket.MessageText, data); err != nil {
		t.Fatal(err)
	}
}

// tone sends a tone all at once, in messages of 20 ms.
func (a *agent) tone(t testing.TB, hz float64, d time.Duration) {
	t.Helper()
	pcm := make([]int16, 160)
	body := make([]byte, 160)
	source := phone.Tone(hz)
	for n := range int(d / (20 * time.Millisecond)) {
		for i := range pcm {
			pcm[i] = source(n*160 + i)
		}
		codec.PCMU.Encode(body, pcm)
		a.say(t, map[string]any{"event": "media", "media": map[string]string{"payload": base64.StdEncoding.EncodeToString(body)}})
	}
}

// of are the messages of one event.
func (a *agent) of(event string) (out []agentMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, m := range a.got {
		if m.Event == event {
			out = append(out, m)
		}
	}
	return out
}

// heard is the audio of a track.
func (a *agent) heard(track string) (out []int16) {
	for _, m := range a.of("media") {
		if b, err := base64.StdEncoding.DecodeString(m.Media.Payload); m.Media.Track == track && err == nil {
			pcm := make([]int16, len(b))
			codec.PCMU.Decode(pcm, b)
			out = append(out, pcm...)
		}
	}
	return out
}

func TestStream(t *testing.T) {
	t.Parallel()
	a, mortal := newAgent(t), newAgent(t)
	p := serve(t, files{
		"agent.ts": `
export const config = { permissions: { http: ["` + a.host() + `"] } };
export default async function (call) {
  const seen = [];
  const s = call.stream("` + a.address() + `", { track: "both", parameters: { lang: "ru", n: 1 }, headers: { authorization: "Bearer x" } });
  s.on("open", () => seen.push("open"));
  s.on("mark", e => seen.push(e.name + (e.heard ? " heard" : " cleared")));
  const end = await s;
  call.result = { seen, endedBy: end.endedBy, opened: await s.opened };
  await call.play("tone:500/400ms");
}`,
		"mortal.ts": `
export const config = { permissions: { http: ["` + mortal.host() + `"] } };
export default async function (call) {
  try {
    await call.stream("` + mortal.address() + `", { reconnect: 1 });
  } catch (e) {
    call.result = e.code;
  }
  await call.play("tone:500/400ms");
}`,
		"denied.ts": `
export default async function (call) {
  await call.answer();
  try { await call.stream("` + a.address() + `"); } catch (e) { call.result = [e.code, e.hint]; }
}`,
	}, conf{})

	t.Run("audio both ways, marks, clear, keys", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := phone.New(t, "+79000000201", "127.0.0.1").Call(p.uri("agent"), p.sip)
		c.Talk(5 * time.Second)
		c.Media.Play(phone.Tone(700))
		eventually(t, "the caller's tone at the agent", 10*time.Second, func() bool {
			return phone.ToneTime(a.heard("inbound"), 700) > 300*time.Millisecond
		})
		start := a.of("start")
		if len(start) != 1 || start[0].Start.Parameters["lang"] != "ru" || start[0].Start.Parameters["n"] != "1" || len(start[0].Start.Tracks) != 2 || a.auth != "Bearer x" {
			t.Errorf("%+v %q", start, a.auth)
		}
		mark := c.Media.Mark()
		a.tone(t, 1000, 600*time.Millisecond)
		a.say(t, map[string]any{"event": "mark", "mark": map[string]string{"name": "m1"}})
		c.Media.WaitTone(1000, 400*time.Millisecond, mark, 10*time.Second)
		eventually(t, "the mark of what was heard", 5*time.Second, func() bool { return len(a.of("mark")) == 1 })
		if phone.ToneTime(a.heard("outbound"), 1000) < 300*time.Millisecond {
			t.Error("the outbound track does not hold what the caller heard")
		}
		mark = c.Media.Mark()
		a.tone(t, 1300, 20*time.Second)
		a.say(t, map[string]any{"event": "mark", "mark": map[string]string{"name": "m2"}})
		c.Media.WaitTone(1300, 200*time.Millisecond, mark, 10*time.Second)
		a.say(t, map[string]any{"event": "clear"})
		eventually(t, "the mark that was cleared", 5*time.Second, func() bool { return len(a.of("mark")) == 2 })
		mark = c.Media.Mark()
		c.Media.Press("7")
		eventually(t, "the key", 5*time.Second, func() bool { d := a.of("dtmf"); return len(d) == 1 && d[0].DTMF.Digit == "7" })
		if d := phone.ToneTime(c.Media.Since(mark), 1300); d > 0 {
			t.Errorf("%s are still heard after the clear", d)
		}
		a.say(t, map[string]any{"event": "stop"})
		c.Media.WaitTone(500, 200*time.Millisecond, mark, 10*time.Second)
		c.Request("BYE", 10*time.Second)
		if r := p.ended("+79000000201"); string(r.Result) != `{"seen":["open","m1 heard","m2 cleared"],"endedBy":"server","opened":true}` {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("the server is killed and the call goes on", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := phone.New(t, "+79000000202", "127.0.0.1").Call(p.uri("mortal"), p.sip)
		c.Talk(5 * time.Second)
		eventually(t, "the stream", 10*time.Second, func() bool { return len(mortal.of("media")) > 5 })
		mark := c.Media.Mark()
		mortal.kill()
		c.Media.WaitTone(500, 200*time.Millisecond, mark, 10*time.Second)
		c.Request("BYE", 10*time.Second)
		if r := p.ended("+79000000202"); string(r.Result) != `"NETWORK"` {
			t.Errorf("%s", r.Result)
		}
	})
	t.Run("a private address must be named", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		c := phone.New(t, "+79000000203", "127.0.0.1").Call(p.uri("denied"), p.sip)
		c.Talk(5 * time.Second)
		c.Request("BYE", 10*time.Second)
		if r := p.ended("+79000000203"); !strings.HasPrefix(string(r.Result), `["DENIED","name it in the script's config`) {
			t.Errorf("%s", r.Result)
		}
	})
}
