package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

var scriptsVerb = verb{
	name:    "scripts",
	args:    "[ls|show NAME|rollback NAME VERSION|canary NAME|promote NAME|drop NAME|unpin NAME|upload NAME FILE…|rm NAME] [--percent N] [--calls N] [--version V]",
	summary: "versions of scripts: list, roll back, try, upload",
	details: "ls shows what new calls get, and which older versions still have calls. show lists every version that is kept.\n" +
		"rollback gives new calls an earlier version, by default the one before, and pins it: saves are ignored until unpin.\n" +
		"canary gives a version --percent of the new calls or the next --calls of them: the newest that is not active, else the next\n" +
		"save; promote gives it all calls, drop ends it. Pins and canaries outlive a restart.\n" +
		"upload replaces a script by a source file, a folder, several files or a zip archive. It is built first: what does not build\n" +
		"changes nothing. rm deletes the script's files. Calls in progress keep the version they began with, whatever is done.",
	run: runScripts,
}

// scriptCommands are the words of the verb and how many arguments they take
// behind the name.
var scriptCommands = map[string]struct{ least, most int }{
	"ls": {0, 0}, "show": {1, 1}, "rollback": {1, 2}, "canary": {1, 1}, "promote": {1, 1}, "drop": {1, 1}, "unpin": {1, 1}, "upload": {2, -1}, "rm": {1, 1},
}

// scriptOptions are the flags of canary.
type scriptOptions struct {
	percent, calls int
	version        string
}

func runScripts(ctx context.Context, m *Main, args []string) error {
	fs := flags("scripts")
	var o scriptOptions
	fs.IntVar(&o.percent, "percent", 0, "")
	fs.IntVar(&o.calls, "calls", 0, "")
	fs.StringVar(&o.version, "version", "", "")
	rest, err := parse(fs, args, -1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		rest = []string{"ls"}
	}
	what, rest := rest[0], rest[1:]
	if err := checkScripts(fs, what, rest); err != nil {
		return err
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	switch what {
	case "ls":
		return m.listScripts(c)
	case "show":
		return m.showVersions(c, rest[0])
	case "upload":
		return m.uploadScript(ctx, c, rest[0], rest[1:])
	case "rm":
		if err := c.delete(scriptPath(rest[0])); err != nil {
			return scriptFault(err)
		}
		m.progress("%s is deleted; calls in progress go on", rest[0])
		return nil
	}
	return m.rollout(c, what, rest, o)
}

func checkScripts(fs *flag.FlagSet, what string, rest []string) error {
	takes, ok := scriptCommands[what]
	if !ok {
		return choose("scripts", what, []string{"ls", "show", "rollback", "canary", "promote", "drop", "unpin", "upload", "rm"})
	}
	usage := func(format string, args ...any) error {
		return fault.New(fault.Invalid, "scripts "+what+": "+format, args...).WithExit(fault.ExitUsage).WithHint("see `loopstart help scripts`")
	}
	switch {
	case len(rest) < min(takes.least, 1):
		return usage("which script?")
	case len(rest) < takes.least:
		return usage("which files?")
	case takes.most >= 0 && len(rest) > takes.most:
		return usage("too many arguments: %s", strings.Join(rest[takes.most:], " "))
	}
	given := 0
	fs.Visit(func(*flag.Flag) { given++ })
	if given > 0 && what != "canary" {
		return usage("options are for canary only")
	}
	return nil
}

func scriptPath(name string, more ...string) string {
	return strings.Join(append([]string{"/v1/scripts", url.PathEscape(name)}, more...), "/")
}

// scriptFault gives errors of scripts their exit status.
func scriptFault(err error) error {
	if f, ok := err.(*fault.Error); ok && f.Exit == 0 { //nolint:errorlint // readProblem makes it
		return f.WithExit(fault.ExitScript)
	}
	return err
}

func (m *Main) listScripts(c *client) error {
	var out struct{ Scripts []engine.ScriptLine }
	if err := c.get("/v1/scripts", &out); err != nil {
		return err
	}
	return m.answer(out.Scripts, func() {
		t := table{head: []string{"SCRIPT", "VERSION", "STATE", "CALLS", "WRITTEN", ""}}
		for _, l := range out.Scripts {
			t.add(l.Name, l.Version, string(l.State), fmt.Sprint(l.Calls), stamp(l.Author), lineNote(l))
		}
		t.print(m)
	})
}

// stamp is a time in this machine's zone.
func stamp(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// ago is how long something has lasted.
func ago(t *time.Time) string {
	return clock.Since(clock.System(), *t).Round(time.Second).String()
}

// scheduleNote tells when onSchedule runs next.
func scheduleNote(s *engine.ScriptSchedule) string {
	note := "runs on schedule " + s.Cron
	switch {
	case s.Running:
		note += ", now"
	case s.NextAt != nil:
		note += ", next " + stamp(s.NextAt)
	}
	if s.Error != "" {
		note += ", the last run failed"
	}
	return note
}

// lineNote is what is remarkable about a line, in words.
func lineNote(l engine.ScriptLine) string {
	var words []string
	if l.Pinned {
		words = append(words, "pinned")
	}
	if s := l.Schedule; s != nil {
		words = append(words, scheduleNote(s))
	}
	if c := l.Canary; c != nil {
		part := fmt.Sprintf("%d %% of new calls", c.Percent)
		if c.Calls > 0 {
			part = fmt.Sprintf("%d of %d calls", c.Given, c.Calls)
		}
		if c.Version == "" {
			part += ", waits for the next save"
		} else if c.Percent > 0 {
			part += fmt.Sprintf(", %d so far", c.Given)
		}
		words = append(words, "canary: "+part)
	}
	if l.Latest != "" {
		words = append(words, l.Latest+" waits")
	}
	if l.Oldest != nil && l.State == "draining" {
		words = append(words, "oldest call "+ago(l.Oldest))
	}
	if l.Error != "" {
		words = append(words, clean(l.Error))
	}
	return strings.Join(words, "; ")
}

func (m *Main) showVersions(c *client, name string) error {
	var out struct{ Versions []engine.VersionLine }
	if err := c.get(scriptPath(name, "versions"), &out); err != nil {
		return scriptFault(err)
	}
	return m.answer(out.Versions, func() {
		t := table{head: []string{"VERSION", "STATE", "CALLS", "WRITTEN", "BUILT", ""}}
		for _, l := range out.Versions {
			var words []string
			for _, w := range []struct {
				on   bool
				text string
			}{{l.Pinned, "pinned"}, {l.Canary, "canary"}, {l.Latest, "in the folder"}, {l.Error != "", clean(l.Error)}} {
				if w.on {
					words = append(words, w.text)
				}
			}
			t.add(l.Version, string(l.State), fmt.Sprint(l.Calls), stamp(l.Author), stamp(l.Built), strings.Join(words, "; "))
		}
		t.print(m)
	})
}

// rollout carries out one of the commands that change what new calls get.
func (m *Main) rollout(c *client, what string, rest []string, o scriptOptions) error {
	name, body, method, command := rest[0], map[string]any{}, "POST", what
	switch what {
	case "rollback":
		if len(rest) == 2 {
			body["version"] = rest[1]
		}
	case "canary":
		for field, v := range map[string]int{"percent": o.percent, "calls": o.calls} {
			if v != 0 {
				body[field] = v
			}
		}
		if o.version != "" {
			body["version"] = o.version
		}
	case "drop":
		method, command = "DELETE", "canary"
	}
	var in any
	if len(body) > 0 {
		in = body
	}
	var p engine.ScriptPlan
	if err := c.exchange(method, scriptPath(name, command), in, &p); err != nil {
		return scriptFault(err)
	}
	return m.answer(p, func() { fmt.Fprintln(m.Stdout, planText(p)) })
}

// planText is what new calls get, in words.
func planText(p engine.ScriptPlan) string {
	text := p.Name + ": new calls get " + p.Active
	switch {
	case p.Canary != nil && p.Canary.Version == "":
		text += "; the next save is the canary"
	case p.Canary != nil && p.Canary.Percent > 0:
		text += fmt.Sprintf(", and %d %% of them %s", p.Canary.Percent, p.Canary.Version)
	case p.Canary != nil:
		text += fmt.Sprintf(", but the next %d of them %s", p.Canary.Calls-p.Canary.Given, p.Canary.Version)
	}
	if p.Pinned {
		text += "; it is pinned, and saves wait until `loopstart scripts unpin " + p.Name + "`"
	}
	return text
}

// uploadScript sends files as they lie: one source file or archive as it is,
// everything else as a form.
func (m *Main) uploadScript(ctx context.Context, c *client, name string, paths []string) error {
	kind, body, err := packFiles(paths)
	if err != nil {
		return err
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	var up engine.ScriptUploaded
	if err := c.upload(ctx, scriptPath(name), kind, body, &up); err != nil {
		return scriptFault(err)
	}
	for _, w := range up.Warnings {
		m.progress("%s %s", m.paint("33", "warning:"), w)
	}
	return m.answer(up, func() { fmt.Fprintln(m.Stdout, planText(up.Plan)) })
}

// kinds are the files that are sent alone.
var kinds = map[string]string{".ts": "text/typescript", ".js": "text/javascript", ".zip": "application/zip"}

func packFiles(paths []string) (kind string, body []byte, err error) {
	if len(paths) == 1 {
		if kind = kinds[filepath.Ext(paths[0])]; kind != "" && filepath.Base(paths[0]) != "main"+filepath.Ext(paths[0]) {
			if body, err = os.ReadFile(paths[0]); err != nil {
				return "", nil, unreadable(err)
			}
			return kind, body, nil
		}
	}
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	for _, p := range paths {
		if err := packPath(form, p); err != nil {
			return "", nil, unreadable(err)
		}
	}
	if err := form.Close(); err != nil {
		return "", nil, err
	}
	return form.FormDataContentType(), b.Bytes(), nil
}

func unreadable(err error) error {
	return fault.New(fault.Invalid, "scripts upload: %w", err).WithExit(fault.ExitUsage)
}

// packPath adds a file by its path, or a folder's content by the paths in it.
func packPath(form *multipart.Writer, p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		name := filepath.ToSlash(filepath.Clean(p))
		if !filepath.IsLocal(p) {
			name = filepath.Base(p)
		}
		return packFile(form, p, name)
	}
	return filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != p && (d.Name()[0] == '.' || d.Name() == "node_modules"):
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		}
		rel, err := filepath.Rel(p, path)
		if err != nil {
			return err
		}
		return packFile(form, path, filepath.ToSlash(rel))
	})
}

func packFile(form *multipart.Writer, path, name string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	part, err := form.CreateFormFile("file", name)
	if err != nil {
		return err
	}
	_, err = part.Write(data)
	return err
}
