package host

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// orderRef names an order: by its number, its id, or its id in the shop.
type orderRef struct {
	ID       connector.Text `json:"id,omitempty"`
	External connector.Text `json:"externalId,omitempty"`
	Number   connector.Text `json:"number,omitempty"`
	Site     string         `json:"site,omitempty"`
}

// key names the order in the outbox.
func (o orderRef) key() string {
	switch {
	case o.ID != "":
		return "id:" + string(o.ID)
	case o.External != "":
		return "ext:" + string(o.External)
	}
	return "number:" + string(o.Number)
}

func (o orderRef) check() error {
	if o.ID == "" && o.External == "" && o.Number == "" {
		return fault.New(fault.Invalid, "retailcrm: which order?").WithHint(`say {number: "1001C"}, {externalId: "77"} or {id: 77}`)
	}
	return nil
}

// find reads an order; nil when there is none.
func (c *Connector) find(ctx context.Context, o orderRef) (json.RawMessage, error) {
	site := cmp.Or(o.Site, c.cfg.Site)
	if o.ID == "" && o.External == "" {
		return c.byNumber(ctx, string(o.Number))
	}
	id, by := string(o.External), "externalId"
	if o.ID != "" {
		id, by = string(o.ID), "id"
	}
	params := map[string]json.RawMessage{"by": raw(by)}
	if site != "" {
		params["site"] = raw(site)
	}
	body, err := c.Call(ctx, http.MethodGet, "orders/"+url.PathEscape(id), params)
	if fault.CodeOf(err) == fault.NotFound {
		return nil, nil
	}
	var w struct{ Order json.RawMessage }
	if err == nil {
		err = json.Unmarshal(body, &w)
	}
	return w.Order, err
}

func (c *Connector) byNumber(ctx context.Context, number string) (json.RawMessage, error) {
	body, err := c.Call(ctx, http.MethodGet, "orders", map[string]json.RawMessage{"filter": raw(map[string][]string{"numbers": {number}}), "limit": raw("20")})
	if err != nil {
		return nil, err
	}
	var w struct{ Orders []json.RawMessage }
	if err := json.Unmarshal(body, &w); err != nil || len(w.Orders) == 0 {
		return nil, err
	}
	return w.Orders[0], nil
}

func (c *Connector) order(ctx context.Context, args json.RawMessage) (any, error) {
	o, err := connector.Read[orderRef](module, args)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return nil, err
	}
	found, err := c.find(ctx, o)
	if err != nil || found == nil {
		return map[string]any{"found": false}, err
	}
	return map[string]any{"found": true, "order": found}, nil
}

// orderJob is a change of an order, as the outbox keeps it.
type orderJob struct {
	Order   orderRef                   `json:"order"`
	Changes map[string]json.RawMessage `json:"changes"`
}

// updateOrder puts a change of an order into the outbox: in order per order.
func (c *Connector) updateOrder(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[orderJob](module, args)
	if err == nil {
		err = a.Order.check()
	}
	if err != nil {
		return nil, err
	}
	id := c.serv.NewID()
	payload, err := json.Marshal(a)
	if err != nil {
		return nil, fault.New(fault.Invalid, "retailcrm: updateOrder: %w", err)
	}
	return map[string]any{"id": id}, c.serv.Outbox.Put(connector.Job{
		ID: "retailcrm-order-" + id, Queue: "retailcrm:order:" + a.Order.key(), Kind: jobOrder, Destination: "retailcrm orders", Payload: payload,
	})
}

// change carries a change out. Setting the same fields again changes nothing,
// so that a lost answer is harmless.
func (c *Connector) change(ctx context.Context, a orderJob) error {
	id, by := string(a.Order.External), "externalId"
	switch {
	case a.Order.ID != "":
		id, by = string(a.Order.ID), "id"
	case id == "":
		found, err := c.byNumber(ctx, string(a.Order.Number))
		if err != nil {
			return err
		}
		var o struct{ ID connector.Text }
		if found == nil || json.Unmarshal(found, &o) != nil || o.ID == "" {
			return fault.New(fault.NotFound, "retailcrm: there is no order %s", a.Order.Number)
		}
		id, by = string(o.ID), "id"
	}
	params := map[string]json.RawMessage{"by": raw(by), "order": raw(a.Changes)}
	if site := cmp.Or(a.Order.Site, c.cfg.Site); site != "" {
		params["site"] = raw(site)
	}
	_, err := c.Call(ctx, http.MethodPost, "orders/"+url.PathEscape(id)+"/edit", params)
	return err
}
