package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/connector"
	"github.com/loopstart/loopstart/internal/fault"
)

// MaxBatch is how many commands one batch may hold; batches are not nested.
const MaxBatch = 50

// batch runs several methods in one request.
func (c *Connector) batch(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := connector.Read[struct {
		Commands []struct {
			Name   string
			Method string
			Params json.RawMessage
		}
		Halt bool
	}](module, args)
	if err != nil {
		return nil, err
	}
	if len(a.Commands) == 0 || len(a.Commands) > MaxBatch {
		return nil, fault.New(fault.Invalid, "bitrix24: a batch of %d commands; 1 to %d are possible", len(a.Commands), MaxBatch)
	}
	var cmd bytes.Buffer // an object in the author's order: later commands may use earlier results
	for i, one := range a.Commands {
		if !methodName.MatchString(one.Method) || one.Method == "batch" {
			return nil, fault.New(fault.Invalid, "bitrix24: batch: %q is no method for %q", one.Method, one.Name)
		}
		text := one.Method
		if q := queryOf(one.Params); q != "" {
			text += "?" + q
		}
		cmd.WriteByte("{,"[min(i, 1)])
		name, _ := json.Marshal(one.Name)
		value, _ := json.Marshal(text)
		fmt.Fprintf(&cmd, "%s:%s", name, value)
	}
	cmd.WriteByte('}')
	halt := 0
	if a.Halt {
		halt = 1
	}
	res, err := c.Call(ctx, "batch", map[string]any{"halt": halt, "cmd": json.RawMessage(cmd.Bytes())}, true)
	if err != nil {
		return nil, err
	}
	return c.batchAnswer(res.Result)
}

// batchAnswer reads the results; empty maps come as [].
func (c *Connector) batchAnswer(result json.RawMessage) (any, error) {
	var w struct {
		Result json.RawMessage `json:"result"`
		Errors json.RawMessage `json:"result_error"`
	}
	if err := json.Unmarshal(result, &w); err != nil {
		return nil, fault.New(fault.Unavailable, "bitrix24: batch: the answer has no results")
	}
	results, refusals := map[string]json.RawMessage{}, map[string]struct {
		Name string `json:"error"`
		Says string `json:"error_description"`
	}{}
	_ = json.Unmarshal(w.Result, &results)
	_ = json.Unmarshal(w.Errors, &refusals)
	errors := map[string]any{}
	for name, r := range refusals {
		err := c.explain("batch."+name, &Refusal{Status: 400, Name: r.Name, Says: r.Says})
		errors[name] = map[string]any{"code": fault.CodeOf(err), "message": err.Error()}
	}
	return map[string]any{"results": results, "errors": errors}, nil
}

// queryOf writes parameters as PHP reads them: a[b][0]=c.
func queryOf(params json.RawMessage) string {
	var v any
	d := json.NewDecoder(bytes.NewReader(params))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return ""
	}
	var parts []string
	flatten("", v, func(name, value string) {
		parts = append(parts, name+"="+url.QueryEscape(value))
	})
	return strings.Join(parts, "&")
}

// flatten names every value inside v by its path.
func flatten(name string, v any, add func(name, value string)) {
	inner := func(key string) string {
		if name == "" {
			return url.QueryEscape(key)
		}
		return name + "[" + url.QueryEscape(key) + "]"
	}
	switch x := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(x)) {
			flatten(inner(key), x[key], add)
		}
	case []any:
		for i, item := range x {
			flatten(inner(strconv.Itoa(i)), item, add)
		}
	case nil:
		add(name, "")
	case bool:
		add(name, map[bool]string{true: "1", false: "0"}[x])
	default:
		add(name, fmt.Sprint(x))
	}
}
