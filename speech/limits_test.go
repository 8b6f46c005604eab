package speech

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestTranscriptLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxTranscript: true, maxTranscript + 1: false} {
		if _, err := readTranscript([]byte(strings.Repeat("a", n))); (err == nil) != ok {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// talker is an answer without end.
type talker struct{ read int }

func (c *talker) Read(p []byte) (int, error) {
	if c.read += len(p); c.read > 1<<20 {
		return 0, errors.New("read without end")
	}
	return len(p), nil
}

func (*talker) Close() error { return nil }

// TestComplaintsAreBounded: of an engine's complaint no more is read than can be
// shown, from a server or from a program.
func TestComplaintsAreBounded(t *testing.T) {
	body := &talker{}
	if _, err := (&HTTP{}).answer(&http.Response{StatusCode: 500, Status: "500 No", Body: body}); err == nil || body.read < maxComplain {
		t.Errorf("%v after %d bytes", err, body.read)
	}
	rest := &io.LimitedReader{R: body, N: 1}
	if _, err := io.ReadAll(rest); err != nil || body.read > 2*maxComplain {
		t.Errorf("%d bytes were read", body.read)
	}
	over := 0
	errs := &limited{max: maxStderr, over: func() { over++ }}
	for range maxStderr {
		_, _ = errs.Write([]byte("x"))
	}
	if _, _ = errs.Write([]byte("xx")); errs.buf.Len() != maxStderr || over != 1 {
		t.Errorf("%d bytes of stderr", errs.buf.Len())
	}
}

func TestFormatLimit(t *testing.T) {
	chunk := make([]byte, maxFormat+1)
	for i, v := range []uint16{1, 1, 8000, 0, 16000, 0, 2, 16} {
		binary.LittleEndian.PutUint16(chunk[2*i:], v)
	}
	if _, err := readFormat(chunk[:maxFormat]); err != nil {
		t.Error(err)
	}
	if _, err := readFormat(chunk); err == nil {
		t.Error("a longer one passes")
	}
}
