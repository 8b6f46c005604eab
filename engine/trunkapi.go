package engine

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/internal/suggest"
	"github.com/loopstart/loopstart/sip"
)

// TrunkLine is how one trunk stands, in GET /v1/trunks and `trunk ls`.
type TrunkLine struct {
	Name      string `json:"name"`
	Address   string `json:"address"`   // of the configuration
	SentTo    string `json:"sent_to"`   // where packets go; empty before it is resolved
	State     string `json:"state"`     // registered, unregistered (it answers, but not with 200 to REGISTER), reachable, unreachable, resting, unknown, off
	Registers bool   `json:"registers"` // it is registered with
	Code      int    `json:"code,omitempty"`
	Words     string `json:"words"`
	MaxCalls  int    `json:"max_calls"`
	Since     string `json:"since,omitempty"`

	In        int        `json:"in"`                   // calls from it now
	Out       int        `json:"out"`                  // calls to it now
	RestUntil string     `json:"rest_until,omitempty"` // it is left alone till then: too many calls in a row failed
	Days      []TrunkDay `json:"days"`                 // what became of its calls, today first
}

// TrunkCheck is what POST /v1/trunks/{name}/check and `trunk check` tell.
type TrunkCheck struct {
	Name    string            `json:"name"`
	OK      bool              `json:"ok"` // every step was
	Steps   []TrunkCheckStep  `json:"steps"`
	Inbound []TrunkCheckPlace `json:"inbound"` // headers of the last INVITE from it that name whom was dialled
}

// TrunkCheckStep is one message of a check and its answer in words.
type TrunkCheckStep struct {
	What   string `json:"what"` // resolve, options, register, srtp
	Target string `json:"target"`
	Code   int    `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	Words  string `json:"words"`
	Hint   string `json:"hint,omitempty"` // what to look at
	OK     bool   `json:"ok"`
	TookMs int64  `json:"took_ms"`
}

// TrunkCheckPlace is one header with the number it carried.
type TrunkCheckPlace struct {
	Header string `json:"header"`
	Number string `json:"number"`
}

// Trunks implements api.Trunks.
func (a *surface) Trunks() any {
	lines := ConfiguredTrunks(a.e().Config())
	for _, s := range a.sip.Trunks() {
		for i := range lines {
			if lines[i].Name == s.Name {
				lines[i].fill(s)
			}
		}
	}
	for i := range lines {
		a.e().fillCalls(&lines[i])
	}
	return lines
}

// fillCalls adds what became of the calls on a trunk; its accounts share them.
func (e *Engine) fillCalls(l *TrunkLine) {
	if _, ok := e.Config().Trunk(l.Name); !ok {
		return
	}
	l.In, l.Out = e.lines.state(l.Name)
	l.Days = e.tallies.days(l.Name)
	e.lines.mu.Lock()
	r := e.lines.of(l.Name).rest
	e.lines.mu.Unlock()
	if r.resting(e.clk.Now()) {
		l.State, l.Words = "resting", r.words()
		l.RestUntil = r.until.UTC().Format(time.RFC3339)
	}
}

func (l *TrunkLine) fill(s sip.TrunkStatus) {
	l.Code, l.Words, l.Registers = s.Code, s.Words, s.Registers
	if s.Address.IsValid() {
		l.SentTo = s.Transport + "://" + s.Address.String()
	}
	if !s.Since.IsZero() {
		l.Since = s.Since.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	switch {
	case s.Registered:
		l.State = "registered"
	case s.Registers && s.Reachable:
		l.State = "unregistered"
	case s.Reachable:
		l.State = "reachable"
	case !s.Checked && !s.Registers:
		l.State = "unknown"
	default:
		l.State = "unreachable"
	}
}

// ConfiguredTrunks are the trunks of a configuration that nothing uses yet.
func ConfiguredTrunks(cfg *config.Config) []TrunkLine {
	out := []TrunkLine{}
	for _, t := range cfg.Trunks {
		out = append(out, TrunkLine{Name: t.Name, Address: t.Address, State: "off", Registers: t.Register.On, Words: "not in use", MaxCalls: t.MaxCalls, Days: []TrunkDay{}})
		for _, a := range t.Accounts {
			out = append(out, TrunkLine{Name: t.Name + accountMark + a.Username, Address: t.Address, State: "off", Registers: t.Register.On, Words: "not in use", Days: []TrunkDay{}})
		}
	}
	return out
}

// CheckTrunk implements api.Trunks.
func (a *surface) CheckTrunk(name string) (any, error) {
	r, err := a.e().CheckTrunk(name)
	if err != nil {
		return nil, named(a.e().Config(), name, err)
	}
	return checkOf(a.e().Config(), r), nil
}

// named gives the error for an unknown trunk the nearest name.
func named(cfg *config.Config, name string, err error) error {
	f := fault.New(fault.CodeOf(err), "%w", err)
	f.Hint = fault.HintOf(err)
	if f.Code != fault.NotFound {
		return f
	}
	var names []string
	for _, t := range cfg.Trunks {
		names = append(names, t.Name)
	}
	if near := suggest.Nearest(name, names); near != "" {
		return f.WithHint("did you mean %s?", near)
	}
	return f.WithHint("trunks are %s", trunkNames(cfg))
}

// inTime puts a deadline into words.
var inTime = strings.NewReplacer("no answer: context deadline exceeded", "no answer in time", "context deadline exceeded", "no answer in time")

func checkOf(cfg *config.Config, r sip.TrunkReport) TrunkCheck {
	out := TrunkCheck{Name: r.Name, OK: true, Steps: []TrunkCheckStep{}, Inbound: []TrunkCheckPlace{}}
	for i, s := range r.Steps {
		out.Steps = append(out.Steps, TrunkCheckStep{
			What: s.What, Target: s.Target, Code: s.Code, Reason: s.Reason, Words: inTime.Replace(s.Words), Hint: s.Hint, OK: s.OK, TookMs: s.Took.Milliseconds(),
		})
		// A challenge is a step on the way: what counts is how it ends.
		challenge := s.What == "register" && (s.Code == 401 || s.Code == 407) && i < len(r.Steps)-1
		out.OK = out.OK && (s.OK || challenge)
	}
	t, _ := trunkOf(cfg, r.Name)
	if s, ok := securityStep(t, r.Status.Transport); ok {
		out.Steps = append(out.Steps, s)
	}
	if r.Inbound != nil {
		for _, p := range r.Inbound.Places {
			out.Inbound = append(out.Inbound, TrunkCheckPlace(p))
		}
	}
	return out
}

// CheckTrunkAlone checks a trunk from a process that serves no calls: with SIP
// sockets of its own, no registrations, no scripts and no store.
func CheckTrunkAlone(ctx context.Context, cfg *config.Config, name string, log *slog.Logger) (TrunkCheck, error) {
	s := (&Engine{}).sipConfig(cfg)
	s.Register, s.Users, s.Listen = false, nil, []sip.Listener{
		{Transport: "udp", Addr: netip.MustParseAddrPort("0.0.0.0:0")}, {Transport: "tcp", Addr: netip.MustParseAddrPort("0.0.0.0:0")},
	}
	e, err := sip.Open(s, sip.Deps{Clock: clock.System(), Log: log, Incoming: func(d *sip.Dialog) { _ = d.Reject(480, "") }, Register: func(sip.RegisterEvent) {}})
	if err != nil {
		return TrunkCheck{}, err
	}
	defer e.Close()
	r, err := e.CheckTrunk(ctx, name)
	if err != nil {
		return TrunkCheck{}, err
	}
	return checkOf(cfg, r), nil
}
