package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/config"
)

func TestLogsShowNoSecrets(t *testing.T) {
	cfg := &config.Config{Secrets: []config.Entry{{Name: "T", Value: "sesame"}}}
	var hide curtain
	hide.set(cfg)
	var out bytes.Buffer
	log := slog.New(veiledLog{slog.NewTextHandler(&out, nil), &hide}).With("with", "a sesame").WithGroup("g")
	log.Info("open sesame", "text", "sesame", "err", errors.New("no sesame"), "list", []string{"x", "sesame"}, slog.Group("more", "deep", "sesame"), "n", 7)
	if got := out.String(); strings.Contains(got, "sesame") || strings.Count(got, "•••") != 6 || !strings.Contains(got, "g.n=7") {
		t.Error(got)
	}
	cfg.Secrets = nil
	hide.set(cfg) // a reload
	if got := hide.text("open sesame"); got != "open sesame" {
		t.Error(got)
	}
}
