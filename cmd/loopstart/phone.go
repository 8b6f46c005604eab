package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// phone is the built-in caller at a terminal: what the script does appears as
// text while it happens, and keys of the keyboard are keys of the phone.
type phone struct {
	m      *Main
	c      *client
	script string
	from   string
	began  time.Time
	press  chan string
	hangup context.CancelFunc

	result engine.CallerResult // of the call, when it is over

	id   string               // of the call, once it is known
	seen map[engine.Entry]int // lines of its timeline that were shown
}

// maxPressed is how many keys may wait for the call to be answered; the ones
// after them are dropped.
const maxPressed = 64

// followEvery is how often the timeline of a call in progress is read.
const followEvery = 150 * time.Millisecond

// phoneHelp explains the keys during a call.
const phoneHelp = "keys: 0-9 * # press · h hangs up"

// newPhone is a phone that has not rung yet.
func (m *Main) newPhone(c *client, o callFlags) *phone {
	p := &phone{m: m, c: c, script: o.target, from: o.from, began: clock.System().Now(), press: make(chan string, maxPressed), seen: map[engine.Entry]int{}}
	if p.from == "" {
		p.from = "caller-" + newToken()[:8]
	}
	return p
}

// talk makes the call and returns when it is over. keys may be nil.
func (p *phone) talk(ctx context.Context, o callFlags, keys <-chan rune) error {
	ctx, p.hangup = context.WithCancel(ctx)
	defer p.hangup()
	p.m.progress("  %s", p.m.paint("2", phoneHelp))
	over := make(chan error, 1)
	go func() { over <- p.place(ctx, o) }()
	for {
		select {
		case key, ok := <-keys:
			if !ok {
				keys = nil
				p.hangup() // the terminal has gone
				continue
			}
			p.key(key)
		case <-after(followEvery):
			p.follow()
		case err := <-over:
			p.follow()
			return err
		}
	}
}

// place makes the call itself, heard if the machine has audio.
func (p *phone) place(ctx context.Context, o callFlags) error {
	var hear func([]int16)
	if !p.m.global.quiet {
		loud := openSpeaker()
		defer loud.close()
		hear = loud.play
	}
	res, err := engine.Call(ctx, engine.CallerOptions{
		Target: "sip:" + p.script + "@" + p.c.SIP, Script: p.script, From: p.from, Keys: o.dtmf, Press: p.press, Record: o.record, Hear: hear,
		Data: o.data, Steps: o.trace, Log: p.m.logger("text", "error"), OnState: p.state,
	})
	p.result = res
	if err == nil && !res.Answered && ctx.Err() == nil {
		p.state(fmt.Sprintf("refused: %d %s", res.Code, res.Reason))
	}
	return err
}

// after is closed when d has passed.
func after(d time.Duration) <-chan struct{} {
	done := make(chan struct{})
	clock.System().AfterFunc(d, func() { close(done) })
	return done
}

// key does what a key means during a call.
func (p *phone) key(key rune) {
	switch {
	case strings.ContainsRune("0123456789*#ABCD", key):
		select {
		case p.press <- string(key):
		default: // the call is not answered, and somebody leans on a key
		}
	case key == 'h' || key == 'H' || key == 'q':
		p.m.progress("  hanging up")
		p.hangup()
	case key == '\n' || key == '\r':
	default:
		p.m.progress("  %s", p.m.paint("2", phoneHelp))
	}
}

// state shows what happens on the phone's own side.
func (p *phone) state(text string) {
	if key, ok := strings.CutPrefix(text, "pressed "); ok {
		p.line("33;1", "pressed", key, "")
		return
	}
	p.line("1", "call", text, "")
}

// follow shows what is new on the call's timeline.
func (p *phone) follow() {
	if p.id == "" && !p.find() {
		return
	}
	var line struct{ Events []engine.Entry }
	if p.c.get("/v1/calls/"+p.id+"/timeline", &line) != nil {
		return // it comes again, or the call has left nothing
	}
	count := map[engine.Entry]int{}
	for _, e := range line.Events {
		if count[e]++; count[e] > p.seen[e] {
			p.seen[e] = count[e]
			p.show(e)
		}
	}
}

// find looks for this phone's call among the newest ones.
func (p *phone) find() bool {
	var page struct{ Calls []engine.Record }
	query := url.Values{"limit": {"1"}, "from": {p.from}, "since": {p.began.Format(time.RFC3339Nano)}}
	if err := p.c.get("/v1/calls?"+query.Encode(), &page); err == nil && len(page.Calls) > 0 {
		p.id = page.Calls[0].ID
	}
	return p.id != ""
}

// liveColours are those of the kinds that a call from the terminal shows; sip,
// media and digits are left to the full timeline.
var liveColours = map[string]string{
	"log": "32", "http": "35", "error": "31;1", "fallback": "31", "result": "1", "connect": "34", "recording": "34", "webhook": "35", "limit": "31",
}

// show prints one line of the timeline.
func (p *phone) show(e engine.Entry) {
	colour, known := liveColours[e.Kind]
	switch {
	case e.Kind == "prompt":
		p.prompt(e)
	case e.Kind == "step":
		p.m.step(e)
	case e.Kind == "error": // the source lines follow: in dev in the log, else in the timeline at the end
		p.line(colour, e.Kind, headline(e.Detail), e.Source)
	case known:
		p.line(colour, e.Kind, e.Detail, e.Source)
	case e.Kind == "state" && strings.HasPrefix(e.Detail, "no key"):
		p.line("2", "silence", e.Detail, e.Source)
	}
}

// prompt shows what is said, with the file, tone or kind of a part that is no
// text, and how far it got when it was not heard to its end.
func (p *phone) prompt(e engine.Entry) {
	if text, ok := strings.CutPrefix(e.Detail, "start "); ok {
		if plain, err := strconv.Unquote(text); err == nil {
			text = plain
		}
		p.line("36", "says", text, e.Source)
		return
	}
	if text, ok := strings.CutPrefix(e.Detail, "end "); ok {
		label, how, _ := strings.Cut(text, "\": ")
		if percent, _, cut := strings.Cut(how, "%"); cut && percent != "100" {
			p.line("2", "", "heard "+percent+" % of "+clipText(strings.TrimPrefix(label, "\""), cutLabel), "")
		}
		return
	}
	p.line("31", "prompt", e.Detail, e.Source)
}

// cutLabel is how much of a prompt says which one it was, in characters.
const cutLabel = 40

func clipText(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

func (p *phone) line(colour, what, text, source string) {
	if source != "" {
		source = p.m.paint("2", "  ("+source+")")
	}
	p.m.progress("  %s%s", p.m.paint(colour, fmt.Sprintf("%-9s %s", what, clean(text))), source)
}

// step shows a step of a traced script: where, what came back, what the
// variables hold.
func (m *Main) step(e engine.Entry) {
	head, rest, _ := strings.Cut(e.Detail, "\n")
	m.progress("  %s %s", m.paint("34;1", fmt.Sprintf("%-9s %s", "step", e.Source)), clean(head))
	for line := range strings.Lines(rest) {
		m.progress("            %s", m.paint("2", clean(strings.TrimRight(line, "\n"))))
	}
}

// record finds the call's record, and says why there is none.
func (p *phone) record() (id string, err error) {
	tries := recordTries
	refused := !p.result.Answered && p.result.Code >= 300
	if refused {
		tries = refusedTries
	}
	id, err = p.c.lastFrom(p.from, p.began, tries)
	if host, _, bad := net.SplitHostPort(p.c.SIP); err != nil && refused && p.result.Code == 403 && bad == nil {
		err = fault.New(fault.Denied, "the running loopstart refuses calls from this machine: 403 %s", p.result.Reason).
			WithHint("add %s to sip.trust, or let sip.listen have udp://127.0.0.1:5060, too", host)
	}
	return id, err
}
