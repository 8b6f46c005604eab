package engine

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

// CallerOptions say whom the built-in caller rings and which keys it presses.
type CallerOptions struct {
	Target string // sip:script@host:port
	Script string // the script that is to take the call whatever the routes say; "" for none
	From   string // user part of From
	Keys   string // digits; ',' waits for the next prompt to end, 'w' 0.5 s
	Record string // WAV file of what is heard; "" for none
	Data   string // call.data as JSON, for scripts of trusted callers
	Steps  bool   // ask for step tracing, which dev grants
	// Press brings keys while the call is up; they follow those of Keys.
	Press <-chan string
	// Hear takes what the caller hears, 20 ms at a time, on a goroutine of its
	// own; the samples are only lent. nil hears nothing.
	Hear    func(pcm []int16)
	Ring    time.Duration
	Clock   clock.Clock
	Log     *slog.Logger
	OnState func(text string)
}

// CallerResult is how the built-in caller's call went.
type CallerResult struct {
	Answered bool
	Sent     bool // the INVITE has left, or nothing tells that it has not
	Code     int
	Reason   string
	Duration time.Duration
}

// pauseAfterVoice is the silence that the caller takes for the end of a prompt.
const pauseAfterVoice = 600 * time.Millisecond

// caller is a phone of its own: endpoint, media engine, one call.
type caller struct {
	o        CallerOptions
	sip      *sip.Endpoint
	media    *media.Engine
	session  *media.Session
	dialog   *sip.Dialog
	events   chan media.Event
	keys     string
	waiting  bool          // for the next prompt to end
	early    bool          // there is audio before the answer
	heardAll chan struct{} // closed when Hear is called no more; nil without it
	file     *os.File      // of Record, until the answer
	res      CallerResult
	since    time.Time
}

// Call rings a target over real SIP and RTP, presses keys, and returns when
// the call is over or ctx ends it.
func Call(ctx context.Context, o CallerOptions) (CallerResult, error) {
	if o.Clock == nil {
		o.Clock = clock.System()
	}
	if o.OnState == nil {
		o.OnState = func(string) {}
	}
	to, err := sip.ParseAddress(o.Target)
	if err != nil || to.Host == "" {
		return CallerResult{}, fault.New(fault.Invalid, "call: %q is no SIP address", o.Target).WithHint("write sip:name@host:port").WithExit(fault.ExitUsage)
	}
	c := &caller{o: o, keys: o.Keys, events: make(chan media.Event, callerEvents)}
	defer c.close()
	if o.Record != "" { // before it rings: a call cannot be taken back
		if c.file, err = os.Create(o.Record); err != nil {
			return CallerResult{}, fault.New(fault.Invalid, "call: --record: %w", err).WithExit(fault.ExitUsage)
		}
	}
	if err := c.open(to); err != nil {
		return CallerResult{}, err
	}
	return c.run(ctx)
}

// callerEvents is how many media events may wait; more are dropped, and only
// the end of a prompt matters.
const callerEvents = 64

// callerAddr is where a call to a host begins: at loopback when it goes there.
func callerAddr(host string) netip.Addr {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	switch {
	case err == nil && a.IsLoopback() && a.Is6():
		return netip.IPv6Loopback()
	case err == nil && a.IsLoopback():
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case err == nil && a.Is6():
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

func (c *caller) open(to sip.Address) (err error) {
	local := callerAddr(to.Host)
	transport := "udp"
	if t, _ := to.Param("transport"); strings.EqualFold(t, "tcp") {
		transport = "tcp"
	}
	c.sip, err = sip.Open(sip.Config{Listen: []sip.Listener{{Transport: transport, Addr: netip.AddrPortFrom(local, 0)}}, Agent: "loopstart-caller"},
		sip.Deps{Clock: c.o.Clock, Log: c.o.Log})
	if err != nil {
		return err
	}
	if c.media, err = media.NewEngine(media.Config{PortMin: 30000, PortMax: 39999, Shards: 1}, c.o.Clock, c.o.Log); err != nil {
		return err
	}
	bind := local
	if local.IsUnspecified() {
		host, _ := parseHost(to.Host)
		bind = c.sip.AdvertisedFor(host)
	}
	c.session, err = c.media.Open(media.SessionOptions{Bind: bind, Voice: pauseAfterVoice, Sink: func(ev media.Event) {
		select {
		case c.events <- ev:
		default:
		}
	}})
	if err != nil {
		return err
	}
	out := sip.Outgoing{
		Target: sip.Target{URI: c.o.Target}, From: sip.Address{User: first(c.o.From, "caller")}, Body: c.session.Offer(), Timeout: c.o.Ring,
	}
	if c.o.Data != "" {
		out.Headers = []sip.Header{{Name: dataHeader, Value: base64.RawURLEncoding.EncodeToString([]byte(c.o.Data))}}
	}
	if c.o.Script != "" {
		out.Headers = append(out.Headers, ScriptHeader(c.o.Script))
	}
	if c.o.Steps {
		out.Headers = append(out.Headers, sip.Header{Name: stepsHeader, Value: "on"})
	}
	c.listen()
	c.dialog, err = c.sip.Dial(out)
	return err
}

// listen hands what comes in to whoever wants to hear it.
func (c *caller) listen() {
	if c.o.Hear == nil {
		return
	}
	c.heardAll = make(chan struct{})
	tap := media.NewTap(media.TapOptions{Inbound: true})
	c.session.Tap(tap)
	go func() {
		defer close(c.heardAll)
		for f := range tap.Frames() {
			c.o.Hear(f.PCM[:])
			tap.Release(f)
		}
	}()
}

func (c *caller) close() {
	if c.session != nil {
		c.session.Close()
	}
	if c.heardAll != nil {
		<-c.heardAll
	}
	if c.media != nil {
		_ = c.media.Close()
	}
	if c.sip != nil {
		c.sip.Close()
	}
	if c.file != nil { // nobody answered
		_ = c.file.Close()
		_ = os.Remove(c.file.Name())
	}
}

func (c *caller) run(ctx context.Context) (CallerResult, error) {
	done := ctx.Done()
	for {
		var press <-chan string
		if c.res.Answered || c.early {
			press = c.o.Press
		}
		select {
		case ev, ok := <-c.dialog.Events():
			if !ok {
				return c.res, nil
			}
			if err := c.signal(ev); err != nil {
				return c.res, err
			}
		case ev := <-c.events:
			c.heard(ev)
		case keys, ok := <-press:
			if !ok {
				c.o.Press = nil
				continue
			}
			c.send(keys)
		case <-done:
			c.dialog.Hangup()
			done = nil
		}
	}
}

func (c *caller) signal(ev sip.Event) error {
	switch ev.Kind {
	case sip.Provisional:
		c.o.OnState(fmt.Sprintf("%d %s", ev.Code, ev.Reason))
		if len(ev.Body) > 0 && c.session.Accept(ev.Body) == nil {
			c.early = true
			c.session.Start()
		}
	case sip.Answered:
		return c.answered(ev)
	case sip.Offered:
		answer, err := c.session.Answer(ev.Body)
		if err != nil {
			return c.dialog.Respond(ev.ID, 488, nil)
		}
		return c.dialog.Respond(ev.ID, 200, answer)
	case sip.Ended:
		c.res.Code, c.res.Reason, c.res.Sent = ev.Code, ev.Reason, ev.Reason != sip.ReasonError
		if c.res.Answered {
			c.res.Code, c.res.Duration = 200, ev.At.Sub(c.since)
		}
	}
	return nil
}

func (c *caller) answered(ev sip.Event) error {
	if err := c.session.Accept(ev.Body); err != nil {
		c.dialog.Hangup()
		return err
	}
	c.res.Answered, c.since = true, ev.At
	c.session.Start()
	c.o.OnState("answered")
	if c.file != nil {
		c.session.Record(media.NewRecorder(c.file, media.RecorderOptions{}))
		c.file = nil
	}
	c.press()
	return nil
}

// heard takes the end of what the other side says.
func (c *caller) heard(ev media.Event) {
	switch ev.Kind {
	case media.VoiceEnded:
		if c.waiting {
			c.waiting = false
			c.press()
		}
	case media.RecordEnded:
		_ = ev.Recorder.File().Close()
	}
}

// press sends the keys up to the next comma.
func (c *caller) press() {
	now, rest, more := strings.Cut(c.keys, ",")
	c.keys, c.waiting = rest, more
	if now != "" {
		c.send(now)
	}
}

func (c *caller) send(keys string) {
	if err := c.session.SendDigits(keys); err != nil {
		c.o.OnState(err.Error())
		return
	}
	c.o.OnState("pressed " + keys)
}
