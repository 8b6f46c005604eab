package scripts

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
)

// Builder turns one script into a bundle. The engine's runs [Bundle] and the
// runtime's trial compile in a child process. An error means the build could
// not run at all; what is wrong with the script is in BuildResult.Errors.
type Builder interface {
	Build(ctx context.Context, r BuildRequest) (BuildResult, error)
}

// BuildRequest is what a build child reads from its standard input.
type BuildRequest struct {
	Dir    string `json:"dir"`    // the scripts folder, absolute; places are relative to it
	Script string `json:"script"` // its name
	Entry  string `json:"entry"`  // its entry file relative to Dir, with slashes
	// Modules are the built-in modules a script may import ("loopstart:core")
	// and what each exports.
	Modules map[string][]string `json:"modules"`
	// Test makes a test file of it: its default export runs its tests.
	Test bool `json:"test,omitempty"`
}

// BuildResult is what a build child answers.
type BuildResult struct {
	Source string `json:"source"` // a CommonJS program
	Map    string `json:"map"`    // its source map with the sources' contents
	// Version names the content: a hash over all inputs. It is set even when
	// the build failed, if the inputs could be read.
	Version string            `json:"version"`
	Inputs  map[string]string `json:"inputs"`  // file, relative to Dir → SHA-256 of what was read, hex
	Exports []string          `json:"exports"` // sorted
	Uses    []string          `json:"uses"`    // built-in modules imported, sorted
	// Config is the script's static config. Bundle leaves it empty: it is
	// evaluated by who has a JavaScript engine.
	Config json.RawMessage `json:"config,omitempty"`
	// Flow is the export that is a durable flow, "default" or "onFlow"; it is
	// found where the config is.
	Flow     string       `json:"flow,omitempty"`
	Errors   []Diagnostic `json:"errors,omitempty"`
	Warnings []Diagnostic `json:"warnings,omitempty"`
}

// Diagnostic is one thing that is wrong with a script.
type Diagnostic struct {
	Place   string `json:"place,omitempty"` // file:line:col, line and column from 1
	Message string `json:"message"`
	Frame   string `json:"frame,omitempty"` // source lines with a caret
	Hint    string `json:"hint,omitempty"`
}

func (d Diagnostic) String() string {
	if d.Place == "" {
		return d.Message
	}
	return d.Place + ": " + d.Message
}

// Fault is the diagnostic as an error of the command line and the API.
func (d Diagnostic) Fault() *fault.Error {
	e := fault.New(fault.Script, "%s", d.Message).WithExit(fault.ExitScript).At(d.Place, d.Frame)
	e.Hint = d.Hint
	return e
}

// Join is a list of diagnostics as one error: the first one, with the number
// of the others; nil when there is none.
func Join(list []Diagnostic) error {
	if len(list) == 0 {
		return nil
	}
	e := list[0].Fault()
	if n := len(list) - 1; n > 0 {
		var places []string
		for _, d := range list[1:] {
			places = append(places, d.String())
		}
		e.Hint = strings.TrimPrefix(e.Hint+"; also "+strings.Join(places, "; "), "; ")
	}
	return e
}
