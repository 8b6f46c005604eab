package host

import (
	"fmt"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// Refusal is an error as the portal or the authorisation server says it.
type Refusal struct {
	Status int
	Name   string // error
	Says   string // error_description
}

// Error implements error.
func (r *Refusal) Error() string {
	switch {
	case r.Name == "":
		return fmt.Sprintf("HTTP status %d", r.Status)
	case r.Says == "":
		return r.Name
	}
	return r.Name + ": " + r.Says
}

// meaning is what an error of Bitrix24 is to us.
type meaning struct {
	code fault.Code
	hint string
}

// meanings of the names that the documentation lists.
var meanings = map[string]meaning{
	"expired_token":               {fault.Unavailable, "the access token has run out and a new one was refused"},
	"invalid_token":               {fault.Denied, "the token belongs to another portal or application: install the application again"},
	"invalid_grant":               {fault.Unavailable, ""}, // reauthorise says it
	"invalid_client":              {fault.Denied, "check client_id and client_secret of bitrix24.app, and that the application is installed"},
	"invalid_request":             {fault.Denied, "check bitrix24.app"},
	"insufficient_scope":          {fault.Denied, "give the webhook or the application the scope that the method needs: crm, telephony, user, timeman, task, im"},
	"invalid_scope":               {fault.Denied, "give the application the scope that the method needs"},
	"NO_AUTH_FOUND":               {fault.Denied, "the webhook's secret is wrong, or the webhook was deleted"},
	"INVALID_CREDENTIALS":         {fault.Denied, "the webhook's secret is wrong, or its user may not do this"},
	"ACCESS_DENIED":               {fault.Denied, "the REST API is not in the portal's tariff, or the user may not do this"},
	"WRONG_AUTH_TYPE":             {fault.Denied, "the method works for a local application only: set bitrix24.app"},
	"user_access_error":           {fault.Denied, "the user of the application has no access to it"},
	"PAYMENT_REQUIRED":            {fault.Unavailable, "the portal's subscription has ended"},
	"PORTAL_DELETED":              {fault.Unavailable, "the portal was deleted"},
	"ERROR_METHOD_NOT_FOUND":      {fault.NotFound, "check the method's name, and that the webhook or the application has its scope"},
	"ERROR_NOT_FOUND":             {fault.NotFound, ""},
	"NOT_FOUND":                   {fault.NotFound, ""},
	"QUERY_LIMIT_EXCEEDED":        {fault.Limit, "something else uses the portal from this address; lower bitrix24.rate"},
	"OPERATION_TIME_LIMIT":        {fault.Limit, "the method has worked too long within 10 minutes; ask for less at once"},
	"OVERLOAD_LIMIT":              {fault.Limit, "the portal has blocked the REST API for overload; ask its support"},
	"INTERNAL_SERVER_ERROR":       {fault.Unavailable, ""},
	"ERROR_UNEXPECTED_ANSWER":     {fault.Unavailable, ""},
	"ERROR_BATCH_LENGTH_EXCEEDED": {fault.Invalid, "a batch holds at most 50 commands"},
}

// limitPause is how long a job waits after the portal's own limits.
const limitPause = 10 * time.Second

// explain turns a refusal into an error for people.
func (c *Connector) explain(method string, err error) error {
	r, ok := err.(*Refusal) //nolint:errorlint // it is never wrapped
	if !ok {
		return err
	}
	m, known := meanings[r.Name]
	if !known {
		switch {
		case r.Status/100 == 5:
			m.code = fault.Unavailable
		case r.Status == 401 || r.Status == 403:
			m.code = fault.Denied
		case r.Status == 404:
			m.code = fault.NotFound
		case r.Status == 429:
			m.code = fault.Limit
		default:
			m.code = fault.Invalid
		}
	}
	f := fault.New(m.code, "bitrix24: %s: %w", method, r)
	if m.hint != "" {
		f = f.WithHint("%s", m.hint)
	}
	if r.Name == "OPERATION_TIME_LIMIT" {
		if err := c.methods.rested(method, c.serv.Clock.Now()); err != nil {
			return err
		}
	}
	if m.code == fault.Limit {
		return connector.Limited{Fault: f, After: limitPause}
	}
	return f
}
