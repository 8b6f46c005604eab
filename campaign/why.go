package campaign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/schedule"
)

// Why is the answer to why a number is or is not called by a campaign.
type Why struct {
	Campaign  string       `json:"campaign"`
	Script    string       `json:"script"`
	State     State        `json:"campaign_state"`
	Key       string       `json:"key"`
	Phone     string       `json:"phone"` // the number that would be dialled next
	Contact   ContactState `json:"state"`
	Outcome   Outcome      `json:"outcome,omitempty"`
	Code      string       `json:"code"`   // stable: done, dialing, campaign_paused, window, …
	Text      string       `json:"reason"` // the same in words
	Next      time.Time    `json:"next_at,omitzero"`
	Zone      string       `json:"zone"`
	LocalTime string       `json:"local_time"` // of the callee, now
	Window    string       `json:"window"`
	Open      bool         `json:"window_open"`
	Made      int          `json:"attempts_made"`
	Allowed   int          `json:"attempts_allowed"`
	StopList  bool         `json:"stop_list"`
	Attempts  []Made       `json:"attempts"`
	Dials     []Dial       `json:"dials,omitempty"` // of the number, by all campaigns and orders
	Expires   time.Time    `json:"expires,omitzero"`
	InCall    string       `json:"in_call,omitempty"` // attempt that has the number now
	InFlight  int          `json:"in_flight"`         // attempts of the campaign now
	MaxCalls  int          `json:"max_calls"`
	NoLine    bool         `json:"no_free_line"` // the last dial found none
}

// Codes of Why beside the reasons of contacts.
const (
	WhyDone     = "done"
	WhyDialing  = "dialing"
	WhyDraft    = "campaign_draft"
	WhyPaused   = "campaign_paused"
	WhyOver     = "campaign_over"
	WhyWindow   = ReasonWindow
	WhyRetry    = "retry"   // its pause is not over
	WhyAt       = "at"      // its time has not come
	WhyNoLine   = "no_line" // no free line of the trunk
	WhyMaxCalls = "max_calls"
	WhyPacing   = "pacing" // due; max_cps and those before it in line
	WhyNoWindow = "window_never_opens"
)

// Explain tells why the contact with a number (E.164) is or is not called now,
// and when it is planned.
func (c *Campaign) Explain(number string) (Why, error) {
	seq, ok, err := c.deps.Repo.SeqOfPhone(c.id, number)
	if err != nil {
		return Why{}, err
	}
	c.take()
	defer c.give()
	k, found := (*Contact)(nil), false
	if ok {
		k, found, err = c.deps.Repo.Contact(c.id, seq)
	}
	if err != nil || !found {
		if err == nil {
			err = fault.New(fault.NotFound, "campaign %s has no contact with this number", c.id)
		}
		return Why{}, err
	}
	return c.explain(k, number)
}

func (c *Campaign) explain(k *Contact, number string) (Why, error) {
	now, z := c.now(), c.zoneOf(k.Zone)
	w := Why{
		Campaign: c.id, Script: c.row.Spec.Script, State: c.row.State, Key: k.Key, Phone: number, Contact: k.State, Outcome: k.Outcome,
		Zone: z.loc.String(), LocalTime: now.In(z.loc).Format("2006-01-02 15:04 Mon"), Window: c.windowText(), Open: c.allowed(k.Zone, now),
		Made: len(k.Attempts), Allowed: c.row.Spec.Attempts, Attempts: k.Attempts, Expires: k.Expires,
		InCall: c.deps.Phones.Held(number), InFlight: len(c.flight), MaxCalls: c.row.Spec.MaxCalls, NoLine: c.lines,
	}
	if w.Attempts == nil {
		w.Attempts = []Made{}
	}
	if w.Expires.IsZero() {
		w.Expires = c.row.Spec.Expires
	}
	var err error
	if c.deps.Stop != nil {
		if w.StopList, err = c.deps.Stop.Has(number); err != nil {
			return w, err
		}
	}
	if w.Dials, err = c.deps.Repo.Dials(number); err != nil {
		return w, err
	}
	c.verdict(&w, k, now)
	return w, nil
}

func (c *Campaign) windowText() string {
	text := c.window.String()
	if !c.deps.Quiet.IsZero() {
		text += ", never " + c.deps.Quiet.String()
	}
	return text
}

// verdict names what stands in the way, the most lasting first.
func (c *Campaign) verdict(w *Why, k *Contact, now time.Time) {
	say := func(code, format string, args ...any) { w.Code, w.Text = code, fmt.Sprintf(format, args...) }
	switch {
	case k.State == Done:
		say(WhyDone, "closed as %s%s", k.Outcome, because(k.Reason))
		return
	case k.State == Dialing:
		say(WhyDialing, "attempt %d of %d is in progress", w.Made, w.Allowed)
		return
	case c.row.State == Cancelled || c.row.State == Completed:
		say(WhyOver, "the campaign is %s", c.row.State)
		return
	case c.expired(w.Expires, now):
		say(ReasonExpired, "it expired at %s", w.Expires.UTC().Format(time.RFC3339))
		return
	case w.StopList:
		say(ReasonStopList, "the number is on the stop-list")
		return
	}
	next, ok := c.nextOpen(k, later(k.Next, now))
	if !ok {
		say(WhyNoWindow, "its window (%s) does not open", w.Window)
		return
	}
	w.Next = next
	switch {
	case c.row.State == Draft:
		say(WhyDraft, "the campaign has not been started")
	case c.row.State == Paused:
		say(WhyPaused, "the campaign is paused%s", because(c.row.Reason))
	case k.Next.After(now):
		c.waits(say, k)
	case !w.Open:
		say(WhyWindow, "outside its window (%s): it is %s there", w.Window, w.LocalTime)
	case w.InCall != "":
		say(ReasonInCall, "the number is in a call: %s", w.InCall)
	case len(c.flight) >= c.row.Spec.MaxCalls:
		say(WhyMaxCalls, "%d calls are in progress, max_calls is %d", len(c.flight), c.row.Spec.MaxCalls)
	case c.lines:
		say(WhyNoLine, "no line of the trunk is free")
	default:
		say(WhyPacing, "it is due and stands in line")
	}
}

// waits words why the time of a contact has not come.
func (c *Campaign) waits(say func(string, string, ...any), k *Contact) {
	switch a := k.Last(); {
	case slices.Contains([]string{ReasonDailyCap, ReasonFrequency, ReasonInCall, ReasonLater, ReasonStopList, ReasonWindow}, k.Reason):
		say(k.Reason, "put off: %s", strings.ReplaceAll(k.Reason, "_", " "))
	case a != nil:
		say(WhyRetry, "the pause after %s is not over", a.Outcome)
	default:
		say(WhyAt, "its time has not come")
	}
}

// nextOpen is when a contact may be dialled at the earliest, by its plan and
// its window.
func (c *Campaign) nextOpen(k *Contact, at time.Time) (time.Time, bool) {
	loc := c.zoneOf(k.Zone).loc
	for limit := at.Add(schedule.Horizon); !at.After(limit); {
		next, ok := c.window.Next(at, loc)
		if !ok || c.deps.Quiet.IsZero() || !c.deps.Quiet.week.Shows(next, loc) {
			return next, ok
		}
		at = c.deps.Quiet.week.Edge(next, loc)
	}
	return time.Time{}, false
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(reason, "_", " ")
}
