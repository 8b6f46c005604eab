package host

import (
	"context"
	"net/url"
	"strings"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// Install takes what Bitrix24 sends when the local application is installed (a
// form with auth[…]), or the code with which an administrator comes back from
// /oauth/authorize/. Anybody may send either: tokens are believed only after
// the authorisation server has renewed them for our client_secret, and it has
// named our portal.
func (c *Connector) Install(ctx context.Context, fields url.Values) error {
	if !c.cfg.App() {
		return fault.New(fault.NotFound, "bitrix24: there is no bitrix24.app in the configuration")
	}
	q, err := c.credentials(fields)
	if err != nil {
		return err
	}
	ctx, stop := connector.Within(ctx, c.serv.Clock, requestTimeout)
	defer stop()
	g, err := c.tokens.exchange(ctx, q)
	if err != nil {
		return err
	}
	before, _ := c.tokens.load() // having none is why we are here
	if before.Member != "" && g.Member != "" && g.Member != before.Member {
		return fault.New(fault.Denied, "bitrix24: the installation is for another portal")
	}
	g.Seed = fingerprint(c.cfg.RefreshToken)
	if g.EventToken = fields.Get("auth[application_token]"); g.EventToken == "" {
		g.EventToken = before.EventToken
	}
	if err := c.tokens.keep(g); err != nil {
		return err
	}
	c.serv.Log.Info("bitrix24: the application is authorised", "portal", c.cfg.Portal, "scope", g.Scope)
	return nil
}

// credentials are what the authorisation server is asked with.
func (c *Connector) credentials(fields url.Values) (url.Values, error) {
	domain := fields.Get("auth[domain]")
	if domain == "" {
		domain = fields.Get("domain")
	}
	if domain != "" && !strings.EqualFold(domain, hostOf(c.cfg.Portal)) {
		return nil, fault.New(fault.Denied, "bitrix24: the installation is for another portal").WithHint("bitrix24.portal is %s", c.cfg.Portal)
	}
	if code := fields.Get("code"); code != "" {
		return url.Values{"grant_type": {"authorization_code"}, "code": {code}}, nil
	}
	if refresh := fields.Get("auth[refresh_token]"); refresh != "" {
		return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}, nil
	}
	return nil, fault.New(fault.Invalid, "bitrix24: the request has neither tokens nor a code").
		WithHint("this address is for the field \"path for the initial installation\" of a local application that uses only the API")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

// Probe asks something harmless with the credentials, for doctor, and changes
// nothing: an access token that has run out is not renewed, since that would
// take the refresh token from whoever owns it.
func (c *Connector) Probe(ctx context.Context) (string, error) {
	if !c.cfg.App() {
		if _, err := c.Call(ctx, "profile", nil, true); err != nil {
			return "", err
		}
		return "the webhook works; without an application (bitrix24.app) there are no call cards", nil
	}
	g, err := c.tokens.load()
	if err != nil {
		return "", err
	}
	if g.Access == "" {
		return "application " + c.cfg.ClientID + ": its refresh token is used with the first request", nil
	}
	_, _, err = c.once(ctx, "app.info", nil, true)
	if r, ok := err.(*Refusal); ok && r.Name == "expired_token" { //nolint:errorlint // once returns it as it is
		return "application " + c.cfg.ClientID + ": the access token of " + g.At.Format("2006-01-02 15:04") + " has run out and is renewed with the next request", nil
	}
	if err != nil {
		return "", c.explain("app.info", err)
	}
	return "application " + c.cfg.ClientID + ", scopes " + g.Scope, nil
}
