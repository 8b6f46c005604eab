package supervisor

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// TestStderrLimits: a worker that prints without end fills no log.
func TestStderrLimits(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.WriteString(strings.Repeat("y", MaxStderrLine+1) + "\n" + strings.Repeat("short\n", MaxStderrLines+5))
		_ = w.Close()
	}()
	var log bytes.Buffer
	p := &process{log: slog.New(slog.NewTextHandler(&log, nil)), stderr: make(chan struct{})}
	p.readStderr(r)
	if n := strings.Count(log.String(), "y") - strings.Count(log.String(), "key"); n != MaxStderrLine {
		t.Errorf("%d bytes of the long line", n)
	}
	if short, more := strings.Count(log.String(), "stderr=short"), strings.Count(log.String(), "printed more lines"); short != MaxStderrLines-1 || more != 1 {
		t.Errorf("%d lines and the long one, told %d times that there are more", short, more)
	}
}
