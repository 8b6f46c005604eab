package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

var flowVerb = verb{
	name: "flow", args: "[ls|show SCRIPT KEY|start SCRIPT|signal SCRIPT KEY EVENT|cancel SCRIPT KEY|retry SCRIPT KEY]",
	summary: "durable flows: list, show, start, signal, cancel, retry",
	details: "Asks the running instance of the project.\n\n" +
		"  ls       newest first; --state running, done, failed or cancelled; --script NAME, --key KEY, --limit N (20)\n" +
		"  show     where a flow stands, and its journal: what was done, when, and what it waits for\n" +
		"  start    begins one: --key KEY, --data JSON; the flow of a key that is running is shown instead\n" +
		"  signal   sends it an event, with --data JSON\n" +
		"  cancel   ends it, and the call that it waits for\n" +
		"  retry    lets one that failed go on; its last error is forgotten, so that the step is done again. --latest takes the\n" +
		"           script's present version, whose code must go the way of the journal so far",
	run: runFlow,
}

// flowCommands are the words of the verb and how many arguments they take.
var flowCommands = map[string]int{"ls": 0, "show": 2, "start": 1, "signal": 3, "cancel": 2, "retry": 2}

// flowOptions are the flags of all words.
type flowOptions struct {
	state, script, key, data string
	limit                    int
	latest                   bool
}

func runFlow(_ context.Context, m *Main, args []string) error {
	var o flowOptions
	fs := flags("flow")
	fs.StringVar(&o.state, "state", "", "")
	fs.StringVar(&o.script, "script", "", "")
	fs.StringVar(&o.key, "key", "", "")
	fs.StringVar(&o.data, "data", "", "")
	fs.IntVar(&o.limit, "limit", 20, "")
	fs.BoolVar(&o.latest, "latest", false, "")
	rest, err := parse(fs, args, -1)
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		rest = []string{"ls"}
	}
	what, rest := rest[0], rest[1:]
	want, ok := flowCommands[what]
	if !ok {
		return choose("flow", what, []string{"ls", "show", "start", "signal", "cancel", "retry"})
	}
	if len(rest) != want {
		return fault.New(fault.Invalid, "flow %s takes %d arguments, %d are given", what, want, len(rest)).WithExit(fault.ExitUsage).
			WithHint("`loopstart help flow` tells which")
	}
	if o.data != "" && !json.Valid([]byte(o.data)) {
		return fault.New(fault.Invalid, "--data is no JSON: %s", o.data).WithExit(fault.ExitUsage)
	}
	if o.limit < 1 || o.limit > pageSize {
		return fault.New(fault.Invalid, "--limit %d is not 1 to %d", o.limit, pageSize).WithExit(fault.ExitUsage)
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	return m.doFlow(c, what, rest, o)
}

func (m *Main) doFlow(c *client, what string, args []string, o flowOptions) error {
	switch what {
	case "ls":
		return m.listFlows(c, o)
	case "start":
		return m.startFlow(c, args[0], o)
	}
	path := "/v1/flows/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
	var err error
	switch what {
	case "show":
		return m.showFlow(c, path)
	case "signal":
		body := map[string]any{"event": args[2]}
		if o.data != "" {
			body["data"] = json.RawMessage(o.data)
		}
		err = c.post(path+"/events", body, nil)
	case "cancel":
		err = c.delete(path)
	case "retry":
		err = c.post(path+"/retry?latest="+strconv.FormatBool(o.latest), nil, nil)
	}
	if err != nil {
		return err
	}
	said := map[string]string{"signal": "has the event", "cancel": "is cancelled", "retry": "goes on"}[what]
	return m.answer(map[string]string{"script": args[0], "key": args[1]}, func() { m.progress("%s of %s %s", args[1], args[0], said) })
}

func (m *Main) startFlow(c *client, script string, o flowOptions) error {
	body := map[string]any{}
	if o.key != "" {
		body["key"] = o.key
	}
	if o.data != "" {
		body["data"] = json.RawMessage(o.data)
	}
	var started struct {
		ID      string `json:"id"`
		Key     string `json:"key"`
		Script  string `json:"script"`
		State   string `json:"state"`
		Created bool   `json:"created"`
	}
	if err := c.post("/v1/flows/"+url.PathEscape(script), body, &started); err != nil {
		return err
	}
	return m.answer(started, func() {
		fmt.Fprintln(m.Stdout, started.Key)
		if !started.Created {
			m.progress("a flow with this key was running already")
		}
	})
}

// flowRow is a flow of GET /v1/flows.
type flowRow struct {
	ID      string          `json:"id"`
	Script  string          `json:"script"`
	Key     string          `json:"key"`
	State   string          `json:"state"`
	Version string          `json:"version"`
	Data    json.RawMessage `json:"data"`
	Started time.Time       `json:"started_at"`
	Ended   time.Time       `json:"ended_at"`
	Wake    time.Time       `json:"wake_at"`
	Waits   []string        `json:"waits"`
	Result  json.RawMessage `json:"result"`
	Error   *flowProblem    `json:"error"`
	Journal []journalRow    `json:"journal"`
	Events  []struct {
		Name string    `json:"name"`
		At   time.Time `json:"at"`
	} `json:"events"`
}

type flowProblem struct {
	Code, Message, Hint, Place, Frame string
}

type journalRow struct {
	N     int             `json:"n"`
	Kind  string          `json:"kind"`
	Name  string          `json:"name"`
	Place string          `json:"place"`
	Asked time.Time       `json:"asked"`
	At    time.Time       `json:"at"`
	Until time.Time       `json:"until"`
	Value json.RawMessage `json:"value"`
	Error *flowProblem    `json:"error"`
	Tries int             `json:"tries"`
	Order string          `json:"order"`
}

func (m *Main) listFlows(c *client, o flowOptions) error {
	q := url.Values{"limit": {strconv.Itoa(o.limit)}}
	for name, value := range map[string]string{"state": o.state, "script": o.script, "key": o.key} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var page struct{ Flows []json.RawMessage }
	if err := c.get("/v1/flows?"+q.Encode(), &page); err != nil {
		return err
	}
	return m.answer(page.Flows, func() {
		if len(page.Flows) == 0 {
			m.progress("no flows")
			return
		}
		t := table{head: []string{"STARTED", "SCRIPT", "KEY", "STATE", "WAITS FOR", "UNTIL"}}
		for _, raw := range page.Flows {
			var f flowRow
			if json.Unmarshal(raw, &f) != nil {
				continue
			}
			waits := strings.Join(f.Waits, ", ")
			if f.Error != nil {
				waits = f.Error.Message
			}
			t.add(instantText(f.Started), f.Script, clean(f.Key), f.State, clean(waits), instantText(f.Wake))
		}
		t.print(m)
	})
}

func instantText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func (m *Main) showFlow(c *client, path string) error {
	var raw json.RawMessage
	if err := c.get(path, &raw); err != nil {
		return err
	}
	var f flowRow
	if err := json.Unmarshal(raw, &f); err != nil {
		return fault.New(fault.Network, "the running loopstart: %w", err)
	}
	return m.answer(raw, func() { m.printFlow(f) })
}

// printFlow shows a flow as a person reads it.
func (m *Main) printFlow(f flowRow) {
	line := func(name, value string) {
		if value != "" && value != "-" && value != "null" {
			fmt.Fprintf(m.Stdout, "%-8s %s\n", name, clean(value))
		}
	}
	line("flow", f.Key+" of "+f.Script+" ("+f.ID+", version "+f.Version+")")
	line("state", f.State)
	line("started", instantText(f.Started))
	line("ended", instantText(f.Ended))
	line("data", string(f.Data))
	line("result", string(f.Result))
	if f.Error != nil {
		line("error", strings.TrimPrefix(f.Error.Place+": ", ": ")+f.Error.Message)
		line("hint", f.Error.Hint)
	}
	line("wakes", instantText(f.Wake))
	for _, e := range f.Events {
		line("kept", "event "+e.Name+" of "+instantText(e.At))
	}
	fmt.Fprintln(m.Stdout)
	t := table{head: []string{"N", "WHAT", "DONE", "RESULT", "PLACE"}}
	for _, e := range f.Journal {
		t.add(strconv.Itoa(e.N), strings.TrimSpace(e.Kind+" "+clean(e.Name)), e.done(), clean(e.result()), e.Place)
	}
	t.print(m)
}

// done is when an entry got its result, or until when it waits.
func (e journalRow) done() string {
	switch {
	case !e.At.IsZero():
		return instantText(e.At)
	case !e.Until.IsZero():
		return "until " + instantText(e.Until)
	}
	return "waits"
}

// longestResult is how much of a result a line shows.
const longestResult = 60

func (e journalRow) result() string {
	text := string(e.Value)
	if e.Error != nil {
		text = e.Error.Code + ": " + e.Error.Message
		if e.Tries > 0 {
			text = strconv.Itoa(e.Tries) + "× " + text
		}
	}
	if e.At.IsZero() && e.Order != "" {
		text = "order " + e.Order
	}
	if r := []rune(text); len(r) > longestResult {
		text = string(r[:longestResult]) + "…"
	}
	return text
}
