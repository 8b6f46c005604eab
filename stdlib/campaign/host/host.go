// Package host is the main process's half of loopstart:campaign. Shapes are in
// stdlib/WIRE.md: fields go in the names of the HTTP API and come back in
// camelCase.
//
// # Concurrency
//
// The methods wait for the disk; their caller gives each a goroutine and
// bounds them (stdlib/core/host does).
package host

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Orders are single calls that we begin.
type Orders interface {
	Place(body json.RawMessage, idempotency string) (answer any, created bool, err error)
	Cancel(id string) error
	OpenOrder(key string) (id string, err error)
}

// StopList is the numbers that are not dialled.
type StopList interface {
	Stop(phone, reason, expires string) (any, error)
	OnStopList(phone string) (bool, error)
	Unstop(phone string) (bool, error)
}

// Campaigns are lists of people to call.
type Campaigns interface {
	CreateCampaign(body json.RawMessage, idempotency string) (answer any, created bool, err error)
	ShowCampaign(id string) (any, error)
	PatchCampaign(id string, body json.RawMessage) (any, error)
	CommandCampaign(id, command string, body json.RawMessage) (any, error)
	AddContacts(ctx context.Context, id string, list json.RawMessage) (any, error)
	ShowContact(id, key string) (any, error)
}

// Services are what the module needs of the house.
type Services struct {
	Orders    Orders
	StopList  StopList
	Campaigns Campaigns
}

// Method answers one request.
type Method = func(ctx context.Context, args json.RawMessage) (any, error)

// arguments are those of all methods.
type arguments struct {
	ID       string          `json:"id"`
	Key      string          `json:"key"`
	Phone    string          `json:"phone"`
	Reason   string          `json:"reason"`
	Expires  json.RawMessage `json:"expires"`
	Order    json.RawMessage `json:"order"`
	Campaign json.RawMessage `json:"campaign"`
	Contacts json.RawMessage `json:"contacts"`
	Fields   json.RawMessage `json:"fields"`
}

// Methods are what scripts may ask for.
func (s Services) Methods() map[string]Method {
	out := map[string]Method{}
	for name, f := range map[string]func(context.Context, arguments) (any, error){
		"schedule": s.schedule, "cancel": s.cancel, "stop.add": s.stop, "stop.has": s.stopped, "stop.delete": s.unstop, "create": s.create, "add": s.add,
		"get":     func(_ context.Context, a arguments) (any, error) { return s.Campaigns.ShowCampaign(a.ID) },
		"patch":   func(_ context.Context, a arguments) (any, error) { return s.Campaigns.PatchCampaign(a.ID, a.Fields) },
		"contact": func(_ context.Context, a arguments) (any, error) { return s.Campaigns.ShowContact(a.ID, a.Key) },
		"start":   s.command("start"), "pause": s.command("pause"), "resume": s.command("resume"),
	} {
		out["campaign."+name] = method(f)
	}
	return out
}

func method(f func(context.Context, arguments) (any, error)) Method {
	return func(ctx context.Context, args json.RawMessage) (any, error) {
		var a arguments
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, fault.New(fault.Invalid, "%w", err)
		}
		v, err := f(ctx, a)
		if err != nil {
			return nil, err
		}
		return CamelCase(v)
	}
}

func (s Services) command(what string) func(context.Context, arguments) (any, error) {
	return func(_ context.Context, a arguments) (any, error) {
		return s.Campaigns.CommandCampaign(a.ID, what, orEmpty(a.Fields))
	}
}

func orEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

func (s Services) schedule(_ context.Context, a arguments) (any, error) {
	v, _, err := s.Orders.Place(orEmpty(a.Order), "")
	return v, err
}

// cancel is of an order, or of a campaign: the latter comes with fields.
func (s Services) cancel(_ context.Context, a arguments) (any, error) {
	if len(a.Fields) > 0 {
		return s.Campaigns.CommandCampaign(a.ID, "cancel", a.Fields)
	}
	if a.Key != "" {
		id, err := s.Orders.OpenOrder(a.Key)
		if err != nil {
			return nil, err
		}
		a.ID = id
	}
	return nil, s.Orders.Cancel(a.ID)
}

func (s Services) stop(_ context.Context, a arguments) (any, error) {
	expires := strings.Trim(string(a.Expires), `"`)
	_, err := s.StopList.Stop(a.Phone, a.Reason, expires)
	return nil, err
}

func (s Services) stopped(_ context.Context, a arguments) (any, error) {
	found, err := s.StopList.OnStopList(a.Phone)
	return map[string]any{"found": found}, err
}

func (s Services) unstop(_ context.Context, a arguments) (any, error) {
	was, err := s.StopList.Unstop(a.Phone)
	return map[string]any{"deleted": was}, err
}

func (s Services) create(_ context.Context, a arguments) (any, error) {
	v, _, err := s.Campaigns.CreateCampaign(orEmpty(a.Campaign), "")
	return v, err
}

func (s Services) add(ctx context.Context, a arguments) (any, error) {
	return s.Campaigns.AddContacts(ctx, a.ID, a.Contacts)
}

// asWritten are the fields whose keys are the authors' own, or outcomes.
var asWritten = map[string]bool{"data": true, "result": true, "outcomes": true, "retry": true, "window": true, "quiet": true, "skills": true}

// CamelCase writes the keys of an answer as scripts know them.
func CamelCase(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Internal, "campaign: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, fault.New(fault.Internal, "campaign: %w", err)
	}
	return renamed(out), nil
}

func renamed(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, one := range x {
			if !asWritten[k] {
				one = renamed(one)
			}
			out[camelName(k)] = one
		}
		return out
	case []any:
		for i := range x {
			x[i] = renamed(x[i])
		}
	}
	return v
}

// camelName is next_at as nextAt.
func camelName(name string) string {
	parts := strings.Split(name, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}
