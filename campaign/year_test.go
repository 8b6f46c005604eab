package campaign_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/loopstart/loopstart/campaign"
)

// TestYear runs a campaign with daily contacts for a year of virtual time over
// zones that change their clocks, on the half hour, around the date line and at
// odd hours. Not one dial may leave while the wall clock there shows a time
// outside the window, on a holiday or in the quiet hours; and every day on
// which people may be called, each is.
func TestYear(t *testing.T) {
	zones := []string{
		"Europe/Moscow", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "America/Sao_Paulo",
		"Asia/Vladivostok", "America/St_Johns", "Africa/Cairo", "Pacific/Kiritimati", "Asia/Tehran",
	}
	holidays := []string{"2026-12-31..2027-01-08", "2027-05-09"}
	for name, c := range map[string]struct {
		window string
		inside func(t time.Time, minute int) bool
	}{
		"day": {"09:00-13:00,14:00-21:00", func(_ time.Time, m int) bool { return m >= 9*60 && m < 13*60 || m >= 14*60 && m < 21*60 }},
		// The hours in which the clocks change.
		"night": {"00:30-01:30,01:45-02:30", func(_ time.Time, m int) bool { return m >= 30 && m < 90 || m >= 105 && m < 150 }},
		"week": {"mon-fri 10:00-12:00; sat 11:00-11:30", func(t time.Time, m int) bool {
			return t.Weekday() >= time.Monday && t.Weekday() <= time.Friday && m >= 600 && m < 720 || t.Weekday() == time.Saturday && m >= 660 && m < 690
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.quiet = hours(t, "12:30-12:45")
			w.create(campaign.Spec{Attempts: 25, MaxCalls: 50, Window: hours(t, c.window), Holidays: holidays, DailyCap: 1, Retry: campaign.Retry{"default": 20 * time.Hour}})
			for round := range 16 { // 25 attempts each, one a day
				for i, z := range zones {
					k := campaign.Contact{Phones: []string{number(100*round + i)}, Zone: z, At: w.clk.now.Add(time.Duration(round) * 24 * 24 * time.Hour)}
					if w.put(k).Accepted != 1 {
						t.Fatal("not accepted")
					}
				}
			}
			w.start()
			dials := year(t, w, func(a campaign.Attempt, local time.Time) {
				m := local.Hour()*60 + local.Minute()
				holiday := local.Format("01-02") >= "12-31" || local.Format("01-02") <= "01-08" || local.Format("2006-01-02") == "2027-05-09"
				if !c.inside(local, m) || m >= 750 && m < 765 || holiday {
					t.Errorf("%s dialled at %s", a.ID, local)
				}
			})
			if dials < 250*len(zones) {
				t.Errorf("only %d dials in a year", dials)
			}
		})
	}
}

// year lets 365 days pass, ends each call after a while, and shows every dial
// with the callee's wall clock.
func year(t *testing.T, w *world, see func(campaign.Attempt, time.Time)) (dials int) {
	locs := map[string]*time.Location{}
	rnd := rand.New(rand.NewPCG(1, 1))
	for end := w.clk.now.Add(365 * 24 * time.Hour); w.clk.now.Before(end); {
		w.step()
		for ; dials < len(w.dialed); dials++ {
			a := w.dialed[dials]
			if locs[a.Zone] == nil {
				loc, err := time.LoadLocation(a.Zone)
				if err != nil {
					t.Fatal(err)
				}
				locs[a.Zone] = loc
			}
			see(a, a.At.In(locs[a.Zone]))
		}
		next := w.next
		if len(w.calls) > 0 {
			w.clk.now = w.clk.now.Add(time.Duration(rnd.IntN(120)) * time.Second)
			w.end(rnd.IntN(len(w.calls)), campaign.Result{Outcome: campaign.NoAnswer})
			continue
		}
		if next.IsZero() {
			break
		}
		if next.After(w.clk.now) {
			w.clk.now = next
		}
	}
	return dials
}
