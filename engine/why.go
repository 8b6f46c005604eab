package engine

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/call"
	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/store"
)

// maxWhy is how many orders, and how many campaigns, of a number are explained.
const maxWhy = 20

// Why is why a number was or was not called (contract §2).
type Why struct {
	Phone    string      `json:"phone"` // E.164
	Zone     string      `json:"zone"`  // that the number tells, else the project's
	Local    string      `json:"local_time"`
	StopList *Stopped    `json:"stop_list,omitempty"`
	InCall   string      `json:"in_call,omitempty"` // the call that has the number now
	Trunks   []WhyTrunk  `json:"trunks"`            // that may dial it, in the order in which they are tried
	NoTrunk  string      `json:"no_trunk,omitempty"`
	Answers  []WhyAnswer `json:"answers"`
}

// WhyTrunk is a trunk as far as a number concerns it.
type WhyTrunk struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Words string `json:"words"`
	Full  string `json:"full,omitempty"` // which limit keeps another dial off it
}

// WhyAnswer is one order or campaign that knows the number.
type WhyAnswer struct {
	Kind     string         `json:"kind"` // order, campaign
	ID       string         `json:"id"`
	Script   string         `json:"script"`
	Contact  string         `json:"contact,omitempty"` // key in the campaign, or of the order
	State    string         `json:"state"`             // of the order or contact
	Campaign string         `json:"campaign_state,omitempty"`
	Outcome  string         `json:"outcome,omitempty"`
	Code     string         `json:"code"` // stable: done, dialing, window, stop_list, …
	Answer   string         `json:"answer"`
	NextAt   time.Time      `json:"next_at,omitzero"`
	Attempts []OrderAttempt `json:"attempts"`
	Checks   []WhyCheck     `json:"checks"`
}

// WhyCheck is one rule and whether it lets a dial through now.
type WhyCheck struct {
	Name  string `json:"name"` // window, cap, stop_list, trunk
	OK    bool   `json:"ok"`
	Words string `json:"words"`
}

// Why implements api.Campaigns.
func (a *surface) Why(number string) (any, error) {
	e := a.e()
	w, err := e.whyNumber(number)
	if err != nil {
		return nil, err
	}
	orders, _, err := e.store.ListOrders(store.Query{Fields: store.Fields{To: w.Phone}, Limit: maxWhy})
	if err != nil {
		return nil, err
	}
	for _, row := range orders {
		var ord Order
		if json.Unmarshal(row.JSON, &ord) != nil {
			continue
		}
		if now, ok, err := e.orderNow(ord.ID); err == nil && ok {
			ord = now
		}
		w.Answers = append(w.Answers, e.whyOrder(w, &ord))
	}
	ids, err := a.campaigns.repo.CampaignsOf(w.Phone)
	if err != nil {
		return nil, err
	}
	for i := len(ids) - 1; i >= 0 && len(ids)-i <= maxWhy; i-- { // newest first
		err := a.campaigns.use(ids[i], func(c *campaign.Campaign) error {
			x, err := c.Explain(w.Phone)
			if err == nil {
				w.Answers = append(w.Answers, e.whyContact(w, x))
			}
			return err
		})
		if err != nil && fault.CodeOf(err) != fault.NotFound {
			return nil, err
		}
	}
	return w, nil
}

// whyNumber is what holds for the number whoever wants to call it.
func (e *Engine) whyNumber(number string) (*Why, error) {
	cfg := e.Config()
	w := &Why{Phone: phone.Normalize(number, cfg.Project.Country), Trunks: []WhyTrunk{}, Answers: []WhyAnswer{}}
	if !strings.HasPrefix(w.Phone, "+") || !phone.Dialable(w.Phone[1:]) {
		return nil, fault.New(fault.Invalid, "why: %q is no phone number", number).WithHint("write it as +79161234567")
	}
	zone := e.zoneOf(&Order{To: w.Phone})
	w.Zone, w.Local = zone.String(), e.clk.Now().In(zone).Format("2006-01-02 15:04 Mon")
	st, stopped, err := stopList{e}.Get(w.Phone)
	if err != nil {
		return nil, err
	}
	if stopped {
		w.StopList = &st
	}
	w.InCall = e.campaigns.phones.Held(w.Phone)
	for _, l := range e.calls.list() {
		if spec := l.Spec(); spec.Outbound && spec.To.E164 == w.Phone {
			w.InCall = l.ID()
		}
	}
	e.whyTrunks(w)
	return w, nil
}

func (e *Engine) whyTrunks(w *Why) {
	cfg, now := e.Config(), e.clk.Now()
	states := map[string]TrunkLine{}
	if lines, ok := (*surface)(e).Trunks().([]TrunkLine); ok {
		for _, t := range lines {
			states[t.Name] = t
		}
	}
	for i := range cfg.Trunks {
		t := &cfg.Trunks[i]
		if _, ok := destination(cfg, t, w.Phone); !ok {
			continue
		}
		one := WhyTrunk{Name: t.Name, State: states[t.Name].State, Words: states[t.Name].Words}
		if !e.mayUse(t) {
			one.Full = "dev does not dial; start it with --live " + t.Name
		} else if err := e.lines.peek(t, now); err != nil {
			one.Full = err.Error()
		}
		w.Trunks = append(w.Trunks, one)
	}
	if len(w.Trunks) == 0 {
		w.NoTrunk = "no trunk may dial it: add its prefix to destinations of a trunk in loopstart.yaml"
	}
}

func (e *Engine) whyOrder(w *Why, ord *Order) WhyAnswer {
	now := e.clk.Now()
	a := WhyAnswer{
		Kind: "order", ID: ord.ID, Script: ord.Script, Contact: ord.Key, State: ord.State, Attempts: ord.Made, Code: ord.State,
	}
	if a.Attempts == nil {
		a.Attempts = []OrderAttempt{}
	}
	if n := len(ord.Made); n > 0 {
		a.Outcome = string(ord.Made[n-1].Outcome)
	}
	opens, ok := e.opening(ord, now)
	open := ok && !opens.After(now)
	made := attemptWords(len(ord.Made), ord.Attempts, a.Outcome)
	switch {
	case ord.State == stateDone && len(ord.Made) == 0:
		a.Code, a.Answer = whyCode(ord.Reason), "it was not called: "+reasonWords(ord.Reason)
	case ord.State == stateDone:
		a.Answer = "done: " + made
	case ord.State == stateCancelled:
		a.Answer = "it was cancelled; " + made
	case ord.State == stateDialing || ord.State == stateTalking:
		a.Answer = "it is being called now"
	case w.StopList != nil:
		a.Code, a.Answer = campaign.ReasonStopList, "it will not be called: the number is on the stop-list"
	case !open:
		a.Code, a.Answer = campaign.ReasonWindow, fmt.Sprintf("it waits for its window, %s: it is %s there", ord.Window, w.Local)
	case ord.NextAt.After(now) && len(ord.Made) > 0:
		a.Code, a.Answer = campaign.WhyRetry, "it waits for its next attempt; "+made
	case ord.NextAt.After(now):
		a.Code, a.Answer = campaign.WhyAt, "its time has not come"
		if ord.Reason != "" {
			a.Answer = "it was put off: " + reasonWords(ord.Reason)
		}
	default:
		a.Code, a.Answer = campaign.WhyNoLine, "it is due and waits for a line"
	}
	if isOpen(ord.State) && !ord.NextAt.IsZero() {
		if a.NextAt = ord.NextAt; opens.After(a.NextAt) {
			a.NextAt = opens
		}
	}
	window := ord.Window.String()
	if window == "" {
		window = "always"
	}
	a.Checks = e.whyChecks(w, open, window+" in "+e.zoneOf(ord).String(), len(ord.Made), ord.Attempts)
	return a
}

// whyContact puts a campaign's own answer into ours.
func (e *Engine) whyContact(w *Why, x campaign.Why) WhyAnswer {
	a := WhyAnswer{
		Kind: "campaign", ID: x.Campaign, Script: x.Script, Contact: x.Key, State: string(x.Contact), Campaign: string(x.State), Outcome: string(x.Outcome),
		Code: x.Code, NextAt: x.Next, Attempts: []OrderAttempt{}, Answer: x.Text,
	}
	for _, m := range x.Attempts {
		a.Attempts = append(a.Attempts, OrderAttempt{ID: m.ID, At: m.At, Outcome: call.Outcome(m.Outcome), Code: m.Code})
	}
	if n := len(x.Attempts); n > 0 {
		a.Answer += "; " + attemptWords(x.Made, x.Allowed, string(x.Attempts[n-1].Outcome))
	}
	a.Checks = e.whyChecks(w, x.Open, x.Window+" in "+x.Zone, x.Made, x.Allowed)
	return a
}

// whyChecks are the rules one by one.
func (e *Engine) whyChecks(w *Why, open bool, window string, made, of int) []WhyCheck {
	state := "closed now: "
	if open {
		state = "open now: "
	}
	checks := []WhyCheck{
		{"window", open, state + window + ", where it is " + w.Local},
		{"cap", made < of, fmt.Sprintf("%d of %d attempts made", made, of)},
		{"stop_list", w.StopList == nil, "not on the stop-list"},
	}
	if w.StopList != nil {
		checks[2].Words = "on the stop-list since " + w.StopList.Added.Format(time.RFC3339)
		if w.StopList.Reason != "" {
			checks[2].Words += ": " + w.StopList.Reason
		}
	}
	return append(checks, whyTrunkCheck(w))
}

func whyTrunkCheck(w *Why) WhyCheck {
	if w.NoTrunk != "" {
		return WhyCheck{"trunk", false, w.NoTrunk}
	}
	var all []string
	free := false
	for _, t := range w.Trunks {
		text := t.Name + ": " + t.Words
		if t.Full != "" {
			text += ", " + t.Full
		}
		free = free || t.Full == ""
		all = append(all, text)
	}
	return WhyCheck{"trunk", free, strings.Join(all, "; ")}
}

func attemptWords(made, of int, last string) string {
	text := strconv.Itoa(made) + " of " + strconv.Itoa(of) + " attempts made"
	if last != "" {
		text += ", the last: " + reasonWords(last)
	}
	return text
}

// whyCode is a stable word for the reason of an order.
func whyCode(reason string) string {
	switch reason {
	case campaign.ReasonStopList, campaign.ReasonExpired, campaign.ReasonWindow:
		return reason
	}
	return campaign.WhyDone
}

// reasonWords is a reason in words.
func reasonWords(reason string) string { return strings.ReplaceAll(reason, "_", " ") }
