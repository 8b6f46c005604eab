package engine

import (
	"net/netip"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media"
	"github.com/loopstart/loopstart/sip"
)

func (e *Engine) openSIP(cfg *config.Config) (err error) {
	if w := e.opts.World; w != nil {
		e.sip, err = w.Signalling(e.sipConfig(cfg), e.incoming)
		return err
	}
	real, err := sip.Open(e.sipConfig(cfg), sip.Deps{
		Clock: e.clk, Log: e.log, Message: e.Message,
		Incoming: func(d *sip.Dialog) {
			d.AcceptInfo(sip.AnyInfo)
			e.incoming(d)
		},
		Register: e.registered, Banned: e.banned, Moved: e.moved,
		Saved: e.bindings.load(), Bound: e.bindings.changed,
		SavedBans: e.banRows.load(), KeepBan: e.banRows.changed,
	})
	if err == nil {
		e.sip = sipEndpoint{real}
	}
	return err
}

// sipConfig is the configuration in the words of package sip.
func (e *Engine) sipConfig(cfg *config.Config) sip.Config {
	s := sip.Config{
		Trust: cfg.SIP.Trust, Agent: cfg.SIP.Agent, Realm: cfg.SIP.Realm, Register: !e.opts.Dev || e.opts.Live != "",
	}
	s.Origins, s.KeepAlive = cfg.SIP.Origins, cfg.SIP.KeepAlive
	s.NoTrace, s.Ban = !cfg.SIP.Trace, cfg.SIP.Ban
	if s.Ban <= 0 {
		s.Ban = -1 // off
	}
	s.TLS = sip.TLSFiles{Cert: inProject(cfg, cfg.SIP.TLS.Cert), Key: inProject(cfg, cfg.SIP.TLS.Key)}
	for _, file := range cfg.SIP.TLS.CA {
		s.TLS.CA = append(s.TLS.CA, inProject(cfg, file))
	}
	for _, l := range cfg.SIP.Listen {
		s.Listen = append(s.Listen, sip.Listener{Transport: l.Transport, Addr: l.Addr, Advertise: sip.Advertised(l.Advertise)})
	}
	for _, a := range cfg.SIP.Advertise {
		s.Advertise = append(s.Advertise, sip.Advertised(a))
	}
	s.LocalOnly = true
	for _, n := range cfg.SIP.Local {
		if !n.IsValid() {
			s.LocalOnly = false // auto
			continue
		}
		s.Local = append(s.Local, n.Prefix)
	}
	for _, u := range cfg.SIP.Users {
		s.Users = append(s.Users, sip.User{Name: u.Name, Password: u.Password.Reveal(), Display: u.Display, MaxCalls: u.MaxCalls})
	}
	for _, t := range cfg.Trunks {
		s.Trunks = append(s.Trunks, e.sipTrunks(t)...)
	}
	return s
}

func (e *Engine) sipTrunk(t config.Trunk) sip.Trunk {
	live := !e.opts.Dev || e.opts.Live == t.Name
	out := sip.Trunk{
		Name: t.Name, Address: t.Address, Proxy: t.Proxy, Domain: t.Domain, Username: t.Username, AuthUser: t.AuthUser,
		Password: t.Password.Reveal(), Register: t.Register.On && live, Expires: t.Register.Expires, Allow: t.Allow, From: t.From, Present: t.Present, Forwarded: t.Forwarded,
		Session: sip.SessionTimer{Off: t.SessionTimer.Off, Interval: t.SessionTimer.Interval},
	}
	if live {
		out.Options, out.KeepAlive = t.Options, t.KeepAlive
	}
	return out
}

func (e *Engine) registered(ev sip.RegisterEvent) {
	if ev.User != "" {
		e.log.Info("registration "+ev.State, "user", ev.User, "source", ev.Source.String())
		if ev.State == "registered" {
			e.roam(ev.User, ev.Source.Addr())
		}
		return
	}
	e.log.Info("registration "+ev.State, "trunk", ev.Trunk, "code", ev.Code, "reason", ev.Reason, "expires", ev.Expires.String())
}

// sessionFor is how a media session towards a peer at remote is set up. learn
// allows the peer's own address as a second source of RTP, for peers behind
// NAT.
func (e *Engine) sessionFor(remote netip.Addr, names []string, learn bool) media.SessionOptions {
	o := media.SessionOptions{Bind: e.localFor(remote), Advertise: e.sip.AdvertisedFor(remote), Codecs: codecs(names)}
	if learn {
		o.Symmetric = remote
	}
	return o
}

// digitMethod is how keys travel on a trunk.
func digitMethod(t *config.Trunk) media.DigitMethod {
	if t == nil {
		return media.DigitsAuto
	}
	return map[string]media.DigitMethod{
		"rfc4733": media.DigitsEvents, "info": media.DigitsInfo, "inband": media.DigitsInband,
	}[t.DTMF] // auto is the zero value
}

// localFor is the interface address from which packets to remote leave; where
// there is no way to it, remote itself, to which no socket can be bound.
func (e *Engine) localFor(remote netip.Addr) netip.Addr {
	if a := e.sip.LocalFor(remote); a.IsValid() {
		return a
	}
	return remote
}

// CheckTrunk tells how a trunk answers our REGISTER and OPTIONS.
func (e *Engine) CheckTrunk(name string) (sip.TrunkReport, error) {
	if t, _ := trunkOf(e.Config(), name); t == nil {
		return sip.TrunkReport{}, fault.New(fault.NotFound, "no trunk %q", name)
	}
	return e.sip.CheckTrunk(e.ctx, name)
}
