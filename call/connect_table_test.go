package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/sip"
)

// TestConnectTable: what comes of a connect, by what the called ones do at which
// second: r rings, a answers, bNNN refuses with NNN, h hangs up, 1 presses a key,
// e sends early media. "caller" is the one who waits, and may leave (h).
func TestConnectTable(t *testing.T) {
	for name, c := range map[string]struct {
		script  string // "who second deed", separated by commas
		targets string
		opts    func(*ConnectOptions)
		want    []string // parts of the result
		gone    string   // who must have been hung up on
	}{
		"all busy":      {"a 1 b486,b 2 b486", "a b", nil, []string{`"status":"busy","code":486`}, ""},
		"busy is best":  {"a 0 r,b 1 b603,c 1 b486,d 1 b500", "a b c d", nil, []string{`"status":"busy","code":486`}, "a"},
		"unanswered":    {"a 0 r,b 1 b603,c 1 b404", "a b c", nil, []string{`"status":"no_answer"`}, "a"},
		"rejected":      {"a 1 b500,b 1 b603", "a b", nil, []string{`"status":"rejected","code":603`}, ""},
		"failed":        {"a 1 b500,b 1 b503", "a b", nil, []string{`"status":"failed","code":50`}, ""},
		"caller leaves": {"a 0 r,b 0 r,c 0 r,caller 3 h", "a b c", nil, []string{`"status":"abandoned","code":487`, `"endedBy":"caller"`, `"ringMs":3000`}, "a b c"},
		"caller leaves before the second": {"a 0 r,b 0 r,caller 2 h", "a b", func(o *ConnectOptions) { o.Delays = []time.Duration{0, 5 * time.Second} },
			[]string{`"status":"abandoned"`, `"legs":[{"target":"a","status":"cancelled"`}, "a"},
		"caller leaves in the whisper": {"a 1 a,caller 2 h", "a", func(o *ConnectOptions) { o.Whisper = []Part{{Play: "tone:600/5s"}} }, []string{`"status":"abandoned"`}, "a"},
		"caller leaves before the key": {"a 1 a,b 0 r,caller 3 h", "a b", func(o *ConnectOptions) { o.AcceptKey = "1" }, []string{`"status":"abandoned"`}, "a b"},
		"caller and callee at once":    {"a 2 a,caller 2 h", "a", nil, []string{`"endedBy":"caller"`}, "a"},
		"two answer at once":           {"a 2 a,b 2 a,a 5 h", "a b", nil, []string{`"answeredBy":"a"`, `{"target":"b","status":"cancelled"`}, "b"},
		"one accepts as another answers": {"a 1 a,b 4 a,a 4 1,a 7 h", "a b", func(o *ConnectOptions) { o.AcceptKey = "1" },
			[]string{`"status":"completed"`, `"answeredBy":"a"`, `{"target":"b","status":"cancelled"`}, "b"},
		"two accept at once": {"a 1 a,b 1 a,b 4 1,a 4 1,a 9 h,b 9 h", "a b", func(o *ConnectOptions) { o.AcceptKey = "1" }, []string{`"status":"completed"`}, ""},
		"accepts, leaves; the next": {"a 1 a,a 3 h,b 0 r,b 6 a,b 8 1,b 9 h", "a b", func(o *ConnectOptions) { o.AcceptKey = "1" },
			[]string{`"answeredBy":"b"`, `{"target":"a","status":`}, ""},
		"in turn": {"a 1 b486,b 1 b404,c 1 a,c 4 h", "a b c", func(o *ConnectOptions) { o.Serial = true }, []string{`"answeredBy":"c"`, `"code":486`, `"code":404`}, ""},
		"in turn, each its time": {"a 0 r,b 0 r,c 0 a,c 4 h", "a b c", func(o *ConnectOptions) {
			o.Serial = true
			o.Targets[0].Timeout, o.Targets[1].Timeout = 2*time.Second, 3*time.Second
		}, []string{`"answeredBy":"c","ringMs":5000`}, "a b"},
		"a delay is not waited out by the one that answers": {"a 1 a,b 0 a,a 3 h", "a b", func(o *ConnectOptions) { o.Delays = []time.Duration{0, 2 * time.Second} }, []string{`"answeredBy":"a"`, `"legs":[{"target":"a"`}, ""},
		"a delay is waited for":                             {"a 0 b486,b 0 a,b 2 h", "a b", func(o *ConnectOptions) { o.Delays = []time.Duration{0, 2 * time.Second} }, []string{`"answeredBy":"b"`}, ""},
		"the script gives up":                               {"a 0 r,b 0 r,script 2 h", "a b", nil, []string{`"status":"no_answer"`}, "a b"},
		"the script gives up early":                         {"script 1 h", "a", func(o *ConnectOptions) { o.Delays = []time.Duration{5 * time.Second} }, []string{`"status":"no_answer"`}, ""},
		"the script gives up in the talk":                   {"a 1 a,script 3 h", "a", nil, []string{`"status":"completed"`, `"endedBy":"script"`}, "a"},
		"a talk limit":                                      {"a 1 a", "a", func(o *ConnectOptions) { o.MaxDuration = 4 * time.Second }, []string{`"status":"completed"`, `"talkMs":4000`, `"endedBy":"script"`}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			caller := w.inbound(Spec{})
			w.answer()
			deeds := map[string][]string{}
			for deed := range strings.SplitSeq(c.script, ",") {
				who, _, _ := strings.Cut(deed, " ")
				deeds[who] = append(deeds[who], deed)
			}
			for _, who := range strings.Fields(c.targets) {
				list := deeds[who]
				w.callees[who] = func(p *phone) { p.act(list) }
			}
			o := connectTo(strings.Fields(c.targets)...)
			if c.opts != nil {
				c.opts(&o)
			}
			r := w.do(func(l *Leg, v Verb) { l.Connect(o, v) })
			caller.act(deeds["caller"])
			for _, deed := range deeds["script"] {
				w.clk.AfterFunc(second(deed), func() { w.call.Do(w.call.CancelConnect) })
			}
			w.pass(40 * time.Second)
			got := r.get()
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s lacks %s\n%s", got, want, w.story())
				}
			}
			for _, who := range strings.Fields(c.gone) {
				if !w.callee(who).did("hung up") {
					t.Errorf("%s goes on\n%s", who, w.story())
				}
			}
			if len(w.call.legs) > 1 {
				t.Errorf("%d legs are left", len(w.call.legs))
			}
		})
	}
}

func second(deed string) time.Duration {
	return time.Duration(strings.Fields(deed)[1][0]-'0') * time.Second
}

// act does what a table says.
func (p *phone) act(deeds []string) {
	for _, deed := range deeds {
		what := strings.Fields(deed)[2]
		p.w.clk.AfterFunc(second(deed), func() {
			switch {
			case what == "r":
				p.ring()
			case what == "a":
				p.ring()
				p.pickUp()
			case what == "h":
				p.bye()
			case what[0] == 'b':
				code := 0
				for _, d := range what[1:] {
					code = 10*code + int(d-'0')
				}
				p.refuse(code)
			default:
				p.press(what)
			}
		})
	}
}

// TestLeavingWhileItRings: all are cancelled within a second.
func TestLeavingWhileItRings(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	for _, who := range []string{"a", "b", "c"} {
		w.callees[who] = func(p *phone) { p.ring() }
	}
	r := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("a", "b", "c"), v) })
	w.pass(2 * time.Second)
	caller.send(sip.Event{Kind: sip.Ended, Code: 487, Reason: sip.ReasonCancel, Remote: true})
	w.pass(time.Second)
	for _, who := range []string{"a", "b", "c"} {
		if !w.callee(who).did("hung up") {
			t.Errorf("%s rings on", who)
		}
	}
	if got := r.get(); !strings.Contains(got, `"status":"abandoned","code":487`) {
		t.Error(got)
	}
}

// TestEarlyMediaOfSeveral: of two networks that talk neither is heard; the one
// that is left is.
func TestEarlyMediaOfSeveral(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	early := func(p *phone) {
		answer, _ := p.session.Answer(p.offer)
		p.session.Start()
		p.send(sip.Event{Kind: sip.Provisional, Code: 183, Body: answer})
		p.speak("tone:600/8s")
	}
	w.callees["a"] = early
	w.callees["b"] = func(p *phone) { early(p); w.clk.AfterFunc(3*time.Second, func() { p.refuse(486) }) }
	w.do(func(l *Leg, v Verb) { l.Connect(connectTo("a", "b"), v) })
	w.pass(2 * time.Second)
	if caller.hears() {
		t.Error("one of two is heard")
	}
	w.pass(2 * time.Second)
	if !caller.hears() {
		t.Errorf("the one that is left is not heard\n%s", w.story())
	}
}

// TestConnectTwice: the call goes on to the next after a failure and after a talk.
func TestConnectTwice(t *testing.T) {
	w := newWorld(t)
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["a"] = func(p *phone) { p.refuse(486) }
	w.callees["b"] = answers(w, time.Second)
	one := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("a"), v) })
	w.pass(time.Second)
	two := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("b"), v) })
	overlap := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("b"), v) })
	w.want(overlap, "CONFLICT")
	w.pass(2 * time.Second)
	w.callee("b").bye()
	w.pass(time.Second)
	three := w.do(func(l *Leg, v Verb) { l.Connect(connectTo("b"), v) })
	w.pass(2 * time.Second)
	w.dialled[len(w.dialled)-1].speak("tone:600/1s")
	w.pass(500 * time.Millisecond)
	if !caller.hears() {
		t.Errorf("the third is not heard\n%s", w.story())
	}
	w.dialled[len(w.dialled)-1].bye()
	w.pass(time.Second)
	for i, want := range []string{`"status":"busy"`, `"status":"completed"`, `"status":"completed"`} {
		if got := []*reply{one, two, three}[i].get(); !strings.Contains(got, want) {
			t.Errorf("connect %d: %s", i+1, got)
		}
	}
}
