package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestLogMasksNumbers: whoever logs a number, it is masked in the log.
func TestLogMasksNumbers(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(veiledLog{slog.NewTextHandler(&out, nil), &curtain{}}).With("to", "+79161234567")
	log.Warn("cannot dial 79161234567", "err", errors.New("sip:+79161234567@10.0.0.1: 404"), "list", []string{"+79161234567"},
		slog.Group("g", "from", "+79161234567"), "call", "01k7a1234567890b.1", "bytes", 79161234567)
	if got := out.String(); strings.Count(got, "9161234567") != 1 || strings.Count(got, "4567") != 7 || !strings.Contains(got, "01k7a1234567890b.1") {
		t.Fatal(got)
	}
}
