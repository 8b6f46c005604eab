package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/engine"
)

// TestErrorOnceInDev: the log has shown the source lines of an error, so the
// timeline after it, and the phone of the terminal, name it in one line.
func TestErrorOnceInDev(t *testing.T) {
	var out bytes.Buffer
	m := &Main{Stderr: &out, Getenv: func(string) string { return "" }}
	e := engine.Entry{AtMs: 5, Kind: "error", Detail: "a.ts:1:2: TypeError\nis an await missing?\n> 1 | x.y", Source: "a.ts:1:2"}
	line := []engine.Entry{e, {Kind: "step", Detail: "one\nx = 1"}}
	m.showCall(engine.Record{ID: "o.1"}, line)
	(&phone{m: m}).show(e)
	got := out.String()
	if strings.Count(got, "a.ts:1:2: TypeError") != 2 || strings.Contains(got, "await") || strings.Contains(got, "·") || !strings.Contains(got, "x = 1") {
		t.Error(got)
	}
	if line[0] != e {
		t.Error("the timeline itself was changed")
	}
}
