package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// card is what we know of one call's card, kept under the call's id.
type card struct {
	ID       string `json:"id,omitempty"` // CALL_ID
	User     string `json:"user,omitempty"`
	Inner    string `json:"inner,omitempty"`
	Sent     bool   `json:"sent,omitempty"` // .finish has been sent; whether it arrived we may not know
	Finished bool   `json:"finished,omitempty"`
}

// cardKept is how long a card is remembered: longer than the outbox tries.
const cardKept = 10 * 24 * time.Hour

func cardKey(call string) string { return "bitrix24:card:" + call }

func (c *Connector) card(call string) (d card, err error) {
	raw, ok, err := c.serv.KV.Get(cardKey(call))
	if err != nil || !ok {
		return d, err
	}
	return d, json.Unmarshal(raw, &d)
}

func (c *Connector) keepCard(call string, d card) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return c.serv.KV.Set(cardKey(call), raw, cardKept)
}

// callFacts are a call as register needs it.
type callFacts struct {
	ID        string    `json:"id"`
	Direction string    `json:"direction"`
	Phone     string    `json:"phone"`
	Line      string    `json:"line"`
	StartedAt time.Time `json:"startedAt"`
}

// cardOptions are what a script may say of a card.
type cardOptions struct {
	User     json.RawMessage `json:"user,omitempty"` // a number or its text
	Inner    string          `json:"inner,omitempty"`
	Type     string          `json:"type,omitempty"`
	Line     string          `json:"line,omitempty"`
	Show     *bool           `json:"show,omitempty"`
	Create   bool            `json:"create,omitempty"` // CRM_CREATE
	Source   string          `json:"source,omitempty"`
	Entity   *Entity         `json:"entity,omitempty"`
	List     int             `json:"list,omitempty"` // CALL_LIST_ID
	AddChat  *bool           `json:"addToChat,omitempty"`
	TimeoutM int64           `json:"timeoutMs,omitempty"`
}

// callTypes are TYPE of register.
var callTypes = map[string]int{"outbound": 1, "inbound": 2, "forwarded": 3, "callback": 4, "info": 5}

// employee is on whose behalf a call is kept; one of the two is sent.
type employee struct{ user, inner string }

func (e employee) none() bool { return e.user == "" && e.inner == "" }

func (e employee) add(params map[string]any) {
	if e.inner != "" && e.user == "" {
		params["USER_PHONE_INNER"] = e.inner
		return
	}
	params["USER_ID"] = e.user
}

// employee chooses between what the script says, what the card has, and the
// configuration.
func (c *Connector) employee(o cardOptions, d card) employee {
	said := employee{strings.Trim(string(o.User), `"`), o.Inner}
	for _, e := range []employee{said, {d.User, d.Inner}} {
		if !e.none() {
			return e
		}
	}
	return employee{user: c.cfg.User}
}

var errNobody = fault.New(fault.Invalid, "bitrix24: a call is kept on behalf of an employee, and none is named").
	WithHint("say {user: 1} or {inner: \"101\"}, or set bitrix24.user in loopstart.yaml")

// registerParams are those of telephony.externalCall.register. Our call's id
// goes with them: a repeat within 30 minutes gives the same card.
func (c *Connector) registerParams(f callFacts, o cardOptions, who employee) (map[string]any, error) {
	if who.none() {
		return nil, errNobody
	}
	if f.Phone == "" {
		return nil, fault.New(fault.Invalid, "bitrix24: a call without a number has no card").WithHint("an anonymous caller has no call.remote.e164")
	}
	kind := cmp.Or(o.Type, f.Direction)
	n, ok := callTypes[kind]
	if !ok {
		return nil, fault.New(fault.Invalid, "bitrix24: call type %q", kind)
	}
	flag := func(b *bool, def int) int {
		if b == nil {
			return def
		}
		return map[bool]int{true: 1, false: 0}[*b]
	}
	params := map[string]any{
		"PHONE_NUMBER": f.Phone, "TYPE": n, "EXTERNAL_CALL_ID": f.ID, "CALL_START_DATE": f.StartedAt.Format(time.RFC3339),
		"SHOW": flag(o.Show, 1), "ADD_TO_CHAT": flag(o.AddChat, 1), "CRM_CREATE": flag(&o.Create, 0),
	}
	who.add(params)
	for name, v := range map[string]string{"CRM_SOURCE": o.Source, "LINE_NUMBER": cmp.Or(o.Line, c.cfg.Line, f.Line)} {
		if v != "" {
			params[name] = v
		}
	}
	if o.Entity != nil && o.Entity.ID != 0 {
		params["CRM_ENTITY_TYPE"], params["CRM_ENTITY_ID"] = strings.ToUpper(o.Entity.Type), o.Entity.ID
	}
	if o.List != 0 {
		params["CALL_LIST_ID"] = o.List
	}
	return params, nil
}

// Card is a call card as scripts see it.
type Card struct {
	Available bool   `json:"available"`
	Error     string `json:"error,omitempty"`
	ID        string `json:"id,omitempty"`
	Lead      int    `json:"lead,omitempty"` // that the portal has made for the call
	Type      string `json:"type,omitempty"`
	EntityID  int    `json:"entityId,omitempty"`
}

// register makes the card and remembers it.
func (c *Connector) register(ctx context.Context, f callFacts, o cardOptions, who employee, urgent bool) (Card, error) {
	params, err := c.registerParams(f, o, who)
	if err != nil {
		return Card{}, err
	}
	res, err := c.Call(ctx, "telephony.externalCall.register", params, urgent)
	if err != nil {
		return Card{}, err
	}
	var w struct {
		ID   string  `json:"CALL_ID"`
		Lead integer `json:"CRM_CREATED_LEAD"`
		Type string  `json:"CRM_ENTITY_TYPE"`
		EID  integer `json:"CRM_ENTITY_ID"`
	}
	if err := json.Unmarshal(res.Result, &w); err != nil || w.ID == "" {
		return Card{}, fault.New(fault.Unavailable, "bitrix24: register has named no call")
	}
	err = c.keepCard(f.ID, card{ID: w.ID, User: who.user, Inner: who.inner})
	return Card{Available: true, ID: w.ID, Lead: int(w.Lead), Type: strings.ToLower(w.Type), EntityID: int(w.EID)}, err
}

// cardTimeout is how long a call waits for its card when nothing is said.
const cardTimeout = 3 * time.Second

// openCard shows the card of a call in progress. A portal that is slow or
// absent is no error; finishCall makes the card then.
func (c *Connector) openCard(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Call callFacts
		cardOptions
	}](module, args)
	if err != nil {
		return nil, err
	}
	if a.Call.Phone == "" {
		return Card{Available: true}, nil // an anonymous caller has no card
	}
	limit := cardTimeout
	if a.TimeoutM > 0 {
		limit = time.Duration(a.TimeoutM) * time.Millisecond
	}
	in, stop := connector.Within(ctx, c.serv.Clock, limit)
	defer stop()
	made, err := c.register(in, a.Call, a.cardOptions, c.employee(a.cardOptions, card{}), true)
	switch fault.CodeOf(err) {
	case "":
		return made, nil
	case fault.Invalid:
		return nil, err
	}
	c.serv.Log.Warn("bitrix24: no call card now", "call", a.Call.ID, "err", err)
	return Card{Error: err.Error()}, nil
}

func (c *Connector) showCard(ctx context.Context, args json.RawMessage) (any, error) {
	return c.cardFor(ctx, "telephony.externalCall.show", args)
}

func (c *Connector) hideCard(ctx context.Context, args json.RawMessage) (any, error) {
	return c.cardFor(ctx, "telephony.externalCall.hide", args)
}

// cardFor shows or hides a card for employees; false when there is no card.
func (c *Connector) cardFor(ctx context.Context, method string, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Call  string
		Users []int
	}](module, args)
	if err != nil {
		return nil, err
	}
	d, err := c.card(a.Call)
	if err != nil || d.ID == "" {
		return false, err
	}
	in, stop := connector.Within(ctx, c.serv.Clock, cardTimeout)
	defer stop()
	if _, err = c.Call(in, method, map[string]any{"CALL_ID": d.ID, "USER_ID": a.Users}, true); fault.CodeOf(err) == fault.Invalid {
		return nil, err
	}
	if err != nil {
		c.serv.Log.Warn(fmt.Sprintf("bitrix24: %s", method), "call", a.Call, "err", err)
	}
	return err == nil, nil
}
