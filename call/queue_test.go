package call

import (
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/fault"
)

// lines are the queues of a world: one group, whose agents are its callees.
type lines struct {
	w     *world
	board *queue.Board
}

func (l lines) Enter(r queue.Request, w queue.Waiter) (*queue.Place, string, error) {
	p, status := l.board.Enter(r, w)
	return p, status, nil
}

func (l lines) Phones(agent string, r DialRequest) ([]Place, error) { return l.w.Resolve(r) }
func (l lines) Freed()                                              { l.board.Kick() }

// queued is a world with a line.
func queued(t *testing.T, ring string, agents ...string) (*world, *queue.Board) {
	w := newWorld(t)
	b := queue.NewBoard(w.clk, queue.Outside{
		Reach: func(string) queue.Reach { return queue.Free }, Open: func(string) bool { return true }, Day: func(time.Time) string { return "d" },
	}, func(*queue.Core, time.Time, []queue.Event) {})
	b.With(func(c *queue.Core, now time.Time) {
		c.Configure(now, []queue.Group{{Name: "sales", Ring: ring, Members: agents, Each: 20 * time.Second, MaxWaiting: 5}}, nil)
	})
	t.Cleanup(b.Close)
	w.deps.Queues = lines{w, b}
	return w, b
}

func waitFor(o QueueOptions) QueueOptions {
	o.Group, o.Every = "sales", time.Minute
	if o.Waiting.Music == nil {
		o.Waiting.Music = []Part{{Play: "tone:440"}}
	}
	return o
}

// ignores rings and never picks up.
func ignores(p *phone) { p.ring() }

// TestQueueTalks: an announcement delays nobody and is cut by the agent; the
// result has the wait and the agent's ringing.
func TestQueueTalks(t *testing.T) {
	w, _ := queued(t, "longest_idle", "anna")
	caller := w.inbound(Spec{Language: "ru-RU"})
	w.callees["anna"] = answers(w, 2*time.Second)
	r := w.do(func(l *Leg, v Verb) {
		l.Queue(waitFor(QueueOptions{Words: []Part{{Play: "tone:600/30s"}}}), v)
	})
	w.pass(time.Second)
	if !caller.hears() || !caller.did("200") {
		t.Fatalf("no announcement, or not answered\n%s", w.story())
	}
	w.pass(3 * time.Second)
	if caller.hears() {
		t.Fatalf("the announcement goes on in the talk\n%s", w.story())
	}
	w.callee("anna").speak("tone:800/2s")
	w.pass(time.Second)
	if !caller.hears() {
		t.Fatalf("no talk\n%s", w.story())
	}
	w.callee("anna").bye()
	w.pass(time.Second)
	got := r.get()
	if !strings.Contains(got, `"status":"completed","code":200,"answeredBy":"anna","ringMs":2000`) || !strings.Contains(got, `"waitMs":20`) || !strings.Contains(got, `"endedBy":"callee"`) {
		t.Fatalf("%s\n%s", got, w.story())
	}
	w.call.Hangup("script")
	w.pass(time.Second)
	rec := w.final()
	if rec.Outcome != Talked || rec.Queue == nil || rec.Queue.AnsweredBy != "anna" || rec.Queue.Status != "completed" || rec.Queue.Group != "sales" {
		t.Errorf("%+v %+v", rec, rec.Queue)
	}
}

// TestQueueAgentHandsOver: an agent whose phone has sent the caller to somebody
// else is free for the next one, however long those two talk.
func TestQueueAgentHandsOver(t *testing.T) {
	w, b := queued(t, "longest_idle", "anna")
	w.deps.Transfers = desk{w}
	caller := w.inbound(Spec{})
	w.callees["anna"], w.callees["bob"] = answers(w, time.Second), answers(w, time.Second)
	r := w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) })
	w.pass(3 * time.Second)
	anna := w.callee("anna")
	anna.asks("bob@x")
	w.decide("b", true, "")
	if s := w.agent(b, "anna"); s != "talking" {
		t.Fatalf("%s before bob has answered", s)
	}
	w.pass(3 * time.Second)
	if s := w.agent(b, "anna"); s != "ready" {
		t.Fatalf("anna, who has handed the caller over, is %s\n%s", s, w.story())
	}
	hearEachOther(t, w, caller, w.callee("bob"))
	w.callee("bob").bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"answeredBy":"bob"`) {
		t.Fatal(got)
	}
}

// agent is how an agent of the line stands.
func (w *world) agent(b *queue.Board, name string) (state string) {
	b.With(func(c *queue.Core, now time.Time) {
		m, _ := c.Member(now, name)
		state = string(m.State)
	})
	return state
}

// TestQueueUnfitPhone: a phone that cannot take the codecs or the encryption is
// not there; its agent has rejected nothing.
func TestQueueUnfitPhone(t *testing.T) {
	w, b := queued(t, "serial", "anna")
	w.inbound(Spec{})
	w.callees["anna"] = func(p *phone) { p.refuse(488) }
	w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) })
	w.pass(time.Second)
	var m queue.Member
	b.With(func(c *queue.Core, now time.Time) { m, _ = c.Member(now, "anna") })
	if m.State != "aside" || m.Reason != "could not be reached" || !strings.Contains(w.story(), "anna: failed 488") {
		t.Errorf("%+v\n%s", m, w.story())
	}
}

// TestQueueDeclinedOnOnePhone: 603 speaks for all phones of an agent, 486 for
// the one; a phone that is switched off holds nobody up then.
func TestQueueDeclinedOnOnePhone(t *testing.T) {
	for code, waits := range map[int]time.Duration{603: 2 * time.Second, 486: 21 * time.Second} {
		w, _ := queued(t, "serial", "anna,anna2", "bob")
		w.inbound(Spec{})
		w.callees["anna"] = func(p *phone) { p.ring(); p.refuse(code) }
		w.callees["anna2"] = ignores
		w.callees["bob"] = answers(w, 0)
		r := w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) })
		w.pass(waits)
		if !strings.Contains(w.story(), "talks with bob") {
			t.Errorf("%d: bob is not asked within %s: %s\n%s", code, waits, r.get(), w.story())
		}
		if early := strings.Contains(w.story(), "anna,anna2: rejected 603"); early != (code == 603) {
			t.Errorf("%d\n%s", code, w.story())
		}
		w.call.Hangup("script")
		w.pass(time.Second)
	}
}

// TestQueueEnds: every way out of the line without a talk.
func TestQueueEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		options QueueOptions
		then    func(*world, *phone)
		want    string // in the answer
		outcome Outcome
	}{
		{"timeout", QueueOptions{Timeout: 30 * time.Second}, func(w *world, _ *phone) { w.pass(31 * time.Second) }, `"status":"timeout","code":480`, Missed},
		{"key", QueueOptions{Keys: map[string]QueueKey{"1": {Value: []byte(`"back"`)}}}, func(w *world, p *phone) {
			p.press("21")
			w.pass(2 * time.Second)
		}, `"status":"key","code":200,"ringMs":0,"talkMs":0,"legs":[{"target":"anna","status":"cancelled"`, Served},
		{"two keys", QueueOptions{Keys: map[string]QueueKey{"*1": {}}}, func(w *world, p *phone) {
			p.press("*1")
			w.pass(2 * time.Second)
		}, `"key":"*1"`, Served},
		{"abandoned", QueueOptions{}, func(w *world, p *phone) {
			p.bye()
			w.pass(time.Second)
		}, `"status":"abandoned","code":487,"ringMs":0,"talkMs":0,"endedBy":"caller"`, Missed},
		{"signal", QueueOptions{}, func(w *world, _ *phone) {
			w.call.Do(func() { w.call.CancelConnect() })
			w.pass(time.Second)
		}, `"status":"abandoned"`, Missed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, b := queued(t, "serial", "anna")
			caller := w.inbound(Spec{})
			w.answer()
			w.callees["anna"] = ignores
			r := w.do(func(l *Leg, v Verb) { l.Queue(waitFor(c.options), v) })
			w.pass(time.Second)
			if !caller.hears() {
				t.Errorf("no music\n%s", w.story())
			}
			c.then(w, caller)
			if got := r.get(); !strings.Contains(got, c.want) {
				t.Errorf("%s\n%s", got, w.story())
			}
			if !w.callee("anna").did("hung up") {
				t.Error("the agent rings on")
			}
			b.With(func(core *queue.Core, now time.Time) {
				if s, _ := core.State(now, "sales"); len(s.Waiting) != 0 || s.Members[0].State == "ringing" {
					t.Errorf("the line: %+v", s)
				}
			})
			w.call.ScriptEnded(nil)
			w.pass(time.Second)
			if rec := w.final(); rec.Outcome != c.outcome {
				t.Errorf("outcome %s", rec.Outcome)
			}
		})
	}
}

// TestQueueFunctionKey: a function is called and the caller stays, with music
// after what the script has said; it may leave the line later.
func TestQueueFunctionKey(t *testing.T) {
	w, _ := queued(t, "serial", "anna")
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = ignores
	r := w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{Keys: map[string]QueueKey{"2": {Function: 7}}}), v) })
	caller.press("2")
	w.pass(time.Second)
	if !w.told(`callback 7 [{"key":"2"}]`) || r.get() != "…" {
		t.Fatalf("%s\n%s", r.get(), w.story())
	}
	w.do(func(l *Leg, v Verb) { l.Prompt([]Part{{Play: "tone:900/1s"}}, PromptOptions{}, v) })
	w.pass(2 * time.Second)
	if n := strings.Count(w.story(), `start "<tone:440>"`); n != 2 || !caller.hears() {
		t.Errorf("the music began %d times\n%s", n, w.story())
	}
	w.do(func(l *Leg, v Verb) { l.LeaveQueue("2", nil, v) })
	if got := r.get(); !strings.Contains(got, `"status":"key"`) || !strings.Contains(got, `"key":"2"`) {
		t.Errorf("%s", got)
	}
}

// TestQueueScriptDies: the fallback takes the caller, who leaves the line.
func TestQueueScriptDies(t *testing.T) {
	w, b := queued(t, "serial", "anna")
	w.inbound(Spec{Fallback: []Action{{Play: "tone:500/1s"}}})
	w.answer()
	w.callees["anna"] = ignores
	w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) })
	w.call.ScriptEnded(fault.New(fault.Internal, "boom"))
	w.pass(3 * time.Second)
	if rec := w.final(); rec.Outcome != Failed || !w.callee("anna").did("hung up") {
		t.Errorf("%s\n%s", rec.Outcome, w.story())
	}
	b.With(func(c *queue.Core, _ time.Time) {
		if c.Waits() != 0 {
			t.Error("it still waits")
		}
	})
}

// TestQueueAccept: an agent who does not accept is put aside, the other is
// rung; the time that runs out meanwhile waits for who has picked up.
func TestQueueAccept(t *testing.T) {
	w, _ := queued(t, "serial", "anna", "boris")
	w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, time.Second) // never presses the key
	w.callees["boris"] = answers(w, time.Second)
	o := waitFor(QueueOptions{Timeout: 25 * time.Second})
	o.Connect = ConnectOptions{AcceptKey: "1", AcceptText: []Part{{Play: "tone:700/1s"}}}
	r := w.do(func(l *Leg, v Verb) { l.Queue(o, v) })
	w.pass(30 * time.Second) // anna is asked twice, boris rings after it and is asked
	if r.get() != "…" {
		t.Fatalf("%s\n%s", r.get(), w.story())
	}
	w.callee("boris").press("1")
	w.pass(time.Second)
	w.callee("boris").bye()
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"answeredBy":"boris"`) || !strings.Contains(got, `{"target":"anna","status":"rejected","code":603`) {
		t.Errorf("%s\n%s", got, w.story())
	}
}

// TestQueueRingAll: all ring, the others are cancelled, two who pick up at once
// do not both get the caller.
func TestQueueRingAll(t *testing.T) {
	w, _ := queued(t, "all", "anna", "boris", "clara")
	w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = answers(w, 2*time.Second)
	w.callees["boris"] = answers(w, 2*time.Second)
	w.callees["clara"] = ignores
	o := waitFor(QueueOptions{})
	o.Connect.Whisper = []Part{{Play: "tone:700/500ms"}}
	r := w.do(func(l *Leg, v Verb) { l.Queue(o, v) })
	w.pass(4 * time.Second)
	if !w.callee("clara").did("hung up") || w.callee("anna").did("hung up") == w.callee("boris").did("hung up") {
		t.Errorf("who has the caller?\n%s", w.story())
	}
	w.call.Hangup("system")
	w.pass(time.Second)
	if got := r.get(); !strings.Contains(got, `"status":"completed"`) {
		t.Errorf("%s", got)
	}
}

// TestQueueConflicts: one wait at a time, and none after the end.
func TestQueueConflicts(t *testing.T) {
	w, _ := queued(t, "serial", "anna")
	caller := w.inbound(Spec{})
	w.answer()
	w.callees["anna"] = ignores
	w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) })
	w.want(w.do(func(l *Leg, v Verb) { l.Queue(waitFor(QueueOptions{}), v) }), "CONFLICT")
	w.want(w.do(func(l *Leg, v Verb) { l.Connect(connectTo("anna"), v) }), "CONFLICT")
	w.want(w.do(func(l *Leg, v Verb) { l.QueuePriority(5, v) }), `{"position":1}`)
	caller.bye()
	w.pass(time.Second)
	w.want(w.do(func(l *Leg, v Verb) { v.Reply(nil, nil) }), "…")
}

// TestRungLimit: the result of a long wait tells of the latest MaxRung legs.
func TestRungLimit(t *testing.T) {
	k := &connecting{}
	for n := range MaxRung + 3 {
		k.result(LegResult{Code: n})
	}
	if len(k.results) != MaxRung || k.results[0].Code != 3 {
		t.Errorf("%d legs from %d", len(k.results), k.results[0].Code)
	}
}

// TestQueueText: where one stands, in the languages that have words here.
func TestQueueText(t *testing.T) {
	for _, c := range []struct {
		language string
		what     Announcement
		position int
		wait     time.Duration
		known    bool
		want     string
	}{
		{"ru-RU", AnnouncePosition, 3, 0, false, "Вы третий в очереди."},
		{"ru", AnnouncePosition, 21, 0, false, "Вы двадцать первый в очереди."},
		{"ru-RU", AnnounceWait, 3, 90 * time.Second, true, "Примерное время ожидания — две минуты."},
		{"ru-RU", AnnounceWait, 3, 21 * time.Minute, true, "Примерное время ожидания — двадцать одна минута."},
		{"ru-RU", AnnounceWait, 3, 30 * time.Second, true, "Время ожидания — меньше минуты."},
		{"ru-RU", AnnounceWait, 3, 2 * time.Hour, true, "Время ожидания — больше часа."},
		{"ru-RU", AnnounceWait, 3, 0, false, "Пожалуйста, оставайтесь на линии."},
		{"ru-RU", AnnounceBoth, 1, 5 * time.Minute, true, "Вы первый в очереди. Примерное время ожидания — пять минут."},
		{"en-GB", AnnounceBoth, 2, 5 * time.Minute, true, "You are second in line. The expected wait is about five minutes."},
		{"kk-KZ", AnnounceBoth, 3, 2 * time.Minute, true, "Сіздің кезегіңіз — үшінші. Күту уақыты шамамен екі минут."},
		{"de-DE", AnnouncePosition, 1, 0, false, "You are first in line."},
	} {
		if got := queueText(c.language, c.what, c.position, c.wait, c.known); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.language, c.what, got, c.want)
		}
	}
}
