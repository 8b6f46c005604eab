package api

import "net/http"

// Groups are the lines of callers, and the users who serve them.
type Groups interface {
	Groups() any
	Group(name string) (any, error)
	Users() any
	User(name string) (any, error)
	// SetUser makes a user ready or away and answers with its state.
	SetUser(name, state string) (any, error)
}

func (s *server) groups(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"groups": s.Groups.Groups()})
}

func (s *server) showGroup(w http.ResponseWriter, r *http.Request) error {
	g, err := s.Groups.Group(r.PathValue("name"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, g)
}

func (s *server) users(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"users": s.Groups.Users()})
}

func (s *server) showUser(w http.ResponseWriter, r *http.Request) error {
	u, err := s.Groups.User(r.PathValue("name"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, u)
}

func (s *server) setUser(w http.ResponseWriter, r *http.Request) error {
	body, err := object(r)
	if err != nil {
		return err
	}
	var o struct{ State string }
	if err := strict(body, &o, "state"); err != nil {
		return err
	}
	u, err := s.Groups.SetUser(r.PathValue("name"), o.State)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, u)
}
