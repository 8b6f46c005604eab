package api

import (
	"context"
	"fmt"
	"net"
	"net/http"
)

type auditKey struct{}

// watch gives a request that may change something a place for what its handler
// tells of it.
func watch(r *http.Request, to route) *http.Request {
	if to.right == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), auditKey{}, &AuditEntry{}))
}

// tell adds what a request is about to its entry in the audit log. Never what
// it carries: bodies hold people's data.
func tell(r *http.Request, format string, args ...any) {
	if en, ok := r.Context().Value(auditKey{}).(*AuditEntry); ok {
		en.Detail = fmt.Sprintf(format, args...)
	}
}

// audited writes the entry of a request that is over. Who has no token has
// changed nothing.
func (s *server) audited(r *http.Request, status int) {
	en, ok := r.Context().Value(auditKey{}).(*AuditEntry)
	t := token(r)
	if !ok || t.Token == "" || s.Audit == nil {
		return
	}
	en.Token, en.Method, en.Path, en.Status = t.Name, r.Method, r.URL.Path, status
	en.IP, _, _ = net.SplitHostPort(r.RemoteAddr)
	s.Audit.Note(*en)
}

func (s *server) audit(w http.ResponseWriter, r *http.Request) error {
	since, err := moment("since", r.URL.Query().Get("since"))
	if err != nil {
		return err
	}
	limit, cursor, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	list, next, err := s.Audit.Audit(since, limit, cursor)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"entries": list, "next": next})
}

func (s *server) erasePerson(w http.ResponseWriter, r *http.Request) error {
	gone, err := s.People.ErasePerson(plus(r.PathValue("phone")))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, gone)
}
