package host

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// event reads what the portal has posted to a hook (an event, or an outgoing
// webhook) and tells whether it is the portal's: auth[application_token] is the
// only proof there is. Tokens in it are not passed on.
func (c *Connector) event(_ context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct{ Body string }](module, args)
	if err != nil {
		return nil, err
	}
	fields, err := url.ParseQuery(a.Body)
	if err != nil || fields.Get("event") == "" {
		return nil, fault.New(fault.Invalid, "bitrix24: event: the request is no event of Bitrix24")
	}
	want := c.cfg.EventToken
	if want == "" && c.cfg.App() {
		g, _ := c.tokens.load() // a portal that is not authorised has sent nothing
		want = g.EventToken
	}
	if want == "" {
		return nil, fault.New(fault.Denied, "bitrix24: event: there is no token to compare with").
			WithHint("set bitrix24.event_token to the application token that the portal shows, or install the application")
	}
	if subtle.ConstantTimeCompare([]byte(fields.Get("auth[application_token]")), []byte(want)) != 1 {
		return nil, fault.New(fault.Denied, "bitrix24: event: wrong application token")
	}
	tree := nest(fields)
	return map[string]any{"event": fields.Get("event"), "data": orEmpty(tree["data"]), "ts": fields.Get("ts"), "domain": fields.Get("auth[domain]")}, nil
}

func orEmpty(v any) any {
	if v == nil {
		return map[string]any{}
	}
	return v
}

// maxNested is how deep a field's name is followed.
const maxNested = 8

// nest makes objects of names like data[FIELDS][ID].
func nest(fields url.Values) map[string]any {
	root := map[string]any{}
	for name, values := range fields {
		path := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' })
		if len(path) == 0 || len(path) > maxNested {
			continue
		}
		at := root
		for _, key := range path[:len(path)-1] {
			inner, ok := at[key].(map[string]any)
			if !ok {
				inner = map[string]any{}
				at[key] = inner
			}
			at = inner
		}
		if _, taken := at[path[len(path)-1]]; !taken {
			at[path[len(path)-1]] = values[len(values)-1]
		}
	}
	return root
}
