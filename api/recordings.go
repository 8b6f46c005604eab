package api

import (
	"net/http"

	"github.com/loopstart/loopstart/internal/fault"
)

func (s *server) recording(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	if err := s.mayCall(r, id); err != nil {
		return err
	}
	return s.sendRecording(w, r, id)
}

// linkedRecording serves a signed link; the signature is the permission.
func (s *server) linkedRecording(w http.ResponseWriter, r *http.Request) error {
	id, q := r.PathValue("id"), r.URL.Query()
	if !s.Recordings.CheckLink(id, q.Get("until"), q.Get("sig")) {
		return fault.New(fault.Denied, "the link is wrong or has expired")
	}
	return s.sendRecording(w, r, id)
}

// sendRecording answers with a file or the ranges of it that were asked for
// (RFC 9110 §14).
func (s *server) sendRecording(w http.ResponseWriter, r *http.Request, id string) error {
	f, err := s.Recordings.Recording(id)
	if err != nil {
		return err
	}
	defer f.File.Close()
	h := w.Header()
	h.Set("Content-Type", f.Type)
	h.Set("Cache-Control", "private, no-cache") // a recording grows while its call runs
	h.Set("Content-Disposition", `inline; filename="`+f.Name+`"`)
	http.ServeContent(&download{ResponseWriter: w, s: s, r: r}, r, f.Name, f.At, f.File)
	return nil
}

// download puts the errors of http.ServeContent into our shape.
type download struct {
	http.ResponseWriter
	s      *server
	r      *http.Request
	failed bool
}

func (d *download) WriteHeader(status int) {
	if status < 400 {
		d.ResponseWriter.WriteHeader(status)
		return
	}
	d.failed = true
	h := d.Header()
	h.Del("Content-Disposition")
	h.Del("Content-Length")
	d.s.fail(d.ResponseWriter, d.r, route{}, statusError{status, fault.New(fault.Invalid, "the recording has no such range")})
}

func (d *download) Write(p []byte) (int, error) {
	if d.failed {
		return len(p), nil
	}
	return d.ResponseWriter.Write(p)
}
