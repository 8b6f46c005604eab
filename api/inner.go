package api

import "net/http"

// Routes about the house itself: scripts, deliveries, health, figures.

func (s *server) scripts(w http.ResponseWriter, r *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"scripts": s.Scripts.Scripts(token(r).sees)})
}

func (s *server) outbox(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := page(r.URL.Query())
	if err != nil {
		return err
	}
	items, next, err := s.Outbox.Outbox(r.URL.Query().Get("state"), limit, cursor)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]any{"items": items, "next": next})
}

func (s *server) retry(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.Outbox.RetryDelivery(id); err != nil {
		return err
	}
	return write(w, http.StatusAccepted, map[string]any{"id": id})
}

func (s *server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(openAPIDocument(s.Version))
	return nil
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"status": "ok"})
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) error {
	if err := s.Health.Ready(); err != nil {
		return err
	}
	out := map[string]any{"status": "ready", "version": s.Version}
	if waiting := s.Health.Waiting(); len(waiting) > 0 {
		out["waiting"] = waiting
	}
	return write(w, http.StatusOK, out)
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) error {
	s.Metrics.ServeHTTP(w, r)
	return nil
}
