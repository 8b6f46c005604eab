package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// entityKept is how long a lead or contact that we have found or made is
// remembered: the portal's search may be behind.
const entityKept = 10 * time.Minute

// Entity is a lead or whatever else has the number.
type Entity struct {
	Type    string `json:"type"` // lead, contact, company
	ID      int    `json:"id"`
	Created bool   `json:"created"`
}

// leadArgs are {phone, type, title, name, source, assigned, comment, fields}.
type leadArgs struct {
	Phone    string
	Type     string
	Title    string
	Name     string
	Source   string
	Assigned int
	Comment  string
	Fields   map[string]any
}

// entityTypes are the numbers of crm.item.* by name.
var entityTypes = map[string]int{"lead": 1, "contact": 3}

// lead finds who has the number, or makes a lead or contact: one, however many
// ask at once. Only we can see to that; the portal has no unique numbers.
func (c *Connector) lead(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[leadArgs](module, args)
	if err != nil {
		return nil, err
	}
	number := phone.Normalize(a.Phone, c.serv.Country)
	if !strings.HasPrefix(number, "+") {
		return nil, fault.New(fault.Invalid, "bitrix24: lead: %q is no full phone number", a.Phone).WithHint("an anonymous call has none: look at call.remote.e164")
	}
	if a.Type == "" {
		a.Type = "lead"
	}
	var e Entity
	err = c.phones.Do(ctx, number, func() (err error) {
		e, err = c.ensure(ctx, number, a)
		return err
	})
	return e, err
}

func (c *Connector) ensure(ctx context.Context, number string, a leadArgs) (Entity, error) {
	key := "bitrix24:entity:" + number
	if raw, ok, err := c.serv.KV.Get(key); err == nil && ok {
		var e Entity
		if json.Unmarshal(raw, &e) == nil && e.ID != 0 {
			e.Created = false
			return e, nil
		}
	}
	e, err := c.duplicate(ctx, number)
	if err == nil && e.ID == 0 {
		e, err = c.create(ctx, number, a)
	}
	if err != nil {
		return Entity{}, err
	}
	if raw, err := json.Marshal(e); err == nil {
		_ = c.serv.KV.Set(key, raw, entityKept) // the portal's own search comes after it
	}
	return e, nil
}

// spellings are how people write a number into a CRM; the search compares
// digits, and a Russian number is kept with 7 or 8.
func spellings(number string) []string {
	digits := strings.TrimPrefix(number, "+")
	out := []string{number, digits}
	if len(digits) == 11 && digits[0] == '7' {
		out = append(out, "8"+digits[1:])
	}
	return out
}

// fullAnswer is how many hits of one type push the other types out of an answer.
const fullAnswer = 20

// duplicate finds who has the number: a contact before a company before a lead.
func (c *Connector) duplicate(ctx context.Context, number string) (Entity, error) {
	hits, err := c.duplicates(ctx, number, "")
	if err != nil {
		return Entity{}, err
	}
	full := false
	for _, list := range hits {
		full = full || len(list) >= fullAnswer
	}
	for _, kind := range []string{"CONTACT", "COMPANY", "LEAD"} {
		if full && len(hits[kind]) == 0 {
			again, err := c.duplicates(ctx, number, kind)
			if err != nil {
				return Entity{}, err
			}
			hits[kind] = again[kind]
		}
		if len(hits[kind]) > 0 {
			return Entity{Type: strings.ToLower(kind), ID: int(slices.Max(hits[kind]))}, nil
		}
	}
	return Entity{}, nil
}

func (c *Connector) duplicates(ctx context.Context, number, kind string) (map[string][]integer, error) {
	params := map[string]any{"type": "PHONE", "values": spellings(number)}
	if kind != "" {
		params["entity_type"] = kind
	}
	res, err := c.Call(ctx, "crm.duplicate.findbycomm", params, true)
	if err != nil {
		return nil, err
	}
	hits := map[string][]integer{}
	if json.Unmarshal(res.Result, &hits) != nil {
		return map[string][]integer{}, nil // nothing found is []
	}
	return hits, nil
}

// create makes a lead or a contact.
func (c *Connector) create(ctx context.Context, number string, a leadArgs) (Entity, error) {
	kind, ok := entityTypes[a.Type]
	if !ok {
		return Entity{}, fault.New(fault.Invalid, "bitrix24: lead: type %q; lead or contact", a.Type)
	}
	fields := map[string]any{}
	for k, v := range a.Fields {
		fields[k] = v
	}
	set := func(name string, v any, given bool) {
		if _, own := fields[name]; given && !own {
			fields[name] = v
		}
	}
	set("fm", []any{map[string]string{"typeId": "PHONE", "valueType": "WORK", "value": number}}, true)
	set("name", a.Name, a.Name != "")
	set("title", cmp.Or(a.Title, fmt.Sprintf("Звонок %s", number)), kind == entityTypes["lead"])
	set("name", number, kind == entityTypes["contact"])
	set("sourceId", a.Source, a.Source != "")
	set("assignedById", a.Assigned, a.Assigned != 0)
	set("comments", a.Comment, a.Comment != "")
	res, err := c.Call(ctx, "crm.item.add", map[string]any{"entityTypeId": kind, "fields": fields}, true)
	if err != nil {
		return Entity{}, err
	}
	var made struct {
		Item struct {
			ID integer `json:"id"`
		} `json:"item"`
	}
	if err := json.Unmarshal(res.Result, &made); err != nil || made.Item.ID == 0 {
		return Entity{}, fault.New(fault.Unavailable, "bitrix24: crm.item.add has named no item")
	}
	return Entity{Type: a.Type, ID: int(made.Item.ID), Created: true}, nil
}
