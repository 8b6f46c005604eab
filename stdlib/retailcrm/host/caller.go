package host

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/phone"
)

// Caller is who a number belongs to.
type Caller struct {
	Known     bool              `json:"known"`
	Available bool              `json:"available"`       // the account has answered; else the rest is what it said before
	Error     string            `json:"error,omitempty"` // why it has not
	ID        string            `json:"id,omitempty"`
	External  string            `json:"externalId,omitempty"`
	Name      string            `json:"name,omitempty"`
	Manager   *Manager          `json:"manager,omitempty"`
	Links     map[string]string `json:"links,omitempty"`
}

// Manager is the employee who is responsible and may be rung.
type Manager struct {
	ID     string `json:"id"`
	Code   string `json:"code,omitempty"` // of telephony: the inner number
	Name   string `json:"name,omitempty"`
	Target string `json:"target,omitempty"` // for call.connect: the user of loopstart.yaml with that code
}

// person is a customer or manager as telephony/manager tells it.
type person struct {
	ID       connector.Text `json:"id"`
	External connector.Text `json:"externalId"`
	First    connector.Text `json:"firstName"`
	Last     connector.Text `json:"lastName"`
	Code     connector.Text `json:"code"`
}

func (p person) name() string { return strings.TrimSpace(string(p.First) + " " + string(p.Last)) }

func raw(v any) json.RawMessage {
	b, _ := json.Marshal(v) // texts, numbers and maps of them
	return b
}

// caller looks a number up. An account that is slow, absent or refuses us is no
// error: a call must go on.
func (c *Connector) caller(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Phone        string
		TimeoutMs    int64
		IgnoreStatus bool
	}](module, args)
	if err != nil {
		return nil, err
	}
	number := phone.Normalize(a.Phone, c.serv.Country)
	if !strings.HasPrefix(number, "+") {
		return Caller{Available: true}, nil
	}
	in, stop := connector.LookingUp(ctx, c.serv.Clock, a.TimeoutMs)
	defer stop()
	params := map[string]json.RawMessage{"phone": raw(number), "details": raw("1")}
	if a.IgnoreStatus {
		params["ignoreStatus"] = raw("1") // also managers who are not at work
	}
	body, err := c.Call(in, http.MethodGet, "telephony/manager", params)
	if err != nil {
		return c.remembered(number, err), nil
	}
	var w struct {
		Manager, Customer *person
		Links             map[string]connector.Text
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return c.remembered(number, err), nil
	}
	who := c.whoIs(w.Manager, w.Customer)
	for name, link := range w.Links {
		if link != "" {
			if who.Links == nil {
				who.Links = map[string]string{}
			}
			who.Links[name] = string(link)
		}
	}
	connector.Remember(c.serv.KV, callerKey(number), who)
	return who, nil
}

func callerKey(phone string) string { return "retailcrm:caller:" + phone }

func (c *Connector) whoIs(m, customer *person) Caller {
	who := Caller{Available: true}
	if customer != nil && customer.ID != "" {
		who.Known, who.ID, who.External, who.Name = true, string(customer.ID), string(customer.External), customer.name()
	}
	if m != nil && m.ID != "" {
		who.Manager = &Manager{ID: string(m.ID), Code: string(m.Code), Name: m.name(), Target: c.serv.Target(string(m.Code))}
	}
	return who
}

// remembered is what the account said the last time.
func (c *Connector) remembered(number string, why error) Caller {
	who := connector.Recall[Caller](c.serv.KV, callerKey(number))
	who.Available, who.Error = false, why.Error()
	c.serv.Log.Warn("retailcrm: the caller was not looked up", "known", who.Known, "err", why)
	return who
}
