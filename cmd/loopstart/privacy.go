package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
)

var eraseVerb = verb{
	name: "erase", args: "PHONE --yes", summary: "remove everything that is known of a number",
	details: "Removes records and timelines of its calls, recordings, orders (open ones are cancelled), contacts of campaigns and\n" +
		"deliveries about them, for good. The stop-list keeps the number, and scripts their kv and flows. Asks the running instance.",
	run: runErase,
}

func runErase(_ context.Context, m *Main, args []string) error {
	fs := flags("erase")
	yes := fs.Bool("yes", false, "")
	rest, err := parse(fs, args, 1)
	switch {
	case err != nil:
		return err
	case len(rest) == 0:
		return fault.New(fault.Invalid, "erase: which number?").WithExit(fault.ExitUsage).WithHint("loopstart erase +79161234567 --yes")
	case !*yes:
		return fault.New(fault.Invalid, "erase: nothing is removed without --yes: there is no way back").WithExit(fault.ExitUsage).
			WithHint("loopstart erase %s --yes", rest[0])
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	var gone engine.Erased
	if err := c.exchange("DELETE", "/v1/people/"+url.PathEscape(rest[0]), nil, &gone); err != nil {
		return err
	}
	return m.answer(gone, func() {
		fmt.Fprintf(m.Stdout, "%s: removed %d records, %d timelines, %d recordings, %d orders, %d contacts, %d deliveries\n",
			gone.Phone, gone.Records, gone.Timelines, gone.Recordings, gone.Orders, gone.Contacts, gone.Deliveries)
		for _, what := range gone.Kept {
			fmt.Fprintf(m.Stdout, "  kept: %s\n", what)
		}
	})
}

var auditVerb = verb{
	name: "audit", args: "", summary: "who changed what through the API",
	details: "Newest first. --since (RFC 3339, or how long ago: 2h, 7d), --limit N (50). Asks the running instance.",
	run:     runAudit,
}

// change is one line of GET /v1/audit.
type change struct {
	At     time.Time `json:"at"`
	Token  string    `json:"token"`
	IP     string    `json:"ip"`
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Status int       `json:"status"`
	Detail string    `json:"detail,omitempty"`
}

func runAudit(_ context.Context, m *Main, args []string) error {
	fs := flags("audit")
	since, limit := fs.String("since", "", ""), fs.Int("limit", 50, "")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if *limit < 1 {
		return fault.New(fault.Invalid, "audit: --limit %d", *limit).WithExit(fault.ExitUsage)
	}
	q := url.Values{}
	if *since != "" {
		at, err := momentOf("since", *since)
		if err != nil {
			return err
		}
		q.Set("since", at)
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	rows := []change{}
	for more := true; more; {
		var page struct {
			Entries []change
			Next    string
		}
		q.Set("limit", strconv.Itoa(min(*limit-len(rows), pageSize)))
		if err := c.get("/v1/audit?"+q.Encode(), &page); err != nil {
			return err
		}
		rows = append(rows, page.Entries...)
		q.Set("cursor", page.Next)
		more = page.Next != "" && len(rows) < *limit
	}
	return m.answer(rows, func() {
		if len(rows) == 0 {
			m.progress("nothing was changed through the API")
			return
		}
		t := table{head: []string{"AT", "TOKEN", "FROM", "REQUEST", "STATUS", ""}}
		for _, r := range rows {
			t.add(r.At.Local().Format(time.DateTime), r.Token, r.IP, clean(r.Method+" "+r.Path), strconv.Itoa(r.Status), clean(r.Detail))
		}
		t.print(m)
	})
}
