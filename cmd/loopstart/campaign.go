package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

var campaignVerb = verb{
	name: "campaign", args: "[ls|create SCRIPT|import FILE|show ID|start ID|pause ID|resume ID|cancel ID|watch ID|set ID|report ID]",
	summary: "call a list of people",
	details: "Asks the running instance of the project. A campaign is named by its id, the beginning of it, its name, or `last`.\n\n" +
		"  ls       newest first; --state draft|running|paused|completed|cancelled, --limit N (20)\n" +
		"  create   makes a draft: --name, --trunk, --from, --hide, --attempts N, --retry busy=5m,default=1h, --window 09:00-21:00, --zone,\n" +
		"           --quiet, --max-calls N, --max-cps N, --daily-cap N, --delivered-after 6s, --expires TIME, --answer-rate 0.2-0.9,\n" +
		"           --key-rate 0.05-, --dedupe phone|key, --callback URL; --json FILE reads a body of POST /v1/campaigns instead\n" +
		"  import   adds contacts of a CSV, JSON or NDJSON file (- is the standard input): --to CAMPAIGN (default: the newest draft), or\n" +
		"           --script SCRIPT with the options of create makes one; --strict takes all rows or none, --dry-run only reads them,\n" +
		"           --start starts it afterwards. Bad rows are listed by line; the exit status is 1 then\n" +
		"  start    --dry-run tells what would happen: whom it calls, when it is done, minutes and channels; --first N pauses by itself\n" +
		"           after N calls, for a rehearsal; --watch follows it\n" +
		"  watch    follows the counters until it ends or pauses\n" +
		"  set      changes limits and rules while it runs: the options of create\n" +
		"  report   one row a contact: CSV, or with -o json or ndjson; --out FILE",
	run: runCampaign,
}

// campaignActions are the sub-commands of campaign.
var campaignActions = map[string]func(*Main, context.Context, []string) error{
	"ls": (*Main).listCampaigns, "create": (*Main).createCampaign, "import": (*Main).importContacts, "show": (*Main).showCampaign,
	"start": (*Main).startCampaign, "pause": campaignCommand("pause"), "resume": campaignCommand("resume"), "cancel": campaignCommand("cancel"),
	"watch": (*Main).watchCampaign, "set": (*Main).setCampaign, "report": (*Main).reportCampaign,
}

func runCampaign(ctx context.Context, m *Main, args []string) error {
	what := "ls"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		what, args = args[0], args[1:]
	}
	run, ok := campaignActions[what]
	if !ok {
		return choose("campaign", what, []string{"ls", "create", "import", "show", "start", "pause", "resume", "cancel", "watch", "set", "report"})
	}
	return run(m, ctx, args)
}

// campaignLine is a campaign as the API shows it, as far as it is printed.
type campaignLine struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	State    string          `json:"state"`
	Script   string          `json:"script"`
	Reason   string          `json:"reason"`
	Attempts int             `json:"attempts"`
	Window   json.RawMessage `json:"window"`
	MaxCalls int             `json:"max_calls"`
	Created  time.Time       `json:"created_at"`
	Counts   campaignCounts  `json:"counts"`
	Forecast *forecast       `json:"forecast"`
}

type campaignCounts struct {
	Contacts, Waiting, Dialing, Done, Dialled, Attempts, Answered, Keyed int64
	TalkMs                                                               int64 `json:"talk_ms"`
	Outcomes                                                             map[string]int64
}

type forecast struct {
	Contacts, Attempts, Answered int64
	Minutes                      float64
	Channels                     int
	Finish                       time.Time `json:"finish_at"`
}

// campaigns reads at most limit campaigns.
func (c *client) campaigns(state string, limit int) (rows []json.RawMessage, err error) {
	rows = []json.RawMessage{}
	for cursor := ""; len(rows) < limit; {
		var page struct {
			Campaigns []json.RawMessage
			Next      string
		}
		q := url.Values{"limit": {strconv.Itoa(min(limit-len(rows), pageSize))}}
		for name, value := range map[string]string{"state": state, "cursor": cursor} {
			if value != "" {
				q.Set(name, value)
			}
		}
		if err := c.get("/v1/campaigns?"+q.Encode(), &page); err != nil {
			return nil, err
		}
		if rows, cursor = append(rows, page.Campaigns...), page.Next; cursor == "" {
			break
		}
	}
	return rows, nil
}

func (m *Main) listCampaigns(_ context.Context, args []string) error {
	fs := flags("campaign ls")
	state, limit := fs.String("state", "", ""), fs.Int("limit", 20, "")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	if *limit < 1 {
		return fault.New(fault.Invalid, "campaign ls: --limit %d", *limit).WithExit(fault.ExitUsage)
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	rows, err := c.campaigns(*state, *limit)
	if err != nil {
		return err
	}
	return m.answer(rows, func() {
		if len(rows) == 0 {
			m.progress("no campaigns")
			return
		}
		t := table{head: []string{"CREATED", "CAMPAIGN", "NAME", "SCRIPT", "STATE", "DONE", "DELIVERED"}}
		for _, raw := range rows {
			var r campaignLine
			if json.Unmarshal(raw, &r) != nil {
				continue
			}
			n := r.Counts
			t.add(r.Created.Local().Format("2006-01-02 15:04"), r.ID, clean(orDash(r.Name)), r.Script, r.State, fmt.Sprintf("%d/%d", n.Done, n.Contacts),
				strconv.FormatInt(n.Outcomes["delivered"], 10))
		}
		t.print(m)
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// campaignID finds the campaign that a user means.
func (c *client) campaignID(name string) (string, error) {
	rows, err := c.campaigns("", 100*pageSize)
	if err != nil {
		return "", err
	}
	var found []campaignLine
	for _, raw := range rows {
		var r campaignLine
		if json.Unmarshal(raw, &r) != nil {
			continue
		}
		if r.ID == name || name == "last" {
			return r.ID, nil
		}
		if strings.HasPrefix(r.ID, name) || r.Name == name {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return found[0].ID, nil
	case 0:
		return "", fault.New(fault.NotFound, "no campaign %q", name).WithHint("`loopstart campaign ls` lists them")
	}
	return "", fault.New(fault.Invalid, "%q may be %s or %s", name, found[0].ID, found[1].ID).WithExit(fault.ExitUsage)
}

// oneCampaign takes the only argument of an action.
func (m *Main) oneCampaign(action string, rest []string) (*client, string, error) {
	if len(rest) == 0 {
		return nil, "", fault.New(fault.Invalid, "campaign %s: which campaign?", action).WithExit(fault.ExitUsage).WithHint("`loopstart campaign ls` lists them")
	}
	c, err := m.client("")
	if err != nil {
		return nil, "", err
	}
	id, err := c.campaignID(rest[0])
	return c, id, err
}

// campaignOptions are the options of create and set; what was given stands in
// body.
func campaignOptions(action string, body map[string]any) *flag.FlagSet {
	fs := flags(action)
	text := func(option, field string) {
		fs.Func(option, "", func(s string) error { body[field] = s; return nil })
	}
	for _, option := range []string{"name", "trunk", "from", "window", "quiet", "zone", "delivered-after", "dedupe", "callback", "timeout"} {
		text(option, strings.ReplaceAll(option, "-", "_"))
	}
	for _, option := range []string{"attempts", "max-calls", "max-cps", "daily-cap", "priority"} {
		field := strings.ReplaceAll(option, "-", "_")
		fs.Func(option, "", func(s string) error {
			n, err := strconv.ParseFloat(s, 64)
			body[field] = n
			return err
		})
	}
	fs.BoolFunc("hide", "", func(s string) (err error) { body["hide"], err = strconv.ParseBool(s); return err })
	fs.Func("expires", "", func(s string) (err error) { body["expires"], err = futureOf(s); return err })
	fs.Func("retry", "", func(s string) (err error) { body["retry"], err = pairs(s); return err })
	fs.Func("holidays", "", func(s string) error { body["holidays"] = strings.Split(s, ","); return nil })
	for _, rate := range []string{"answer-rate", "key-rate"} {
		fs.Func(rate, "", func(s string) error {
			band, err := bandOf(s)
			stop, _ := body["stop_when"].(map[string]any)
			if stop == nil {
				stop = map[string]any{}
			}
			stop[strings.ReplaceAll(rate, "-", "_")] = band
			body["stop_when"] = stop
			return err
		})
	}
	return fs
}

// pairs reads busy=5m,default=1h.
func pairs(text string) (map[string]string, error) {
	out := map[string]string{}
	for one := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(one, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no OUTCOME=PAUSE", one)
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out, nil
}

// bandOf reads 0.2-0.9; either side may be left out.
func bandOf(text string) (map[string]float64, error) {
	low, high, ok := strings.Cut(text, "-")
	band := map[string]float64{}
	for name, s := range map[string]string{"min": low, "max": high} {
		if s == "" {
			continue
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no number", s)
		}
		band[name] = f
	}
	if !ok || len(band) == 0 {
		return nil, fmt.Errorf("write 0.2-0.9, or 0.2- for no upper bound")
	}
	return band, nil
}

func (m *Main) createCampaign(_ context.Context, args []string) error {
	body := map[string]any{}
	fs := campaignOptions("campaign create", body)
	file := fs.String("json", "", "")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	if *file != "" {
		if body, err = m.bodyOf(*file, body); err != nil {
			return err
		}
	}
	if len(rest) == 1 {
		body["script"] = rest[0]
	}
	if body["script"] == nil {
		return fault.New(fault.Invalid, "campaign create: which script?").WithExit(fault.ExitUsage).WithHint("loopstart campaign create SCRIPT --window 09:00-21:00")
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	answer, err := c.createCampaign(body)
	if err != nil {
		return err
	}
	return m.answer(answer, func() {
		fmt.Fprintln(m.Stdout, answer.ID)
		m.progress("a draft: add contacts with `loopstart campaign import FILE --to %s`", answer.ID)
	})
}

// campaignState is the answer of commands.
type campaignState struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

func (c *client) createCampaign(body map[string]any) (answer campaignState, err error) {
	return answer, c.post("/v1/campaigns", body, &answer)
}

// bodyOf reads a JSON file; options of the command line stand above it.
func (m *Main) bodyOf(file string, above map[string]any) (map[string]any, error) {
	raw, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, fault.New(fault.NotFound, "--json: %w", err).WithExit(fault.ExitUsage)
	}
	body := map[string]any{}
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil, fault.New(fault.Invalid, "--json %s: %w", file, err).WithExit(fault.ExitUsage)
	}
	for k, v := range above {
		body[k] = v
	}
	return body, nil
}

func (m *Main) setCampaign(_ context.Context, args []string) error {
	body := map[string]any{}
	rest, err := parse(campaignOptions("campaign set", body), args, 1)
	if err != nil {
		return err
	}
	c, id, err := m.oneCampaign("set", rest)
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return fault.New(fault.Invalid, "campaign set: what shall change?").WithExit(fault.ExitUsage).WithHint("such as --max-calls 20 or --window 10:00-20:00")
	}
	var answer json.RawMessage
	if err := c.exchange("PATCH", "/v1/campaigns/"+url.PathEscape(id), body, &answer); err != nil {
		return err
	}
	return m.answer(answer, func() { m.progress("%s is changed", id) })
}

// campaignCommand makes pause, resume and cancel.
func campaignCommand(action string) func(*Main, context.Context, []string) error {
	return func(m *Main, _ context.Context, args []string) error {
		rest, err := parse(flags("campaign "+action), args, 1)
		if err != nil {
			return err
		}
		c, id, err := m.oneCampaign(action, rest)
		if err != nil {
			return err
		}
		var answer campaignState
		if err := c.post("/v1/campaigns/"+url.PathEscape(id)+"/"+action, nil, &answer); err != nil {
			return err
		}
		return m.answer(answer, func() { m.progress("%s is %s", id, answer.State) })
	}
}

func (m *Main) showCampaign(_ context.Context, args []string) error {
	rest, err := parse(flags("campaign show"), args, 1)
	if err != nil {
		return err
	}
	c, id, err := m.oneCampaign("show", rest)
	if err != nil {
		return err
	}
	var raw json.RawMessage
	if err := c.get("/v1/campaigns/"+url.PathEscape(id), &raw); err != nil {
		return err
	}
	return m.answer(raw, func() {
		var r campaignLine
		if json.Unmarshal(raw, &r) == nil {
			m.printCampaign(r)
		}
	})
}
