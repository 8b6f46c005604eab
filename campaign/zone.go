package campaign

import (
	"time"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/phone"
)

// ZoneCallee asks for the zone that the number tells.
const ZoneCallee = "callee"

// ZoneOf is the zone whose clock counts for a contact: its own when it has
// one, else the campaign's or order's when that names one, else what the
// number's prefix tells, else fallback.
func ZoneOf(own, asked, number, fallback string) string {
	if own != "" && own != ZoneCallee {
		return own
	}
	if asked != "" && asked != ZoneCallee {
		return asked
	}
	if name, _ := phone.Zone(number); name != "" {
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	return fallback
}

// CheckZone refuses what is neither "", "callee" nor a name of the time zone
// database.
func CheckZone(name string) error {
	if name == "" || name == ZoneCallee {
		return nil
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return fault.New(fault.Invalid, "zone: no time zone %q", name).WithHint(`write a name such as Europe/Moscow, or "callee"`)
	}
	return nil
}
