package sip

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"strings"
)

// maxParts is how many parts of a multipart body are looked at.
const maxParts = 16

// openParts takes the SDP out of a multipart body: trunks with SIP-I send it
// beside an ISUP part. Without an SDP part the body stays as it is.
func (m *message) openParts() {
	if t := m.headers.Get("Content-Type"); t == "" && bytes.HasPrefix(m.body, []byte("v=0")) {
		m.ctype = "application/sdp" // forgotten, and it can be nothing else
		return
	}
	kind, params, err := mime.ParseMediaType(m.headers.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") || params["boundary"] == "" {
		return
	}
	r := multipart.NewReader(bytes.NewReader(m.body), params["boundary"])
	for range maxParts {
		part, err := r.NextRawPart()
		if err != nil {
			return
		}
		t, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		if !strings.EqualFold(strings.TrimSpace(t), "application/sdp") {
			continue
		}
		if body, err := io.ReadAll(part); err == nil {
			m.body, m.ctype = body, "application/sdp"
		}
		return
	}
}
