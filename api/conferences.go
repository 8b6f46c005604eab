package api

import "net/http"

func (s *server) conferences(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"conferences": s.Conferences.Conferences()})
}

func (s *server) conference(w http.ResponseWriter, r *http.Request) error {
	state, err := s.Conferences.Conference(r.PathValue("name"))
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, state)
}

// commandConference acts on a conference: mute, kick, say, close, …
func (s *server) commandConference(w http.ResponseWriter, r *http.Request) error {
	body, err := object(r)
	if err != nil {
		return err
	}
	answer, err := s.Conferences.ConferenceCommand(r.PathValue("name"), body)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, answer)
}
