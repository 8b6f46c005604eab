package sip

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// script drives a core by lines of text. Unindented lines are inputs, indented
// ones what the core asked for; see testdata/core.
type script struct {
	t    *testing.T
	c    *core
	seen seenSeqs
	next uint64 // server transactions
	last map[string]uint64
}

// TestCoreTranscripts replays testdata/core/*.txt; -update rewrites them.
func TestCoreTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/core/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			old, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(old))
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(old) {
				t.Errorf("differs; -update writes:\n%s", got)
			}
		})
	}
}

func replay(t *testing.T, text string) string {
	s := &script{t: t, last: map[string]uint64{}}
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "  ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		s.input(strings.Fields(line))
		for _, f := range s.c.out {
			out.WriteString("  " + show(f) + "\n")
		}
		s.c.out = nil
	}
	return out.String()
}

// input reads one line:
//
//	uas [body]                       an INVITE came
//	uac [body]                       a call is placed
//	> METHOD seq [body] [Name:value] a request came
//	> ack seq [body]                 an ACK came
//	> cancel                         a CANCEL came
//	< code METHOD [tag] [body] [Name:value]  a response to our newest such request
//	! accept|provisional|reject|hangup|reoffer|respond|info|message|refer|consent|progress [arg]  a command
//	* timer|timeout|broken|close|read|routed [arg]
func (s *script) input(w []string) {
	switch w[0] {
	case "uas":
		s.c = newUAS(&message{tx: s.tx("INVITE"), method: "INVITE", seq: 1, callID: "id", from: "<sip:a@x>", fromTag: "a",
			to: "<sip:b@y>", toTag: "b", contact: "sip:a@192.0.2.1", body: body(w, 1), headers: fields(w)}, &s.seen,
			func() []string { return nil }, func(int) int { return 0 })
	case "uac":
		s.c = newUAC(leg{callID: "id", local: "<sip:a@x>", localTag: "a", remote: "<sip:b@y>", target: "sip:b@y"},
			&Outgoing{Body: body(w, 1)}, nil, &s.seen, func() []string { return nil }, func(int) int { return 0 })
	case ">":
		s.request(w[1:])
	case "<":
		s.response(w[1:])
	case "!":
		s.command(w[1:])
	case "*":
		s.happens(w[1:])
	default:
		s.t.Fatalf("input %q", w)
	}
}

func (s *script) tx(method string) uint64 {
	s.next++
	s.last[method] = s.next
	return s.next
}

func (s *script) request(w []string) {
	if w[0] == "cancel" {
		s.c.step(input{kind: inCancel, tx: s.last["INVITE"], msg: &message{method: "CANCEL", headers: fields(w)}})
		return
	}
	seq, err := strconv.Atoi(w[1])
	if err != nil {
		s.t.Fatalf("%q: %v", w, err)
	}
	m := &message{method: w[0], seq: uint32(seq), fromTag: "a", toTag: "b", body: body(w, 2), headers: fields(w)}
	if !s.c.uas {
		m.fromTag = "b"
	}
	if c := m.headers.Get("Contact"); c != "" {
		m.contact = c
	}
	if t := m.headers.Get("Tag"); t != "" {
		m.fromTag = t
	}
	if len(m.body) > 0 && m.headers.Get("Content-Type") == "" {
		m.headers = append(m.headers, Header{"Content-Type", "application/sdp"})
	}
	if w[0] == "ack" {
		s.c.step(input{kind: inAck, msg: m})
		return
	}
	m.tx = s.tx(w[0])
	s.c.step(input{kind: inRequest, msg: m})
}

func (s *script) response(w []string) {
	code, err := strconv.Atoi(w[0])
	if err != nil {
		s.t.Fatalf("%q: %v", w, err)
	}
	m := &message{code: code, reason: "Reason", method: w[1], headers: fields(w), seq: s.c.localSeq, contact: "sip:b@192.0.2.2"}
	m.tx = s.ours(w[1])
	if len(w) > 2 && !strings.Contains(w[2], ":") {
		m.toTag = w[2]
		m.body = body(w, 3)
	}
	if m.method == "INVITE" && m.tx == s.c.inviteTx && !s.c.uas {
		m.seq = s.c.client.seq
	}
	if a := m.headers.Get("Auth"); a != "" {
		m.auth = []Header{{"Authorization", a}}
	}
	if rr := m.headers.All("Record-Route"); rr != nil {
		m.recordRoutes = rr
	}
	if m.headers == nil {
		m.headers = Headers{}
	}
	s.c.step(input{kind: inResponse, msg: m})
}

// ours is the client transaction that a response to the method belongs to.
func (s *script) ours(method string) uint64 {
	c := s.c
	switch {
	case method == "BYE":
		return c.byeTx
	case method == "INVITE" && c.ours != nil && c.ours.tx != 0:
		return c.ours.tx
	case method == "INVITE":
		return c.inviteTx
	case method == "PRACK":
		return slices.Min(slices.Collect(maps.Keys(c.client.pracks)))
	case method == "UPDATE" && c.ours != nil && c.ours.update:
		return c.ours.tx
	case method == "UPDATE":
		return c.session.tx
	case c.active != nil:
		return c.active.tx
	}
	return 0
}

func (s *script) command(w []string) {
	arg := ""
	if len(w) > 1 {
		arg = w[1]
	}
	code, _ := strconv.Atoi(arg)
	kinds := map[string]command{
		"accept": {kind: cmdAccept, body: []byte(arg)}, "provisional": {kind: cmdProvisional, code: code, body: body(w, 2)},
		"reject": {kind: cmdReject, code: code}, "hangup": {kind: cmdHangup}, "reoffer": {kind: cmdReoffer, body: []byte(arg)},
		"respond": {kind: cmdRespond, id: s.c.offered, code: code, body: body(w, 2)},
		"consent": {kind: cmdConsent, id: s.c.referrals, code: code}, "progress": {kind: cmdProgress, id: s.c.referrals, code: code},
		"message": {kind: cmdMessage, reason: "text/plain", body: []byte(arg)},
		"info":    {kind: cmdInfo, reason: "application/dtmf", body: []byte(arg)}, "refer": {kind: cmdRefer, reason: "<" + arg + ">"},
	}
	cmd, ok := kinds[w[0]]
	if !ok {
		s.t.Fatalf("command %q", w)
	}
	s.c.step(input{kind: inCommand, cmd: cmd})
}

func (s *script) happens(w []string) {
	switch w[0] {
	case "routed":
		n, _ := strconv.Atoi(w[1])
		s.c.step(input{kind: inRouted, found: make([]hop, n)})
	case "timer":
		for t, name := range timerNames {
			if name == w[1] {
				s.c.step(input{kind: inTimer, timer: timerName(t)})
				return
			}
		}
		s.t.Fatalf("timer %q", w[1])
	case "timeout", "broken":
		s.c.step(input{kind: inFailed, tx: s.ours(w[1]), timeout: w[0] == "timeout"})
	case "read":
		n, _ := strconv.Atoi(w[1])
		s.seen.note(uint32(n), false)
	case "close":
		s.c.step(input{kind: inClose, reason: ReasonClosed})
	default:
		s.t.Fatalf("%q", w)
	}
}

// body is the word at i, unless it is a header.
func body(w []string, i int) []byte {
	if i < len(w) && !strings.Contains(w[i], ":") {
		return []byte(strings.ReplaceAll(w[i], "_", " "))
	}
	return nil
}

func fields(w []string) (h Headers) {
	for _, f := range w {
		if n, v, ok := strings.Cut(f, ":"); ok {
			h = append(h, Header{n, strings.ReplaceAll(v, "_", " ")})
		}
	}
	return h
}

// show prints an effect.
func show(f effect) string {
	var b strings.Builder
	switch f.kind {
	case fxRespond:
		fmt.Fprintf(&b, "respond #%d %d %s", f.tx, f.code, f.reason)
	case fxRepeat:
		fmt.Fprintf(&b, "repeat the answer of #%d", f.tx)
	case fxRequest:
		fmt.Fprintf(&b, "send %s %d to %s", f.method, f.seq, f.leg.target)
		if f.code == forkEnds {
			b.WriteString(" (fork " + f.leg.remoteTag + ")")
		}
	case fxInvite:
		fmt.Fprintf(&b, "send INVITE %d by hop %d", f.seq, f.code)
	case fxAck:
		fmt.Fprintf(&b, "ack %d of %s to %s", f.seq, f.leg.remoteTag, f.leg.target)
	case fxCancel:
		b.WriteString("cancel")
	case fxDrop:
		b.WriteString("drop the INVITE")
	case fxLeave:
		b.WriteString("leave the hop")
	case fxTimer:
		fmt.Fprintf(&b, "timer %s %s", timerNames[f.timer], f.wait)
	case fxStop:
		fmt.Fprintf(&b, "stop %s", timerNames[f.timer])
	case fxQuiet:
		b.WriteString("stop all timers")
	case fxEvent:
		ev := f.event
		fmt.Fprintf(&b, "event %s", ev.Kind)
		if ev.Code > 0 {
			fmt.Fprintf(&b, " %d", ev.Code)
		}
		if ev.Kind == Ended {
			b.WriteString(" " + ev.Reason)
			if ev.Remote {
				b.WriteString(" remote")
			}
		}
		if ev.ID > 0 {
			fmt.Fprintf(&b, " id=%d", ev.ID)
		}
		if ev.Tag != "" {
			b.WriteString(" tag=" + ev.Tag)
		}
		if len(ev.Body) > 0 {
			fmt.Fprintf(&b, " body=%s", ev.Body)
		}
	case fxOver:
		b.WriteString("over")
	}
	var hs []string
	for _, h := range f.headers {
		hs = append(hs, h.Name+": "+h.Value)
	}
	sort.Strings(hs)
	if len(hs) > 0 {
		b.WriteString(" [" + strings.Join(hs, "; ") + "]")
	}
	if len(f.body) > 0 {
		fmt.Fprintf(&b, " body=%s", bytes.TrimRight(f.body, "\r\n"))
	}
	return b.String()
}

// FuzzCore feeds random legal and illegal inputs and watches the promises that
// hold for every dialog: Ended exactly once and last, one final answer to each
// request, nothing after the end, and an end when all timers have run out.
func FuzzCore(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{1, 20, 40, 60, 80, 100, 120, 140, 160, 180, 200, 220, 240})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 || len(data) > 200 {
			return
		}
		runRandom(t, data)
	})
}

// TestRandomDialogs runs many sequences of twenty steps.
func TestRandomDialogs(t *testing.T) {
	x := uint64(1)
	for range 10000 {
		data := make([]byte, 21)
		for i := range data {
			x = x*6364136223846793005 + 1442695040888963407
			data[i] = byte(x >> 33)
		}
		runRandom(t, data)
		if t.Failed() {
			t.Fatalf("sequence %v", data)
		}
	}
}

func runRandom(t *testing.T, data []byte) {
	s := &script{t: t, last: map[string]uint64{}}
	w := &watcher{t: t, open: map[uint64]string{}, timers: map[timerName]bool{}, requests: map[uint64]string{}, cancelled: map[uint64]bool{}}
	if data[0]%2 == 0 {
		s.input([]string{"uas", "offer"})
		w.open[1] = "INVITE"
	} else {
		s.input([]string{"uac", "offer"})
		w.look(s.c)
		s.input([]string{"*", "routed", "2"})
	}
	w.look(s.c)
	for _, b := range data[1:] {
		if s.c.phase == phOver {
			break
		}
		w.random(s, b)
		w.look(s.c)
	}
	w.wind(s)
}

// watcher checks the effects of a random run.
type watcher struct {
	t         *testing.T
	open      map[uint64]string // server transactions without final answer
	requests  map[uint64]string // client transactions without final answer
	cancelled map[uint64]bool
	timers    map[timerName]bool
	ended     int
	over      bool
	seq       uint32
	acked     uint32
}

var randomMethods = []string{"BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "NOTIFY", "REFER", "PRACK", "MESSAGE"}

var randomCodes = []int{100, 180, 183, 200, 302, 401, 408, 481, 486, 487, 491, 500, 503}

// random does one step chosen by b.
func (w *watcher) random(s *script, b byte) {
	n := int(b) / 6
	switch b % 6 {
	case 0, 1:
		m := &message{method: randomMethods[n%len(randomMethods)], fromTag: "a", toTag: "b", headers: Headers{}}
		if !s.c.uas {
			m.fromTag = "b"
		}
		w.seq += uint32(n%3) + 1
		m.seq = w.seq + 1
		if n%2 == 0 {
			m.body, m.headers = []byte("x"), Headers{{"Content-Type", "application/sdp"}}
		}
		if m.method == "REFER" && n%4 > 0 {
			m.headers = append(m.headers, Header{"Refer-To", "<sip:c@z>"})
		}
		m.tx = s.tx(m.method)
		w.open[m.tx] = m.method
		s.c.step(input{kind: inRequest, msg: m})
	case 2:
		kind := commandKind(n%int(cmdProgress) + 1)
		code := map[commandKind]int{cmdProvisional: 180, cmdAccept: 200, cmdReject: 486, cmdRespond: 200 + 288*(n%2),
			cmdConsent: 202 + 401*(n/16%2), cmdProgress: 180 + 20*(n%2)}[kind]
		id := s.c.offered
		switch kind {
		case cmdNotify:
			kind = cmdInfo // only the core itself sends those
		case cmdConsent, cmdProgress:
			id = s.c.referrals
		}
		s.c.step(input{kind: inCommand, cmd: command{kind: kind, code: code, reason: "r", body: []byte("b"), id: id}})
	case 3:
		w.respond(s, n)
	case 4:
		if s.c.waiting != nil {
			s.c.step(input{kind: inAck, msg: &message{method: "ACK", seq: s.c.waiting.seq, headers: Headers{}}})
		} else if tx := s.last["INVITE"]; w.open[tx] == "INVITE" {
			delete(w.open, tx) // sipgo answers 487, and ignores what we say later
			w.cancelled[tx] = true
			s.c.step(input{kind: inCancel, tx: tx, msg: &message{method: "CANCEL", headers: Headers{}}})
		}
	case 5:
		w.fire(s, n)
	}
}

// respond answers one of our requests.
func (w *watcher) respond(s *script, n int) {
	for tx := uint64(1); tx <= s.c.lastTx; tx++ {
		method, ok := w.requests[tx]
		if !ok {
			continue
		}
		code := randomCodes[n%len(randomCodes)]
		if code >= 200 {
			delete(w.requests, tx)
		}
		s.c.step(input{kind: inResponse, msg: &message{tx: tx, method: method, code: code, reason: "x", headers: Headers{},
			seq: 1, toTag: fmt.Sprint("t", n%3), contact: "sip:b@192.0.2.2"}})
		return
	}
}

// fire runs the armed timer number n.
func (w *watcher) fire(s *script, n int) bool {
	for i := range len(timerNames) {
		t := timerName((i + n) % len(timerNames))
		if w.timers[t] {
			delete(w.timers, t)
			s.c.step(input{kind: inTimer, timer: t})
			return true
		}
	}
	return false
}

// look takes the effects and checks them.
func (w *watcher) look(c *core) {
	for _, f := range c.out {
		if w.over && f.kind != fxRespond { // requests that came with the last one are refused
			w.t.Errorf("after the end: %s", show(f))
		}
		switch f.kind {
		case fxRespond:
			if f.code >= 200 {
				if _, ok := w.open[f.tx]; !ok && !w.cancelled[f.tx] {
					w.t.Errorf("a second answer: %s", show(f))
				}
				delete(w.open, f.tx)
			}
		case fxRequest, fxInvite:
			w.requests[f.tx] = f.method
		case fxTimer:
			if f.wait <= 0 && f.timer != tmGlare {
				w.t.Errorf("a timer of %v", f.wait)
			}
			w.timers[f.timer] = true
		case fxStop:
			delete(w.timers, f.timer)
		case fxQuiet:
			maps.DeleteFunc(w.timers, func(t timerName, _ bool) bool { return t != tmEnded && t != tmCancel })
		case fxEvent:
			if w.ended > 0 {
				w.t.Errorf("after Ended: %s", show(f))
			}
			if f.event.Kind == Ended {
				w.ended++
				if f.event.Reason == "" || f.event.Code == 0 {
					w.t.Errorf("%s says nothing", show(f))
				}
			}
		case fxOver:
			w.over = true
		}
	}
	c.out = nil
}

// wind hangs up, lets every request fail and every timer run out: then the
// dialog must be over, with each request answered.
func (w *watcher) wind(s *script) {
	s.c.step(input{kind: inCommand, cmd: command{kind: cmdHangup}})
	w.look(s.c)
	for range 500 {
		if s.c.phase == phOver {
			break
		}
		for tx := range w.requests {
			delete(w.requests, tx)
			s.c.step(input{kind: inFailed, tx: tx, timeout: true})
			w.look(s.c)
		}
		w.fire(s, 0)
		w.look(s.c)
	}
	held := map[uint64]bool{} // the driver answers what the order still holds
	for _, m := range s.c.order.held {
		held[m.tx] = true
	}
	for tx, method := range w.open {
		if !held[tx] {
			w.t.Errorf("%s #%d got no answer", method, tx)
		}
	}
	if !w.over || w.ended != 1 {
		w.t.Errorf("over %v, ended %d, phase %d, timers %v", w.over, w.ended, s.c.phase, w.timers)
	}
}
