package testrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	test "github.com/loopstart/loopstart/stdlib/test/script"
)

// snapshotDir is the folder of snapshots beside a test file.
const snapshotDir = "__snapshots__"

// snapshots compares timelines with the files that hold them.
type snapshots struct {
	update bool

	mu               sync.Mutex
	written, changed []string // files of this run
	used             map[string]string
}

// snapshotNames counts the snapshots of one test.
type snapshotNames struct {
	test string
	n    int
}

func (h *host) snapshot(args json.RawMessage) (any, error) {
	a, err := read[struct {
		Key  key    `json:"key"`
		Name string `json:"name"`
	}]("matchesSnapshot", args)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	p, err := h.find(a.Key)
	var logs []*callLog
	if err == nil {
		logs = h.logs(a.Key, p)
	}
	h.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if len(logs) == 0 {
		return nil, fault.New(fault.Conflict, "matchesSnapshot: there is no call yet")
	}
	var b strings.Builder
	for i, l := range logs {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(Text(l.told()))
	}
	return nil, h.shots.compare(h.dir, h.names.next(a.Name), b.String())
}

// next names the next snapshot of a test: as it is told, else after the test.
func (n *snapshotNames) next(told string) string {
	if told != "" {
		return told
	}
	if n.n++; n.n > 1 {
		return n.test + " " + itoa(n.n)
	}
	return n.test
}

// fileName keeps letters and digits of a name.
func fileName(name string) string {
	var b strings.Builder
	for _, r := range name {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '.':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	out := strings.Trim(b.String(), "_.")
	if len(out) > 120 {
		out = strings.ToValidUTF8(out[:120], "")
	}
	return out + ".txt"
}

// compare holds a text against its file. A file that is not there is written.
func (s *snapshots) compare(dir, name, text string) error {
	path := filepath.Join(dir, snapshotDir, fileName(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.used[path]; ok && before != name {
		return fault.New(fault.Conflict, "the snapshots %q and %q have the same file %s", before, name, filepath.Base(path))
	}
	s.used[path] = name
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.written = append(s.written, path)
		return write(path, text)
	case err != nil:
		return fault.New(fault.Unavailable, "snapshot: %w", err)
	case string(old) == text:
		return nil
	case s.update:
		s.changed = append(s.changed, path)
		return write(path, text)
	}
	return fault.New(test.Failed, "the timeline is not that of %s/%s:\n%s", snapshotDir, filepath.Base(path), difference(string(old), text)).
		WithHint("when the new one is right, run `loopstart test --update`")
}

func write(path, text string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		return fault.New(fault.Unavailable, "snapshot: %w", err)
	}
	return nil
}

// shownLines is how many lines of a difference are shown.
const shownLines = 12

// difference shows the lines from the first one that differs, until the two
// texts agree again.
func difference(old, now string) string {
	a, b := strings.Split(strings.TrimRight(old, "\n"), "\n"), strings.Split(strings.TrimRight(now, "\n"), "\n")
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	for len(a) > head && len(b) > head && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	var out strings.Builder
	side(&out, "-", a[head:])
	side(&out, "+", b[head:])
	return strings.TrimRight(out.String(), "\n")
}

func side(out *strings.Builder, sign string, list []string) {
	for i, line := range list {
		if i == shownLines {
			fmt.Fprintf(out, "  %s … %d more\n", sign, len(list)-i)
			return
		}
		fmt.Fprintf(out, "  %s %s\n", sign, line)
	}
}

// Text is a timeline as snapshots and failures show it.
func Text(line []engine.Entry) string {
	var b strings.Builder
	for _, e := range line {
		source := ""
		if e.Source != "" {
			source = "  (" + e.Source + ")"
		}
		row := fmt.Sprintf("%9.3f  %-2s %-9s %s%s", float64(e.AtMs)/1000, e.Leg, e.Kind, strings.ReplaceAll(e.Detail, "\n", "⏎"), source)
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}
