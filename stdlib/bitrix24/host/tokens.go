package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/netx"
)

// grant is a pair of tokens and what belongs to it, as it is kept on disk.
type grant struct {
	Access     string    `json:"access"`
	Refresh    string    `json:"refresh"`
	Member     string    `json:"member,omitempty"`      // the portal, whatever its address is
	EventToken string    `json:"event_token,omitempty"` // application_token of the installation
	Scope      string    `json:"scope,omitempty"`
	At         time.Time `json:"at"`
	Seed       string    `json:"seed,omitempty"` // of which refresh_token of the configuration it came
	App        string    `json:"app"`
}

// tokens owns the pair. Every refresh gives a new refresh token, so that
//
//   - only one refresh runs at a time, and all who found the old access token
//     expired wait for it;
//   - a new pair is on disk before it is used, or told to anybody;
//   - a refresh goes on when who asked for it has left.
//
// A crash between the server's answer and the disk leaves the old refresh
// token. If the server has kept it, the next refresh works; if not, it says
// invalid_grant, and the application must be authorised again: what is in the
// outbox waits for that.
type tokens struct {
	c *Connector

	mu      sync.Mutex
	loaded  bool
	cur     grant
	unsaved *grant // a pair that the disk has refused; it is not used
	flight  *flight
}

// flight is a refresh that is under way.
type flight struct {
	done    chan struct{}
	waiting int // who is to be taken back onto the clock
	err     error
}

// VaultKey is where the pair is kept.
const VaultKey = "bitrix24/grant"

func newTokens(c *Connector) *tokens { return &tokens{c: c} }

// access is the access token; without one it is asked for.
func (t *tokens) access(ctx context.Context) (string, error) {
	g, err := t.load()
	if err != nil {
		return "", err
	}
	if g.Access == "" {
		if err := t.refresh(ctx, ""); err != nil {
			return "", err
		}
		g, _ = t.load() // it is in memory now
	}
	return g.Access, nil
}

// load reads the pair, or begins one with the configuration's refresh token.
func (t *tokens) load() (grant, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.loadLocked()
}

func (t *tokens) loadLocked() (grant, error) {
	if t.loaded {
		return t.cur, t.authorised(t.cur)
	}
	raw, ok, err := t.c.serv.Vault.Load(VaultKey)
	if err != nil {
		return grant{}, err
	}
	var g grant
	if ok {
		if err := json.Unmarshal(raw, &g); err != nil {
			return grant{}, fault.New(fault.Internal, "bitrix24: the stored tokens: %w", err)
		}
	}
	cfg := t.c.cfg
	if g.App != cfg.ClientID {
		g = grant{App: cfg.ClientID} // the tokens of another application are nothing here
	}
	if seed := fingerprint(cfg.RefreshToken); seed != "" && seed != g.Seed {
		g.Access, g.Refresh, g.Seed = "", cfg.RefreshToken, seed // somebody has put a new one there
	}
	t.cur, t.loaded = g, true
	return g, t.authorised(g)
}

// authorised tells what to do when there are no tokens at all.
func (t *tokens) authorised(g grant) error {
	if g.Refresh != "" {
		return nil
	}
	return t.reauthorise("the application is not authorised yet")
}

// reauthorise is the error that only a person can mend.
func (t *tokens) reauthorise(why string) error {
	cfg := t.c.cfg
	return fault.New(fault.Unavailable, "bitrix24: %s", why).
		WithHint("open %s/oauth/authorize/?client_id=%s as an administrator, install the application again, or put a new bitrix24.app.refresh_token into the configuration", cfg.Portal, url.QueryEscape(cfg.ClientID))
}

// fingerprint names a secret without telling it.
func fingerprint(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

// refresh replaces the access token that has expired; when somebody has done
// so meanwhile, there is nothing to do.
func (t *tokens) refresh(ctx context.Context, expired string) error {
	t.mu.Lock()
	g, err := t.loadLocked()
	if err != nil {
		t.mu.Unlock()
		return err
	}
	if g.Access != expired {
		t.mu.Unlock()
		return nil
	}
	f := t.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		t.flight = f
		t.c.serv.Clock.Busy(1)
		go t.fly(f, g)
	}
	f.waiting++
	t.mu.Unlock()
	t.c.serv.Clock.Busy(-1)
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-f.done: // we were counted already
		return f.err
	default:
	}
	f.waiting--
	t.c.serv.Clock.Busy(1)
	return context.Cause(ctx)
}

// fly carries a refresh out. It has no context but its own time: an answer
// that nobody waits for any more is kept all the same.
func (t *tokens) fly(f *flight, g grant) {
	defer t.c.serv.Clock.Busy(-1)
	err := t.renew(g)
	t.mu.Lock()
	defer t.mu.Unlock()
	f.err, t.flight = err, nil
	t.c.serv.Clock.Busy(f.waiting)
	close(f.done)
}

func (t *tokens) renew(g grant) error {
	t.mu.Lock()
	unsaved := t.unsaved
	t.mu.Unlock()
	if unsaved != nil { // the disk had refused it; the server will not give it again
		return t.keep(*unsaved)
	}
	ctx, stop := connector.Within(context.Background(), t.c.serv.Clock, requestTimeout)
	defer stop()
	next, err := t.exchange(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh}})
	if err != nil {
		return err
	}
	next.EventToken, next.Seed = g.EventToken, g.Seed
	if next.Member == "" {
		next.Member = g.Member
	}
	return t.keep(next)
}

// keep writes a pair to disk and only then puts it into use.
func (t *tokens) keep(g grant) error {
	g.At, g.App = t.c.serv.Clock.Now(), t.c.cfg.ClientID
	raw, err := json.Marshal(g)
	if err != nil {
		return err
	}
	err = t.c.serv.Vault.Store(VaultKey, raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.unsaved = &g
		return err
	}
	t.cur, t.loaded, t.unsaved = g, true, nil
	return nil
}

// tokenAnswer is what the authorisation server says.
type tokenAnswer struct {
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	Endpoint string `json:"client_endpoint"`
	Member   string `json:"member_id"`
	Scope    string `json:"scope"`
	Error    string `json:"error"`
	Says     string `json:"error_description"`
}

// exchange asks the authorisation server for a pair. The parameters go in the
// query, as it is documented; nothing logs them.
func (t *tokens) exchange(ctx context.Context, q url.Values) (grant, error) {
	cfg := t.c.cfg
	q.Set("client_id", cfg.ClientID)
	q.Set("client_secret", cfg.ClientSecret)
	res, err := t.c.serv.HTTP.Do(ctx, netx.Request{
		Method: http.MethodGet, URL: cfg.OAuth + "/oauth/token/?" + q.Encode(), Timeout: requestTimeout, Redirect: "error",
	})
	if err != nil {
		return grant{}, networkFault(ctx, err)
	}
	var a tokenAnswer
	if json.Unmarshal(res.Body, &a) != nil || a.Error != "" || res.Status/100 != 2 {
		r := &Refusal{Status: res.Status, Name: a.Error, Says: a.Says}
		if a.Error == "invalid_grant" {
			return grant{}, t.reauthorise("the refresh token is not valid any more (" + r.Error() + ")")
		}
		return grant{}, t.c.explain("oauth/token", r)
	}
	if a.Access == "" || a.Refresh == "" {
		return grant{}, fault.New(fault.Unavailable, "bitrix24: the authorisation server has sent no tokens")
	}
	if !sameHost(a.Endpoint, cfg.Portal) {
		return grant{}, fault.New(fault.Denied, "bitrix24: the tokens are for another portal").WithHint("bitrix24.portal and the portal of the application differ")
	}
	return grant{Access: a.Access, Refresh: a.Refresh, Member: a.Member, Scope: a.Scope}, nil
}

// sameHost compares two addresses by host; no address is any.
func sameHost(address, portal string) bool {
	a, err := url.Parse(address)
	b, errB := url.Parse(portal)
	return address == "" || err == nil && errB == nil && a.Host == b.Host
}
