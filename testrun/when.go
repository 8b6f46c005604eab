package testrun

import (
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/when"
)

// moment reads what clock.to is given. A moment that is past is an error.
func moment(text string, now time.Time, zone *time.Location) (time.Time, error) {
	at, ok := when.Parse(text, now, zone)
	if !ok {
		return at, fault.New(fault.Invalid, "clock.to: %q is no time", text).WithHint("%s", when.Hint)
	}
	if at.Before(now) {
		return at, fault.New(fault.Invalid, "clock.to: %q is past: it is %s", text, now.In(zone).Format("2006-01-02 15:04:05")).
			WithHint("time goes forward only; every test begins at %s", begin(zone).Format("2006-01-02 15:04"))
	}
	return at, nil
}
