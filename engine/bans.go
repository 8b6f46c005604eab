package engine

import (
	"encoding/json"
	"net/netip"
	"time"

	"github.com/loopstart/loopstart/api"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip"
	"github.com/loopstart/loopstart/store"
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

// banRows keeps the bans of proven addresses, so that a restart lifts none. One
// row a ban, and no more than sip.MaxBans; nobody waits for a write.
type banRows struct {
	e     *Engine
	space *store.Space
}

// load reads what an earlier process knew; the endpoint leaves out what is over.
func (b banRows) load() (list []sip.Ban) {
	rows, err := b.space.Scan("", "", sip.MaxBans)
	if err != nil {
		b.e.log.Error("engine: read the bans", "err", err)
	}
	for _, row := range rows {
		var ban sip.Ban
		if json.Unmarshal(row.Value, &ban) != nil || ban.Source.String() != row.Key {
			b.space.ApplyLater(b.kept, store.Op{Key: row.Key})
			continue
		}
		list = append(list, ban)
	}
	return list
}

// changed implements sip.Deps.KeepBan.
func (b banRows) changed(ban sip.Ban, holds bool) {
	op := store.Op{Key: ban.Source.String()}
	if !ban.Source.IsValid() {
		return
	}
	if holds {
		raw, err := json.Marshal(ban)
		if err != nil {
			return
		}
		op.Value = raw
	}
	b.space.ApplyLater(b.kept, op)
}

// kept hears how a write went: a ban that is not on disk is one that a restart
// forgets, no more.
func (b banRows) kept(err error) {
	if err != nil {
		b.e.log.Debug("engine: keep a ban", "err", err)
	}
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

// registrations are the figures of users' bindings; an endpoint in virtual time
// has none.
func (e *Engine) registrations() (u sip.BindingStats) {
	if s, ok := e.sip.(interface{ UserStats() sip.UserStats }); ok {
		u = s.UserStats().Bindings
	}
	return u
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
