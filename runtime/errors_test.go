package runtime

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/runtime/message"
)

var update = flag.Bool("update", false, "write testdata again")

// TestErrorReports runs the TypeScript sources in testdata/errors. Each file
// is a transcript: files between "-- name --" lines, then "-- report --".
func TestErrorReports(t *testing.T) {
	paths, err := filepath.Glob("testdata/errors/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatal(err, "no transcripts")
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sources, want, _ := strings.Cut(string(text), "-- report --\n")
			got := report(runTranscript(t, splitFiles(sources)))
			if *update {
				if err := os.WriteFile(path, []byte(sources+"-- report --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func runTranscript(t *testing.T, files map[string]string) *message.ScriptError {
	h := testHost(t)
	h.limits = message.Limits{SliceCPU: 50 * time.Millisecond}
	h.answer = func(r message.Request) (any, *message.Error, bool) {
		switch r.Method {
		case "fail":
			return nil, &message.Error{Code: "MEDIA", Message: "no such file: hello.wav", Hint: "put it into prompts/"}, true
		case "never":
			return nil, nil, false
		}
		return nil, nil, true
	}
	h.loadBundle(bundle(t, files, "main.ts"))
	vm := h.start("ts", "default", nil)
	if !h.ended(vm) {
		h.send(message.End, vm, 0, message.Ending{Reason: "hangup"})
		h.clock.Advance(10 * time.Second)
	}
	e := h.outcome(vm).Error
	if e == nil {
		t.Fatal("the script ended without an error")
	}
	return e
}

func splitFiles(text string) map[string]string {
	files := map[string]string{}
	for part := range strings.SplitSeq(text, "-- ") {
		name, body, ok := strings.Cut(part, " --\n")
		if ok {
			files[name] = body
		}
	}
	return files
}

func report(e *message.ScriptError) string {
	var b strings.Builder
	b.WriteString(e.Code + " " + e.Error() + "\n" + e.Frame + "\n")
	for _, line := range e.Stack {
		b.WriteString(line + "\n")
	}
	for _, line := range e.Awaited {
		b.WriteString("awaited at " + line + "\n")
	}
	if e.Hint != "" {
		b.WriteString("hint: " + e.Hint + "\n")
	}
	return b.String()
}
