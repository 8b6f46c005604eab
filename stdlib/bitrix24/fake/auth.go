package fake

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/connector"
)

// Lives of the two tokens.
const accessLife = time.Hour

// maxBody is the longest request.
const maxBody = 100 << 20

// token is the authorisation server.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	refuse := func(name, says string) { send(w, 400, row{"error": name, "error_description": says}) }
	switch {
	case q.Get("client_id") != ClientID || q.Get("client_secret") != ClientSecret:
		refuse("invalid_client", "Client authentication failed")
		return
	case q.Get("grant_type") == "authorization_code" && q.Get("code") == "test-code":
	case q.Get("grant_type") == "refresh_token" && (s.opts.AnyRefresh || s.refresh[q.Get("refresh_token")]):
		if !s.opts.KeepOldRefresh {
			delete(s.refresh, q.Get("refresh_token"))
		}
	case q.Get("grant_type") == "refresh_token" || q.Get("grant_type") == "authorization_code":
		refuse("invalid_grant", "Invalid refresh token")
		return
	default:
		refuse("invalid_request", "Unknown grant type")
		return
	}
	access, refresh := s.issueLocked()
	s.Note(connector.Asked{Method: "oauth/token"})
	send(w, 200, row{
		"access_token": access, "refresh_token": refresh, "expires_in": int(accessLife.Seconds()), "member_id": "test-member", "status": "L",
		"client_endpoint": s.opts.Portal + "/rest/", "domain": "oauth.bitrix24.tech", "scope": "crm,telephony,user,timeman,task,im", "user_id": 1,
	})
}

// issueLocked makes a pair.
func (s *Server) issueLocked() (access, refresh string) {
	s.issued++
	access, refresh = fmt.Sprintf("access-%d", s.issued), fmt.Sprintf("refresh-%d", s.issued)
	s.access[access] = s.opts.Clock.Now().Add(accessLife)
	s.refresh[refresh] = true
	return access, refresh
}

// Installation is the form that the portal posts when the application is
// installed.
func (s *Server) Installation() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	access, refresh := s.issueLocked()
	host := strings.TrimPrefix(strings.TrimPrefix(s.opts.Portal, "https://"), "http://")
	return url.Values{
		"event": {"ONAPPINSTALL"}, "auth[access_token]": {access}, "auth[refresh_token]": {refresh}, "auth[application_token]": {EventToken},
		"auth[domain]": {host}, "auth[member_id]": {"test-member"}, "auth[client_endpoint]": {s.opts.Portal + "/rest/"},
	}
}

// read takes the parameters of a JSON, form or multipart body, and the query's.
func (s *Server) read(r *http.Request) (row, error) {
	fields := row{}
	for name, values := range r.URL.Query() {
		put(fields, name, values[len(values)-1])
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, err
	}
	kind := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(kind, "application/json"):
		err = json.Unmarshal(body, &fields)
	case strings.HasPrefix(kind, "multipart/"):
		fields["$file"] = len(body)
	default:
		form, perr := url.ParseQuery(string(body))
		for name, values := range form {
			put(fields, name, values[len(values)-1])
		}
		err = perr
	}
	return fields, err
}

// put follows a name like fields[name].
func put(at row, name, value string) {
	path := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' })
	for len(path) > 1 {
		inner, ok := at[path[0]].(row)
		if !ok {
			inner = row{}
			at[path[0]] = inner
		}
		at, path = inner, path[1:]
	}
	if len(path) == 1 {
		at[path[0]] = value
	}
}

// admit finds the method, who asks, and whether the limits allow it.
func (s *Server) admit(path string, fields row) (method string, app bool, refused *refusal) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] != "rest" || len(parts) != 2 && len(parts) != 4 {
		return path, false, &refusal{404, "ERROR_METHOD_NOT_FOUND", "Method not found!"}
	}
	method = strings.TrimSuffix(parts[len(parts)-1], ".json")
	if refused := s.pour(); refused != nil {
		return method, false, refused
	}
	if f, ordered := s.Next(); ordered {
		return method, false, &refusal{f.Status, f.Says, "as ordered"}
	}
	app = len(parts) == 2
	if refused := s.who(parts, fields); refused != nil {
		return method, app, refused
	}
	return method, app, s.work(method)
}

// who checks the credentials.
func (s *Server) who(parts []string, fields row) *refusal {
	if len(parts) == 4 {
		if "/"+strings.Join(parts[:3], "/") != strings.TrimPrefix(Webhook, Portal) {
			return &refusal{401, "INVALID_CREDENTIALS", "Invalid request credentials"}
		}
		return nil
	}
	token := text(fields["auth"])
	end, ok := s.access[token]
	switch {
	case token == "":
		return &refusal{401, "NO_AUTH_FOUND", "Wrong authorization data"}
	case !ok && strings.HasPrefix(token, "access-"), ok && !s.opts.Clock.Now().Before(end):
		return &refusal{401, "expired_token", "The access token provided has expired."}
	case !ok:
		return &refusal{401, "invalid_token", "Unable to get application by token"}
	}
	return nil
}

// pour adds a request to the leaky bucket.
func (s *Server) pour() *refusal {
	now := s.opts.Clock.Now()
	s.level = max(0, s.level-now.Sub(s.at).Seconds()*s.opts.PerSecond)
	s.at = now
	if s.level+1 > s.opts.Burst+1e-6 {
		return &refusal{503, "QUERY_LIMIT_EXCEEDED", "Too many requests"}
	}
	s.level++
	return nil
}

// window is the time in which working time is counted, by minutes.
const window = 10 * time.Minute

// work counts the working time of a method; the call that passes the limit is
// carried out, the next is blocked.
func (s *Server) work(method string) *refusal {
	now := s.opts.Clock.Now()
	var kept []minute
	spent := time.Duration(0)
	for _, m := range s.worked[method] {
		if now.Sub(m.from) < window {
			kept = append(kept, m)
			spent += m.spent
		}
	}
	s.worked[method] = kept
	if spent > s.opts.WorkingTime {
		return &refusal{429, "OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."}
	}
	if n := len(kept); n > 0 && now.Sub(kept[n-1].from) < time.Minute {
		kept[n-1].spent += s.opts.EachWorks
		return nil
	}
	s.worked[method] = append(kept, minute{now, s.opts.EachWorks})
	return nil
}

// timeOf is the field time of an answer.
func (s *Server) timeOf(method string) row {
	now := s.opts.Clock.Now()
	t := row{"start": now.Unix(), "finish": now.Unix(), "duration": 0, "processing": 0, "date_start": now.Format(time.RFC3339), "date_finish": now.Format(time.RFC3339)}
	spent := time.Duration(0)
	for _, m := range s.worked[method] {
		spent += m.spent
	}
	if len(s.worked[method]) > 0 {
		t["operating_reset_at"] = s.worked[method][0].from.Add(window).Unix()
	}
	t["operating"] = spent.Seconds()
	return t
}
