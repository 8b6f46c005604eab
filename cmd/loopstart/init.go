package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var initVerb = verb{
	name: "init", args: "[dir] [--template hello|menu|reminder|support] [--js]", summary: "make a new project folder",
	details: "Writes loopstart.yaml with every key, a script, and what editors need to complete it. Files that are there are kept.\n\n" +
		"  --template   hello: answer, play, one key · menu: opening hours, departments, messages · reminder: calls out, confirms by\n" +
		"               key · support: operators with music, whisper and fallback\n" +
		"  --js         JavaScript instead of TypeScript",
	run: runInit,
}

func runInit(_ context.Context, m *Main, args []string) error {
	fs := flags("init")
	template := fs.String("template", "hello", "what to begin with")
	js := fs.Bool("js", false, "JavaScript")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	dir := "."
	if len(rest) == 1 {
		dir = rest[0]
	}
	if err := oneOf("init", *template, engine.Templates()); err != nil {
		return err
	}
	files, err := engine.NewProject(engine.ProjectOptions{Template: *template, JS: *js, Random: rand.Reader})
	if err != nil {
		return err
	}
	done := initialised{Dir: dir, Template: *template, Created: []string{}, Kept: []string{}}
	if err := done.write(files); err != nil {
		return err
	}
	return m.answer(done, func() { m.showInit(done) })
}

func oneOf(verb, word string, choices []string) error {
	if slices.Contains(choices, word) {
		return nil
	}
	return choose(verb, word, choices)
}

// initialised is what init did.
type initialised struct {
	Dir      string   `json:"dir"`
	Template string   `json:"template"`
	Created  []string `json:"created"`
	Kept     []string `json:"kept"`
}

func (d *initialised) write(files []engine.ProjectFile) error {
	hasScript := d.hasScript()
	for _, f := range files {
		if hasScript && strings.HasPrefix(f.Path, "scripts/") {
			d.Kept = append(d.Kept, f.Path)
			continue
		}
		created, err := d.put(f)
		if err != nil {
			return fault.New(fault.Denied, "init: %w", err).WithHint("choose a folder that you may write to")
		}
		if created {
			d.Created = append(d.Created, f.Path)
		} else {
			d.Kept = append(d.Kept, f.Path)
		}
	}
	return nil
}

// hasScript tells whether the script's name is taken, in whichever form: two
// files of one name would clash.
func (d *initialised) hasScript() bool {
	for _, form := range []string{".ts", ".js", "/main.ts", "/main.js"} {
		if _, err := os.Stat(filepath.Join(d.Dir, "scripts", filepath.FromSlash(d.Template+form))); err == nil {
			return true
		}
	}
	return false
}

// put writes a file that is not there; only generated ones are replaced.
func (d *initialised) put(f engine.ProjectFile) (created bool, err error) {
	path := filepath.Join(d.Dir, filepath.FromSlash(f.Path))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	mode, flag := fs.FileMode(0o644), os.O_WRONLY|os.O_CREATE|os.O_EXCL
	if f.Secret {
		mode = 0o600
	}
	if f.Generated {
		flag = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(path, flag, mode)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = out.Write(f.Data)
	return true, errors.Join(err, out.Close())
}

func (m *Main) showInit(d initialised) {
	for _, f := range d.Created {
		fmt.Fprintf(m.Stdout, "created %s\n", filepath.Join(d.Dir, f))
	}
	for _, f := range d.Kept {
		fmt.Fprintf(m.Stdout, "kept    %s\n", filepath.Join(d.Dir, f))
	}
	in := ""
	if d.Dir != "." {
		in = " " + d.Dir
	}
	m.progress("\nnow: loopstart dev%s", in)
	m.progress("then press c to call the script, or in another terminal: loopstart call %s%s", d.Template, strings.Replace(in, " ", " -C ", 1))
	for _, f := range d.Kept {
		if f == config.FileName {
			m.progress("%s was kept: to reach the script by a number, add a route to it", config.FileName)
		}
	}
}
