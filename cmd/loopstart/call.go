package main

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

var callVerb = verb{
	name: "call", args: "SCRIPT|sip:URI [--to PHONE] [--trunk T] [--from N] [--hide] [--data JSON] [--dtmf 1,2w3] [--record FILE] [--trace]",
	summary: "ring a script, or let it call somebody",
	details: "Rings the script from a built-in caller over real SIP and RTP and prints the call's timeline. With --to the script calls that\n" +
		"number through a trunk. In --dtmf a comma waits for the next prompt to end, w for half a second.\n" +
		"At a terminal the call is shown while it goes on, and 0-9 * # A-D are keys of the phone; h hangs up. --trace shows each await\n" +
		"of the script: its line, what it gave, and the variables.",
	run: runCall,
}

// callFlags are the options of call.
type callFlags struct {
	target, to, trunk, from, data, dtmf, record string
	trace, hide                                 bool
}

func runCall(ctx context.Context, m *Main, args []string) error {
	var o callFlags
	fs := flags("call")
	fs.StringVar(&o.to, "to", "", "number the script calls")
	fs.StringVar(&o.trunk, "trunk", "", "trunk of --to")
	fs.StringVar(&o.from, "from", "", "caller number")
	fs.BoolVar(&o.hide, "hide", false, "with --to: the callee sees no number")
	fs.StringVar(&o.data, "data", "", "call.data as JSON")
	fs.StringVar(&o.dtmf, "dtmf", "", "keys to press")
	fs.StringVar(&o.record, "record", "", "WAV file of what the caller hears")
	fs.BoolVar(&o.trace, "trace", false, "show each await of the script")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		return fault.New(fault.Invalid, "call: which script?").WithExit(fault.ExitUsage).WithHint("loopstart call SCRIPT, or loopstart call sip:name@host:port")
	}
	o.target = rest[0]
	if bad := strings.Trim(o.dtmf, "0123456789*#ABCDabcdw,"); bad != "" {
		return fault.New(fault.Invalid, "--dtmf %s: %q is no key", o.dtmf, bad).WithExit(fault.ExitUsage).WithHint("0-9 * # A-D, w for half a second, a comma for the end of the next prompt")
	}
	if bad := strings.Trim(o.from, userChars); bad != "" && o.to == "" {
		return fault.New(fault.Invalid, "--from %s: %q is not for the user of a SIP address", o.from, bad).WithExit(fault.ExitUsage).
			WithHint("a number or a name of letters, digits and . _ - +")
	}
	if o.data != "" && !json.Valid([]byte(o.data)) {
		return fault.New(fault.Invalid, "--data is no JSON").WithExit(fault.ExitUsage)
	}
	if o.trace && (o.to != "" || strings.HasPrefix(o.target, "sip:")) {
		return fault.New(fault.Invalid, "--trace goes with a call to a script of this project").WithExit(fault.ExitUsage).
			WithHint("loopstart dev --trace shows the awaits of all calls")
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	if strings.HasPrefix(o.target, "sip:") {
		return m.callAddress(ctx, o)
	}
	return m.callScript(ctx, o)
}

// userChars may stand in the user of a SIP address as they are (RFC 3261,
// 25.1).
const userChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$/"

// interruptible ends ctx with the first signal.
func (m *Main) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		select {
		case <-m.Signals:
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// callAddress rings any SIP address; there is no timeline of ours.
func (m *Main) callAddress(ctx context.Context, o callFlags) error {
	res, err := m.ring(ctx, engine.CallerOptions{Target: o.target, From: o.from}, o)
	if err != nil {
		return err
	}
	return m.answerResult(res)
}

func (m *Main) answerResult(res engine.CallerResult) error {
	if !res.Answered && !res.Sent {
		m.progress("nothing was sent: the host has no address, or cannot be reached")
	}
	err := m.answer(map[string]any{"answered": res.Answered, "code": res.Code, "reason": res.Reason, "duration_ms": res.Duration.Milliseconds()}, func() {
		m.progress("%d %s, %s", res.Code, res.Reason, res.Duration.Round(time.Millisecond))
	})
	if err != nil || res.Answered {
		return err
	}
	return statusOf(engine.Unanswered(res.Code, res.Reason))
}

// ring places the call of c, which says who calls whom, with the flags of o.
func (m *Main) ring(ctx context.Context, c engine.CallerOptions, o callFlags) (engine.CallerResult, error) {
	c.Keys, c.Record, c.Data, c.Steps = o.dtmf, o.record, o.data, o.trace
	c.Log, c.OnState = m.logger("text", "error"), func(s string) { m.progress("  %s", s) }
	return engine.Call(ctx, c)
}

// callScript rings a script of the project, in the instance that runs or in
// one of our own.
func (m *Main) callScript(ctx context.Context, o callFlags) error {
	c, done, err := m.connect(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	if o.to != "" {
		return m.order(ctx, c, o)
	}
	if err := c.knows(o.target); err != nil {
		return err
	}
	if o.trace && !c.Dev {
		return fault.New(fault.Conflict, "--trace: production is not traced").WithExit(fault.ExitUsage).
			WithHint("stop loopstart run, or start loopstart dev in another folder with the same scripts")
	}
	p := m.newPhone(c, o)
	if err := m.ringScript(ctx, p, o); err != nil {
		return err
	}
	id, err := p.record()
	if err != nil {
		return err
	}
	return m.showFinished(c, id)
}

// ringScript rings a script; with somebody at the terminal, who reads and
// types.
func (m *Main) ringScript(ctx context.Context, p *phone, o callFlags) error {
	if m.global.output == "text" {
		if t, ok := m.openTerminal(); ok {
			defer t.close()
			return p.talk(ctx, o, t.keys)
		}
	}
	res, err := m.ring(ctx, engine.CallerOptions{Target: "sip:" + o.target + "@" + p.c.SIP, Script: o.target, From: p.from}, o)
	p.result = res
	return err
}

// connect is the running instance, or a new one for the time of this call.
func (m *Main) connect(ctx context.Context, o callFlags) (*client, func(), error) {
	cfg, err := m.load("", config.Options{Dev: true})
	if err != nil {
		return nil, nil, err
	}
	if r, ok := find(cfg); ok {
		if r.Brief != "" {
			return nil, nil, fault.New(fault.Conflict, "`loopstart %s` (process %d) runs this project until its call is over", r.Brief, r.PID).WithExit(fault.ExitStore).
				WithHint("call again when it has ended, or start `loopstart dev` or `loopstart run` for several calls at a time")
		}
		return newClient(r), func() {}, nil
	}
	opts, brief := engine.Options{Dev: true}, "call"
	if o.to != "" {
		opts.Dev, brief = false, "call --to"
		cfg, err = m.load("", config.Options{})
	} else if dev, derr := m.loadDev(devFlags{}, nil); derr == nil {
		cfg = dev.Config
	} else {
		err = derr
	}
	if err != nil {
		return nil, nil, err
	}
	if !opts.Dev {
		m.progress("no loopstart runs here: until this call is over, this is it, with its trunks, open orders and campaigns; `loopstart run` cannot start meanwhile")
	}
	// A signal ends the call; the instance tells its record after that.
	in, err := startFor(context.WithoutCancel(ctx), cfg, opts, m.logger("text", "warn"), brief)
	if err != nil {
		return nil, nil, err
	}
	c := newClient(in.running)
	c.own = true
	return c, in.close, nil
}

// scripts are the names of those that the instance has.
func (c *client) scripts() ([]string, error) {
	var out struct{ Scripts []struct{ Name string } }
	if err := c.get("/v1/scripts", &out); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range out.Scripts {
		names = append(names, s.Name)
	}
	return names, nil
}

// knows reports a script that the instance does not have, or that is broken.
func (c *client) knows(name string) error {
	var out struct {
		Scripts []struct{ Name, State, Error, Frame string }
	}
	if err := c.get("/v1/scripts", &out); err != nil {
		return err
	}
	var names []string
	for _, s := range out.Scripts {
		if s.Name != name {
			names = append(names, s.Name)
			continue
		}
		if s.State == "broken" {
			if c.own {
				s.Frame = "" // the log has just shown it
			}
			return fault.New(fault.Script, "script %s is broken: %s", name, s.Error).WithExit(fault.ExitScript).At("", s.Frame)
		}
		return nil
	}
	e := fault.New(fault.NotFound, "no script %q", name).WithExit(fault.ExitScript)
	if near := nearest(name, names); near != "" {
		return e.WithHint("did you mean %s?", near)
	}
	return e.WithHint("scripts are %s", strings.Join(names, ", "))
}

// lastFrom finds the call that a caller has made since a moment, once its
// record is kept.
func (c *client) lastFrom(from string, since time.Time, tries int) (string, error) {
	query := url.Values{"state": {"done"}, "limit": {"1"}, "from": {from}, "since": {since.Format(time.RFC3339Nano)}}
	for range tries {
		var out struct{ Calls []engine.Record }
		if err := c.get("/v1/calls?"+query.Encode(), &out); err != nil {
			return "", err
		}
		if len(out.Calls) > 0 {
			return out.Calls[0].ID, nil
		}
		pause(recordPause)
	}
	return "", fault.New(fault.Unavailable, "the call left no record").WithHint("was the call refused? see the log of the running loopstart")
}

// The record of a call is kept when its script has ended, which may take the
// script's grace; a call that was refused may have begun none.
const (
	recordTries  = 100
	refusedTries = 20
	recordPause  = 100 * time.Millisecond
)

func pause(d time.Duration) {
	done := make(chan struct{})
	clock.System().AfterFunc(d, func() { close(done) })
	<-done
}

// order lets a script call a number, and waits until all attempts are over.
func (m *Main) order(ctx context.Context, c *client, o callFlags) error {
	body := map[string]any{"script": o.target, "to": o.to}
	if o.trunk != "" {
		body["trunk"] = o.trunk
	}
	if o.from != "" {
		body["from"] = o.from
	}
	if o.hide {
		body["hide"] = true
	}
	if o.data != "" {
		body["data"] = json.RawMessage(o.data)
	}
	var placed struct{ ID string }
	if err := c.post("/v1/calls", body, &placed); err != nil {
		return err
	}
	m.progress("  order %s", placed.ID)
	for {
		var now struct{ State string }
		if err := c.get("/v1/calls/"+placed.ID, &now); err != nil {
			return err
		}
		if now.State == "done" || now.State == "cancelled" {
			return m.showFinished(c, placed.ID)
		}
		if ctx.Err() != nil {
			_ = c.delete("/v1/calls/" + placed.ID)
			return exitStatus(fault.ExitInterrupted)
		}
		pause(recordPause)
	}
}

// showFinished prints a call's timeline and ends with the status of its outcome.
func (m *Main) showFinished(c *client, id string) error {
	var r engine.Record
	var line struct{ Events []engine.Entry }
	if err := c.get("/v1/calls/"+id, &r); err != nil {
		return err
	}
	if err := c.get("/v1/calls/"+id+"/timeline", &line); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	err := m.answer(map[string]any{"record": r, "events": line.Events}, func() {
		printTimeline(m.Stdout, line.Events, m.paint)
		m.progress("  %s", summary(r))
	})
	if err != nil {
		return err
	}
	return statusOf(r.Outcome)
}

// statusOf is the exit status of an outcome (contract §2).
func statusOf(o engine.Outcome) error {
	switch o {
	case engine.Delivered, engine.Served, engine.Talked:
		return nil
	case engine.Busy:
		return exitStatus(fault.ExitBusy)
	case engine.NoAnswer:
		return exitStatus(fault.ExitNoAnswer)
	case engine.Rejected:
		return exitStatus(fault.ExitRejected)
	}
	return exitStatus(fault.ExitOutcome)
}
