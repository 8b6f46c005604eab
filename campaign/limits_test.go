package campaign_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
	"github.com/loopstart/loopstart/internal/fault"
)

// TestSpecLimits: what is at a limit passes, one more is refused.
func TestSpecLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limit int
		set   func(s *campaign.Spec, n int)
	}{
		"attempts":  {campaign.MaxAttempts, func(s *campaign.Spec, n int) { s.Attempts = n }},
		"daily_cap": {campaign.MaxAttempts, func(s *campaign.Spec, n int) { s.DailyCap = n }},
		"max_calls": {campaign.MaxCallsCap, func(s *campaign.Spec, n int) { s.MaxCalls = n }},
		"max_cps":   {campaign.MaxCPSCap, func(s *campaign.Spec, n int) { s.MaxCPS = float64(n) }},
		"priority":  {campaign.MaxPriority, func(s *campaign.Spec, n int) { s.Priority = n }},
		"holidays": {campaign.MaxHolidays, func(s *campaign.Spec, n int) {
			for i := range n {
				s.Holidays = append(s.Holidays, time.Date(2027, 1, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
			}
		}},
		"frequency": {campaign.MaxFrequency, func(s *campaign.Spec, n int) {
			for range n {
				s.Frequency = append(s.Frequency, campaign.Rate{Calls: 1, Per: campaign.Span(time.Hour)})
			}
		}},
		"calls of a frequency": {campaign.MaxDials, func(s *campaign.Spec, n int) {
			s.Frequency = []campaign.Rate{{Calls: n, Per: campaign.Span(time.Hour)}}
		}},
	} {
		for n, ok := range map[int]bool{c.limit: true, c.limit + 1: false} {
			s := campaign.Spec{Script: "a"}
			c.set(&s, n)
			if err := s.Check(); (err == nil) != ok || err != nil && fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%s: %d: %v", name, n, err)
			}
		}
	}
	for n, ok := range map[int]bool{campaign.MaxWindowText: true, campaign.MaxWindowText + 1: false} {
		text := "09:00-21:00" + strings.Repeat(";", n-22) + "09:00-21:00"
		if _, err := campaign.ParseHours(text); (err == nil || !strings.Contains(err.Error(), "characters")) != ok {
			t.Errorf("a window of %d bytes: %v", n, err)
		}
	}
}

// TestRowLimits: rows of an import at a limit are taken, those over it told of.
func TestRowLimits(t *testing.T) {
	phones := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("+791600000%02d", i))
		}
		return out
	}
	row := func(what string, n int) map[string]any {
		switch what {
		case "phones":
			return map[string]any{"phones": phones(n)}
		case "key":
			return map[string]any{"phone": "+79160000000", "key": strings.Repeat("k", n)}
		}
		return map[string]any{"phone": "+79160000000", "data": map[string]any{"a": strings.Repeat("x", n-len(`{"a":""}`))}}
	}
	for what, limit := range map[string]int{"phones": campaign.MaxPhones, "key": campaign.MaxKeyText, "data": campaign.MaxData} {
		for n, ok := range map[int]bool{limit: true, limit + 1: false} {
			line, err := json.Marshal(row(what, n))
			if err != nil {
				t.Fatal(err)
			}
			taken := 0
			report, err := campaign.Import(context.Background(), strings.NewReader(string(line)+"\n"), "ndjson", campaign.ImportOptions{Country: "RU"}, func(rows []campaign.Entry) (campaign.Added, error) {
				taken += len(rows)
				return campaign.Added{Accepted: len(rows)}, nil
			})
			if err != nil || (taken == 1) != ok {
				t.Errorf("%s: %d: %d taken, %+v, %v", what, n, taken, report, err)
			}
		}
	}
}
