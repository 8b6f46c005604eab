package testrun

import (
	"os"
	"path/filepath"
	"strings"
)

// choice is one pattern: a part of a file's path or of a test's name, or a path
// of the disk, as shells complete it.
type choice struct {
	text    string // as it was given
	part    string // in lower case; of a path, its place below the scripts folder
	path    bool
	matched bool
}

// choices are the patterns of a run; none choose everything.
type choices []*choice

func choose(root string, patterns []string) choices {
	var out choices
	for _, p := range patterns {
		c := &choice{text: p, part: strings.ToLower(p)}
		if below, ok := place(root, p); ok {
			c.part, c.path = strings.ToLower(below), true
		}
		out = append(out, c)
	}
	return out
}

// place is where a path that exists lies below the scripts folder: a test file,
// or a folder with a slash behind it. Of a script it is what its tests are named
// after. A bare word is no path, but for the scripts folder itself.
func place(root, p string) (string, bool) {
	abs, err := filepath.Abs(p)
	if err != nil || abs != root && !strings.ContainsAny(p, `/\`) && p != "." && !isSource(p) {
		return "", false
	}
	info, err := os.Stat(abs)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(root, abs)
	switch {
	case err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)):
		return "", info.IsDir() && strings.HasPrefix(root+string(filepath.Separator), abs+string(filepath.Separator)) // the project's folder
	case rel == ".":
		return "", true
	}
	rel = filepath.ToSlash(rel)
	dir, file := filepath.Split(rel)
	switch {
	case info.IsDir():
		return rel + "/", true
	case isTest(file):
		return rel, true
	case strings.HasPrefix(file, "main."):
		return dir, true
	}
	return strings.TrimSuffix(rel, filepath.Ext(rel)) + ".test.", true
}

func isSource(name string) bool {
	return strings.HasSuffix(name, ".ts") || strings.HasSuffix(name, ".js")
}

func isTest(name string) bool { return isSource(name) && strings.Contains(name, ".test.") }

// file reports whether a file is chosen as a whole, and whether one of its
// tests may be chosen by its name.
func (c choices) file(name string) (whole, maybe bool) {
	name = strings.ToLower(name)
	for _, p := range c {
		switch {
		case p.path && strings.HasPrefix(name, p.part), !p.path && strings.Contains(name, p.part):
			whole = true
		case !p.path:
			maybe = true
		}
	}
	return whole || len(c) == 0, maybe
}

// took notes which patterns a test of a file answers to, and reports whether it
// is chosen.
func (c choices) took(file, test string) bool {
	chosen := len(c) == 0
	file, test = strings.ToLower(file), strings.ToLower(test)
	for _, p := range c {
		if p.path && strings.HasPrefix(file, p.part) || !p.path && (strings.Contains(file, p.part) || strings.Contains(test, p.part)) {
			p.matched, chosen = true, true
		}
	}
	return chosen
}

// unmatched are the patterns that no test has answered to.
func (c choices) unmatched() []string {
	var out []string
	for _, p := range c {
		if !p.matched {
			out = append(out, p.text)
		}
	}
	return out
}
