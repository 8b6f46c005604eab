package scripts

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/loopstart/loopstart/internal/fault"
)

// Entry is one script of a folder.
type Entry struct {
	Name string // what routes, the API and campaigns use
	File string // entry file relative to the scripts folder, with slashes
	Dir  string // where its relative file names are looked up: "." or its folder
	// Error is set when the name cannot be served: two files claim it, it has
	// a character a SIP user part should not have, or its kind is not known.
	Error *Diagnostic
}

// sourceSuffixes are what a script, a module or a test may be written in.
var sourceSuffixes = []string{".ts", ".js"}

const voxSuffix = ".voxengine.js"

// Discover lists the scripts of a folder by name. A folder that does not exist
// holds none. Symbolic links are followed, and what they point at is named by
// the link.
func Discover(dir string) ([]Entry, error) {
	items, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.New(fault.Unavailable, "scripts: read folder: %w", err).WithExit(fault.ExitScript)
	}
	found := map[string][]Entry{}
	for _, item := range items {
		for _, e := range candidates(dir, item.Name()) {
			found[e.Name] = append(found[e.Name], e)
		}
	}
	if len(found) > MaxScripts {
		return nil, fault.New(fault.Limit, "scripts: %d scripts in one folder; the limit is %d", len(found), MaxScripts)
	}
	var list []Entry
	for _, same := range found {
		list = append(list, settleClash(same))
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// candidates are the scripts that one item of the folder stands for: none, one,
// or two when a folder has both main.ts and main.js.
func candidates(dir, item string) []Entry {
	if item[0] == '_' || item[0] == '.' {
		return nil
	}
	info, err := os.Stat(filepath.Join(dir, item))
	if err != nil { // a dangling link, or gone since it was listed
		return nil
	}
	if !info.IsDir() {
		return fileCandidate(item)
	}
	var list []Entry
	for _, suffix := range sourceSuffixes {
		file := path.Join(item, "main"+suffix)
		if main, err := os.Stat(filepath.Join(dir, file)); err == nil && main.Mode().IsRegular() {
			list = append(list, Entry{Name: item, File: file, Dir: item, Error: checkName(item, file)})
		}
	}
	return list
}

func fileCandidate(file string) []Entry {
	if name, ok := strings.CutSuffix(file, voxSuffix); ok {
		return []Entry{{Name: name, File: file, Dir: ".", Error: &Diagnostic{
			Place:   file + ":1:1",
			Message: "VoxEngine scenarios are not in this version",
			Hint:    "write it as " + name + ".ts with an export default function, or rename the file to begin with _",
		}}}
	}
	if !IsSource(file) || IsTest(file) {
		return nil
	}
	name := strings.TrimSuffix(file, path.Ext(file))
	return []Entry{{Name: name, File: file, Dir: ".", Error: checkName(name, file)}}
}

// IsSource tells whether a file is TypeScript or JavaScript source, tests
// included; declarations are not source.
func IsSource(file string) bool {
	return slices.Contains(sourceSuffixes, path.Ext(file)) && !strings.HasSuffix(file, ".d.ts")
}

// IsTest tells whether a file is a test: *.test.ts or *.test.js.
func IsTest(file string) bool {
	return strings.HasSuffix(file, ".test.ts") || strings.HasSuffix(file, ".test.js")
}

// checkName refuses names that a route, a URL path and a SIP user part could
// not all carry as they are.
func checkName(name, file string) *Diagnostic {
	for _, r := range name {
		if r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			continue
		}
		return &Diagnostic{
			Place:   file + ":1:1",
			Message: "a script's name may hold letters, digits, - and _, and this one holds " + strconvQuote(r),
			Hint:    "rename the file; shared code belongs in a folder whose name begins with _",
		}
	}
	return nil
}

func strconvQuote(r rune) string { return "“" + string(r) + "”" }

// settleClash makes one entry of all that claim a name.
func settleClash(same []Entry) Entry {
	if len(same) == 1 {
		return same[0]
	}
	files := make([]string, len(same))
	for i, e := range same {
		files[i] = e.File
	}
	slices.Sort(files)
	return Entry{Name: same[0].Name, File: files[0], Dir: same[0].Dir, Error: &Diagnostic{
		Place:   files[0] + ":1:1",
		Message: "two files claim the script " + same[0].Name + ": " + strings.Join(files, " and "),
		Hint:    "keep one of them",
	}}
}
