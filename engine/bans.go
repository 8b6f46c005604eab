package engine

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
)

// BanLine is a line of GET /v1/bans.
type BanLine struct {
	Source  string    `json:"source"`
	Reason  string    `json:"reason"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Proven  bool      `json:"proven"` // the address is the sender's own for sure
	Strikes int       `json:"strikes"`
	Dropped uint64    `json:"dropped"`
}

func banLine(b sip.Ban) BanLine {
	return BanLine{Source: b.Source.String(), Reason: b.Reason, Since: b.Since.UTC(), Until: b.Until.UTC(), Proven: b.Proven, Strikes: b.Strikes, Dropped: b.Dropped}
}

// banner is an endpoint that bans; the one of virtual time does not.
type banner interface {
	Bans() []sip.Ban
	LiftBan(netip.Addr) bool
}

// banned tells of a source that is not heard for a while: the log, the feed,
// the webhooks and the audit log.
func (e *Engine) banned(b sip.Ban) {
	e.log.Warn("SIP source banned: "+b.Reason, "source", b.Source.String(), "until", b.Until, "strikes", b.Strikes, "proven", b.Proven)
	data, err := json.Marshal(banLine(b))
	if err != nil {
		return
	}
	e.emit(nil, Event{Type: "source.banned", At: e.clk.Now(), Data: data})
	if e.audit.space != nil {
		(*surface)(e).Note(api.AuditEntry{Token: "sip", IP: b.Source.String(), Method: "BAN", Path: "/v1/bans/" + b.Source.String(), Detail: b.Reason})
	}
}

// registrations is how many bindings users have; an endpoint in virtual time
// does not count them.
func (e *Engine) registrations() int {
	if s, ok := e.sip.(interface{ UserStats() sip.UserStats }); ok {
		return s.UserStats().Bindings.Bindings
	}
	return 0
}

// Bans implements api.Bans.
func (a *surface) Bans() any {
	out := []BanLine{}
	if s, ok := a.sip.(banner); ok {
		for _, b := range s.Bans() {
			out = append(out, banLine(b))
		}
	}
	return out
}

// LiftBan implements api.Bans.
func (a *surface) LiftBan(source string) (bool, error) {
	ip, err := netip.ParseAddr(source)
	if err != nil {
		return false, fault.New(fault.Invalid, "%q is no IP address", source)
	}
	s, ok := a.sip.(banner)
	return ok && s.LiftBan(ip), nil
}
