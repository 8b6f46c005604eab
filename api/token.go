package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
)

type tokenKey struct{}

// authorise finds the bearer token of a request. Every token is compared, and
// hashes take the same time whatever is given.
func (s *server) authorise(r *http.Request, to route) (Token, error) {
	kind, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") || given == "" {
		return Token{}, fault.New(fault.Unauthorized, "no bearer token").
			WithHint("send Authorization: Bearer TOKEN; tokens are in http.tokens of loopstart.yaml")
	}
	sum := sha256.Sum256([]byte(given))
	var found *Token
	for _, t := range s.Tokens() {
		want := sha256.Sum256([]byte(t.Token))
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 && t.Token != "" && found == nil {
			found = &t
		}
	}
	switch {
	case found == nil:
		return Token{}, fault.New(fault.Unauthorized, "unknown bearer token")
	case len(found.Allow) > 0 && !slices.Contains(found.Allow, to.right):
		return Token{}, fault.New(fault.Denied, "token %s may not use %s", found.Name, to.right).WithHint("see http.tokens.%s.allow", found.Name)
	case len(found.Scripts) > 0 && to.whole:
		return Token{}, fault.New(fault.Denied, "token %s is for some scripts only", found.Name).WithHint("see http.tokens.%s.scripts", found.Name)
	}
	return *found, nil
}

func token(r *http.Request) Token {
	t, _ := r.Context().Value(tokenKey{}).(Token)
	return t
}

// sees reports whether the token may start or see a script.
func (t Token) sees(script string) bool {
	return len(t.Scripts) == 0 || slices.Contains(t.Scripts, script)
}

// mayScript refuses a script that the request's token does not cover.
func mayScript(r *http.Request, script string) error {
	if t := token(r); !t.sees(script) {
		return t.noScript(script)
	}
	return nil
}

// noScript refuses a script that the token is not for. Whether there is one of
// that name is not said; a misspelt name is likely all the same.
func (t Token) noScript(script string) error {
	const shown = 10
	list := strings.Join(t.Scripts[:min(len(t.Scripts), shown)], ", ")
	if len(t.Scripts) > shown {
		list += ", …"
	}
	e := fault.New(fault.Denied, "token %s may not use script %s", t.Name, script)
	if near := suggest.Nearest(script, t.Scripts); near != "" {
		return e.WithHint("did you mean %s? The token is for %s (http.tokens.%s.scripts)", near, list, t.Name)
	}
	return e.WithHint("the token is for %s (http.tokens.%s.scripts)", list, t.Name)
}

// mayCall refuses a call whose script the token does not cover, with the
// answer for a call that does not exist.
func (s *server) mayCall(r *http.Request, id string) error {
	t := token(r)
	if len(t.Scripts) == 0 {
		return nil
	}
	script, err := s.Calls.ScriptOf(id)
	if err != nil {
		return err
	}
	if !t.sees(script) {
		return fault.New(fault.NotFound, "no call %q", id)
	}
	return nil
}
