package engine

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// Health is how one check of the host came out.
type Health string

// The states of a diagnosis. Warn works, but not as well as it could.
const (
	HealthOK   Health = "ok"
	HealthWarn Health = "warn"
	HealthFail Health = "fail"
)

// Diagnosis is one thing that [Doctor] looked at.
type Diagnosis struct {
	Name   string `json:"name"`
	State  Health `json:"state"`
	Detail string `json:"detail"`
	Hint   string `json:"hint,omitempty"`
	Code   string `json:"code,omitempty"` // stable, of what programs may look for
}

// DoctorOptions are what the doctor needs beside the configuration.
type DoctorOptions struct {
	Worker  func(script string) *exec.Cmd // as in Options
	Builder func() *exec.Cmd
	Clock   clock.Clock
	Log     *slog.Logger
	State   string // the store's folder
	Running bool   // an instance of this project runs: its ports and its store are in use, rightly
}

// doctor is one examination.
type doctor struct {
	DoctorOptions
	cfg *config.Config
	out []Diagnosis
}

// Doctor examines the host for what the configuration needs.
func Doctor(ctx context.Context, cfg *config.Config, o DoctorOptions) []Diagnosis {
	d := &doctor{DoctorOptions: o, cfg: cfg}
	for _, look := range []func(context.Context){
		d.listeners, d.certificate, d.advertised, d.reach, d.ports, d.audio, d.trunkNames, d.descriptors, d.priority, d.clock, d.disk, d.storage, d.tongue, d.hearing, d.processes, d.connections,
	} {
		if ctx.Err() == nil {
			look(ctx)
		}
	}
	return d.out
}

func (d *doctor) ok(name, format string, args ...any) {
	d.out = append(d.out, Diagnosis{Name: name, State: HealthOK, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) warn(name, hint, format string, args ...any) {
	d.out = append(d.out, Diagnosis{Name: name, State: HealthWarn, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

func (d *doctor) fail(name, hint, format string, args ...any) {
	d.out = append(d.out, Diagnosis{Name: name, State: HealthFail, Detail: fmt.Sprintf(format, args...), Hint: hint})
}

// coded gives the newest diagnosis its code.
func (d *doctor) coded(code string) { d.out[len(d.out)-1].Code = code }

// broken is fail with an error of the house.
func (d *doctor) broken(name string, err error) {
	d.fail(name, fault.HintOf(err), "%s", err)
}
