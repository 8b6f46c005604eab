package engine

import (
	"context"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/scripts"
)

// ScriptLine is one version of GET /v1/scripts.
type ScriptLine struct {
	Name    string          `json:"name"`
	Version string          `json:"version,omitempty"`
	State   scripts.State   `json:"state"`
	Calls   int             `json:"calls"`
	Author  *time.Time      `json:"author,omitempty"`
	Built   *time.Time      `json:"built,omitempty"`
	Since   *time.Time      `json:"since,omitempty"`
	Oldest  *time.Time      `json:"oldest,omitempty"`
	Latest  string          `json:"latest,omitempty"`
	Pinned  bool            `json:"pinned,omitempty"`
	Canary  *scripts.Canary `json:"canary,omitempty"`
	Error   string          `json:"error,omitempty"`
	Frame   string          `json:"frame,omitempty"`
	// Schedule is that of the active version.
	Schedule *ScriptSchedule `json:"schedule,omitempty"`
}

// VersionLine is one version of GET /v1/scripts/{script}/versions.
type VersionLine struct {
	Name    string        `json:"name"`
	Version string        `json:"version,omitempty"`
	State   scripts.State `json:"state"`
	Entry   string        `json:"entry,omitempty"`
	Calls   int           `json:"calls"`
	Author  *time.Time    `json:"author,omitempty"`
	Built   *time.Time    `json:"built,omitempty"`
	Since   *time.Time    `json:"since,omitempty"`
	Oldest  *time.Time    `json:"oldest,omitempty"`
	Latest  bool          `json:"latest,omitempty"`
	Pinned  bool          `json:"pinned,omitempty"`
	Canary  bool          `json:"canary,omitempty"`
	Error   string        `json:"error,omitempty"`
	Frame   string        `json:"frame,omitempty"`
}

// ScriptPlan is which version of a script new calls get.
type ScriptPlan struct {
	Name string `json:"name"`
	scripts.Plan
}

// ScriptUploaded is what became of an upload.
type ScriptUploaded struct {
	Name     string               `json:"name"`
	Version  string               `json:"version"`
	State    scripts.State        `json:"state"` // active, or kept when the script is held
	Plan     ScriptPlan           `json:"plan"`
	Warnings []scripts.Diagnostic `json:"warnings"`
}

// Scripts implements api.Scripts.
func (a *surface) Scripts(may func(script string) bool) any {
	out := []ScriptLine{}
	oldest := a.e().calls.oldest()
	for _, s := range a.scripts.List() {
		if !may(s.Name) {
			continue
		}
		l := ScriptLine{
			Name: s.Name, Version: s.Version, State: s.State, Calls: s.Calls,
			Author: moment(s.Author), Built: moment(s.Built), Since: moment(s.Since), Oldest: moment(oldest[s.Name+"@"+s.Version]),
		}
		l.Error, l.Frame = firstError(s.Errors)
		switch p := s.Plan; {
		case s.Canary:
			l.Canary = p.Canary
		case s.State == scripts.Active:
			l.Schedule = a.e().timetable.Show(s.Name)
			l.Pinned = p.Pinned
			if p.Canary != nil && p.Canary.Version == "" {
				l.Canary = p.Canary // it waits for the next save
			}
			if p.Latest != s.Version {
				l.Latest = p.Latest
			}
		}
		out = append(out, l)
	}
	return out
}

func firstError(list []scripts.Diagnostic) (text, frame string) {
	if len(list) == 0 {
		return "", ""
	}
	return list[0].String(), list[0].Frame
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// oldest is when the oldest call on each version began.
func (c *calls) oldest() map[string]time.Time {
	out := map[string]time.Time{}
	for _, l := range c.list() {
		if l.version == nil {
			continue
		}
		key := l.version.Script + "@" + l.version.ID
		if at, ok := out[key]; !ok || l.began.Before(at) {
			out[key] = l.began
		}
	}
	return out
}

// Versions implements api.Deployments.
func (a *surface) Versions(name string) (any, error) {
	list, err := a.scripts.Versions(name)
	if err != nil {
		return nil, err
	}
	out := []VersionLine{}
	oldest := a.e().calls.oldest()
	for _, v := range list {
		l := VersionLine{
			Name: v.Name, Version: v.Version, State: v.State, Entry: v.Entry, Calls: v.Calls, Latest: v.Latest, Pinned: v.Pinned, Canary: v.Canary,
			Author: moment(v.Author), Built: moment(v.Built), Since: moment(v.Since), Oldest: moment(oldest[v.Name+"@"+v.Version]),
		}
		l.Error, l.Frame = firstError(v.Errors)
		out = append(out, l)
	}
	return out, nil
}

// Rollout implements api.Deployments.
func (a *surface) Rollout(name, command string, o api.Rollout) (any, error) {
	var p scripts.Plan
	var err error
	switch command {
	case api.CommandRollback:
		p, err = a.scripts.Rollback(name, o.Version)
	case api.CommandCanary:
		p, err = a.scripts.Canary(name, o.Version, o.Percent, o.Calls)
	case api.CommandPromote:
		p, err = a.scripts.Promote(name)
	case api.CommandDrop:
		p, err = a.scripts.Drop(name)
	case api.CommandUnpin:
		p, err = a.scripts.Unpin(name)
	default:
		err = fault.New(fault.NotFound, "no command %q", command)
	}
	if err != nil {
		return nil, err
	}
	a.log.Info("script "+command, "script", name, "active", p.Active, "pinned", p.Pinned)
	return ScriptPlan{name, p}, nil
}

// Upload implements api.Deployments.
func (a *surface) Upload(ctx context.Context, name string, files []api.File) (any, error) {
	var list []scripts.File
	for _, f := range files {
		list = append(list, scripts.File(f))
	}
	up, err := a.scripts.Upload(ctx, name, list)
	if err != nil {
		return nil, err
	}
	a.log.Info("script uploaded", "script", name, "version", up.Version, "files", len(files))
	out := ScriptUploaded{Name: name, Version: up.Version, State: scripts.Kept, Plan: ScriptPlan{name, up.Plan}, Warnings: up.Warnings}
	if up.Plan.Active == up.Version {
		out.State = scripts.Active
	}
	if out.Warnings == nil {
		out.Warnings = []scripts.Diagnostic{}
	}
	return out, nil
}

// Remove implements api.Deployments.
func (a *surface) Remove(ctx context.Context, name string) error {
	err := a.scripts.Remove(ctx, name)
	if err == nil {
		a.log.Info("script deleted", "script", name)
	}
	return err
}

// mayDialURI tells whether a version of a script may dial SIP addresses of a
// host; without a version it is the active one.
func (e *Engine) mayDialURI(script, version, host string) bool {
	v, err := e.scripts.Get(script, version)
	if version == "" {
		v, err = e.scripts.Current(script)
	}
	return err == nil && e.settings.of(v).mayDial(host)
}
