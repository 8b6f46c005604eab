package scripts

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// tree is what a scripts folder looks like: names only. A name that comes or
// goes can change what an import means, so it makes every script stale.
type tree struct {
	files   []string // relative to the folder, sorted; a link with what it points at
	folders []string // real paths to watch: the folder's, its subfolders', those of links
}

// maxLinks is how many symbolic links in a chain are followed.
const maxLinks = 40

// realPath resolves symbolic links; a path that does not exist is itself.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return path
}

// readTree lists a folder as it is reached by name (dir) and as it really is
// (real). Folders whose name begins with a dot and node_modules are left out.
func readTree(dir, real string) (tree, error) {
	w := &walker{folders: map[string]bool{}}
	w.links(dir)
	w.folders[filepath.Dir(dir)] = true // where the folder itself comes and goes
	w.walk(real, "")
	if w.err != nil {
		return tree{}, w.err
	}
	t := tree{files: w.files}
	for f := range w.folders {
		t.folders = append(t.folders, f)
	}
	slices.Sort(t.files)
	slices.Sort(t.folders)
	return t, nil
}

type walker struct {
	files   []string
	folders map[string]bool
	err     error
}

func (w *walker) walk(dir, rel string) {
	real := realPath(dir)
	if w.folders[real] && rel != "" { // a link in a circle, or seen already
		return
	}
	items, err := os.ReadDir(real)
	if err != nil {
		return // gone since it was listed: the event that follows brings us back
	}
	w.folders[real] = true
	for _, item := range items {
		if item.Name()[0] == '.' || item.Name() == "node_modules" || w.err != nil {
			continue
		}
		w.item(filepath.Join(dir, item.Name()), filepath.Join(rel, item.Name()), item)
	}
}

func (w *walker) item(path, rel string, item fs.DirEntry) {
	isDir := item.IsDir()
	if item.Type()&fs.ModeSymlink != 0 {
		w.links(path)
		w.files = append(w.files, rel+" -> "+realPath(path))
		info, err := os.Stat(path)
		isDir = err == nil && info.IsDir()
	}
	if isDir {
		w.walk(path, rel)
		return
	}
	w.files = append(w.files, rel)
	if len(w.files) > MaxTreeFiles {
		w.err = fault.New(fault.Limit, "scripts: more than %d files in the scripts folder", MaxTreeFiles).
			WithHint("keep data and recordings elsewhere")
	}
}

// links adds the folder of every symbolic link on the way to path: replacing
// such a link (a release switch, a mounted config map's ..data) is an event in
// that folder and nowhere else.
func (w *walker) links(path string) {
	rest := strings.Split(filepath.Clean(path), string(filepath.Separator))
	at := string(filepath.Separator)
	for followed := 0; len(rest) > 0 && followed < maxLinks; {
		next := filepath.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(next)
		if err != nil {
			at = next
			continue
		}
		followed++
		w.folders[at] = true
		if filepath.IsAbs(target) {
			at = string(filepath.Separator)
		}
		rest = append(strings.Split(filepath.Clean(target), string(filepath.Separator)), rest...)
	}
}

// hashFile is the SHA-256 of a file's content in hex, or "" when it cannot be
// read. Reading stops beyond the limit of a source file.
func hashFile(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, MaxSourceBytes+1)); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
