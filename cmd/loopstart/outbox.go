package main

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

var outboxVerb = verb{
	name: "outbox", args: "[ls|retry ID…]", summary: "deliveries: what waits, what was given up, and send again",
	details: "Asks the running instance of the project.\n\n" +
		"  ls       --state waiting (default), dead, delivered or stopped; --limit N (100)\n" +
		"  retry    sends deliveries now that wait or were given up; --dead takes all that were given up",
	run: runOutbox,
}

func runOutbox(_ context.Context, m *Main, args []string) error {
	what := "ls"
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		what, args = args[0], args[1:]
	}
	switch what {
	case "ls":
		return m.listOutbox(args)
	case "retry":
		return m.retryOutbox(args)
	}
	return choose("outbox", what, []string{"ls", "retry"})
}

// delivery is one line of GET /v1/outbox.
type delivery struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`
	Destination string    `json:"destination"`
	Queue       string    `json:"queue"`
	State       string    `json:"state"`
	Created     time.Time `json:"created"`
	Attempts    int       `json:"attempts"`
	NextAt      time.Time `json:"next_at,omitzero"`
	Finished    time.Time `json:"finished,omitzero"`
	LastError   string    `json:"last_error,omitempty"`
}

// deliveries reads at most limit of a state.
func (c *client) deliveries(state string, limit int) (rows []delivery, err error) {
	rows = []delivery{}
	for cursor := ""; len(rows) < limit; {
		var page struct {
			Items []delivery
			Next  string
		}
		q := url.Values{"state": {state}, "limit": {strconv.Itoa(min(limit-len(rows), pageSize))}, "cursor": {cursor}}
		if err := c.get("/v1/outbox?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		rows = append(rows, page.Items...)
		if cursor = page.Next; cursor == "" || len(page.Items) == 0 {
			break
		}
	}
	return rows, nil
}

func (m *Main) listOutbox(args []string) error {
	fs := flags("outbox ls")
	state, limit := fs.String("state", "waiting", ""), fs.Int("limit", 100, "")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if *limit < 1 {
		return fault.New(fault.Invalid, "outbox ls: --limit %d", *limit).WithExit(fault.ExitUsage)
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	rows, err := c.deliveries(*state, *limit)
	if err != nil {
		return err
	}
	return m.answer(rows, func() { m.deliveryTable(*state, rows) })
}

func (m *Main) deliveryTable(state string, rows []delivery) {
	if len(rows) == 0 {
		m.progress("no deliveries are %s", state)
		return
	}
	t := table{head: []string{"ID", "TO", "CREATED", "ATTEMPTS", "NEXT", "LAST ERROR"}}
	for _, r := range rows {
		next := ""
		if !r.NextAt.IsZero() {
			next = r.NextAt.Local().Format(time.TimeOnly)
		}
		t.add(r.ID, r.Destination, r.Created.Local().Format(time.DateTime), strconv.Itoa(r.Attempts), next, clean(r.LastError))
	}
	t.print(m)
}

// maxDead is how many dead deliveries one retry --dead takes.
const maxDead = 100_000

func (m *Main) retryOutbox(args []string) error {
	fs := flags("outbox retry")
	dead := fs.Bool("dead", false, "")
	ids, err := parse(fs, args, maxDead)
	if err != nil {
		return err
	}
	if len(ids) == 0 && !*dead {
		return fault.New(fault.Invalid, "outbox retry: which delivery?").WithExit(fault.ExitUsage).
			WithHint("`loopstart outbox ls --state dead` lists them, --dead takes them all")
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	if *dead {
		rows, err := c.deliveries("dead", maxDead)
		if err != nil {
			return err
		}
		for _, r := range rows {
			ids = append(ids, r.ID)
		}
	}
	for _, id := range ids {
		if err := c.post("/v1/outbox/"+url.PathEscape(id)+"/retry", nil, nil); err != nil {
			return err
		}
	}
	return m.answer(map[string]any{"retried": len(ids)}, func() { m.progress("%d sent again", len(ids)) })
}
