package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/testrun"
)

// shown is what GET /v1/calls/{id} answers.
type shown struct {
	engine.Record
	State    string `json:"state"`
	Call     string `json:"call"`
	Reason   string `json:"reason"`
	NextAt   string `json:"next_at"`
	Attempts []struct {
		ID      string    `json:"id"`
		At      time.Time `json:"at"`
		Outcome string    `json:"outcome"`
		Code    int       `json:"code"`
	} `json:"attempts"`
}

func (m *Main) showCalls(ctx context.Context, args []string) error {
	fs := flags("calls show")
	asTest, ladder, capture := fs.Bool("as-test", false, ""), fs.Bool("sip", false, ""), fs.String("pcap", "", "")
	ids, err := parse(fs, args, 1)
	if err == nil && len(ids) == 0 {
		err = noID("show")
	}
	if err != nil {
		return err
	}
	if *ladder || *capture != "" {
		return m.showLadder(ctx, ids[0], *capture)
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	path := "/v1/calls/" + url.PathEscape(ids[0])
	var raw json.RawMessage
	if err := c.get(path, &raw); err != nil {
		return err
	}
	var line struct{ Events []engine.Entry }
	// An order that has not dialled yet has no timeline.
	if err := c.get(path+"/timeline", &line); err != nil && fault.CodeOf(err) != fault.NotFound {
		return err
	}
	var r shown
	if err := json.Unmarshal(raw, &r); err != nil {
		return fault.New(fault.Internal, "calls show: the record: %w", err)
	}
	if *asTest {
		return m.printTest(r.Record, line.Events)
	}
	return m.answer(map[string]any{"record": raw, "events": line.Events}, func() {
		m.printRecord(r)
		if len(line.Events) > 0 {
			fmt.Fprintln(m.Stdout)
			printTimeline(m.Stdout, line.Events, m.paintOut)
		}
	})
}

// printTest writes a test that repeats a call. One that has no timeline yet has
// nothing to repeat.
func (m *Main) printTest(r engine.Record, line []engine.Entry) error {
	if len(line) == 0 || r.EndedAt.IsZero() {
		return fault.New(fault.Conflict, "calls show: %s is not over yet: a test is written from a whole call", r.ID)
	}
	cfg, err := m.load("", config.Options{Dev: true})
	if err != nil {
		return err
	}
	zone, err := time.LoadLocation(cfg.Project.Zone)
	if err != nil {
		return fault.New(fault.Invalid, "calls show: project.zone: %w", err).WithExit(fault.ExitConfig)
	}
	text := testrun.AsTest(r, line, zone)
	return m.answer(map[string]string{"test": text}, func() { fmt.Fprint(m.Stdout, text) })
}

// printRecord writes a record as a table of what has a value.
func (m *Main) printRecord(r shown) {
	fmt.Fprintf(m.Stdout, "%s  %s\n", m.bold(r.ID), r.State)
	rows := [][2]string{
		{"script", strings.TrimSpace(r.Script + "  " + r.Version)},
		{"parties", fmt.Sprintf("%s → %s  (%s)", clean(r.From), clean(r.To), r.Direction)},
		{"trunk", r.Trunk}, {"key", clean(r.Key)},
		{"started", when(r.StartedAt)}, {"answered", whenSet(r.AnsweredAt)},
	}
	if r.Outcome != "" {
		about := ""
		if r.Estimated {
			about = "about "
		}
		rows = append(rows, [2]string{"ended", fmt.Sprintf("%s%s  by %s, %d %s", about, when(r.EndedAt), r.EndedBy, r.Code, r.Cause)},
			[2]string{"outcome", string(r.Outcome)}, [2]string{"rang", seconds(r.RingMs)}, [2]string{"talked", seconds(r.TalkMs)},
			[2]string{"heard", fmt.Sprintf("%d%%, %s", r.Heard.Percent, seconds(r.Heard.Ms))},
			[2]string{"quality", qualityWords(r.Record)})
	}
	rows = append(rows, [2]string{"result", compact(r.Result)}, [2]string{"tags", tagList(r.Tags)}, [2]string{"data", compact(r.Data)},
		[2]string{"recording", r.Recording}, [2]string{"unrecorded", clean(r.Unrecorded)}, [2]string{"reason", clean(r.Reason)}, [2]string{"next", r.NextAt})
	for _, row := range rows {
		if row[1] != "" && row[1] != "-" {
			fmt.Fprintf(m.Stdout, "  %s %s\n", m.paintOut("2", fmt.Sprintf("%-10s", row[0])), row[1])
		}
	}
	for i, a := range r.Attempts {
		fmt.Fprintf(m.Stdout, "  %s %d  %s  %s %d  %s\n", m.paintOut("2", "attempt  "), i+1, when(a.At), a.Outcome, a.Code, a.ID)
	}
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

func whenSet(t *time.Time) string {
	if t == nil {
		return ""
	}
	return when(*t)
}

// compact is a JSON value on one line; an empty object says nothing.
func compact(raw json.RawMessage) string {
	if s := string(raw); s == "{}" || s == "null" {
		return ""
	}
	return clean(string(raw))
}

func tagList(tags map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, clean(name+"="+tags[name]))
	}
	return strings.Join(out, " ")
}

// tailCalls prints live events until it is interrupted.
func (m *Main) tailCalls(ctx context.Context, args []string) error {
	fs := flags("calls tail")
	types, one := fs.String("types", "", ""), fs.String("call", "", "")
	if _, err := parse(fs, args, 0); err != nil {
		return err
	}
	c, err := m.client("")
	if err != nil {
		return err
	}
	ctx, stop := m.interruptible(ctx)
	defer stop()
	query := url.Values{}
	if *types != "" {
		query.Set("types", *types)
	}
	if *one != "" {
		query.Set("call", *one)
	}
	m.progress("following; Ctrl-C ends it")
	err = c.stream(ctx, "/v1/events?"+query.Encode(), func(_ string, data []byte) bool {
		m.printEvent(data)
		return true
	})
	if err == nil && ctx.Err() == nil {
		err = fault.New(fault.Unavailable, "calls tail: the running loopstart has ended the stream")
	}
	return err
}

// printEvent writes one event: JSON as it came, or a line for people.
func (m *Main) printEvent(data []byte) {
	if m.global.output != "text" {
		fmt.Fprintf(m.Stdout, "%s\n", data)
		return
	}
	var ev engine.Event
	if json.Unmarshal(data, &ev) != nil {
		return
	}
	detail := compact(ev.Data)
	if ev.Record != nil {
		detail = fmt.Sprintf("%s → %s, %s", clean(ev.Record.From), clean(ev.Record.To), summary(*ev.Record))
	}
	fmt.Fprintf(m.Stdout, "%s  %-16s %s  %s\n", ev.At.Local().Format("15:04:05.000"), ev.Type, ev.Call, detail)
}

// qualityWords is how the first leg sounded.
func qualityWords(r engine.Record) string {
	q := r.Quality
	s := fmt.Sprintf("loss %.1f%%, jitter %.1f ms", q.Loss*100, q.JitterMs)
	if q.RTTMs > 0 {
		s += fmt.Sprintf(", round trip %.0f ms", q.RTTMs)
	}
	if q.MOS > 0 {
		s += fmt.Sprintf(", MOS %.1f", q.MOS)
	}
	return s
}
