// Package host is the main process's half of loopstart:bitrix24: it speaks the
// REST API of one Bitrix24 portal for all scripts.
//
// It is here, and not in the workers, because its secrets must not reach a
// script, because refresh tokens rotate and so have one owner, and because the
// portal counts the requests of all scripts together.
//
// Two kinds of credentials: an incoming webhook, whose secret is part of the
// address, and a local application with OAuth tokens. With an application
// everything goes through it; telephony.externalCall.register and .finish work
// no other way (apidocs.bitrix24.ru, REST API 2026).
//
// # Concurrency
//
// A Connector is shared by all VMs; everything may be called from any
// goroutine. Tokens are refreshed by one goroutine at a time, and leads are
// looked for and made under a lock per phone number.
//
// # Limits
//
// The portal's two: requests per second (a leaky bucket, of which calls in
// progress have a share of their own) and the working time of each method.
//
// # Errors
//
// DENIED for credentials and rights, INVALID and NOT_FOUND for what is asked,
// LIMIT for the portal's limits, UNAVAILABLE and NETWORK for the rest. No error
// holds a secret. [Caller] has no errors: a call goes on without its CRM.
package host

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/ratelimit"
)

// Config is one portal and how we appear there.
type Config struct {
	Portal       string // "https://example.bitrix24.ru"
	Webhook      string // "https://example.bitrix24.ru/rest/1/secret", "" for none
	OAuth        string // authorisation server; "" is DefaultOAuth
	ClientID     string // of the local application, "" for none
	ClientSecret string
	RefreshToken string // to begin with, when the portal cannot reach us
	EventToken   string // application_token; "" is that of the installation
	PerSecond    float64
	Burst        float64
	User         string // ID of the employee for calls that nobody took
	Line         string // LINE_NUMBER of calls; "" is the number that was called
}

// DefaultOAuth is the authorisation server of the cloud.
const DefaultOAuth = "https://oauth.bitrix24.tech"

// App tells whether there is a local application.
func (c Config) App() bool { return c.ClientID != "" }

// Services are what the connector needs of the house.
type Services struct {
	HTTP       connector.HTTP
	KV         connector.KV
	Vault      connector.Vault
	Outbox     connector.Outbox
	Recordings connector.Recordings
	Clock      clock.Clock
	Log        *slog.Logger
	NewID      func() string
	// Target is whom to ring for an employee: a user of ours by the inner
	// number, else the mobile phone; "" for nobody.
	Target func(inner, mobile string) string
	// Country reads national numbers.
	Country string
}

// Connector is a portal.
type Connector struct {
	cfg    Config
	serv   Services
	bucket *ratelimit.Bucket
	phones *connector.Locks
	tokens *tokens

	methods methods
}

// reserve is the part of the bucket that is for calls in progress.
const reserve = 0.4

// New makes the connector of a portal; Config's figures have their defaults.
func New(cfg Config, s Services) *Connector {
	cfg.Portal = strings.TrimRight(cfg.Portal, "/")
	cfg.Webhook = strings.TrimRight(cfg.Webhook, "/")
	if cfg.OAuth == "" {
		cfg.OAuth = DefaultOAuth
	}
	cfg.OAuth = strings.TrimRight(cfg.OAuth, "/")
	if cfg.PerSecond <= 0 {
		cfg.PerSecond = 2
	}
	if cfg.Burst <= 0 {
		cfg.Burst = 50
	}
	c := &Connector{
		cfg: cfg, serv: s, phones: connector.NewLocks(s.Clock),
		// One less than what fits: the network may press requests together.
		bucket: ratelimit.New(s.Clock, ratelimit.Options{PerSecond: cfg.PerSecond, Burst: max(1, cfg.Burst-1), Reserve: cfg.Burst * reserve}),
	}
	c.tokens = newTokens(c)
	return c
}

// Renew is New after a change of the configuration: tokens of the same
// application stay with their owner, so that a refresh that is under way is not
// asked for twice.
func Renew(before *Connector, cfg Config, s Services) *Connector {
	c := New(cfg, s)
	if before != nil && before.cfg.App() && before.identity() == c.identity() {
		c.tokens = before.tokens
	}
	return c
}

// identity is what tokens belong to.
func (c *Connector) identity() [5]string {
	return [5]string{c.cfg.Portal, c.cfg.OAuth, c.cfg.ClientID, c.cfg.ClientSecret, c.cfg.RefreshToken}
}

// Hosts are what the connector may reach, as rules name them.
func (c Config) Hosts() []string {
	var out []string
	for _, address := range []string{c.Portal, c.Webhook, c.OAuth} {
		if u, err := url.Parse(address); err == nil && u.Host != "" {
			out = append(out, u.Host)
		}
	}
	return out
}

const module = "bitrix24"

// Module is what scripts can ask.
var Module = connector.Module[*Connector]{Prefix: module + ".", Handlers: map[string]func(*Connector, context.Context, json.RawMessage) (any, error){
	"rest":       (*Connector).rest,
	"list":       (*Connector).list,
	"batch":      (*Connector).batch,
	"send":       (*Connector).send,
	"caller":     (*Connector).caller,
	"lead":       (*Connector).lead,
	"openCard":   (*Connector).openCard,
	"showCard":   (*Connector).showCard,
	"hideCard":   (*Connector).hideCard,
	"finishCall": (*Connector).finishCall,
	"event":      (*Connector).event,
}}

func (c *Connector) rest(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Method    string
		Params    json.RawMessage
		TimeoutMs int64
	}](module, args)
	if err != nil {
		return nil, err
	}
	if a.TimeoutMs > 0 {
		var stop func()
		ctx, stop = connector.Within(ctx, c.serv.Clock, time.Duration(a.TimeoutMs)*time.Millisecond)
		defer stop()
	}
	res, err := c.Call(ctx, a.Method, a.Params, true)
	return res.Result, err
}

// maxListed is how many rows one list may collect.
const maxListed = 5000

// list collects pages of 50 (the portal's size) until there are enough.
func (c *Connector) list(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Method string
		Params map[string]any
		Limit  int
	}](module, args)
	if err != nil {
		return nil, err
	}
	if a.Limit <= 0 || a.Limit > maxListed {
		a.Limit = maxListed
	}
	if a.Params == nil {
		a.Params = map[string]any{}
	}
	rows := []json.RawMessage{}
	for {
		res, err := c.Call(ctx, a.Method, a.Params, false)
		if err != nil {
			return nil, err
		}
		page := rowsOf(res.Result)
		rows = append(rows, page[:min(len(page), a.Limit-len(rows))]...)
		if res.Next == 0 || len(rows) >= a.Limit || len(page) == 0 {
			return rows, nil
		}
		a.Params["start"] = res.Next
	}
}

// rowsOf finds the rows: crm.*.list answers with a list, crm.item.list with
// {items: […]}, other methods with one field that holds the list.
func rowsOf(result json.RawMessage) (rows []json.RawMessage) {
	if json.Unmarshal(result, &rows) == nil {
		return rows
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(result, &fields) != nil {
		return nil
	}
	for _, v := range fields {
		if json.Unmarshal(v, &rows) == nil && rows != nil {
			return rows
		}
	}
	return nil
}
