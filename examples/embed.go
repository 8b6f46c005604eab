// Package examples is one project that shows what scripts look like, and the
// source of the templates of `loopstart init`: what a newcomer gets is what the
// tests run.
//
//	loopstart.yaml          the configuration of the project
//	scripts/<name>/main.ts  a script, with its guide and its prompts
//
// [JavaScript] is how a script is given to who asked for init --js.
package examples

import "embed"

// Scripts is the folder scripts.
//
//go:embed scripts
var Scripts embed.FS

// Config is loopstart.yaml.
//
//go:embed loopstart.yaml
var Config []byte

// Names are the scripts that are templates, in the order in which one learns
// them. The other folders show a whole business.
func Names() []string { return []string{"hello", "menu", "reminder", "support"} }
