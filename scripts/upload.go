package scripts

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of an upload.
const (
	// MaxUploadFiles is how many files one upload may have.
	MaxUploadFiles = 500
	// MaxUploadBytes is the greatest size of an upload, unpacked.
	MaxUploadBytes = 64 << 20
	// MaxUploadPath is the longest path of a file of an upload.
	MaxUploadPath = 240
)

// File is one file of an upload.
type File struct {
	Path string // with slashes, relative to the script's folder
	Data []byte
}

// Uploaded is what became of an upload.
type Uploaded struct {
	Version  string
	Warnings []Diagnostic
	Plan     Plan
}

// Upload replaces a script by files. They are built in a staging folder first,
// so that a broken upload changes nothing: its error is INVALID with the place
// and the code frame. Then they take the old files' place between two looks at
// the folder. The files are a whole folder with main.ts or main.js, or one
// source file; one source file for a script that is a folder replaces its main
// file only.
func (r *Registry) Upload(ctx context.Context, name string, files []File) (Uploaded, error) {
	if err := checkUpload(name, files); err != nil {
		return Uploaded{}, err
	}
	if !r.uploading.TryLock() {
		return Uploaded{}, busy()
	}
	defer r.uploading.Unlock()
	st, err := r.stage(name, files)
	if err != nil {
		return Uploaded{}, err
	}
	defer st.close()
	res, err := st.build(ctx)
	if err != nil {
		return Uploaded{}, err
	}
	up := Uploaded{Warnings: res.Warnings}
	err = r.between(ctx, func(ctx context.Context) error {
		if err := st.swap(); err != nil {
			return err
		}
		_, err := r.pass(ctx, false, true)
		if err == nil {
			up.Version, up.Plan, err = r.uploaded(name)
		}
		if err != nil { // it built in staging and not here: leave what was
			err = errors.Join(err, st.undo())
			_, again := r.pass(ctx, false, true)
			return errors.Join(err, again)
		}
		r.count(func(s *Stats) { s.Uploads++ })
		return nil
	})
	r.saveState()
	return up, err
}

// busy keeps uploads one at a time, so that they need memory and disk once.
func busy() error {
	return fault.New(fault.Conflict, "another upload is going on").WithHint("try again in a moment")
}

// uploaded is what the folder holds now.
func (r *Registry) uploaded(name string) (version string, p Plan, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	s := r.scripts[name]
	if s == nil || !s.present {
		return "", p, fault.New(fault.Internal, "scripts: the uploaded script %s is not in the folder", name)
	}
	return s.last, s.plan, refused(s.errors)
}

// refused is what is wrong with an upload as an error of its sender.
func refused(list []Diagnostic) error {
	if len(list) == 0 {
		return nil
	}
	e := *Join(list).(*fault.Error) //nolint:errorlint // Join returns nothing else
	e.Code = fault.Invalid
	return &e
}

// Remove deletes a script's files: its source file, or its folder. Calls in
// progress go on; its versions stay on disk for what still needs them.
func (r *Registry) Remove(ctx context.Context, name string) error {
	if _, err := r.Plan(name); err != nil {
		return err
	}
	if !r.uploading.TryLock() {
		return busy()
	}
	defer r.uploading.Unlock()
	st, err := r.openStage(name)
	if err != nil {
		return err
	}
	defer st.close()
	err = r.between(ctx, func(ctx context.Context) error {
		if err := st.takeAway(); err != nil {
			return errors.Join(err, st.undo())
		}
		r.mu.Lock()
		if s := r.scripts[name]; s != nil {
			s.plan = Plan{}
		}
		r.noteLocked(name, Plan{})
		r.mu.Unlock()
		_, err := r.pass(ctx, false, true)
		return err
	})
	r.saveState()
	return err
}

func checkUpload(name string, files []File) error {
	switch {
	case !plainName(name) || name[0] == '_' || len(name) > MaxUploadPath/2 || checkName(name, name) != nil:
		return fault.New(fault.Invalid, "%q is no name of a script", name).WithHint("letters, digits, - and _; no _ at its beginning")
	case len(files) == 0:
		return fault.New(fault.Invalid, "the upload has no file")
	case len(files) > MaxUploadFiles:
		return fault.New(fault.Invalid, "the upload has more than %d files", MaxUploadFiles).WithHint("upload_files is the limit; packages belong in node_modules of the project")
	}
	size, seen := 0, map[string]bool{}
	for _, f := range files {
		if why := badPath(f.Path); why != "" {
			return fault.New(fault.Invalid, "file %s: %s", strconv.QuoteToASCII(shorten(f.Path)), why).WithHint("paths are relative to the script's folder, with slashes")
		}
		if seen[f.Path] {
			return fault.New(fault.Invalid, "file %s comes twice", f.Path)
		}
		seen[f.Path] = true
		if size += len(f.Data); size > MaxUploadBytes {
			return fault.New(fault.Invalid, "the upload is longer than %d bytes", MaxUploadBytes)
		}
	}
	for p := range seen {
		for d := path.Dir(p); d != "."; d = path.Dir(d) {
			if seen[d] {
				return fault.New(fault.Invalid, "%s is both a file and a folder", d)
			}
		}
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// badPath says why a path cannot be one of an upload; "" when it can.
func badPath(p string) string {
	switch {
	case len(p) > MaxUploadPath:
		return "the path is longer than " + strconv.Itoa(MaxUploadPath) + " bytes"
	case strings.ContainsAny(p, "\\:") || strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\uFFFD' }):
		return "the path holds a character that no file should have"
	case !fs.ValidPath(p) || p == ".":
		return "the path leaves the folder"
	}
	for _, part := range strings.Split(p, "/") {
		if part[0] == '.' || strings.TrimRight(part, ". ") != part {
			return "names that begin or end with a dot are not taken"
		}
	}
	return ""
}

// layout says what files become: the entry, and whether they are a folder.
func layout(name string, files []File) (entry string, folder bool, err error) {
	for _, suffix := range sourceSuffixes {
		for _, f := range files {
			switch {
			case f.Path == "main"+suffix:
				if entry != "" {
					return "", false, fault.New(fault.Invalid, "the upload has both main.ts and main.js").WithHint("keep one of them")
				}
				entry, folder = f.Path, true
			case f.Path == name+suffix && len(files) == 1:
				return f.Path, false, nil
			}
		}
	}
	if entry == "" {
		return "", false, fault.New(fault.Invalid, "the upload has no main.ts or main.js").
			WithHint("a script is a folder with main.ts or main.js, or one file %s.ts or %s.js", name, name)
	}
	return entry, folder, nil
}

// stripFolder takes off the folder that archives like to put around everything.
func stripFolder(files []File) []File {
	top, _, _ := strings.Cut(files[0].Path, "/")
	for _, f := range files {
		if !strings.HasPrefix(f.Path, top+"/") {
			return files
		}
	}
	out := slices.Clone(files)
	for i := range out {
		out[i].Path = out[i].Path[len(top)+1:]
	}
	return out
}

// stagePrefix is what names of staging folders begin with; a dot hides them
// from everything that looks for scripts.
const stagePrefix = ".upload-"

// recoverUploads puts right what a process left that ended in the middle of a
// swap: old files go back where nothing has taken their place.
func (r *Registry) recoverUploads() {
	items, err := os.ReadDir(r.opts.Dir)
	if err != nil {
		return
	}
	for _, item := range items {
		if !item.IsDir() || !strings.HasPrefix(item.Name(), stagePrefix) {
			continue
		}
		st := &staging{r: r, dir: item.Name()}
		if st.root, err = os.OpenRoot(realPath(r.opts.Dir)); err != nil {
			return
		}
		if err := st.putBack("."); err != nil {
			r.opts.Log.Error("an upload that was interrupted cannot be put right; its old files are kept", "folder", filepath.Join(r.opts.Dir, st.dir, oldFolder), "error", err)
			_ = st.root.Close()
			continue
		}
		st.close()
	}
}
