package engine

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/flow"
	"github.com/loopstart/loopstart/internal/fault"
	flowlog "github.com/loopstart/loopstart/internal/journal"
)

// strict reads a body whose fields are all known.
func strict(body json.RawMessage, v any, fields string) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fault.New(fault.Invalid, "%s", strings.TrimPrefix(err.Error(), "json: ")).WithHint("fields are %s", fields)
	}
	return nil
}

// StartFlow implements api.Flows.
func (a *surface) StartFlow(script string, body json.RawMessage) (any, bool, error) {
	var in struct {
		Key  text            `json:"key"`
		Data json.RawMessage `json:"data"`
	}
	if err := strict(body, &in, "key, data"); err != nil {
		return nil, false, err
	}
	got, err := await(a.ctx, func(done func(flow.Started, error)) {
		a.flows.Begin(flowlog.Start{Script: script, Key: string(in.Key), Data: in.Data}, done)
	})
	return got, got.Created, err
}

// SignalFlow implements api.Flows.
func (a *surface) SignalFlow(script, key string, body json.RawMessage) error {
	var in struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	if err := strict(body, &in, "event, data"); err != nil {
		return err
	}
	return a.told(func(done func(error)) {
		a.flows.Signal(flowlog.Signal{Script: script, Key: key, Event: in.Event, Data: in.Data}, done)
	})
}

// told waits for something that has no value.
func (a *surface) told(begin func(done func(error))) error {
	_, err := await(a.ctx, func(done func(struct{}, error)) { begin(func(err error) { done(struct{}{}, err) }) })
	return err
}

// ListFlows implements api.Flows.
func (a *surface) ListFlows(q api.FlowQuery) (rows []json.RawMessage, next string, err error) {
	if q.State != "" && !slices.Contains(flow.States(), flow.State(q.State)) {
		return nil, "", fault.New(fault.Invalid, "state: no state %q of a flow", q.State).WithHint("states are running, done, failed, cancelled")
	}
	list, next, err := a.flows.List(flow.Query{State: flow.State(q.State), Script: q.Script, Key: q.Key, Limit: q.Limit, Cursor: q.Cursor})
	for i := 0; err == nil && i < len(list); i++ {
		var row json.RawMessage
		row, err = json.Marshal(list[i])
		rows = append(rows, row)
	}
	return rows, next, err
}

// ShowFlow implements api.Flows.
func (a *surface) ShowFlow(script, key string) (any, error) { return a.flows.Show(script, key) }

// CancelFlow implements api.Flows.
func (a *surface) CancelFlow(script, key string) error {
	return a.told(func(done func(error)) { a.flows.Cancel(script, key, done) })
}

// RetryFlow implements api.Flows.
func (a *surface) RetryFlow(script, key string, latest bool) error {
	version, export := "", ""
	if latest {
		v, err := a.e().flowCode(script)
		if err != nil {
			return err
		}
		version, export = v.ID, v.Flow
	}
	return a.told(func(done func(error)) { a.flows.Retry(script, key, version, export, done) })
}
