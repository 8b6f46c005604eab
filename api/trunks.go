package api

import "net/http"

func (s *server) trunks(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"trunks": s.Trunks.Trunks()})
}

// checkTrunk answers when the trunk has, or has not in time.
func (s *server) checkTrunk(w http.ResponseWriter, r *http.Request) error {
	report, err := s.Trunks.CheckTrunk(r.PathValue("name"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, report)
}
