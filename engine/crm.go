package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
	b24fake "github.com/loopstart/loopstart/stdlib/bitrix24/fake"
	bitrix24 "github.com/loopstart/loopstart/stdlib/bitrix24/host"
	campaignhost "github.com/loopstart/loopstart/stdlib/campaign/host"
	retailfake "github.com/loopstart/loopstart/stdlib/retailcrm/fake"
	retailcrm "github.com/loopstart/loopstart/stdlib/retailcrm/host"
	"github.com/loopstart/loopstart/store"
	"github.com/loopstart/loopstart/store/outbox"
)

// Kinds of outbox items of the connectors begin with the connector's name.
const (
	kindBitrix24  = "bitrix24."
	kindRetailCRM = "retailcrm."
)

// crm are the connectors. A reload puts others in their place; requests that
// are under way end with those they began with.
type crm struct {
	bitrix24  atomic.Pointer[bitrix24.Connector]
	retailcrm atomic.Pointer[retailcrm.Connector]
	installed atomic.Int64 // when an installation was last looked at, Unix ms
	fakes     devFakes
}

// devFakes are the systems that dev speaks to instead of the real ones.
type devFakes struct {
	bitrix24  *b24fake.Server
	retailcrm *retailfake.Server
}

// openCRM makes the connectors. In dev each speaks to its fake, unless the real
// one is on this machine.
func (e *Engine) openCRM(cfg *config.Config) error {
	e.openBitrix24(cfg)
	e.openRetailCRM(cfg)
	return nil
}

func (e *Engine) openBitrix24(cfg *config.Config) {
	c, ok := bitrix24Config(cfg)
	var out connector.HTTP
	if e.opts.Dev && !(ok && isLocal(hostOf(c.Portal))) {
		if e.crm.fakes.bitrix24 == nil {
			e.crm.fakes.bitrix24 = demoBitrix24(e.clk)
		}
		c, ok = fakeBitrix24(), true
		out = showing{connector.Local{Handler: e.crm.fakes.bitrix24}, e, "Bitrix24"}
	}
	if !ok {
		e.crm.bitrix24.Store(nil)
		return
	}
	if out == nil {
		out = fixedHTTP{&e.fetchers, c.Hosts()}
	}
	e.crm.bitrix24.Store(bitrix24.Renew(e.crm.bitrix24.Load(), c, bitrix24.Services{
		HTTP: out, KV: kv{e.store}, Vault: vault{e.store.Space("connectors")}, Outbox: crmOutbox{e, kindBitrix24}, Recordings: crmFiles{e},
		Clock: e.clk, Log: e.log, NewID: func() string { return e.newID("delivery") }, Target: e.crmTarget, Country: cfg.Project.Country,
	}))
}

func (e *Engine) openRetailCRM(cfg *config.Config) {
	c, ok := retailCRMConfig(cfg)
	var out connector.HTTP
	if e.opts.Dev && !(ok && isLocal(hostOf(c.URL))) {
		if e.crm.fakes.retailcrm == nil {
			e.crm.fakes.retailcrm = demoRetailCRM(e.clk)
		}
		c, ok = retailcrm.Config{URL: retailfake.URL, Key: retailfake.Key, Site: "shop", Zone: cfg.Location()}, true
		out = showing{connector.Local{Handler: e.crm.fakes.retailcrm}, e, "RetailCRM"}
	}
	if !ok {
		e.crm.retailcrm.Store(nil)
		return
	}
	if out == nil {
		out = fixedHTTP{&e.fetchers, c.Hosts()}
	}
	e.crm.retailcrm.Store(retailcrm.New(c, retailcrm.Services{
		HTTP: out, KV: kv{e.store}, Outbox: crmOutbox{e, kindRetailCRM}, Recordings: crmFiles{e}, Clock: e.clk, Log: e.log,
		NewID: func() string { return e.newID("delivery") }, Target: func(code string) string { return e.crmTarget(code, "") }, Country: cfg.Project.Country,
	}))
}

// bitrix24Config is the connector's part of the configuration.
func bitrix24Config(cfg *config.Config) (c bitrix24.Config, ok bool) {
	b := cfg.Bitrix24
	if b == nil {
		return c, false
	}
	c = bitrix24.Config{
		Portal: b.Address(), Webhook: b.Webhook.Reveal(), EventToken: b.EventToken.Reveal(), PerSecond: b.Rate.PerSecond, Burst: float64(b.Rate.Burst), Line: b.Line,
	}
	if b.User > 0 {
		c.User = strconv.Itoa(b.User)
	}
	if a := b.App; a != nil {
		c.OAuth, c.ClientID, c.ClientSecret, c.RefreshToken = a.OAuth, a.ClientID, a.ClientSecret.Reveal(), a.RefreshToken.Reveal()
	}
	return c, true
}

func retailCRMConfig(cfg *config.Config) (c retailcrm.Config, ok bool) {
	r := cfg.RetailCRM
	if r == nil {
		return c, false
	}
	return retailcrm.Config{
		URL: r.Address(), Key: r.Key.Reveal(), Site: r.Site, Code: r.Code, PerSecond: r.Rate.PerSecond, Telephony: r.Rate.Telephony,
		Zone: cfg.Location(), LinkFor: cfg.Recordings.Keep,
	}, true
}

// crmMethods are what scripts may ask of the connectors.
func (e *Engine) crmMethods(all map[string]campaignhost.Method) {
	offer(all, bitrix24.Module, &e.crm.bitrix24)
	offer(all, retailcrm.Module, &e.crm.retailcrm)
}

// offer adds what one connector answers; without the connector it is
// UNAVAILABLE.
func offer[C any](all map[string]campaignhost.Method, m connector.Module[*C], now *atomic.Pointer[C]) {
	for _, name := range m.Methods() {
		all[name] = func(ctx context.Context, args json.RawMessage) (any, error) {
			if c := now.Load(); c != nil {
				return m.Serve(ctx, c, name, args)
			}
			return nil, noCRM(strings.TrimSuffix(m.Prefix, "."))
		}
	}
}

func noCRM(name string) error {
	return fault.New(fault.Unavailable, "%s: it is not in the configuration", name).WithHint("add %s: to loopstart.yaml, see docs/%s.md", name, name)
}

// deliverCRM makes one attempt at a connector's job.
func (e *Engine) deliverCRM(ctx context.Context, it outbox.Item) error {
	err := noCRM(strings.TrimSuffix(it.Kind, ".")) // it may be configured again
	r := connector.Result{Err: err}
	if kind, ok := strings.CutPrefix(it.Kind, kindBitrix24); ok {
		if c := e.crm.bitrix24.Load(); c != nil {
			r = c.Deliver(ctx, kind, it.Payload)
		}
	} else if kind, ok := strings.CutPrefix(it.Kind, kindRetailCRM); ok {
		if c := e.crm.retailcrm.Load(); c != nil {
			r = c.Deliver(ctx, kind, it.Payload)
		}
	}
	switch {
	case r.Err == nil:
		return nil
	case r.Stop:
		e.log.Error("a CRM has refused what it was sent", "kind", it.Kind, "id", it.ID, "err", r.Err)
		return errStop{r.Err}
	case r.After > 0:
		return errBusy{r.Err, r.After}
	}
	return r.Err
}

// isCRM tells whose items these are.
func isCRM(kind string) bool {
	return strings.HasPrefix(kind, kindBitrix24) || strings.HasPrefix(kind, kindRetailCRM)
}

// crmOutbox implements connector.Outbox.
type crmOutbox struct {
	e    *Engine
	kind string
}

// Put implements connector.Outbox.
func (o crmOutbox) Put(j connector.Job) error {
	return o.e.outbox.Enqueue(outbox.Item{ID: j.ID, Queue: j.Queue, Kind: o.kind + j.Kind, Destination: j.Destination, Payload: j.Payload})
}

// vault implements connector.Vault; no script reaches this space.
type vault struct{ space *store.Space }

// Load implements connector.Vault.
func (v vault) Load(key string) ([]byte, bool, error) { return v.space.Get(key) }

// Store implements connector.Vault.
func (v vault) Store(key string, value []byte) error {
	return v.space.Apply(store.Op{Key: key, Value: value})
}

// crmFiles implements connector.Recordings.
type crmFiles struct{ e *Engine }

// Read implements connector.Recordings.
func (f crmFiles) Read(id string, most int64, formats ...string) (connector.Recording, error) {
	return f.e.record.read(id, most, formats...)
}

// Link implements connector.Recordings.
func (f crmFiles) Link(id string, ttl time.Duration) (string, error) { return f.e.record.Link(id, ttl) }

// crmTarget is whom to ring for an employee of a CRM.
func (e *Engine) crmTarget(inner, mobile string) string {
	if _, ok := e.Config().User(inner); ok {
		return inner
	}
	return mobile
}

// fixedHTTP reaches certain hosts, private ones too: the operator named them.
type fixedHTTP struct {
	f     *fetchers
	hosts []string
}

// Do implements connector.HTTP.
func (h fixedHTTP) Do(ctx context.Context, r netx.Request) (*netx.Response, error) {
	return h.f.of(h.hosts).Do(ctx, r)
}

// showing is HTTP to a fake that tells what the real system would have been
// asked.
type showing struct {
	connector.HTTP
	e    *Engine
	name string
}

// maxShown is how much of a body dev shows.
const maxShown = 300

// Do implements connector.HTTP.
func (s showing) Do(ctx context.Context, r netx.Request) (*netx.Response, error) {
	res, err := s.HTTP.Do(ctx, r)
	u, perr := url.Parse(r.URL)
	if perr != nil || strings.HasPrefix(u.Path, "/oauth/") {
		return res, err
	}
	body := string(r.Body)
	if form, ferr := url.QueryUnescape(body); ferr == nil && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		body = form
	}
	if len(body) > maxShown {
		body = strings.ToValidUTF8(body[:maxShown], "") + "…"
	}
	status := 0
	if res != nil {
		status = res.Status
	}
	s.e.log.Info("dev: "+s.name+" (a fake of it) was asked "+r.Method+" "+u.Path, "sent", maskNumbers(body), "status", status)
	return res, err
}

func fakeBitrix24() bitrix24.Config {
	return bitrix24.Config{
		Portal: b24fake.Portal, OAuth: b24fake.OAuth, ClientID: b24fake.ClientID, ClientSecret: b24fake.ClientSecret, RefreshToken: b24fake.Refresh,
		EventToken: b24fake.EventToken, User: "1",
	}
}

// demoCaller is the number that the built-in phone of dev and tests calls from.
const demoCaller = "+79161234567"

// demoBitrix24 is a portal that knows the built-in caller. Tokens of an earlier
// run of dev are good for it.
func demoBitrix24(clk clock.Clock) *b24fake.Server {
	s := b24fake.New(b24fake.Options{Clock: clk, KeepOldRefresh: true, AnyRefresh: true})
	s.Add("contact", map[string]any{"name": "Иван Петров", "phone": demoCaller, "assignedById": 1})
	return s
}

func demoRetailCRM(clk clock.Clock) *retailfake.Server {
	s := retailfake.New(retailfake.Options{Clock: clk})
	s.Add("customer", map[string]any{"firstName": "Иван", "lastName": "Петров", "phone": demoCaller, "managerId": 1})
	s.Add("order", map[string]any{"number": "1001C", "externalId": "1001", "phone": demoCaller, "status": "new", "managerId": 1})
	return s
}

// installEvery is the shortest time between two looks at an installation:
// anybody may send one, and each asks the authorisation server.
const installEvery = 2 * time.Second

// InstallBitrix24 takes the tokens of a local application.
func (e *Engine) InstallBitrix24(ctx context.Context, fields url.Values) error {
	c := e.crm.bitrix24.Load()
	if c == nil || e.crm.fakes.bitrix24 != nil {
		return fault.New(fault.NotFound, "bitrix24: there is no bitrix24.app in the configuration")
	}
	now, last := e.clk.Now().UnixMilli(), e.crm.installed.Load()
	if now-last < installEvery.Milliseconds() || !e.crm.installed.CompareAndSwap(last, now) {
		return fault.New(fault.Rate, "bitrix24: another installation is being looked at").WithHint("try again in %s", installEvery)
	}
	e.clk.Busy(1)
	defer e.clk.Busy(-1)
	return c.Install(ctx, fields)
}

// connections tries the credentials of the connectors, changing nothing: it
// asks with a copy of the tokens and never renews them.
func (d *doctor) connections(ctx context.Context) {
	f := &fetchers{timeout: d.cfg.Limits.FetchTimeout, max: int64(d.cfg.Limits.FetchBody), agent: d.cfg.SIP.Agent, pools: map[string]*pool{}}
	var err error
	if f.tls, err = ClientTLS(d.cfg); err != nil {
		d.broken("http_client", err)
		return
	}
	ctx, stop := context.WithTimeout(ctx, probeTime)
	defer stop()
	if c, ok := bitrix24Config(d.cfg); ok {
		s := bitrix24.Services{HTTP: fixedHTTP{f, c.Hosts()}, Clock: d.Clock, Log: d.Log}
		if c.App() {
			s.Vault = d.tokens()
		}
		says, err := bitrix24.New(c, s).Probe(ctx)
		d.connection("bitrix24", says, err)
	}
	if c, ok := retailCRMConfig(d.cfg); ok {
		says, err := retailcrm.New(c, retailcrm.Services{HTTP: fixedHTTP{f, c.Hosts()}, Clock: d.Clock, Log: d.Log}).Probe(ctx)
		d.connection("retailcrm", says, err)
	}
}

func (d *doctor) connection(name, says string, err error) {
	switch {
	case err != nil && fault.CodeOf(err) == fault.Unavailable && d.Running:
		d.warn(name, fault.HintOf(err), "%s", err)
	case err != nil:
		d.broken(name, err)
	default:
		d.ok(name, "%s", says)
	}
}

// tokens are those on disk, to look at. While loopstart runs they are its own.
func (d *doctor) tokens() connector.Vault {
	v := lentVault{}
	if d.Running {
		v.why = errors.New("the running loopstart has the tokens; its log tells whether they work")
		return v
	}
	if _, err := os.Stat(d.State); errors.Is(err, fs.ErrNotExist) {
		return v // a doctor leaves no new folder behind
	}
	s, err := store.Open(store.Options{Dir: d.State, Clock: d.Clock, Log: d.Log})
	if err != nil {
		v.why = err
		return v
	}
	v.value, v.ok, v.why = s.Space("connectors").Get(bitrix24.VaultKey)
	if err := s.Close(); err != nil {
		v.why = err
	}
	return v
}

// lentVault is one value that cannot be changed.
type lentVault struct {
	value []byte
	ok    bool
	why   error
}

// Load implements connector.Vault.
func (v lentVault) Load(string) ([]byte, bool, error) {
	if v.why != nil {
		return nil, false, fault.New(fault.Unavailable, "%w", v.why)
	}
	return v.value, v.ok, nil
}

// Store implements connector.Vault.
func (v lentVault) Store(string, []byte) error {
	return fault.New(fault.Internal, "%s", "a doctor changes nothing")
}
