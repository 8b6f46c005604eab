package campaign

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// reportHead is the header of a report.
var reportHead = []string{
	"key", "phone", "state", "outcome", "reason", "attempts", "last_phone", "last_at", "last_code", "talk_ms", "heard_ms", "heard_percent",
	"result", "next_at", "zone", "priority", "closed_at", "data",
}

// WriteReport writes one row a contact, as "csv" (a header row, formula-safe
// cells), "json" ({"contacts": […]}) or "ndjson". Memory does not grow with
// the rows.
func (c *Campaign) WriteReport(ctx context.Context, w io.Writer, format string) error {
	return WriteReport(ctx, w, format, c.deps.Repo, c.id)
}

// WriteReport is the report of a stored campaign.
func WriteReport(ctx context.Context, w io.Writer, format string, repo Repo, campaign string) error {
	b := bufio.NewWriter(w)
	var err error
	switch format {
	case "", FormatCSV:
		err = reportCSV(ctx, b, repo, campaign)
	case FormatJSON, FormatNDJSON:
		err = reportJSON(ctx, b, repo, campaign, format == FormatJSON)
	default:
		return fault.New(fault.Invalid, "report: no format %q", format).WithHint("formats are csv, json and ndjson")
	}
	if err == nil {
		err = b.Flush()
	}
	if err != nil && fault.CodeOf(err) == fault.Internal {
		err = fault.New(fault.Unavailable, "report: %w", err)
	}
	return err
}

// each calls f for every contact in order.
func each(ctx context.Context, repo Repo, campaign string, f func(*Contact) error) error {
	for after := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return fault.New(fault.Unavailable, "report: %w", err)
		}
		page, err := repo.Contacts(campaign, after, sweepBatch)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, k := range page {
			if err := f(k); err != nil {
				return err
			}
		}
		after = page[len(page)-1].Seq
	}
}

func reportCSV(ctx context.Context, w io.Writer, repo Repo, campaign string) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(reportHead); err != nil {
		return err
	}
	err := each(ctx, repo, campaign, func(k *Contact) error {
		cells := reportCells(k)
		for i := range cells {
			cells[i] = SafeCell(cells[i])
		}
		return out.Write(cells)
	})
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	return err
}

func reportCells(k *Contact) []string {
	a := Made{}
	if last := k.Last(); last != nil {
		a = *last
	}
	return []string{
		k.Key, k.Phone(), string(k.State), string(k.Outcome), k.Reason, strconv.Itoa(len(k.Attempts)), a.Phone, stamp(a.At), number(a.Code),
		number(int(a.TalkMs)), number(int(a.HeardMs)), number(a.Percent), string(k.Result), stamp(k.Next), k.Zone, number(k.Priority),
		stamp(k.Closed), string(k.Data),
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// SafeCell makes a cell harmless for spreadsheets, which take texts that begin
// with =, +, -, @, a tab or a carriage return for formulas: it begins with an
// apostrophe then. Plain numbers, phone numbers among them, stay as they are.
func SafeCell(s string) string {
	if s == "" || !strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
		return s
	}
	if (s[0] == '+' || s[0] == '-') && len(s) > 1 && strings.Trim(s[1:], "0123456789") == "" {
		return s
	}
	return "'" + s
}

func reportJSON(ctx context.Context, w io.Writer, repo Repo, campaign string, list bool) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	write := func(s string) error {
		if !list {
			return nil
		}
		_, err := io.WriteString(w, s)
		return err
	}
	if err := write(`{"contacts":[`); err != nil {
		return err
	}
	first := true
	err := each(ctx, repo, campaign, func(k *Contact) error {
		if !first {
			if err := write(","); err != nil {
				return err
			}
		}
		first = false
		return enc.Encode(k.View())
	})
	if err != nil {
		return err
	}
	return write("]}\n")
}

// View is a contact as the API shows it.
type View struct {
	Key      string          `json:"key"`
	Phone    string          `json:"phone"`
	Phones   []string        `json:"phones"`
	State    ContactState    `json:"state"`
	Outcome  Outcome         `json:"outcome,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	Attempts []Made          `json:"attempts"`
	NextAt   time.Time       `json:"next_at,omitzero"`
	Zone     string          `json:"zone"`
	Priority int             `json:"priority"`
	At       time.Time       `json:"at,omitzero"`
	Expires  time.Time       `json:"expires,omitzero"`
	Result   json.RawMessage `json:"result,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	ClosedAt time.Time       `json:"closed_at,omitzero"`
}

// View is the contact as the API shows it.
func (c *Contact) View() View {
	v := View{
		Key: c.Key, Phone: c.Phone(), Phones: c.Phones, State: c.State, Outcome: c.Outcome, Reason: c.Reason, Attempts: c.Attempts,
		NextAt: c.Next, Zone: c.Zone, Priority: c.Priority, At: c.At, Expires: c.Expires, Result: c.Result, Data: c.Data, ClosedAt: c.Closed,
	}
	if v.Attempts == nil {
		v.Attempts = []Made{}
	}
	return v
}
