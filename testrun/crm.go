package testrun

import (
	"context"
	"encoding/json"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	bitrix24 "github.com/loopstart/loopstart/stdlib/bitrix24/fake"
	retailcrm "github.com/loopstart/loopstart/stdlib/retailcrm/fake"
)

// crmServer is a fake of another system, as a test speaks to it.
type crmServer interface {
	Add(kind string, fields map[string]any) int
	All(kind string) []map[string]any
	Down(d time.Duration)
	Slow(d time.Duration)
	Fail(times, status int, name string)
}

// crms are the fakes of one stage, by name and by host.
type crms struct {
	servers map[string]crmServer
	asked   map[string]func() any
	hosts   map[string]connector.Local
}

func newCRMs(clk clock.Clock) *crms {
	b, r := bitrix24.New(bitrix24.Options{Clock: clk}), retailcrm.New(retailcrm.Options{Clock: clk})
	return &crms{
		servers: map[string]crmServer{"bitrix24": b, "retailcrm": r},
		asked:   map[string]func() any{"bitrix24": func() any { return b.Requests() }, "retailcrm": func() any { return r.Requests() }},
		hosts: map[string]connector.Local{
			hostOf(bitrix24.Portal): {Handler: b}, hostOf(bitrix24.OAuth): {Handler: b}, hostOf(retailcrm.URL): {Handler: r},
		},
	}
}

// fakeCRM points the connectors at the fakes, whatever the project says.
func fakeCRM(c *config.Config) {
	rate := config.Bitrix24Rate{PerSecond: 2, Burst: 50}
	c.Bitrix24 = &config.Bitrix24{Portal: bitrix24.Portal, User: 1, EventToken: bitrix24.EventToken, Rate: rate, App: &config.Bitrix24App{
		ClientID: bitrix24.ClientID, ClientSecret: bitrix24.ClientSecret, RefreshToken: bitrix24.Refresh, OAuth: bitrix24.OAuth,
	}}
	c.RetailCRM = &config.RetailCRM{URL: retailcrm.URL, Key: retailcrm.Key, Site: "shop"}
}

// crm answers a request that no mock took and that goes to a fake.
func (c *client) crm(ctx context.Context, r netx.Request, target string) (*netx.Response, error, bool) {
	local, ok := c.web.stage.crms.hosts[hostOf(target)]
	if !ok {
		return nil, nil, false
	}
	r.URL = target
	if r.Timeout > 0 {
		var stop func()
		ctx, stop = connector.Within(ctx, c.web.stage.clk, r.Timeout)
		defer stop()
	}
	res, err := local.Do(ctx, r)
	return res, err, true
}

// crmArgs are what a test says to a fake.
type crmArgs struct {
	CRM    string         `json:"crm"`
	Do     string         `json:"do"`
	Kind   string         `json:"kind"`
	Fields map[string]any `json:"fields"`
	For    span           `json:"for"`
	Times  int            `json:"times"`
	Status int            `json:"status"`
	Name   string         `json:"name"`
}

func (h *host) crm(args json.RawMessage) (any, error) {
	a, err := read[crmArgs]("crm", args)
	if err != nil {
		return nil, err
	}
	s := h.crms.servers[a.CRM]
	switch a.Do {
	case "add":
		return s.Add(a.Kind, a.Fields), nil
	case "all":
		return s.All(a.Kind), nil
	case "down":
		s.Down(time.Duration(a.For))
	case "slow":
		s.Slow(time.Duration(a.For))
	case "fail":
		s.Fail(a.Times, a.Status, a.Name)
	case "requests":
		return h.crms.asked[a.CRM](), nil
	default:
		return nil, fault.New(fault.Internal, "test: %s.%s", a.CRM, a.Do)
	}
	return nil, nil
}
