package stream

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/media/audio"
)

// server is a WebSocket server in the process.
type server struct {
	refuse func(n int) error // of the n-th connection
	serve  func(n int, p *peer)
	mu     sync.Mutex
	peers  []*peer
	asked  []netx.SocketRequest
	stuck  bool // nothing is read
}

// peer is the server's end of one connection.
type peer struct {
	toClient   chan any // []byte, string (binary), error
	fromClient []map[string]any
	mu         sync.Mutex
	closed     chan struct{}
	once       sync.Once
	status     int
	stuck      bool
}

func (s *server) Open(ctx context.Context, r netx.SocketRequest) (netx.Socket, error) {
	s.mu.Lock()
	n := len(s.asked)
	s.asked = append(s.asked, r)
	s.mu.Unlock()
	if s.refuse != nil {
		if err := s.refuse(n); err != nil {
			return nil, err
		}
	}
	p := &peer{toClient: make(chan any, 10_000), closed: make(chan struct{}), stuck: s.stuck}
	s.mu.Lock()
	s.peers = append(s.peers, p)
	s.mu.Unlock()
	if s.serve != nil {
		go s.serve(n, p)
	}
	return p, nil
}

func (p *peer) Read(context.Context) (bool, []byte, error) {
	select {
	case m := <-p.toClient:
		switch m := m.(type) {
		case error:
			return false, nil, m
		case string:
			return false, []byte(m), nil
		default:
			return true, m.([]byte), nil
		}
	case <-p.closed:
		return false, nil, errors.New("closed by us")
	}
}

func (p *peer) Write(ctx context.Context, _ bool, data []byte) error {
	if p.stuck {
		select {
		case <-p.closed:
		case <-ctx.Done():
		case <-time.After(5 * time.Second): // as netx does
		}
		return errors.New("stuck")
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fromClient = append(p.fromClient, m)
	return nil
}

func (p *peer) Close(status int, _ string) {
	p.once.Do(func() {
		p.status = status
		close(p.closed)
	})
}

func (p *peer) say(v any) {
	data, _ := json.Marshal(v)
	p.toClient <- data
}

func (p *peer) audio(samples int) {
	p.say(map[string]any{"event": "media", "media": map[string]string{"payload": base64.StdEncoding.EncodeToString(make([]byte, samples))}})
}

func (p *peer) heard() []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.fromClient)
}

// kinds are the events of what the server got.
func (p *peer) kinds() (out []string) {
	for _, m := range p.heard() {
		out = append(out, m["event"].(string))
	}
	return out
}

// diary collects events.
type diary struct {
	mu   sync.Mutex
	list []Event
}

func (d *diary) note(e Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, e)
}

func (d *diary) of(k EventKind) (out []Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.list {
		if e.Kind == k {
			out = append(out, e)
		}
	}
	return out
}

// trial is one stream to a fake server, in a bubble of fake time.
type trial struct {
	*Client
	srv  *server
	tap  *media.Tap
	said *diary

	engine  *media.Engine
	session *media.Session // never started: it only takes the tap back
}

func begin(t *testing.T, srv *server, change func(*Options)) *trial {
	t.Helper()
	tr := &trial{srv: srv, tap: media.NewTap(media.TapOptions{Inbound: true, Feed: 10 * time.Second}), said: &diary{}}
	var err error
	if tr.engine, err = media.NewEngine(media.Config{Shards: 1}, clock.NewVirtual(time.Now()), nil); err != nil {
		t.Fatal(err)
	}
	if tr.session, err = tr.engine.Open(media.SessionOptions{}); err != nil {
		t.Fatal(err)
	}
	tr.session.Tap(tr.tap)
	format, _ := FormatNamed("")
	o := Options{
		ID: "c1-s1", Call: "c1", URL: "ws://agent.test/x", Tracks: []media.Track{media.TrackInbound}, Format: format, Reconnect: DefaultReconnect,
		Parameters: map[string]string{"who": "Anna"}, Opener: srv, Tap: tr.tap, Clock: clock.System(), Notify: tr.said.note,
	}
	if change != nil {
		change(&o)
	}
	tr.Client = Start(o)
	synctest.Wait()
	return tr
}

// over ends the trial's goroutines.
func (tr *trial) over() {
	tr.Stop()
	synctest.Wait()
	time.Sleep(10 * time.Second) // of the bubble
	tr.session.Close()
	_ = tr.engine.Close()
	synctest.Wait()
}

func (tr *trial) hear(n int) {
	for i := range n {
		tr.frame(item{frame: []byte{byte(i)}, track: media.TrackInbound, at: time.Duration(i) * audio.FrameDuration})
	}
	synctest.Wait()
}

func (tr *trial) end(t *testing.T) Event {
	t.Helper()
	synctest.Wait()
	ended := tr.said.of(Ended)
	if len(ended) != 1 {
		t.Fatalf("%d ends", len(ended))
	}
	return ended[0]
}

func TestFraming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := begin(t, &server{}, nil)
		p := tr.srv.peers[0]
		tr.hear(2)
		tr.Digit("5")
		tr.Send(json.RawMessage(`{"a":1}`))
		synctest.Wait()
		p.audio(160)
		p.say(map[string]any{"event": "mark", "streamSid": "c1-s1", "mark": map[string]string{"name": "end of answer"}})
		synctest.Wait()
		if tr.tap.Queued() != 20*time.Millisecond {
			t.Fatalf("%v queued", tr.tap.Queued())
		}
		tr.Passed(1, true)
		tr.Passed(77, true) // nobody's mark
		p.say(map[string]any{"event": "clear", "streamSid": "c1-s1"})
		p.say(map[string]any{"event": "message", "message": map[string]int{"b": 2}})
		synctest.Wait()
		tr.over()
		got := p.heard()
		want := []string{
			`{"event":"connected","protocol":"Call","version":"1.0.0"}`,
			`{"event":"start","sequenceNumber":"1","start":{"accountSid":"loopstart","callSid":"c1","customParameters":{"who":"Anna"},"mediaFormat":{"channels":1,"encoding":"audio/x-mulaw","sampleRate":8000},"streamSid":"c1-s1","tracks":["inbound"]},"streamSid":"c1-s1"}`,
			`{"event":"media","media":{"chunk":"1","payload":"AA==","timestamp":"0","track":"inbound"},"sequenceNumber":"2","streamSid":"c1-s1"}`,
			`{"event":"media","media":{"chunk":"2","payload":"AQ==","timestamp":"20","track":"inbound"},"sequenceNumber":"3","streamSid":"c1-s1"}`,
			`{"dtmf":{"digit":"5","track":"inbound_track"},"event":"dtmf","sequenceNumber":"4","streamSid":"c1-s1"}`,
			`{"event":"message","message":{"a":1},"sequenceNumber":"5","streamSid":"c1-s1"}`,
			`{"event":"mark","mark":{"name":"end of answer"},"sequenceNumber":"6","streamSid":"c1-s1"}`,
			`{"event":"stop","sequenceNumber":"7","stop":{"accountSid":"loopstart","callSid":"c1"},"streamSid":"c1-s1"}`,
		}
		for i, m := range got {
			b, _ := json.Marshal(m)
			if i >= len(want) || string(b) != want[i] {
				t.Errorf("message %d is %s", i, b)
			}
		}
		if len(got) != len(want) || p.status != netx.SocketNormal {
			t.Errorf("%d messages, closed with %d", len(got), p.status)
		}
		if m := tr.said.of(Marked); len(m) != 1 || m[0].Name != "end of answer" || m[0].Cleared {
			t.Errorf("%+v", m)
		}
		if m := tr.said.of(Message); len(m) != 1 || string(m[0].Body) != `{"b":2}` {
			t.Errorf("%+v", m)
		}
		if len(tr.said.of(Cleared)) != 1 || tr.end(t).Err != nil {
			t.Errorf("%+v", tr.said.list)
		}
	})
}

func TestTheServerEndsTheStream(t *testing.T) {
	for name, c := range map[string]struct {
		bye  any
		want string // of the error; "" is none
	}{
		"with stop":         {map[string]string{"event": "stop"}, ""},
		"with goodbye":      {&netx.SocketClosed{Status: 1000}, ""},
		"without a status":  {&netx.SocketClosed{Status: 1005}, ""},
		"with its own code": {&netx.SocketClosed{Status: 4009, Reason: "enough"}, ""},
		"in anger":          {&netx.SocketClosed{Status: 1008, Reason: "policy"}, "NETWORK"},
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := begin(t, &server{}, nil)
			if err, ok := c.bye.(error); ok {
				tr.srv.peers[0].toClient <- err
			} else {
				tr.srv.peers[0].say(c.bye)
			}
			e := tr.end(t)
			if c.want == "" && e.Err != nil || c.want != "" && string(fault.CodeOf(e.Err)) != c.want {
				t.Errorf("%s: %v", name, e.Err)
			}
			if len(tr.srv.asked) != 1 {
				t.Errorf("%s: it connects again", name)
			}
			tr.over()
		})
	}
}

func TestTheFirstConnectionIsTriedOnce(t *testing.T) {
	for _, want := range []error{
		fault.New(fault.Denied, "not allowed"), fault.New(fault.Invalid, "no address"), fault.New(fault.Network, "nobody there"),
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := begin(t, &server{refuse: func(int) error { return want }}, nil)
			if e := tr.end(t); !errors.Is(e.Err, want) || len(tr.srv.asked) != 1 {
				t.Errorf("%v: %v after %d", want, e.Err, len(tr.srv.asked))
			}
			tr.over()
		})
	}
}

func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		srv := &server{refuse: func(n int) error {
			if n > 0 && down.Load() {
				return fault.New(fault.Network, "nobody there")
			}
			return nil
		}}
		tr := begin(t, srv, nil)
		began := time.Now()
		srv.peers[0].toClient <- errors.New("reset")
		synctest.Wait()
		tr.hear(10) // nobody takes it
		if tr.Stats().Dropped != 10 {
			t.Errorf("%+v", tr.Stats())
		}
		time.Sleep(500 * time.Millisecond) // the first pause of 250 ms and half of the second
		down.Store(false)
		time.Sleep(400 * time.Millisecond)
		synctest.Wait()
		if len(srv.peers) != 2 || time.Since(began) > time.Second {
			t.Fatalf("%d connections", len(srv.peers))
		}
		start := srv.peers[1].heard()[1]["start"].(map[string]any)
		if start["reconnect"] != 2.0 || start["streamSid"] != "c1-s1" {
			t.Errorf("%v", start)
		}
		if l, o := tr.said.of(Lost), tr.said.of(Opened); len(l) != 2 || l[0].N != 1 || len(o) != 2 || o[1].N != 2 {
			t.Errorf("%+v %+v", l, o)
		}
		tr.over()
	})
}

func TestReconnectGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{serve: func(_ int, p *peer) { p.toClient <- errors.New("reset") }}
		tr := begin(t, srv, func(o *Options) { o.Reconnect = 3 })
		time.Sleep(time.Minute)
		if e := tr.end(t); fault.CodeOf(e.Err) != fault.Network || len(srv.asked) != 4 {
			t.Errorf("%v after %d", e.Err, len(srv.asked))
		}
		tr.over()
	})
}

// A connection that held for long is a new beginning.
func TestReconnectCountsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{serve: func(_ int, p *peer) {
			time.Sleep(stable)
			p.toClient <- errors.New("reset")
		}}
		tr := begin(t, srv, func(o *Options) { o.Reconnect = 1 })
		time.Sleep(10 * stable)
		synctest.Wait()
		if len(tr.said.of(Ended)) != 0 || len(srv.asked) < 9 {
			t.Errorf("%d connections, %+v", len(srv.asked), tr.said.of(Ended))
		}
		tr.over()
	})
}

func TestStopWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &server{serve: func(_ int, p *peer) { p.toClient <- errors.New("reset") }}
		tr := begin(t, srv, nil)
		tr.Stop()
		if e := tr.end(t); e.Err != nil {
			t.Error(e.Err)
		}
		tr.over()
	})
}

// A server that does not read loses the oldest frames, and in the end the
// connection.
func TestSlowServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := begin(t, &server{stuck: true}, func(o *Options) { o.Reconnect = 0 })
		tr.hear(MaxQueued)
		if n := tr.Stats().Dropped; n != 0 {
			t.Fatalf("%d dropped", n)
		}
		tr.hear(50)
		if n, told := tr.Stats().Dropped, tr.said.of(Overflow); n != 50 || len(told) != 1 || told[0].Name != "slow" {
			t.Fatalf("%d dropped, %+v", n, told)
		}
		for range MaxControl + 1 {
			tr.Digit("1")
		}
		time.Sleep(time.Minute)
		if e := tr.end(t); fault.CodeOf(e.Err) != fault.Network {
			t.Error(e.Err)
		}
		tr.over()
	})
}

func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := begin(t, &server{}, nil) // its tap holds 10 s
		for range 520 {
			tr.srv.peers[0].audio(160)
		}
		synctest.Wait()
		if n, told := tr.Stats().Refused, tr.said.of(Overflow); n != 20 || len(told) != 1 || told[0].Name != "flood" {
			t.Fatalf("%d refused, %+v", n, told)
		}
		for i := range MaxMarks + 5 {
			tr.srv.peers[0].say(map[string]any{"event": "mark", "mark": map[string]string{"name": strconv.Itoa(i)}})
		}
		synctest.Wait()
		if n := len(tr.marks); n != MaxMarks {
			t.Fatalf("%d marks wait", n)
		}
		tr.over()
	})
}

// Messages beyond the rate wait with the server.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := begin(t, &server{}, nil)
		for range MaxRate + 100 {
			tr.srv.peers[0].say(map[string]any{"event": "clear"})
		}
		synctest.Wait()
		if n := tr.Stats().Received; n != MaxRate {
			t.Fatalf("%d read at once", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := tr.Stats().Received; n != MaxRate+100 {
			t.Fatalf("%d read", n)
		}
		tr.over()
	})
}

func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := begin(t, &server{}, nil)
		p := tr.srv.peers[0]
		kinds := []any{[]byte("{"), []byte(`{"event":"hello"}`), []byte(`{}`), []byte(`{"event":"media","media":{"payload":"??"}}`), "\x00\x01", []byte(`[1]`)}
		for i := range MaxGarbage - 1 {
			p.toClient <- kinds[i%len(kinds)]
		}
		synctest.Wait()
		if n := len(tr.said.of(Garbage)); n != MaxGarbage-1 || len(tr.said.of(Ended)) != 0 {
			t.Fatalf("%d", n)
		}
		p.toClient <- kinds[0]
		e := tr.end(t)
		if fault.CodeOf(e.Err) != fault.Network || !strings.Contains(e.Err.Error(), "limit garbage") {
			t.Fatal(e.Err)
		}
		tr.over()
	})
}

func TestFormats(t *testing.T) {
	pcm := []int16{0, 100, -100, 32000, -32000}
	for _, f := range Formats {
		got := f.decode(f.encode(pcm))
		if len(got) != len(pcm) {
			t.Fatalf("%s: %v", f.Name, got)
		}
		for i := range pcm {
			if d := int(got[i]) - int(pcm[i]); max(d, -d) > max(8, max(int(pcm[i]), -int(pcm[i]))/16) {
				t.Errorf("%s: %v for %v", f.Name, got, pcm)
			}
		}
	}
	if _, ok := FormatNamed("mp3"); ok {
		t.Error("mp3 is none")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"event":"media","media":{"payload":"AAAA"}}`))
	f.Add([]byte(`{"event":"mark","mark":{"name":"x"}}`))
	f.Add([]byte(`{"event":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parse(data)
		if err == nil && !slices.Contains([]string{"media", "mark", "clear", "stop", "message"}, m.Event) {
			t.Fatalf("%q", m.Event)
		}
	})
}
