// Package registration is the life of one registration of ours at a trunk
// (RFC 3261 §10.2) as a pure function: [Step] takes a state and an event and
// returns the next state and what to do. It has no clock, socket or chance of
// its own: an event carries its time and a random number, so transcripts show
// whole days.
//
// Times. A refresh goes out between 75 and 90 % of what the registrar granted
// (50 to 65 % below two minutes), spread at random so that many accounts do
// not come in one burst. After a transport error, a timeout or 5xx the next
// try waits 10 s, doubling to 5 min; after a refusal, which trying again does
// not mend and may get us banned, 5 min, doubling to an hour. Retry-After
// counts when it is longer. A failed refresh does not end a registration that
// still has time to live.
//
// # Limits
//
// One challenge is answered per request, one more when it says stale; the
// interval is raised once per try; see the constants for all waits.
package registration

import (
	"fmt"
	"time"
)

// Waits and bounds.
const (
	DefaultExpires  = 5 * time.Minute
	MinExpires      = 30 * time.Second
	MaxExpires      = 24 * time.Hour
	MinRefresh      = 5 * time.Second
	RetryFirst      = 10 * time.Second
	RetryMax        = 5 * time.Minute
	RefusedFirst    = 5 * time.Minute
	RefusedMax      = time.Hour
	RetryAfterMax   = 2 * time.Hour
	shortLife       = 2 * time.Minute
	spread          = 15 // percent of the lifetime between earliest and latest refresh
	earliest        = 75
	earliestIfShort = 50
	timerSlack      = time.Second // a timer may fire this much early
)

// Phase is where a registration stands.
type Phase uint8

// The phases.
const (
	Idle       Phase = iota // nothing sent yet, or stopped
	Trying                  // a REGISTER is under way and no registration is alive
	Registered              // alive; a refresh may be under way or may have failed
	Waiting                 // not registered, the next try has a time
	Leaving                 // the REGISTER with expires 0 is under way
)

func (p Phase) String() string {
	return [...]string{"idle", "trying", "registered", "waiting", "leaving"}[p]
}

// State is everything a registration remembers. Its zero value is Idle.
type State struct {
	Phase    Phase
	Wish     time.Duration // interval we ask for
	Until    time.Time     // end of the lifetime granted; zero when not registered
	Next     time.Time     // of the next REGISTER; zero when one is under way
	InFlight bool
	Answers  int    // challenges answered for the request under way
	Raised   bool   // 423 obeyed for the request under way
	Failures int    // in a row
	Problem  string // the newest failure in words; empty when all is well
	Refused  bool   // the newest failure is one that a person has to mend
	Code     int    // status of the newest final answer; 0 for none
}

// EventKind says what happened.
type EventKind uint8

// The events.
const (
	Start    EventKind = iota // register with Wish
	Timer                     // the time asked for by Arm has come
	Answer                    // a final answer: Code, Reason, Granted, MinExpires, RetryAfter, Stale
	Lost                      // no answer or transport error: Reason
	NoSecret                  // a challenge that cannot be answered: Reason
	Stop                      // unregister
	Moved                     // our Contact is another one, or the network: register again now
)

// Event is one input of Step.
type Event struct {
	Kind       EventKind
	At         time.Time
	Roll       float64 // random in [0,1)
	Wish       time.Duration
	Code       int
	Reason     string
	Granted    time.Duration // of our contact in a 2xx; 0 when the answer does not say
	MinExpires time.Duration
	RetryAfter time.Duration
	Stale      bool
}

// EffectKind says what to do.
type EffectKind uint8

// The effects.
const (
	Send    EffectKind = iota // a REGISTER with Expires
	Resend                    // the same with an answer to the challenge just received
	Arm                       // a Timer event after After; replaces the one before
	Disarm                    // no Timer event
	Changed                   // the status is worth telling
)

// Effect is one output of Step.
type Effect struct {
	Kind    EffectKind
	Expires time.Duration
	After   time.Duration
}

// Step is the whole machine.
func Step(s State, e Event) (State, []Effect) {
	switch e.Kind {
	case Start:
		return s.start(e)
	case Timer:
		return s.timer(e)
	case Answer:
		return s.answer(e)
	case Lost:
		return s.failed(e, e.Reason, false)
	case NoSecret:
		return s.failed(e, e.Reason, true)
	case Stop:
		return s.leave()
	case Moved:
		if s.InFlight || s.Phase != Registered && (s.Phase != Waiting || s.Refused) {
			return s, nil
		}
		return s.send()
	}
	panic(fmt.Sprintf("registration: event %d", e.Kind))
}

func (s State) start(e Event) (State, []Effect) {
	if s.Phase != Idle {
		return s, nil
	}
	if e.Wish <= 0 {
		e.Wish = DefaultExpires
	}
	s = State{Wish: min(max(e.Wish, MinExpires), MaxExpires)}
	return s.send()
}

// timer ignores a timer that was overtaken while it fired.
func (s State) timer(e Event) (State, []Effect) {
	if s.InFlight || s.Next.IsZero() || e.At.Add(timerSlack).Before(s.Next) {
		return s, nil
	}
	return s.send()
}

func (s State) send() (State, []Effect) {
	if s.Phase != Registered {
		s.Phase = Trying
	}
	s.InFlight, s.Next, s.Answers, s.Raised = true, time.Time{}, 0, false
	return s, []Effect{{Kind: Send, Expires: s.Wish}}
}

// leave unregisters if the registrar may know us.
func (s State) leave() (State, []Effect) {
	known := s.Phase == Registered || s.InFlight
	if s.Phase == Leaving || s.Phase == Idle {
		return s, nil
	}
	if !known {
		return State{}, []Effect{{Kind: Disarm}, {Kind: Changed}}
	}
	s = State{Phase: Leaving, InFlight: true, Wish: s.Wish}
	return s, []Effect{{Kind: Disarm}, {Kind: Send, Expires: 0}, {Kind: Changed}}
}
