package call

import (
	"time"

	"github.com/loopstart/loopstart/sip"
)

// RouteNews is what a dial has shown of its trunk. It is told twice at most:
// when the trunk first shows that it deals with the call, and when the dial is
// over.
type RouteNews struct {
	Over      bool
	Heard     bool          // the trunk answered in whatever way, 100 alone excepted
	Code      int           // of the end
	Rang      time.Duration // from INVITE to 18x or answer, 0: neither came
	Answered  bool
	Talk      time.Duration // of an answered one that is over
	Cancelled bool          // given up by us before the answer, not for the trunk's silence
	Pause     time.Duration // that the refusal asks for (Retry-After), at most MaxRetryAfter
}

// shortestDelay keeps a post-dial delay apart from none.
const shortestDelay = time.Millisecond

// watch follows a dial for whoever counts what trunks do.
func (l *Leg) watch(ev sip.Event) {
	if l.route.Tell == nil {
		return
	}
	n := &l.news
	known := n.Heard
	switch ev.Kind {
	case sip.Provisional, sip.Answered:
		n.Heard = true
		if n.Rang == 0 && ev.Code >= 180 {
			n.Rang = max(ev.At.Sub(l.sentAt), shortestDelay)
		}
		n.Answered = n.Answered || ev.Kind == sip.Answered
	case sip.Ended:
		n.Over, n.Code = true, ev.Code
		if !n.Answered && ev.Remote {
			n.Pause = asksPause(ev.Code, ev.Headers)
		}
		n.Heard = n.Heard || ev.Headers != nil
		patient := l.reason == "timeout" && !n.Heard // a ring time without a sign of life
		n.Cancelled = !n.Answered && l.leaving && !patient
		if patient {
			n.Code = 408
		}
		if n.Answered {
			n.Talk = ev.At.Sub(l.answeredAt)
		}
	default:
		return
	}
	if n.Over || !known {
		l.route.Tell(*n)
	}
}
