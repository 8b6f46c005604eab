package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// streamBody lets the handler read the body as it comes: each piece has
// readTime to arrive, the whole has no limit of time, and MaxImport of length.
func (s *server) streamBody(w http.ResponseWriter, r *http.Request) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	c := http.NewResponseController(w)
	r.Body = &steady{body: http.MaxBytesReader(w, r.Body, s.MaxImport), most: s.MaxImport, w: w, deadline: func(end bool) {
		until := time.Time{}
		if !end {
			until = s.real.Now().Add(s.readTime)
		}
		_ = c.SetReadDeadline(until) // test recorders have none
	}}
}

// steady is a body whose sender has to keep on sending.
type steady struct {
	body     io.ReadCloser
	most     int64
	w        http.ResponseWriter
	deadline func(end bool) // of the next piece, or none once the end is there
}

// Read implements io.Reader.
func (b *steady) Read(p []byte) (int, error) {
	b.deadline(false)
	n, err := b.body.Read(p)
	if errors.Is(err, io.EOF) {
		b.deadline(true)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	b.w.Header().Set("Connection", "close") // the rest is not waited for
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return n, statusError{http.StatusRequestEntityTooLarge, fault.New(fault.Invalid, "the body is longer than %d bytes", b.most).
			WithHint("see limits.import, or send the rows in several requests")}
	}
	return n, statusError{http.StatusRequestTimeout, fault.New(fault.Network, "the body stopped arriving: %w", err)}
}

// Close implements io.Closer.
func (b *steady) Close() error { return b.body.Close() }

// decodeStrict reads a JSON object and refuses fields that it has no place for.
func decodeStrict(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}
