package scripts

import (
	"encoding/json"
	"slices"
	"time"
)

// Version is one content of one script. It is immutable; a call that holds a
// pin on it (Registry.Acquire) keeps it alive.
type Version struct {
	Script  string          `json:"script"`           // name
	ID      string          `json:"id"`               // content hash, 12 hex digits
	Entry   string          `json:"entry"`            // entry file relative to the scripts folder
	Dir     string          `json:"dir"`              // where relative file names of the script are looked up, absolute
	Source  string          `json:"source"`           // CommonJS bundle
	Map     string          `json:"map"`              // source map
	Config  json.RawMessage `json:"config,omitempty"` // static config, may be empty
	Exports []string        `json:"exports"`          // sorted
	Flow    string          `json:"flow,omitempty"`   // the export that is a durable flow, "default" or "onFlow"
	Uses    []string        `json:"uses"`             // built-in modules imported
	Built   time.Time       `json:"built"`
	Author  time.Time       `json:"author"` // newest modification time of its files
}

// Has tells whether the version exports a name.
func (v *Version) Has(export string) bool {
	return slices.Contains(v.Exports, export)
}

// State is where a version stands.
type State string

// The states of a version.
const (
	Active   State = "active"   // new calls get it
	Draining State = "draining" // replaced or deleted; calls still run on it
	Broken   State = "broken"   // no version of the script ever built
	Kept     State = "kept"     // an earlier or waiting version on disk, without calls
)

// Status is one line of Registry.List.
type Status struct {
	Name    string
	Version string // "" when broken
	State   State
	Calls   int // pins held
	// Errors is why the last build failed. An active script may have some: a
	// broken save does not replace the version that works.
	Errors []Diagnostic
	Built  time.Time
	Author time.Time
	Since  time.Time // when it was taken out of service; zero while it is in
	Canary bool      // it gets a part of the new calls
	Plan   Plan      // of the script; in its first line and its canary's
}

// Change is what OnChange reports.
type Change struct {
	Kind     ChangeKind
	Script   string
	Version  *Version     // for Swapped, Held and Tried the new one, for Freed the one that went; else what stays, may be nil
	Previous string       // ID that was active before, for Swapped and Removed; may be ""
	Errors   []Diagnostic // for Failed
	Warnings []Diagnostic // for Swapped
}

// ChangeKind says what happened to a script.
type ChangeKind string

// The kinds of Change.
const (
	Swapped ChangeKind = "swapped" // new calls get Version from now on
	Failed  ChangeKind = "failed"  // a save did not build; an older version, if any, stays
	Removed ChangeKind = "removed" // the script's file is gone; new calls do not find it
	Freed   ChangeKind = "freed"   // a draining Version has no call left
	Held    ChangeKind = "held"    // a save built, but new calls keep Previous: the script is pinned or has a canary
	Tried   ChangeKind = "tried"   // Version is the canary from now on
)
