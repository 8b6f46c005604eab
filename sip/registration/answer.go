package registration

import (
	"fmt"
	"time"
)

// answer handles a final answer to the REGISTER under way. One that comes when
// nothing is under way is late and means nothing.
func (s State) answer(e Event) (State, []Effect) {
	if !s.InFlight {
		return s, nil
	}
	s.Code = e.Code
	switch {
	case e.Code == 401 || e.Code == 407:
		return s.challenged(e)
	case s.Phase == Leaving:
		return left()
	case e.Code >= 200 && e.Code < 300:
		return s.accepted(e)
	case e.Code == 423:
		return s.tooBrief(e)
	}
	return s.failed(e, statusLine(e.Code, e.Reason), lasting(e.Code))
}

// challenged answers once, and once more if only the nonce was old.
func (s State) challenged(e Event) (State, []Effect) {
	if s.Answers == 0 || s.Answers == 1 && e.Stale {
		s.Answers++
		expires := s.Wish
		if s.Phase == Leaving {
			expires = 0
		}
		return s, []Effect{{Kind: Resend, Expires: expires}}
	}
	return s.failed(e, statusLine(e.Code, e.Reason)+": user name or password rejected", true)
}

func (s State) accepted(e Event) (State, []Effect) {
	granted := e.Granted
	if granted <= 0 {
		granted = s.Wish
	}
	granted = min(granted, MaxExpires)
	wait := refresh(granted, e.Roll)
	s = State{
		Phase: Registered, Wish: s.Wish, Code: e.Code,
		Until: e.At.Add(granted), Next: e.At.Add(wait),
	}
	return s, []Effect{{Kind: Arm, After: wait}, {Kind: Changed}}
}

// refresh is when to register again: early enough for a few tries.
func refresh(granted time.Duration, roll float64) time.Duration {
	from := earliest
	if granted < shortLife {
		from = earliestIfShort
	}
	percent := float64(from) + spread*roll
	return max(time.Duration(float64(granted)*percent/100).Round(time.Millisecond), MinRefresh)
}

// tooBrief asks again with the interval that the registrar wants (RFC 3261
// §10.2.8). It is kept for later refreshes.
func (s State) tooBrief(e Event) (State, []Effect) {
	if s.Raised || e.MinExpires <= s.Wish || e.MinExpires > MaxExpires {
		return s.failed(e, statusLine(e.Code, e.Reason), true)
	}
	s.Wish, s.Raised, s.Answers = e.MinExpires, true, 0
	return s, []Effect{{Kind: Send, Expires: s.Wish}}
}

// failed waits and tries again. While the lifetime granted before has not
// passed, the registration is alive.
func (s State) failed(e Event, problem string, refused bool) (State, []Effect) {
	if !s.InFlight {
		return s, nil
	}
	if s.Phase == Leaving {
		return left()
	}
	first, most := RetryFirst, RetryMax
	if refused {
		first, most = RefusedFirst, RefusedMax
	}
	wait := backoff(first, most, s.Failures, e.Roll)
	wait = max(wait, min(e.RetryAfter, RetryAfterMax))
	s.Failures++
	s.InFlight, s.Problem, s.Refused, s.Next = false, problem, refused, e.At.Add(wait)
	if e.Kind != Answer {
		s.Code = 0
	}
	if s.Phase != Registered || refused || !e.At.Before(s.Until) {
		s.Phase, s.Until = Waiting, time.Time{}
	}
	return s, []Effect{{Kind: Arm, After: wait}, {Kind: Changed}}
}

// backoff doubles from first to most and takes off up to a fifth at random.
func backoff(first, most time.Duration, failures int, roll float64) time.Duration {
	wait := first
	for range failures {
		if wait *= 2; wait >= most {
			wait = most
			break
		}
	}
	return (wait - time.Duration(float64(wait)*roll/5)).Round(time.Millisecond)
}

// left is the end: whatever the registrar says to expires 0, we are gone.
func left() (State, []Effect) {
	return State{}, []Effect{{Kind: Disarm}, {Kind: Changed}}
}

// lasting tells refusals that a person has to mend from troubles that pass.
func lasting(code int) bool {
	switch code {
	case 408, 430, 480, 486, 491:
		return false
	}
	return code >= 300 && code < 500 || code >= 600
}

func statusLine(code int, reason string) string {
	if reason == "" {
		return fmt.Sprint(code)
	}
	return fmt.Sprintf("%d %s", code, reason)
}

// Status is the state in words, for people.
func (s State) Status(now time.Time) string {
	next := ""
	if !s.Next.IsZero() {
		next = fmt.Sprintf(", next try in %s", max(s.Next.Sub(now), 0).Round(time.Second))
	}
	switch {
	case s.Phase == Registered && !now.Before(s.Until):
		return fmt.Sprintf("registration ran out at %s: %s%s", s.Until.Format("15:04:05"), s.orBusy(), next)
	case s.Phase == Registered && s.Problem == "":
		return "registered until " + s.Until.Format("15:04:05")
	case s.Phase == Registered:
		return fmt.Sprintf("registered until %s, but the refresh failed: %s%s", s.Until.Format("15:04:05"), s.Problem, next)
	case s.Phase == Waiting:
		return s.Problem + next
	case s.Phase == Trying && s.Problem != "":
		return "trying again after " + s.Problem
	case s.Phase == Trying:
		return "registering"
	case s.Phase == Leaving:
		return "unregistering"
	}
	return "not registered"
}

func (s State) orBusy() string {
	if s.Problem == "" {
		return "the refresh has no answer yet"
	}
	return s.Problem
}

// Alive tells whether the registrar still sends us calls.
func (s State) Alive(now time.Time) bool {
	return s.Phase == Registered && now.Before(s.Until)
}
