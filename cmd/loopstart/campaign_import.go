package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/duration"
	"github.com/loopstart/loopstart/internal/fault"
)

// imported is the answer of an import.
type imported struct {
	Campaign   string `json:"campaign,omitempty"`
	Accepted   int    `json:"accepted"`
	Duplicates int    `json:"duplicates"`
	Refused    int    `json:"refused"`
	Rejected   []struct {
		Line    int    `json:"line"`
		Phone   string `json:"phone,omitempty"`
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"rejected"`
}

// importOptions are the options of campaign import.
type importOptions struct {
	body                map[string]any // of a campaign to be made
	to, script, format  string
	strict, dry, starts bool
	file                string
}

func readImportOptions(args []string) (o importOptions, err error) {
	o.body = map[string]any{}
	fs := campaignOptions("campaign import", o.body)
	fs.StringVar(&o.to, "to", "", "")
	fs.StringVar(&o.script, "script", "", "")
	fs.StringVar(&o.format, "format", "", "")
	fs.BoolVar(&o.strict, "strict", false, "")
	fs.BoolVar(&o.dry, "dry-run", false, "")
	fs.BoolVar(&o.starts, "start", false, "")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return o, err
	}
	if len(rest) == 2 && o.to == "" { // import ID FILE, or FILE ID
		if _, serr := os.Stat(rest[0]); serr == nil {
			rest[0], rest[1] = rest[1], rest[0]
		}
		o.to, rest = rest[0], rest[1:]
	}
	switch {
	case len(rest) != 1:
		return o, fault.New(fault.Invalid, "campaign import: which file?").WithExit(fault.ExitUsage).WithHint("loopstart campaign import people.csv --to CAMPAIGN")
	case o.to != "" && (o.script != "" || len(o.body) > 0):
		return o, fault.New(fault.Invalid, "campaign import: --to names a campaign that is there; the other options make one").WithExit(fault.ExitUsage).
			WithHint("change it with `loopstart campaign set`")
	}
	o.file = rest[0]
	return o, nil
}

func (m *Main) importContacts(ctx context.Context, args []string) error {
	o, err := readImportOptions(args)
	if err != nil {
		return err
	}
	in, size, err := m.openList(o.file)
	if err != nil {
		return err
	}
	defer in.Close()
	c, err := m.client("")
	if err != nil {
		return err
	}
	id, err := m.importTarget(c, o)
	if err != nil {
		return err
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	q := url.Values{}
	for name, on := range map[string]bool{"strict": o.strict, "dry": o.dry} {
		if on {
			q.Set(name, "true")
		}
	}
	answer, err := m.sendContacts(ctx, c, "/v1/campaigns/"+url.PathEscape(id)+"/contacts?"+q.Encode(), kindOf(o), &measured{in: in, size: size})
	if err != nil {
		if o.script != "" { // nobody is to start an empty draft as `last`
			_ = c.post("/v1/campaigns/"+url.PathEscape(id)+"/cancel", nil, nil)
		}
		return err
	}
	answer.Campaign = id
	if o.starts && !o.dry && !(o.strict && answer.Refused > 0) {
		if err := c.post("/v1/campaigns/"+url.PathEscape(id)+"/start", nil, nil); err != nil {
			return err
		}
	}
	if err := m.answer(answer, func() { m.printImport(answer, o) }); err != nil || answer.Refused == 0 {
		return err
	}
	return exitStatus(fault.ExitOther)
}

// sendContacts sends a list. With --strict the answer to bad rows is an error
// that has the rows beside it.
func (m *Main) sendContacts(ctx context.Context, c *client, path, kind string, in *measured) (answer imported, err error) {
	in.bar = m.bar("KB")
	res, err := c.send(ctx, "POST", path, kind, in)
	in.bar.end()
	if err != nil {
		return answer, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxImportAnswer))
	if err != nil {
		return answer, fault.New(fault.Network, "the running loopstart: %w", err)
	}
	err = json.Unmarshal(raw, &answer)
	if res.StatusCode/100 != 2 && answer.Refused == 0 {
		res.Body = io.NopCloser(bytes.NewReader(raw))
		return answer, readProblem(res)
	}
	return answer, err
}

// maxImportAnswer is the longest answer to an import that is read, in bytes.
const maxImportAnswer = 4 << 20

// importTarget is the campaign that the rows go into; it may be made.
func (m *Main) importTarget(c *client, o importOptions) (string, error) {
	switch {
	case o.script != "":
		o.body["script"] = o.script
		answer, err := c.createCampaign(o.body)
		return answer.ID, err
	case o.to != "":
		return c.campaignID(o.to)
	}
	rows, err := c.campaigns("draft", 1)
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", fault.New(fault.NotFound, "there is no draft to add contacts to").WithHint("make one: loopstart campaign import %s --script SCRIPT", o.file)
	}
	return c.campaignID(newest(rows))
}

// openList opens a file, or the standard input; size is 0 when it is not known.
func (m *Main) openList(file string) (io.ReadCloser, int64, error) {
	if file == "-" {
		return io.NopCloser(m.Stdin), 0, nil
	}
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "campaign import: %w", err).WithExit(fault.ExitUsage)
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		f.Close()
		return nil, 0, fault.New(fault.Invalid, "campaign import: %s is no file", file).WithExit(fault.ExitUsage)
	}
	return f, info.Size(), nil
}

// kindOf is the content type of a file by its name; the server looks into what
// it does not know.
func kindOf(o importOptions) string {
	format := o.format
	if format == "" {
		format = strings.TrimPrefix(strings.ToLower(filepath.Ext(o.file)), ".")
	}
	switch format {
	case "csv", "tsv", "txt":
		return "text/csv"
	case "json":
		return "application/json"
	case "ndjson", "jsonl":
		return "application/x-ndjson"
	}
	return "application/octet-stream"
}

// measured shows how much of a file has been sent.
type measured struct {
	in         io.Reader
	size, done int64
	bar        *bar
	drawn      time.Time
}

// Read implements io.Reader.
func (r *measured) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.done += int64(n)
	if now := clock.System().Now(); r.size > 0 && (now.Sub(r.drawn) > barEvery || err != nil) {
		r.drawn = now
		r.bar.show((r.done+1023)>>10, (r.size+1023)>>10, "sent")
	}
	return n, err
}

// shownRows is how many bad rows are printed; -o json has more.
const shownRows = 20

func (m *Main) printImport(a imported, o importOptions) {
	for i, r := range a.Rejected {
		if i == shownRows {
			m.progress("… and %d more; -o json lists them", a.Refused-i)
			break
		}
		m.progress("%s line %d: %s", m.paint("31", "bad row"), r.Line, clean(r.Message))
	}
	switch {
	case o.dry:
		fmt.Fprintf(m.Stdout, "%s good, %d bad; nothing was kept\n", count(int64(a.Accepted), "row"), a.Refused)
		return
	case o.strict && a.Refused > 0:
		fmt.Fprintf(m.Stdout, "nothing was taken: %d bad rows, and --strict wants none\n", a.Refused)
		return
	}
	fmt.Fprintf(m.Stdout, "%s taken into campaign %s, %s, %s\n", count(int64(a.Accepted), "contact"), a.Campaign,
		count(int64(a.Duplicates), "duplicate"), count(int64(a.Refused), "bad row"))
	if o.starts {
		m.progress("it runs; follow it with `loopstart campaign watch %s`", a.Campaign)
	} else {
		m.progress("look at it first with `loopstart campaign start %s --dry-run`", a.Campaign)
	}
}

// futureOf reads a time, or a duration from now.
func futureOf(text string) (string, error) {
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return text, nil
	}
	d, err := duration.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%q is neither a time nor a duration", text)
	}
	return clock.System().Now().Add(d).Format(time.RFC3339), nil
}

// newest is the id of the first campaign of a list.
func newest(rows []json.RawMessage) string {
	var r campaignLine
	_ = json.Unmarshal(rows[0], &r) // it came from our own API
	return r.ID
}
