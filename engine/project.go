package engine

import (
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/examples"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/stdlib"
)

// TypesFile is where the declarations for editors lie in a project.
const TypesFile = ".loopstart/types.d.ts"

// Types are the declarations of all modules and globals of scripts.
func Types() string { return stdlib.Types() }

// WriteTypes brings the declarations of a project up to date with this
// program.
func WriteTypes(project string) error {
	file := filepath.Join(project, filepath.FromSlash(TypesFile))
	if old, err := os.ReadFile(file); err == nil && string(old) == Types() {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fault.New(fault.Unavailable, "types: %w", err)
	}
	if err := os.WriteFile(file, []byte(Types()), 0o644); err != nil {
		return fault.New(fault.Unavailable, "types: %w", err)
	}
	return nil
}

// Templates are what a new project can begin with.
func Templates() []string { return examples.Names() }

// ProjectOptions choose the files of a new project.
type ProjectOptions struct {
	Template string    // one of Templates
	JS       bool      // JavaScript instead of TypeScript
	Random   io.Reader // of the passwords
}

// ProjectFile is one file of a new project.
type ProjectFile struct {
	Path   string // relative to the project folder, with slashes
	Data   []byte
	Secret bool // readable by its owner only
	// Generated files are the program's, and are written anew each time.
	Generated bool
}

// NewProject is the files of a new project: contract §3 with one script.
func NewProject(o ProjectOptions) ([]ProjectFile, error) {
	password := make([]byte, 9)
	if _, err := io.ReadFull(o.Random, password); err != nil {
		return nil, fault.New(fault.Internal, "init: %w", err)
	}
	script, entry, err := templateScript(o)
	if err != nil {
		return nil, err
	}
	guide, err := guideOf(o.Template, entry)
	if err != nil {
		return nil, err
	}
	files := []ProjectFile{
		{Path: config.FileName, Data: []byte(templateConfig(o.Template))},
		{Path: ".env", Data: []byte(fmt.Sprintf(envText, hex.EncodeToString(password))), Secret: true},
		{Path: ".gitignore", Data: []byte(ignoreText)},
		{Path: "README.md", Data: []byte(guide)},
		{Path: TypesFile, Data: []byte(Types()), Generated: true},
		editorConfig(o.JS),
	}
	return append(files, script...), nil
}

const envText = `# What loopstart.yaml reads as ${NAME}. Keep it out of git: it holds secrets.
AGENT_101=%s
# CRM_URL=https://crm.example.ru/loopstart
`

const ignoreText = `.env
node_modules/
/data/
/recordings/
/.loopstart/*
!/.loopstart/types.d.ts
`

// editorConfig makes editors know the modules, with no npm.
func editorConfig(js bool) ProjectFile {
	if !js {
		return ProjectFile{Path: "tsconfig.json", Data: []byte(stdlib.TSConfig)}
	}
	text := strings.NewReplacer(`"strict": true`, `"strict": false`, `"checkJs": false`, `"checkJs": true`).Replace(stdlib.TSConfig)
	return ProjectFile{Path: "jsconfig.json", Data: []byte(text)}
}

// templateScript is the script's files and the path of its entry. A script
// with no files of its own is a single file.
func templateScript(o ProjectOptions) (files []ProjectFile, entry string, err error) {
	dir := "scripts/" + o.Template
	items, err := fs.ReadDir(examples.Scripts, dir)
	if err != nil {
		return nil, "", fault.New(fault.NotFound, "init: no template %q", o.Template).WithExit(fault.ExitUsage)
	}
	suffix := ".ts"
	if o.JS {
		suffix = ".js"
	}
	entry = dir + suffix
	for _, item := range items {
		if item.IsDir() || path.Ext(item.Name()) == ".wav" {
			entry = dir + "/main" + suffix
		}
	}
	err = fs.WalkDir(examples.Scripts, dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) == "README.md" {
			return err
		}
		data, err := examples.Scripts.ReadFile(name)
		if stem, isCode := strings.CutSuffix(name, ".ts"); isCode {
			// main.test.ts stands beside the entry, whatever that is called.
			stem = strings.Replace(stem, dir+"/main", strings.TrimSuffix(entry, suffix), 1)
			if name = stem + suffix; o.JS {
				data = []byte(examples.JavaScript(string(data)))
			}
		}
		files = append(files, ProjectFile{Path: name, Data: data})
		return err
	})
	return files, entry, err
}

// guideOf is the example's guide as the README of a project of its own.
func guideOf(template, entry string) (string, error) {
	guide, err := examples.Scripts.ReadFile("scripts/" + template + "/README.md")
	if err != nil {
		return "", fault.New(fault.Internal, "init: the guide of %s: %w", template, err)
	}
	r := []string{"dev examples", "dev", " -C examples", "", "`main.ts`", "`" + entry + "`", "dev-101", "AGENT_101 of .env"}
	if !strings.HasSuffix(entry, "/main.ts") && !strings.HasSuffix(entry, "/main.js") {
		r = append(r, "scripts/"+template+"/", "scripts/")
	}
	text := strings.NewReplacer(r...).Replace(string(guide))
	text = strings.ReplaceAll(text, "the password\n`AGENT_101 of .env` (or `AGENT_101` of `.env`)", "the password\n`AGENT_101` of `.env`")
	return text + projectText, nil
}

const projectText = `
## The project

| file | holds |
|---|---|
| ` + "`loopstart.yaml`" + ` | the configuration: every key there is, with its default |
| ` + "`.env`" + ` | secrets, out of git |
| ` + "`scripts/`" + ` | one file or folder per script; saving one is all it takes |
| ` + "`.loopstart/types.d.ts`" + ` | what editors complete by |

` + "`loopstart dev`" + ` serves on this machine only and calls nobody; ` + "`loopstart check`" + ` finds what
can be found without running; ` + "`loopstart run`" + ` is production; ` + "`loopstart doctor`" + ` looks at the host.
`

// needs are the lines of the configuration's template that a script needs:
// each list is looked for in order and freed of its comment sign.
var needs = map[string][][]string{
	"menu":     {userLines, groupLines, scheduleLines, secretLines},
	"reminder": {userLines, groupLines, secretLines},
	"support":  {userLines, groupLines, secretLines},
}

var (
	userLines     = []string{"# sip:", "#   users:", `#     "101":`, "#       password:", "#       name:"}
	groupLines    = []string{"# groups:", "#   sales:", "#     members:", "#     ring:", "#     each:"}
	scheduleLines = []string{"# schedules:", "#   office:", "#     open:"}
	secretLines   = []string{"# secrets:", "#   CRM_URL:"}
)

// templateConfig is the configuration of a new project.
func templateConfig(template string) string {
	text := strings.NewReplacer(
		`members: ["101", "+79161112233"]`, `members: ["101"]`,
		`#   CRM_TOKEN: ${CRM_TOKEN}`, `#   CRM_URL: "${CRM_URL:-}"          # where the script reports; empty: nowhere`,
	).Replace(config.Template(template))
	for _, section := range needs[template] {
		text = uncomment(text, section)
	}
	return text
}

// uncomment frees the first line with each prefix, each behind the one before.
func uncomment(text string, prefixes []string) string {
	lines := strings.Split(text, "\n")
	at := 0
	for _, prefix := range prefixes {
		for i := at; i < len(lines); i++ {
			if strings.HasPrefix(lines[i], prefix) {
				lines[i] = strings.TrimPrefix(lines[i], "# ")
				at = i + 1
				break
			}
		}
	}
	return strings.Join(lines, "\n")
}
