package api

import (
	"bytes"
	"net/http"
	"strconv"

	"github.com/loopstart/loopstart/internal/fault"
)

func (s *server) bans(w http.ResponseWriter, _ *http.Request) error {
	return write(w, http.StatusOK, map[string]any{"bans": s.Sources.Bans()})
}

func (s *server) liftBan(w http.ResponseWriter, r *http.Request) error {
	was, err := s.Sources.LiftBan(r.PathValue("source"))
	switch {
	case err != nil:
		return err
	case !was:
		return fault.New(fault.NotFound, "%s is not banned", r.PathValue("source"))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) ladder(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	out, err := s.Calls.Ladder(id)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, out)
}

// capture collects the file first: after its first byte no error can be told.
// It is small, call.MaxWire and headers.
func (s *server) capture(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	var b bytes.Buffer
	if err := s.Calls.Capture(id, &b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/vnd.tcpdump.pcap")
	w.Header().Set("Content-Disposition", `attachment; filename="call.pcap"`)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, err := b.WriteTo(w)
	return err
}
