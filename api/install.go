package api

import (
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/loopstart/loopstart/internal/fault"
)

// installBitrix24 takes the form of an installation, or the code with which an
// administrator's browser comes back. Who sends it is found out by asking the
// authorisation server.
func (s *server) installBitrix24(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fault.New(fault.Network, "body: %w", err)
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return fault.New(fault.Invalid, "the body is no form")
	}
	maps.Copy(fields, r.URL.Query())
	if err := s.Installs.InstallBitrix24(r.Context(), fields); err != nil {
		return err
	}
	return write(w, http.StatusOK, map[string]string{"status": "success"})
}
