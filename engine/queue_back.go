package engine

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/call/queue"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/scripts"
	"github.com/loopstart/loopstart/store"
)

// MaxKept is how many places are kept for calling back.
const MaxKept = 5_000

// Defaults of a kept place.
const (
	keptExpires  = 72 * time.Hour
	keptAttempts = 2
	keptRetry    = 5 * time.Minute
)

// Back is a place that is kept for somebody who is called back, as it is
// stored: the intent to dial the person is on disk before the INVITE.
type Back struct {
	ID       string          `json:"id"`
	Group    string          `json:"group"`
	To       string          `json:"to"`
	From     string          `json:"from,omitempty"`
	Trunk    string          `json:"trunk,omitempty"`
	Called   string          `json:"called,omitempty"` // the number that was called, for the caller number
	Script   string          `json:"script"`
	Version  string          `json:"version,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Language string          `json:"language,omitempty"`
	Priority int             `json:"priority,omitempty"`
	Skills   map[string]int  `json:"skills,omitempty"`
	Arrived  time.Time       `json:"arrived"`
	Expires  time.Time       `json:"expires"`
	Attempts int             `json:"attempts"` // allowed
	Made     int             `json:"made"`
	Retry    time.Duration   `json:"retry"`
	NextAt   time.Time       `json:"next_at,omitzero"`
	State    string          `json:"state"`   // waiting, dialling
	Timeout  time.Duration   `json:"timeout"` // of the person's ringing
	Whisper  []call.Part     `json:"whisper,omitempty"`
	Accept   string          `json:"accept,omitempty"` // key
	AcceptBy []call.Part     `json:"accept_prompt,omitempty"`
	Record   bool            `json:"record,omitempty"`
}

// keptPlace is a Back in memory. It waits on the board until it is its turn;
// then it has a call.
type keptPlace struct {
	q *queues
	Back
	seq   uint64 // its place in line within this process
	place *queue.Place
	call  *live
	timer clock.Timer
	turn  sync.Mutex    // one ring at a time: the first begins the call
	stay  atomic.Uint64 // counts the times it has stood in line, and those it left
	early []func()      // rings that came before the place was known
}

// backRequest are the options of queue.callback, as they come from a script.
type backRequest struct {
	Group     string          `json:"group"`
	To        string          `json:"to"`
	From      string          `json:"from"`
	Trunk     string          `json:"trunk"`
	Place     string          `json:"place"` // kept, end
	Priority  int             `json:"priority"`
	Skills    map[string]int  `json:"skills"`
	TimeoutMs int64           `json:"timeoutMs"`
	ExpiresMs int64           `json:"expiresMs"`
	RetryMs   int64           `json:"retryMs"`
	Attempts  int             `json:"attempts"`
	Record    bool            `json:"record"`
	Whisper   []call.Part     `json:"whisper"`
	Accept    *call.Accept    `json:"accept"`
	Data      json.RawMessage `json:"data"`
}

// BackAnswer is what queue.callback resolves with.
type BackAnswer struct {
	ID       string `json:"id"`
	Position int    `json:"position"`
}

// keep takes a place for somebody; c is the call that asks, nil for none.
// A number has one place in a group: who asks again gets the same.
func (q *queues) keep(v *scripts.Version, c *call.Call, r backRequest) (BackAnswer, error) {
	e := q.e
	if err := q.find(r.Group); err != nil {
		return BackAnswer{}, err
	}
	b := q.backOf(v, c, r)
	if err := q.mayCall(&b); err != nil {
		return BackAnswer{}, err
	}
	k := &keptPlace{q: q, Back: b}
	if c != nil && r.Place != "end" {
		if had, ok := q.board.Left(c.ID(), r.Group); ok {
			k.Arrived, k.seq, k.Priority = had.Arrived, had.Seq, had.Priority
		}
	}
	q.mu.Lock()
	for _, other := range q.backs {
		if other.Group == b.Group && other.To == b.To {
			q.mu.Unlock()
			return other.answer(), nil
		}
	}
	full := len(q.backs) >= MaxKept
	if !full {
		q.backs[k.ID] = k
	}
	q.mu.Unlock()
	if full {
		return BackAnswer{}, fault.New(fault.Limit, "callbacks: %d at once", MaxKept)
	}
	raw, err := json.Marshal(k.Back)
	if err == nil {
		err = q.kept.Apply(store.Op{Key: k.ID, Value: raw})
	}
	if err != nil {
		q.forget(k)
		return BackAnswer{}, err
	}
	e.log.Info("a place is kept for a call-back", "id", k.ID, "group", k.Group, "to", phone.Mask(k.To))
	k.stand()
	return k.answer(), nil
}

func (q *queues) backOf(v *scripts.Version, c *call.Call, r backRequest) Back {
	cfg, now := q.e.Config(), q.e.clk.Now()
	ms := func(n int64, or time.Duration) time.Duration { return cmp.Or(time.Duration(n)*time.Millisecond, or) }
	b := Back{
		ID: q.e.newID("back"), Group: r.Group, To: phone.Normalize(r.To, cfg.Project.Country), From: r.From, Trunk: r.Trunk, Data: r.Data,
		Priority: r.Priority, Skills: r.Skills, Arrived: now, Expires: now.Add(ms(r.ExpiresMs, keptExpires)), Attempts: cmp.Or(r.Attempts, keptAttempts),
		Retry: ms(r.RetryMs, keptRetry), State: "waiting", Timeout: ms(r.TimeoutMs, defaultRing), Whisper: r.Whisper, Record: r.Record, Language: cfg.Project.Language,
	}
	if r.Accept != nil {
		b.Accept, b.AcceptBy = r.Accept.Key, r.Accept.Prompt
	}
	if v != nil {
		b.Script, b.Version = v.Script, v.ID
	}
	if c != nil {
		spec := c.Spec()
		b.Called, b.Language = spec.To.Number(), spec.Language
		if len(b.Data) == 0 {
			b.Data = spec.Data
		}
	}
	return b
}

// mayCall refuses at once what could never be dialled.
func (q *queues) mayCall(b *Back) error {
	stopped, err := stopList{q.e}.Has(b.To)
	if err != nil {
		return err
	}
	if stopped {
		return fault.New(fault.Denied, "callback: %s is on the stop-list", phone.Mask(b.To))
	}
	_, err = q.person(b)
	return err
}

// person is how the person is reached.
func (q *queues) person(b *Back) (call.Place, error) {
	r := call.Spec{Script: b.Script, Version: b.Version, To: numberParty(b.Called)}.Dial(b.To)
	r.From, r.Trunk = b.From, b.Trunk
	places, err := dialer{q.e}.Resolve(r)
	if err == nil && len(places) == 0 {
		err = fault.New(fault.Unavailable, "%s cannot be reached", phone.Mask(b.To))
	}
	if err != nil {
		return call.Place{}, err
	}
	return places[0], nil
}

// stand puts the place on the board, at its time.
func (k *keptPlace) stand() {
	q := k.q
	now := q.e.clk.Now()
	if wait := k.NextAt.Sub(now); wait > 0 {
		q.mu.Lock()
		k.timer = q.e.clk.AfterFunc(wait, func() { k.stand() })
		q.mu.Unlock()
		return
	}
	q.mu.Lock()
	k.timer = q.e.clk.AfterFunc(max(k.Expires.Sub(now), 0), k.expire)
	k.early = nil
	q.mu.Unlock()
	k.stay.Add(1)
	place, status := q.board.Enter(queue.Request{
		Group: k.Group, Call: k.ID, From: k.To, Priority: k.Priority, Skills: k.Skills, Back: true, Arrived: k.Arrived, Seq: k.seq,
	}, k)
	if status != "" { // the line is full, or its group is gone
		k.close("not called back: " + status)
		return
	}
	q.mu.Lock()
	k.place = place
	k.seq = place.Request().Seq
	early := k.early
	k.early = nil
	q.mu.Unlock()
	for _, ring := range early {
		ring()
	}
}

func (k *keptPlace) answer() BackAnswer {
	k.q.mu.Lock()
	place := k.place
	k.q.mu.Unlock()
	a := BackAnswer{ID: k.ID}
	if place != nil {
		a.Position, _, _ = place.Stand()
	}
	return a
}

// expire gives up a place that has waited too long and has no call yet.
func (k *keptPlace) expire() {
	k.q.mu.Lock()
	talking := k.State == "dialling"
	l := k.call
	k.q.mu.Unlock()
	switch {
	case talking:
	case l != nil:
		l.Hangup("system")
	default:
		k.close("expired")
	}
}

// close ends a place that needs no call.
func (k *keptPlace) close(why string) {
	k.q.forget(k)
	now := k.q.e.clk.Now()
	r := call.Record{
		ID: k.ID + ".0", Order: k.ID, Script: k.Script, Version: k.Version, Direction: "outbound", From: k.From, To: k.To, StartedAt: k.Arrived, EndedAt: now,
		EndedBy: "system", Cause: why, Outcome: call.NotCalled, Final: true, Data: k.Data, Queue: &call.QueueFacts{Group: k.Group, Status: "callback"},
	}
	k.q.e.beside(func() {
		k.q.e.putRecord(r)
		k.q.e.afterRecord(nil, r)
	})
}

// forget takes a place off the board and the disk.
func (q *queues) forget(k *keptPlace) {
	q.mu.Lock()
	delete(q.backs, k.ID)
	k.stay.Add(1)
	place := k.place
	if k.timer != nil {
		k.timer.Stop()
	}
	q.mu.Unlock()
	if place != nil {
		place.Leave("over")
	}
	q.kept.ApplyLater(q.stored, store.Op{Key: k.ID})
}

// Ring implements queue.Waiter: it is the place's turn.
func (k *keptPlace) Ring(agent string, each time.Duration, why, _ string) {
	stay := k.stay.Load()
	k.q.e.clk.AfterFunc(0, func() { k.ring(stay, agent, each, why) })
}

// Stop implements queue.Waiter.
func (k *keptPlace) Stop(agent string) {
	k.q.e.clk.AfterFunc(0, func() {
		k.q.mu.Lock()
		l := k.call
		k.q.mu.Unlock()
		if l != nil {
			l.BackStop(agent)
		}
	})
}

// ring begins the call, if it has not begun, and lets it ring the agent. The
// board may ask before it has said which place it is; stay tells for which of
// its times in line it was.
func (k *keptPlace) ring(stay uint64, agent string, each time.Duration, why string) {
	k.turn.Lock()
	defer k.turn.Unlock()
	k.q.mu.Lock()
	l, place := k.call, k.place
	switch {
	case stay != k.stay.Load():
		k.q.mu.Unlock()
		return
	case place == nil:
		k.early = append(k.early, func() { k.ring(stay, agent, each, why) })
		k.q.mu.Unlock()
		return
	}
	k.q.mu.Unlock()
	if l == nil {
		var err error
		if l, err = k.begin(place); err != nil {
			k.q.e.log.Warn("a call-back waits: "+err.Error(), "id", k.ID)
			place.Failed(agent, "busy")
			return
		}
	}
	l.BackRing(agent, each, why)
}

// begin makes the call of a place whose turn it is.
func (k *keptPlace) begin(place *queue.Place) (*live, error) {
	e := k.q.e
	t := ticket{script: k.Script, ordered: true}
	if err := e.admission.admit(e.Config(), e.clk.Now(), t, 0); err != nil {
		return nil, err
	}
	l := &live{ticket: t, began: e.clk.Now(), back: k}
	spec := k.spec()
	if v, err := e.scripts.Acquire(k.Script); err == nil {
		l.version = v
		spec.Version = v.ID
		e.applySettings(&spec, v)
		spec.Record = false
	}
	spec.Language = cmp.Or(k.Language, spec.Language)
	l.Call = call.New(spec, e.callDeps())
	k.q.mu.Lock()
	k.call = l
	k.q.mu.Unlock()
	e.calls.add(l)
	e.began(l.Call)
	whisper := k.Whisper
	if len(whisper) == 0 {
		whisper = []call.Part{{Text: backWords(spec.Language)}}
	}
	l.CallBack(call.BackOptions{
		Place: place, Ring: k.Timeout, Person: func() (call.Place, error) { return k.q.person(&k.Back) }, Intent: k.intend,
		Agent: k.agent(spec.Version),
		Connect: call.ConnectOptions{
			Whisper: whisper, AcceptKey: k.Accept, AcceptText: k.AcceptBy, Record: k.Record,
		},
	})
	return l, nil
}

// agent is how those of the group are rung: they see whom they will talk to.
func (k *keptPlace) agent(version string) call.DialRequest {
	return call.Spec{Script: k.Script, Version: version, From: numberParty(k.To), To: numberParty(k.Called)}.Dial("")
}

// backWords tell an agent what the call is, when the script does not.
func backWords(language string) string {
	switch base, _, _ := strings.Cut(strings.ToLower(language), "-"); base {
	case "ru":
		return "Обратный звонок, набираем клиента."
	case "kk":
		return "Кері қоңырау, клиентке қоңырау шалып жатырмыз."
	}
	return "Call-back, we are dialling the customer."
}

func (k *keptPlace) spec() call.Spec {
	cfg := k.q.e.Config()
	n := k.Made + 1
	return call.Spec{
		ID: k.ID + "." + strconv.Itoa(n), Order: k.ID, Script: k.Script, Version: k.Version, Outbound: true, From: numberParty(k.From), To: numberParty(k.To),
		Trunk: k.Trunk, Data: k.Data, Language: k.Language, Stereo: cfg.Recordings.Stereo, MaxDuration: cfg.Limits.CallDuration, RingTimeout: k.Timeout,
		Attempt: call.Attempt{N: n, Of: k.Attempts, Order: k.ID},
	}
}

// intend writes down that the person is dialled now.
func (k *keptPlace) intend(done func(error)) {
	q := k.q
	q.mu.Lock()
	k.State, k.NextAt = "dialling", q.e.clk.Now()
	k.Made++
	raw, err := json.Marshal(k.Back)
	q.mu.Unlock()
	if err != nil {
		done(err)
		return
	}
	q.kept.ApplyLater(done, store.Op{Key: k.ID, Value: raw})
}

// ended follows the call of a place: it is done, or waits for another time.
func (k *keptPlace) ended(r *call.Record) {
	q := k.q
	q.mu.Lock()
	k.call = nil
	place, dialled := k.place, k.State == "dialling"
	k.place = nil
	k.stay.Add(1)
	if k.timer != nil {
		k.timer.Stop()
	}
	talked := r.Queue != nil && r.Queue.AnsweredBy != ""
	now := q.e.clk.Now()
	again := dialled && !talked && k.Made < k.Attempts && r.Outcome != call.BadNumber && r.Outcome != call.NotCalled && now.Add(k.Retry).Before(k.Expires) && q.e.ctx.Err() == nil
	if again {
		k.State, k.NextAt = "waiting", now.Add(k.Retry)
	}
	raw, _ := json.Marshal(k.Back)
	q.mu.Unlock()
	if place != nil {
		place.Leave("over")
	}
	switch {
	case again:
		r.Final = false
		q.kept.ApplyLater(q.stored, store.Op{Key: k.ID, Value: raw})
		k.stand()
	case !dialled && q.e.ctx.Err() != nil: // the process ends before its turn has come: it is kept
	default:
		q.forget(k)
	}
}

// recoverBacks takes up the places that an earlier process kept. One whose
// person was being dialled is of unknown outcome, and never dialled again.
func (q *queues) recoverBacks() error {
	rows, err := scanAll(q.kept)
	if err != nil {
		return err
	}
	var list []*keptPlace
	for _, en := range rows {
		k := &keptPlace{q: q}
		if json.Unmarshal(en.Value, &k.Back) != nil {
			q.kept.ApplyLater(q.stored, store.Op{Key: en.Key})
			continue
		}
		if k.State == "dialling" {
			q.unknown(k)
			continue
		}
		list = append(list, k)
		q.backs[k.ID] = k
	}
	slices.SortStableFunc(list, func(a, b *keptPlace) int { return a.Arrived.Compare(b.Arrived) })
	for _, k := range list {
		k.stand()
	}
	return nil
}

// unknown records a call-back during which the process ended.
func (q *queues) unknown(k *keptPlace) {
	at := k.NextAt
	r := call.Record{
		ID: k.ID + "." + strconv.Itoa(k.Made), Order: k.ID, Script: k.Script, Version: k.Version, Direction: "outbound", From: k.From, To: k.To, StartedAt: at,
		EndedBy: "system", Cause: "the process ended during the call-back", Outcome: call.Unknown, Final: true, Attempt: k.Made, Data: k.Data,
		Queue: &call.QueueFacts{Group: k.Group, Status: "callback"},
	}
	if row, ok, err := q.e.store.GetRecord(r.ID); err == nil && ok && json.Unmarshal(row.JSON, &r) == nil {
		q.e.afterRecord(nil, r)
	} else {
		q.e.pulse.end(&r)
		q.e.putRecord(r)
		q.e.afterRecord(nil, r)
		q.e.log.Warn("call-back of unknown outcome: the process ended during it", "id", k.ID, "to", phone.Mask(k.To))
	}
	q.kept.ApplyLater(q.stored, store.Op{Key: k.ID})
}

// cancelBack gives up a place by its id; its call, if it has one, is hung up and
// leaves the record.
func (q *queues) cancelBack(id string) error {
	q.mu.Lock()
	k := q.backs[id]
	var l *live
	if k != nil {
		k.Attempts = k.Made // no further one
		l = k.call
	}
	q.mu.Unlock()
	switch {
	case k == nil:
		return fault.New(fault.NotFound, "there is no callback %q", id)
	case l != nil:
		l.Hangup("system")
		return nil
	}
	k.close("cancelled")
	return nil
}

// erase forgets the places of a number, on disk when it returns.
func (q *queues) erase(number string) error {
	var ops []store.Op
	q.mu.Lock()
	var gone []*keptPlace
	for _, k := range q.backs {
		if k.To == number {
			gone = append(gone, k)
			ops = append(ops, store.Op{Key: k.ID})
		}
	}
	q.mu.Unlock()
	for _, k := range gone {
		q.forget(k)
	}
	if len(ops) == 0 {
		return nil
	}
	return q.kept.Apply(ops...)
}

// backService serves queue.callback to scripts; c is the call that runs them.
func (e *Engine) backService(v *scripts.Version, c *call.Call, seq uint32, method string, args json.RawMessage, settle func(uint32, any, error)) bool {
	switch method {
	case "queue.callback":
		var r backRequest
		if err := json.Unmarshal(args, &r); err != nil {
			settle(seq, nil, fault.New(fault.Invalid, "callback: %w", err))
			return true
		}
		e.beside(func() {
			a, err := e.queues.keep(v, c, r)
			if err == nil && c != nil {
				c.Note("queue", "place kept in "+r.Group+" for a call-back to "+phone.Normalize(r.To, e.Config().Project.Country), "")
			}
			if err != nil {
				settle(seq, nil, err)
				return
			}
			settle(seq, a, nil)
		})
		return true
	case "queue.cancel":
		var r struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(args, &r); err != nil {
			settle(seq, nil, fault.New(fault.Invalid, "cancel: %w", err))
			return true
		}
		e.beside(func() {
			err := e.queues.cancelBack(r.ID)
			if fault.CodeOf(err) == fault.NotFound {
				settle(seq, false, nil)
				return
			}
			settle(seq, true, err)
		})
		return true
	}
	return false
}

func (q *queues) close() {
	if q.board != nil {
		q.board.Close()
	}
}
