package config

import (
	"net/url"
	"strings"
)

// Bitrix24 is the portal behind loopstart:bitrix24.
type Bitrix24 struct {
	Portal     string       `yaml:"portal" doc:"Address of the portal: https://example.bitrix24.ru; default: that of the webhook."`
	Webhook    Secret       `yaml:"webhook" doc:"Whole address of an incoming webhook: https://example.bitrix24.ru/rest/1/secret/."`
	App        *Bitrix24App `yaml:"app" doc:"Local application; call cards need one."`
	EventToken Secret       `yaml:"event_token" doc:"application_token of outgoing webhooks; default: that of the application's installation."`
	User       int          `yaml:"user" range:"0..2147483647" doc:"ID of the employee on whose behalf calls are kept that nobody took."`
	Line       string       `yaml:"line" doc:"External line of calls; default: our number of the call."`
	Rate       Bitrix24Rate `yaml:"rate" doc:"The portal's limit of requests from this address."`
}

// Bitrix24App is a local application ("uses only API").
type Bitrix24App struct {
	ClientID     string `yaml:"client_id" required:"yes" doc:"Code of the application (client_id)."`
	ClientSecret Secret `yaml:"client_secret" required:"yes" doc:"Key of the application (client_secret)."`
	RefreshToken Secret `yaml:"refresh_token" doc:"Refresh token to begin with, where the portal cannot reach /v1/bitrix24/install."`
	OAuth        string `yaml:"oauth" default:"https://oauth.bitrix24.tech" doc:"Authorisation server."`
}

// Bitrix24Rate is the leaky bucket of a portal.
type Bitrix24Rate struct {
	PerSecond float64 `yaml:"per_second" default:"2" range:"0.1..100" doc:"Requests a second; 5 in the tariff Enterprise."`
	Burst     int     `yaml:"burst" default:"50" range:"2..1000" doc:"Requests at once; 250 in the tariff Enterprise."`
}

// RetailCRM is the account behind loopstart:retailcrm.
type RetailCRM struct {
	URL  string        `yaml:"url" required:"yes" doc:"Address of the account: https://example.retailcrm.ru."`
	Key  Secret        `yaml:"key" required:"yes" doc:"API key."`
	Site string        `yaml:"site" doc:"Code of the shop that orders and calls belong to."`
	Code string        `yaml:"code" doc:"Manager's code for calls that nobody took."`
	Rate RetailCRMRate `yaml:"rate" doc:"The account's limits."`
}

// RetailCRMRate is what the vendor's own clients keep to.
type RetailCRMRate struct {
	PerSecond float64 `yaml:"per_second" default:"10" range:"0.1..100" doc:"Requests a second."`
	Telephony float64 `yaml:"telephony" default:"40" range:"0.1..400" doc:"Requests a second of telephony methods."`
}

// Address is the portal's, that of the webhook when nothing else is said.
func (b *Bitrix24) Address() string {
	if b.Portal != "" {
		return address(b.Portal)
	}
	return origin(b.Webhook.Reveal())
}

// Address is the account's.
func (r *RetailCRM) Address() string { return address(r.URL) }

// address completes a bare host.
func address(text string) string {
	text = strings.TrimRight(text, "/")
	if !strings.Contains(text, "://") {
		return "https://" + text
	}
	return text
}

// origin is the scheme and host of an address.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// bareURL tells an address without a path.
func bareURL(text string) bool { return webURL(text) && origin(text) == text }

func (v checker) crm() {
	if b := v.c.Bitrix24; b != nil {
		v.bitrix24(b)
	}
	if r := v.c.RetailCRM; r != nil && r.URL != "" && !bareURL(r.Address()) {
		v.fail("retailcrm.url", "such as https://example.retailcrm.ru, without /api/v5", "%q is no address of an account", r.URL)
	}
}

func (v checker) bitrix24(b *Bitrix24) {
	hook := b.Webhook.Reveal()
	switch {
	case hook == "" && b.App == nil:
		v.fail("bitrix24", "set webhook, or app: {client_id, client_secret}", "there are no credentials")
	case b.Portal == "" && hook == "":
		v.fail("bitrix24", "such as https://example.bitrix24.ru", "portal is missing")
	case b.Portal != "" && !bareURL(b.Address()):
		v.fail("bitrix24.portal", "such as https://example.bitrix24.ru", "%q is no address of a portal", b.Portal)
	case hook != "" && !isWebhook(hook):
		v.fail("bitrix24.webhook", "the whole address as the portal shows it: https://example.bitrix24.ru/rest/1/…/", "this is no address of a webhook")
	case hook != "" && origin(hook) != b.Address():
		v.fail("bitrix24.webhook", "the portal is "+b.Address(), "the webhook is of another portal")
	case b.App != nil && !bareURL(address(b.App.OAuth)):
		v.fail("bitrix24.app.oauth", "https://oauth.bitrix24.tech", "%q is no address", b.App.OAuth)
	}
}

// isWebhook tells http(s)://host/rest/user/secret.
func isWebhook(text string) bool {
	u, err := url.Parse(text)
	return err == nil && webURL(text) && u.RawQuery == "" && strings.HasPrefix(u.Path, "/rest/") && len(strings.Split(strings.Trim(u.Path, "/"), "/")) == 3
}
