package scripts

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Folders of a staging folder.
const (
	newFolder = "new" // a scripts folder in which nothing but the upload is real
	oldFolder = "old" // what the upload has replaced, until it is certain
)

// staging is a folder inside the scripts folder in which an upload is built.
// Everything happens through root, which no path and no link leaves.
type staging struct {
	r      *Registry
	root   *os.Root // the scripts folder
	dir    string   // of this upload, in root
	name   string
	entry  Entry
	single bool     // the upload replaces one file, wherever it is
	takes  []string // what has to go when the upload comes, in root
	moved  []string // what has gone to old
	put    string   // what has come, in root; "" nothing yet
}

func (r *Registry) openStage(name string) (*staging, error) {
	root, err := os.OpenRoot(realPath(r.opts.Dir))
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(r.opts.Dir, 0o755); err == nil {
			root, err = os.OpenRoot(realPath(r.opts.Dir))
		}
	}
	if err != nil {
		return nil, cannotWrite(err)
	}
	st := &staging{r: r, root: root, name: name, dir: stagePrefix + rand.Text()[:10]}
	for _, d := range []string{st.dir, path.Join(st.dir, newFolder), path.Join(st.dir, oldFolder)} {
		if err := root.Mkdir(d, 0o755); err != nil {
			st.close()
			return nil, cannotWrite(err)
		}
	}
	if st.takes, err = st.claims(); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

func cannotWrite(err error) error {
	return fault.New(fault.Unavailable, "scripts: the scripts folder cannot be written: %w", err).
		WithHint("where the folder is mounted or belongs to somebody else, change scripts there")
}

// claims are the files that make the script now.
func (st *staging) claims() (list []string, err error) {
	for _, suffix := range append([]string{voxSuffix}, sourceSuffixes...) {
		if _, err := st.root.Lstat(st.name + suffix); err == nil {
			list = append(list, st.name+suffix)
		}
	}
	info, err := st.root.Stat(st.name)
	if err != nil || !info.IsDir() {
		return list, nil
	}
	for _, suffix := range sourceSuffixes {
		if _, err := st.root.Stat(path.Join(st.name, "main"+suffix)); err == nil {
			return append(list, st.name), nil
		}
	}
	return list, nil // a folder of other things, which stays
}

// stage writes an upload into a new staging folder, and links to everything
// else beside it, so that its imports find what they will find.
func (r *Registry) stage(name string, files []File) (*staging, error) {
	entry, folder, err := layout(name, files)
	if err != nil {
		if entry, folder, err = layout(name, stripFolder(files)); err != nil {
			return nil, err
		}
		files = stripFolder(files)
	}
	st, err := r.openStage(name)
	if err != nil {
		return nil, err
	}
	if err := st.fill(entry, folder, files); err != nil {
		st.close()
		return nil, err
	}
	return st, nil
}

func (st *staging) fill(entry string, folder bool, files []File) error {
	at := path.Join(st.dir, newFolder)
	isFolder := len(st.takes) == 1 && st.takes[0] == st.name
	switch {
	case !folder && isFolder: // one file for a folder: its main file
		st.single = true
		file := path.Join(st.name, "main"+path.Ext(entry))
		st.entry = Entry{Name: st.name, File: file, Dir: st.name}
		files = []File{{file, files[0].Data}}
		st.takes = []string{path.Join(st.name, "main.ts"), path.Join(st.name, "main.js")}
		if err := st.linkAll(st.name, path.Join(at, st.name), func(item string) bool { return item == "main.ts" || item == "main.js" }); err != nil {
			return cannotWrite(err)
		}
	case folder:
		st.entry = Entry{Name: st.name, File: path.Join(st.name, entry), Dir: st.name}
		files = within(st.name, files)
		if info, err := st.root.Lstat(st.name); err == nil && !isFolder && info.IsDir() && !contains(st.takes, st.name) {
			return fault.New(fault.Conflict, "the folder %s is there already and is no script", st.name).WithHint("rename it, or upload one file")
		}
	default:
		st.entry = Entry{Name: st.name, File: entry, Dir: "."}
	}
	if contains(st.takes, st.name+voxSuffix) {
		return fault.New(fault.Conflict, "the file %s is there already", st.name+voxSuffix).WithHint("rename it so that it begins with _, or choose another name")
	}
	err := st.linkAll(".", at, func(item string) bool { return item == st.name && st.entry.Dir != "." || contains(st.takes, item) })
	for _, f := range files {
		if err != nil {
			break
		}
		to := path.Join(at, f.Path)
		if err = st.root.MkdirAll(path.Dir(to), 0o755); err == nil {
			err = st.root.WriteFile(to, f.Data, 0o644)
		}
	}
	if err != nil {
		return cannotWrite(err)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func within(folder string, files []File) []File {
	out := make([]File, len(files))
	for i, f := range files {
		out[i] = File{path.Join(folder, f.Path), f.Data}
	}
	return out
}

// linkAll links to everything in a folder but what is skipped and what is
// hidden.
func (st *staging) linkAll(from, to string, skip func(string) bool) error {
	items, err := fs.ReadDir(st.root.FS(), from)
	if err != nil {
		return err
	}
	if err := st.root.MkdirAll(to, 0o755); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(to, "/")+1)
	for _, item := range items {
		if item.Name()[0] == '.' || skip(item.Name()) {
			continue
		}
		if err := st.root.Symlink(up+path.Join(from, item.Name()), path.Join(to, item.Name())); err != nil {
			return err
		}
	}
	return nil
}

// build tries the upload where it lies.
func (st *staging) build(ctx context.Context) (BuildResult, error) {
	if d := checkName(st.name, st.entry.File); d != nil {
		return BuildResult{}, refused([]Diagnostic{*d})
	}
	dir := filepath.Join(realPath(st.r.opts.Dir), st.dir, newFolder)
	res := st.r.buildOne(ctx, dir, st.entry)
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	for _, list := range [][]Diagnostic{res.Errors, res.Warnings} {
		for i := range list {
			list[i].Place = strings.TrimPrefix(list[i].Place, "../../") // a link's target
		}
	}
	return res, refused(res.Errors)
}

// swap puts the upload in the place of what it replaces. It runs on the
// registry's goroutine, so that no look at the folder falls in between; a
// process that ends here is put right by recoverUploads.
func (st *staging) swap() error {
	from, to := path.Join(st.dir, newFolder, st.entry.File), st.entry.File
	if st.entry.Dir != "." && !st.single {
		from, to = path.Join(st.dir, newFolder, st.name), st.name
	}
	if err := st.takeAway(); err != nil {
		return errors.Join(cannotWrite(err), st.undo())
	}
	if err := st.root.Rename(from, to); err != nil {
		return errors.Join(cannotWrite(err), st.undo())
	}
	st.put = to
	return nil
}

// takeAway moves what makes the script now into old.
func (st *staging) takeAway() error {
	for _, item := range st.takes {
		if _, err := st.root.Lstat(item); err != nil {
			continue
		}
		to := path.Join(st.dir, oldFolder, item)
		if err := st.root.MkdirAll(path.Dir(to), 0o755); err != nil {
			return err
		}
		if err := st.root.Rename(item, to); err != nil {
			return err
		}
		st.moved = append(st.moved, item)
	}
	return nil
}

// undo puts everything back as it was.
func (st *staging) undo() error {
	if st.put != "" {
		if err := st.root.RemoveAll(st.put); err != nil {
			return err
		}
		st.put = ""
	}
	for _, item := range st.moved {
		if err := st.root.Rename(path.Join(st.dir, oldFolder, item), item); err != nil {
			return err
		}
	}
	st.moved = nil
	return nil
}

// putBack moves what lies in old to where it came from, unless an upload has
// taken its place. A folder without a main file lost it to an upload of one
// file.
func (st *staging) putBack(folder string) error {
	items, err := fs.ReadDir(st.root.FS(), path.Join(st.dir, oldFolder, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, item := range items {
		to := path.Join(folder, item.Name())
		_, there := st.root.Lstat(to)
		switch {
		case there != nil:
			err = errors.Join(err, st.root.Rename(path.Join(st.dir, oldFolder, to), to))
		case item.IsDir() && folder == "." && !st.hasMain(to):
			err = errors.Join(err, st.putBack(to))
		}
	}
	return err
}

func (st *staging) hasMain(folder string) bool {
	_, ts := st.root.Lstat(path.Join(folder, "main.ts"))
	_, js := st.root.Lstat(path.Join(folder, "main.js"))
	return ts == nil || js == nil
}

// close deletes the staging folder with what is left in it.
func (st *staging) close() {
	_ = st.root.RemoveAll(st.dir) // what stays is hidden, and tried again at the next start
	_ = st.root.Close()
}
