package engine

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/loopstart/loopstart/api"
	campaignhost "github.com/loopstart/loopstart/stdlib/campaign/host"
)

// campaignMethods are those of loopstart:campaign.
func (e *Engine) campaignMethods() map[string]campaignhost.Method {
	a := (*surface)(e)
	return campaignhost.Services{Orders: a, StopList: a, Campaigns: a}.Methods()
}

// Method is a method of a module that works without a call, nil when it is
// none: tests use loopstart:campaign as scripts do.
func (e *Engine) Method(name string) campaignhost.Method { return e.methods[name] }

// AddContacts adds a list that is in memory.
func (a *surface) AddContacts(ctx context.Context, id string, list json.RawMessage) (any, error) {
	body := append(append([]byte(`{"contacts":`), list...), '}')
	return a.ImportContacts(ctx, id, api.Import{Body: bytes.NewReader(body), Format: api.FormatJSON})
}
