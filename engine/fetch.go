package engine

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// maxPools is how many HTTP clients are kept, each with connections of its own;
// beyond it the one that was asked for longest ago goes.
const maxPools = 256

// fetchers are HTTP clients by the hosts they may reach. Each has connections
// of its own, so that one script's pool never serves another's rules.
type fetchers struct {
	mu      sync.Mutex
	timeout time.Duration
	max     int64
	agent   string
	tls     netx.TLS
	pools   map[string]*pool
	turn    uint64
	running map[string]int // requests of scripts, by name
	most    int            // of one script at once
	world   *World

	Evicted atomic.Uint64 // pools closed for want of room
	Refused atomic.Uint64 // requests refused by limits.script_fetches
}

type pool struct {
	HTTP
	used uint64 // turn of the last use
}

// ClientTLS reads the certificates of a configuration.
func ClientTLS(cfg *config.Config) (netx.TLS, error) {
	at := func(p string) string {
		if filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(cfg.Dir, p)
	}
	var authorities []string
	for _, p := range cfg.HTTPClient.CA {
		authorities = append(authorities, at(p))
	}
	var ids []netx.IdentityFiles
	for _, c := range cfg.HTTPClient.Clients {
		ids = append(ids, netx.IdentityFiles{Hosts: c.Hosts, Cert: at(c.Cert), Key: at(c.Key)})
	}
	t, err := netx.LoadTLS(authorities, ids)
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // LoadTLS returns nothing else
		return t, f.WithExit(fault.ExitConfig)
	}
	return t, err
}

// openFetchers sets the clients up; Reload does so again. Requests that are
// under way end with the client they began with.
func (e *Engine) openFetchers(cfg *config.Config) error {
	t, err := ClientTLS(cfg)
	if err != nil {
		return err
	}
	l, f := cfg.Limits, &e.fetchers
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timeout, f.max, f.agent, f.tls, f.most, f.world = l.FetchTimeout, int64(l.FetchBody), cfg.SIP.Agent, t, l.ScriptFetches, e.opts.World
	for _, p := range f.pools {
		p.close()
	}
	f.pools = map[string]*pool{}
	if f.running == nil {
		f.running = map[string]int{}
	}
	return nil
}

func (p *pool) close() {
	if c, ok := p.HTTP.(*netx.Client); ok {
		c.CloseIdle()
	}
}

// of is the client for a list of hosts.
func (f *fetchers) of(hosts []string) HTTP {
	key, _ := json.Marshal(hosts) // texts only
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.world != nil {
		return f.world.HTTP(netx.Rules{Hosts: hosts})
	}
	f.turn++
	p := f.pools[string(key)]
	if p == nil {
		f.evictLocked()
		p = &pool{HTTP: netx.New(netx.Options{Rules: netx.Rules{Hosts: hosts}, Timeout: f.timeout, MaxBody: f.max, Agent: f.agent, TLS: f.tls})}
		f.pools[string(key)] = p
	}
	p.used = f.turn
	return p.HTTP
}

// evictLocked makes room for one more pool.
func (f *fetchers) evictLocked() {
	for len(f.pools) >= maxPools {
		oldest := ""
		for key, p := range f.pools {
			if oldest == "" || p.used < f.pools[oldest].used {
				oldest = key
			}
		}
		f.pools[oldest].close()
		delete(f.pools, oldest)
		f.Evicted.Add(1)
	}
}

// scriptHTTP is fetch of one script: all its calls share the limit.
type scriptHTTP struct {
	f      *fetchers
	script string
	hosts  []string
}

// Do implements corehost.HTTP.
func (s scriptHTTP) Do(ctx context.Context, r netx.Request) (*netx.Response, error) {
	if n := s.f.maxBody(); int64(len(r.Body)) > n {
		return nil, fault.New(fault.Limit, "fetch: the body is longer than fetch_body, %d bytes", n)
	}
	if err := s.f.enter(s.script); err != nil {
		return nil, err
	}
	defer s.f.leave(s.script)
	return s.f.of(s.hosts).Do(ctx, r)
}

func (f *fetchers) maxBody() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.max
}

func (f *fetchers) enter(script string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[script] >= f.most {
		f.Refused.Add(1)
		return fault.New(fault.Limit, "fetch: script %s has %d requests under way already (limits.script_fetches)", script, f.most).
			WithHint("give slow servers a timeout: fetch(url, {signal: AbortSignal.timeout(3000)})")
	}
	f.running[script]++
	return nil
}

func (f *fetchers) leave(script string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running[script]--; f.running[script] == 0 {
		delete(f.running, script)
	}
}
