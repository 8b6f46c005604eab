package call

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/fault"
)

// QueueOptions are the options of queue.enter, after defaults.
type QueueOptions struct {
	Group    string
	Priority int
	Skills   map[string]int
	Timeout  time.Duration // 0: as long as the call may last
	Waiting  Waiting
	Announce Announcement
	Words    []Part        // said instead of an announcement
	Every    time.Duration // between announcements
	Keys     map[string]QueueKey
	Agent    DialRequest    // as every agent is dialled; the target is not set
	Connect  ConnectOptions // whisper, acceptance, and the talk
}

// DefaultEvery is how often an announcement is made.
const DefaultEvery = time.Minute

// QueueKey is what a key does to a caller who waits.
type QueueKey struct {
	Value    json.RawMessage // leaves the line with it
	Function uint32          // is called; the caller stays
}

// QueueResult is what queue.enter resolves with. Beside those of connect its
// statuses are key, timeout, full and closed.
type QueueResult struct {
	ConnectResult
	Key    string          `json:"key,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
	WaitMs int64           `json:"waitMs"`
}

// queueing is a caller who stands in line: the connect whose targets come one
// by one as agents get free.
type queueing struct {
	call    *Call
	caller  *Leg
	k       *connecting
	opts    QueueOptions
	verb    Verb
	place   *queue.Place
	began   time.Time
	talked  time.Time      // when the talk began
	phones  map[string]int // that ring, by agent
	refused map[string]int // who has declined on one of them, and with which status
	out     bool           // not in line any more
	late    bool           // the time is up while an agent is asked
	key     string
	value   json.RawMessage

	timeout, next, idle *timer // of the line, the next announcement, the music
	song                *playing
	songAt              time.Duration
	speaking            bool
	typed               string
	quiet               *timer
}

// inLine is what a call has to do with queues.
type inLine struct {
	queue *QueueFacts // the last line it stood in
	back  *callingBack
	// agentsFirst: legs are of agents until the party of the call is dialled.
	agentsFirst bool
}

// Queue puts the leg in line for a group's agents. It answers an inbound call.
func (l *Leg) Queue(o QueueOptions, v Verb) {
	c := l.call
	switch {
	case !l.alive():
		v.fail(errHangup())
	case c.connect != nil:
		v.fail(fault.New(fault.Conflict, "another connect or queue is under way on this call").WithHint("await it first"))
	case c.deps.Queues == nil:
		v.fail(fault.New(fault.Unavailable, "there are no queues here"))
	case l.outbound && l.state != legUp:
		v.fail(fault.New(fault.Conflict, "the other party has not answered yet"))
	default:
		l.audible(true, v, func() { l.enqueue(o, v) })
	}
}

func (l *Leg) enqueue(o QueueOptions, v Verb) {
	c := l.call
	if c.connect != nil {
		v.fail(fault.New(fault.Conflict, "another connect or queue is under way on this call").WithHint("await it first"))
		return
	}
	q := &queueing{call: c, caller: l, opts: o, verb: v, began: c.clk.Now(), phones: map[string]int{}, refused: map[string]int{}}
	place, status, err := c.deps.Queues.Enter(queue.Request{
		Group: o.Group, Call: c.ID(), From: c.spec.Remote().Number(), Priority: o.Priority, Skills: o.Skills,
	}, q)
	if err != nil {
		v.fail(err)
		return
	}
	c.facts.connectTried = true
	q.k = &connecting{
		caller: l, opts: o.Connect, verb: Verb{At: v.At, Reply: q.reply}, began: q.began, ringing: map[*Leg]*timer{}, line: q,
	}
	c.queue = &QueueFacts{Group: o.Group, Status: "waiting"}
	if status != "" {
		q.leave(status, map[string]int{"full": 486}[status])
		return
	}
	q.place, c.connect = place, q.k
	l.onEnd = append(l.onEnd, q.k.abandon)
	position, _, _ := place.Stand()
	q.note("entered " + o.Group + ", position " + itoa(position))
	if others := place.Others(); others != "" {
		q.note("not rung: " + others)
	}
	if o.Timeout > 0 {
		q.timeout = c.after(o.Timeout, q.expire)
	}
	q.announce()
}

func (q *queueing) note(words string) { q.caller.note("queue", words, q.verb.At) }

// Ring implements queue.Waiter.
func (q *queueing) Ring(agent string, each time.Duration, why, others string) {
	q.call.post(func() { q.ring(agent, each, why, others) })
}

// Stop implements queue.Waiter. The legs of a place that was given up end with
// it; this is for those that ring beside the one who was faster.
func (q *queueing) Stop(agent string) {
	q.call.post(func() {
		for _, l := range inOrder(q.k.ringing) {
			if l.place.Name == agent && l != q.k.winner {
				q.cancel(l)
			}
		}
	})
}

func (q *queueing) cancel(l *Leg) {
	if l.state == legEnded || l.leaving {
		return
	}
	q.k.ringing[l].stop()
	l.reason = "cancelled"
	l.hangup()
}

// ring dials the phones of an agent.
func (q *queueing) ring(agent string, each time.Duration, why, others string) {
	if q.out || q.k.winner != nil {
		return // the end of the wait has freed the agent, or the talk does
	}
	q.note("ringing " + agent + ": " + why)
	if others != "" {
		q.note("not rung: " + others)
	}
	r := q.opts.Agent
	r.Target, r.Timeout = agent, each
	places, err := q.call.deps.Queues.Phones(agent, r)
	if err != nil {
		q.note(agent + ": " + err.Error())
	}
	for _, p := range places {
		p.Name, p.Each = agent, each
		if q.k.ring(p) {
			q.phones[agent]++
		}
	}
	if q.phones[agent] == 0 {
		q.failed(agent, "failed")
	}
}

// picked is an agent who has picked up one of its phones.
func (q *queueing) picked(l *Leg) {
	for _, other := range inOrder(q.k.ringing) {
		if other != l && other.place.Name == l.place.Name {
			q.cancel(other)
		}
	}
	q.place.Answered(l.place.Name)
}

// talks is the agent who got the caller.
func (q *queueing) talks(l *Leg) {
	q.talked = q.call.clk.Now()
	q.timeout.stop()
	q.hush()
	q.note("talks with " + l.place.Name + " after " + q.waited().Round(time.Millisecond).String())
	q.call.queue.AnsweredBy = l.place.Name
	q.place.Talking(l.place.Name)
}

// moved frees the agent who has handed the caller to somebody else: it serves
// the next one while those two talk.
func (q *queueing) moved(l *Leg) {
	if l == q.k.winner && l.place.Name != q.call.queue.AnsweredBy {
		q.place.Over()
	}
}

func (q *queueing) waited() time.Duration {
	if q.talked.IsZero() {
		return q.call.clk.Now().Sub(q.began)
	}
	return q.talked.Sub(q.began)
}

// gone is a phone of an agent that does not ring any more.
func (q *queueing) gone(l *Leg, status string) {
	agent := l.place.Name
	if l.declined() {
		q.refused[agent] = l.code
		q.Stop(agent)
	}
	if q.phones[agent]--; q.phones[agent] > 0 {
		return
	}
	delete(q.phones, agent)
	status, code := l.ringEnd(status, q.refused[agent])
	delete(q.refused, agent)
	if status != "cancelled" {
		q.note(agent + ": " + status + " " + itoa(code))
	}
	q.failed(agent, status)
	if q.late {
		q.expire()
	}
}

func (q *queueing) failed(agent, how string) {
	if q.place != nil && !q.out {
		q.place.Failed(agent, how)
		if others := q.place.Others(); others != "" {
			q.note("not rung: " + others)
		}
	}
}

// expire ends the wait, unless an agent has picked up and is being asked.
func (q *queueing) expire() {
	for _, l := range inOrder(q.k.ringing) {
		if l.state == legUp && !l.leaving {
			q.late = true
			return
		}
	}
	if q.k.winner == nil {
		q.leave("timeout", 480)
	}
}

// leave ends the wait without a talk.
func (q *queueing) leave(status string, code int) {
	if q.k.settled || q.k.winner != nil {
		return
	}
	if code == 0 {
		code = 480
	}
	legs := inOrder(q.k.ringing)
	r := ConnectResult{Status: status, Code: code}
	if status == "abandoned" {
		r.EndedBy = "script"
	}
	for _, l := range legs {
		one := q.k.legResult(l, "cancelled")
		one.Code = 487
		q.k.result(one)
	}
	q.k.settle(r)
	for _, l := range legs {
		q.cancel(l)
	}
}

// over is the end of the wait or of the talk; its connect settles.
func (q *queueing) over(status string) {
	q.out = true
	q.timeout.stop()
	q.hush()
	if status != "completed" {
		q.note("left " + q.opts.Group + ": " + status + " after " + q.waited().Round(time.Millisecond).String())
	}
	if q.place != nil {
		q.place.Leave(status)
	}
	facts := *q.call.queue
	facts.Status, facts.WaitMs = status, q.waited().Milliseconds()
	q.call.queue = &facts
}

// reply is the answer of the verb.
func (q *queueing) reply(value any, err error) {
	r, ok := value.(ConnectResult)
	if err != nil || !ok {
		q.verb.Reply(value, err)
		return
	}
	if r.Legs == nil {
		r.Legs = []LegResult{}
	}
	q.verb.Reply(QueueResult{ConnectResult: r, Key: q.key, Value: q.value, WaitMs: q.waited().Milliseconds()}, nil)
}

// waitingKey takes a key of a caller who stands in line.
func (k *connecting) waitingKey(l *Leg, d byte) bool {
	if k == nil || k.line == nil || k.caller != l || k.winner != nil || len(k.line.opts.Keys) == 0 {
		return false
	}
	return k.line.press(d)
}

// press collects keys until they are one of the options, or cannot become one.
func (q *queueing) press(d byte) bool {
	q.typed += string(d)
	q.quiet.stop()
	q.quiet = q.call.after(DefaultInterDigit, func() { q.typed = "" })
	for q.typed != "" {
		if key, ok := q.opts.Keys[q.typed]; ok {
			typed := q.typed
			q.typed = ""
			q.act(typed, key)
			return true
		}
		for want := range q.opts.Keys {
			if strings.HasPrefix(want, q.typed) {
				return true
			}
		}
		q.typed = q.typed[1:]
	}
	return true
}

// act does what a key stands for: it leaves, or calls the script and stays.
func (q *queueing) act(typed string, key QueueKey) {
	if key.Function != 0 {
		q.note("key " + typed)
		q.call.callback(key.Function, map[string]any{"key": typed})
		return
	}
	q.leaveBy(typed, key.Value)
}

func (q *queueing) leaveBy(typed string, value json.RawMessage) {
	q.key, q.value = typed, value
	if !q.call.facts.talked {
		q.call.facts.connectTried = false // the script goes on serving
	}
	q.leave("key", 200)
}

// LeaveQueue ends the wait with a key's value, for a function of that key.
func (l *Leg) LeaveQueue(key string, value json.RawMessage, v Verb) {
	if k := l.call.connect; k != nil && k.line != nil && k.caller == l && k.winner == nil {
		k.line.leaveBy(key, value)
	}
	v.ok(nil)
}

// QueuePriority moves the leg in the line it stands in.
func (l *Leg) QueuePriority(n int, v Verb) {
	k := l.call.connect
	if k == nil || k.line == nil || k.caller != l || k.winner != nil || k.line.place == nil {
		v.fail(fault.New(fault.Conflict, "the call does not stand in line"))
		return
	}
	k.line.place.SetPriority(n)
	position, _, _ := k.line.place.Stand()
	k.line.note("priority " + itoa(n) + ", position " + itoa(position))
	v.ok(map[string]any{"position": position})
}
