package testrun

import "github.com/loopstart/loopstart/engine"

// Report is how a run went.
type Report struct {
	Files     []File       `json:"files"`
	Passed    int          `json:"passed"`
	Failed    int          `json:"failed"`
	Skipped   int          `json:"skipped"`
	RealMs    int64        `json:"real_ms"`
	VirtualMs int64        `json:"virtual_ms"`
	Menus     []Menu       `json:"menus"`
	Snapshots SnapshotNews `json:"snapshots"`
	Unmatched []string     `json:"unmatched,omitempty"` // patterns that fit no test
}

// SnapshotNews are the snapshot files that a run has written.
type SnapshotNews struct {
	Written []string `json:"written"`
	Updated []string `json:"updated"`
}

// File is one test file.
type File struct {
	Name  string   `json:"name"`            // relative to the scripts folder
	Error *Failure `json:"error,omitempty"` // it could not be built or read
	Tests []Result `json:"tests"`
}

// Result is one test.
type Result struct {
	File      string   `json:"file"`
	Name      string   `json:"name"`
	State     string   `json:"state"` // passed, failed, skipped
	VirtualMs int64    `json:"virtual_ms"`
	RealMs    int64    `json:"real_ms"`
	Error     *Failure `json:"error,omitempty"`
	Calls     []Call   `json:"calls,omitempty"`   // of a failed test, or all if asked for
	Log       []string `json:"log,omitempty"`     // of the engine
	Printed   []string `json:"printed,omitempty"` // by console.log of the test

	steps int // moments at which something happened
}

// Failure is why a test failed.
type Failure struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Place   string   `json:"place,omitempty"`
	Frame   string   `json:"frame,omitempty"`
	Hint    string   `json:"hint,omitempty"`
	Stack   []string `json:"stack,omitempty"`
}

// Call is one call of a test.
type Call struct {
	ID       string         `json:"id"`
	Script   string         `json:"script"`
	Record   *engine.Record `json:"record,omitempty"`
	Timeline []engine.Entry `json:"timeline"`
}

func (r *Report) add(f File) {
	if f.Error != nil {
		r.Failed++
	}
	for _, t := range f.Tests {
		r.VirtualMs += t.VirtualMs
		switch t.State {
		case "passed":
			r.Passed++
		case "failed":
			r.Failed++
		default:
			r.Skipped++
		}
	}
	r.Files = append(r.Files, f)
}
