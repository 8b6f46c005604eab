package engine

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/netx"
	corehost "github.com/loopstart/loopstart/stdlib/core/host"
	"github.com/loopstart/loopstart/store"
)

// kv is the store as loopstart:core sees it.
type kv struct{ *store.Store }

// List implements corehost.KV.
func (k kv) List(prefix string, limit int, after string) ([]corehost.Item, string, error) {
	items, next, err := k.Store.List(prefix, limit, after)
	out := make([]corehost.Item, len(items))
	for i, it := range items {
		out[i] = corehost.Item(it)
	}
	return out, next, err
}

var _ corehost.KV = kv{}

// fetchers are HTTP clients by the hosts they may reach. Each has connections
// of its own, so that one script's pool never serves another's rules.
type fetchers struct {
	mu      sync.Mutex
	timeout time.Duration
	max     int64
	agent   string
	clients map[string]HTTP
	world   *World
}

func (f *fetchers) init(e *Engine) {
	l := e.Config().Limits
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timeout, f.max, f.agent, f.clients = l.FetchTimeout, int64(l.FetchBody), e.Config().SIP.Agent, map[string]HTTP{}
	f.world = e.opts.World
}

func (f *fetchers) of(hosts []string) HTTP {
	key, _ := json.Marshal(hosts)
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.clients[string(key)]
	if c == nil && f.world != nil {
		c = f.world.HTTP(netx.Rules{Hosts: hosts})
	}
	if c == nil {
		c = netx.New(netx.Options{Rules: netx.Rules{Hosts: hosts}, Timeout: f.timeout, MaxBody: f.max, Agent: f.agent})
		f.clients[string(key)] = c
	}
	return c
}
