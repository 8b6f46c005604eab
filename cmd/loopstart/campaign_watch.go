package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
)

// printCampaign shows one campaign to people.
func (m *Main) printCampaign(r campaignLine) {
	title := r.ID
	if r.Name != "" {
		title += " " + clean(r.Name)
	}
	fmt.Fprintf(m.Stdout, "%s: %s, script %s\n", m.bold("campaign "+title), r.State, r.Script)
	if r.Reason != "" {
		fmt.Fprintf(m.Stdout, "  %s\n", clean(r.Reason))
	}
	n := r.Counts
	fmt.Fprintf(m.Stdout, "  contacts  %d: %d done, %d waiting, %d in a call\n", n.Contacts, n.Done, n.Waiting, n.Dialing)
	fmt.Fprintf(m.Stdout, "  attempts  %d, %d answered, %d with a key, talk %s\n", n.Attempts, n.Answered, n.Keyed, seconds(n.TalkMs))
	if len(n.Outcomes) > 0 {
		fmt.Fprintf(m.Stdout, "  outcomes  %s\n", outcomeWords(n.Outcomes))
	}
	if f := r.Forecast; f != nil && f.Contacts > 0 {
		fmt.Fprintf(m.Stdout, "  forecast  %s\n", f.words())
	}
}

func outcomeWords(outcomes map[string]int64) string {
	var out []string
	for _, o := range slices.Sorted(maps.Keys(outcomes)) {
		out = append(out, fmt.Sprintf("%s %d", o, outcomes[o]))
	}
	return strings.Join(out, ", ")
}

// words is a forecast in a sentence.
func (f forecast) words() string {
	text := fmt.Sprintf("%s, about %s and %.0f min of talk on %s",
		count(f.Contacts, "contact"), count(f.Attempts, "dial"), f.Minutes, count(int64(f.Channels), "line"))
	if f.Finish.IsZero() {
		return text + "; it is not done within a year"
	}
	return text + "; done " + f.Finish.Local().Format("2006-01-02 15:04")
}

// count is 1 line, 2 lines.
func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.FormatInt(n, 10) + " " + what
}

// rehearsal is the answer of GET …/rehearsal.
type rehearsal struct {
	Forecast forecast         `json:"forecast"`
	Callable int64            `json:"callable"`
	Not      map[string]int64 `json:"not_called"`
	Zones    map[string]int64 `json:"zones"`
	First    []struct {
		Key, Phone, Zone string
		At               time.Time
	} `json:"first"`
}

func (m *Main) startCampaign(ctx context.Context, args []string) error {
	fs := flags("campaign start")
	dry, watch, first := fs.Bool("dry-run", false, ""), fs.Bool("watch", false, ""), fs.Int("first", 0, "")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	c, id, err := m.oneCampaign("start", rest)
	if err != nil {
		return err
	}
	if *dry {
		return m.rehearse(c, id)
	}
	var body any
	if *first > 0 {
		body = map[string]int{"pause_after": *first}
	}
	var answer campaignState
	if err := c.post("/v1/campaigns/"+url.PathEscape(id)+"/start", body, &answer); err != nil {
		return err
	}
	if *watch {
		return m.follow(ctx, c, id)
	}
	return m.answer(answer, func() { m.progress("%s is %s; follow it with `loopstart campaign watch %s`", id, answer.State, id) })
}

// rehearse prints what would happen.
func (m *Main) rehearse(c *client, id string) error {
	var raw json.RawMessage
	if err := c.get("/v1/campaigns/"+url.PathEscape(id)+"/rehearsal", &raw); err != nil {
		return err
	}
	return m.answer(raw, func() {
		var r rehearsal
		if json.Unmarshal(raw, &r) != nil {
			return
		}
		fmt.Fprintf(m.Stdout, "%s\n", m.bold("nobody is called: this is what would happen"))
		fmt.Fprintf(m.Stdout, "  forecast    %s\n", r.Forecast.words())
		fmt.Fprintf(m.Stdout, "  would call  %s\n", count(r.Callable, "contact"))
		if len(r.Not) > 0 {
			fmt.Fprintf(m.Stdout, "  would not   %s\n", outcomeWords(r.Not))
		}
		fmt.Fprintf(m.Stdout, "  zones       %s\n", outcomeWords(r.Zones))
		if len(r.First) > 0 {
			t := table{head: []string{"AT", "PHONE", "KEY", "ZONE"}}
			for _, f := range r.First {
				t.add(f.At.Local().Format("2006-01-02 15:04:05"), clean(f.Phone), clean(f.Key), f.Zone)
			}
			t.print(m)
		}
	})
}

func (m *Main) watchCampaign(ctx context.Context, args []string) error {
	rest, err := parse(flags("campaign watch"), args, 1)
	if err != nil {
		return err
	}
	c, id, err := m.oneCampaign("watch", rest)
	if err != nil {
		return err
	}
	return m.follow(ctx, c, id)
}

// follow shows the counters until the campaign is not running any more.
func (m *Main) follow(ctx context.Context, c *client, id string) error {
	ctx, stop := m.interruptible(ctx)
	defer stop()
	bar := m.bar("contacts")
	show := func() (campaignLine, json.RawMessage, error) {
		var raw json.RawMessage
		var r campaignLine
		if err := c.get("/v1/campaigns/"+url.PathEscape(id), &raw); err != nil {
			return r, raw, err
		}
		err := json.Unmarshal(raw, &r)
		bar.show(r.Counts.Done, r.Counts.Contacts, fmt.Sprintf("%d in a call, %s", r.Counts.Dialing, outcomeWords(r.Counts.Outcomes)))
		return r, raw, err
	}
	r, raw, err := show()
	for err == nil && r.State == "running" && ctx.Err() == nil {
		if err = rest(ctx, barEvery); err == nil {
			r, raw, err = show()
		}
	}
	bar.end()
	if err != nil {
		return err
	}
	return m.answer(raw, func() { m.printCampaign(r) })
}

// barEvery is how often a progress line is drawn anew.
const barEvery = 500 * time.Millisecond

// rest waits, or less when ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	done := make(chan struct{})
	t := clock.System().AfterFunc(d, func() { close(done) })
	defer t.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return nil
}

// bar is a progress line on stderr: drawn anew in a terminal, plain lines from
// time to time elsewhere, nothing with -q.
type bar struct {
	m    *Main
	what string
	live bool
	said time.Time
	last string
	open bool // a live line stands without its end
}

// plainEvery is the pause between progress lines outside of a terminal.
const plainEvery = 5 * time.Second

func (m *Main) bar(what string) *bar { return &bar{m: m, what: what, live: isTerminal(m.Stderr)} }

// barWidth is the width of the bar in characters.
const barWidth = 30

func (b *bar) show(done, of int64, more string) {
	if b.m.global.quiet {
		return
	}
	percent := int64(100)
	if of > 0 {
		percent = min(done*100/of, 100)
	}
	if !b.live {
		now := clock.System().Now()
		text := fmt.Sprintf("%d of %d %s (%d %%), %s", done, of, b.what, percent, more)
		if text != b.last && now.Sub(b.said) >= plainEvery {
			b.said, b.last = now, text
			b.m.progress("%s", text)
		}
		return
	}
	full := int(percent * barWidth / 100)
	fmt.Fprintf(b.m.Stderr, "\r\x1b[K[%s%s] %3d %%  %d of %d %s  %s",
		strings.Repeat("#", full), strings.Repeat(".", barWidth-full), percent, done, of, b.what, clean(more))
	b.open = true
}

func (b *bar) end() {
	if b.open {
		fmt.Fprintln(b.m.Stderr)
		b.open = false
	}
}

func (m *Main) reportCampaign(ctx context.Context, args []string) (err error) {
	fs := flags("campaign report")
	out := fs.String("out", "", "")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	c, id, err := m.oneCampaign("report", rest)
	if err != nil {
		return err
	}
	format := "csv"
	if m.global.output == "json" || m.global.output == "ndjson" {
		format = m.global.output
	}
	res, err := c.do(ctx, "GET", "/v1/campaigns/"+url.PathEscape(id)+"/report."+format, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	to := m.Stdout
	if *out != "" {
		f, err := os.Create(filepath.Clean(*out))
		if err != nil {
			return fault.New(fault.Invalid, "--out: %w", err).WithExit(fault.ExitUsage)
		}
		defer func() {
			if cerr := f.Close(); err == nil {
				err = cerr
			}
		}()
		to = f
	}
	if _, err := io.Copy(to, res.Body); err != nil {
		return fault.New(fault.Network, "the report broke off: %w", err)
	}
	return nil
}
