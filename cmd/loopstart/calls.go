package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

var callsVerb = verb{
	name: "calls", args: "[ls|show ID [--as-test]|hangup ID|tail]", summary: "list calls, show one with its timeline, hang up, or follow",
	details: "Asks the running instance of the project.\n\n" +
		"  ls       newest first; --state --outcome --script --trunk --to --from --key NAME, --tag NAME=VALUE, --since and --until\n" +
		"           (RFC 3339, or how long ago: 2h, 7d), --limit N (20), --all\n" +
		"  show     the record of a call or order, and its timeline: time, leg, what happened, and the script line that caused it;\n" +
		"           --as-test writes a test from it: loopstart calls show ID --as-test > scripts/NAME.test.ts\n" +
		"           --sip draws the SIP messages as a ladder, with -v their texts (secrets masked); --pcap FILE saves them for\n" +
		"           Wireshark (- is stdout)\n" +
		"  hangup   ends calls and cancels what is left of their orders\n" +
		"  tail     events as they happen; --types call.answered,call.ended and --call ID choose",
	run: runCalls,
}

// callsActions are the sub-commands of calls.
var callsActions = []string{"ls", "show", "hangup", "tail"}

func runCalls(ctx context.Context, m *Main, args []string) error {
	what := "ls"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		what, args = args[0], args[1:]
	}
	switch what {
	case "ls":
		return m.listCalls(args)
	case "show":
		return m.showCalls(ctx, args)
	case "hangup":
		return m.hangupCalls(args)
	case "tail":
		return m.tailCalls(ctx, args)
	}
	return choose("calls", what, callsActions)
}

// listOptions are the options of calls ls.
type listOptions struct {
	query url.Values
	limit int
	all   bool
}

// pageSize is how many rows are asked for at once (contract §6: at most 1,000).
const pageSize = 1000

func readListOptions(args []string) (o listOptions, err error) {
	o.query = url.Values{}
	fs := flags("calls ls")
	text := map[string]*string{}
	for _, name := range []string{"state", "outcome", "script", "trunk", "to", "from", "key", "since", "until"} {
		text[name] = fs.String(name, "", "")
	}
	fs.Func("tag", "", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return fmt.Errorf("a tag is NAME=VALUE")
		}
		o.query.Set("tag."+name, value)
		return nil
	})
	fs.IntVar(&o.limit, "limit", 20, "")
	fs.BoolVar(&o.all, "all", false, "")
	if _, err = parse(fs, args, 0); err != nil {
		return o, err
	}
	for name, value := range text {
		if *value == "" {
			continue
		}
		if name == "since" || name == "until" {
			if *value, err = momentOf(name, *value); err != nil {
				return o, err
			}
		}
		o.query.Set(name, *value)
	}
	if o.limit < 1 {
		return o, fault.New(fault.Invalid, "calls ls: --limit %d", o.limit).WithExit(fault.ExitUsage)
	}
	return o, nil
}

// momentOf reads a time, or a duration that lies before now.
func momentOf(name, text string) (string, error) {
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return text, nil
	}
	ago, err := duration.Parse(text)
	if err != nil {
		return "", fault.New(fault.Invalid, "--%s %s: neither a time nor a duration", name, text).WithExit(fault.ExitUsage).
			WithHint("write 2026-12-01T10:00:00+03:00, or 2h for two hours ago")
	}
	return clock.System().Now().Add(-ago).Format(time.RFC3339), nil
}

func (m *Main) listCalls(args []string) error {
	o, err := readListOptions(args)
	if err != nil {
		return err
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	rows := []json.RawMessage{}
	for more := true; more; {
		var page struct {
			Calls []json.RawMessage
			Next  string
		}
		want := pageSize
		if !o.all {
			want = min(o.limit-len(rows), pageSize)
		}
		o.query.Set("limit", strconv.Itoa(want))
		if err := c.get("/v1/calls?"+o.query.Encode(), &page); err != nil {
			return err
		}
		rows = append(rows, page.Calls...)
		o.query.Set("cursor", page.Next)
		more = page.Next != "" && len(page.Calls) > 0 && (o.all || len(rows) < o.limit)
	}
	if !o.all && len(rows) > o.limit {
		rows = rows[:o.limit]
	}
	return m.answer(rows, func() { m.callTable(rows) })
}

// callRow is a record with the state that running calls have.
type callRow struct {
	engine.Record
	State string `json:"state"`
}

func (m *Main) callTable(rows []json.RawMessage) {
	if len(rows) == 0 {
		m.progress("no calls")
		return
	}
	t := table{head: []string{"STARTED", "CALL", "", "SCRIPT", "FROM", "TO", "OUTCOME", "TALK"}}
	for _, raw := range rows {
		var r callRow
		if json.Unmarshal(raw, &r) != nil {
			continue
		}
		arrow, outcome := "in", string(r.Outcome)
		if r.Direction == "outbound" {
			arrow = "out"
		}
		if r.State != "" && r.State != "done" {
			outcome = r.State
		}
		t.add(r.StartedAt.Local().Format("2006-01-02 15:04:05"), r.ID, arrow, r.Script, clean(r.From), clean(r.To), outcome, seconds(r.TalkMs))
	}
	t.print(m)
}

func seconds(ms int64) string {
	if ms == 0 {
		return "-"
	}
	return (time.Duration(ms) * time.Millisecond).Round(100 * time.Millisecond).String()
}

// hangupCalls takes one or more ids.
func (m *Main) hangupCalls(args []string) error {
	ids, err := needIDs("hangup", args, -1)
	if err != nil {
		return err
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := c.delete("/v1/calls/" + url.PathEscape(id)); err != nil {
			return err
		}
	}
	return m.answer(ids, func() {
		for _, id := range ids {
			m.progress("%s is hung up", id)
		}
	})
}

func needIDs(action string, args []string, most int) ([]string, error) {
	ids, err := parse(flags("calls "+action), args, most)
	if err == nil && len(ids) == 0 {
		err = noID(action)
	}
	return ids, err
}

func noID(action string) error {
	return fault.New(fault.Invalid, "calls %s: which call?", action).WithExit(fault.ExitUsage).WithHint("`loopstart calls ls` lists them")
}
