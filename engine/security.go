package engine

import (
	"slices"
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

// securities are the words of the configuration.
var securities = map[string]srtp.Policy{"optional": srtp.Optional, "required": srtp.Required}

// private tells whether keys in a session description travel unseen.
func private(transport string) bool { return transport == "tls" || transport == "wss" }

// trunkSecurity is a trunk's policy.
func trunkSecurity(t *config.Trunk) srtp.Policy { return securities[t.SRTP] }

// offerSecurity is the policy for a call to a user's phone. Of itself it is
// offered only where nobody between can read the keys.
func offerSecurity(u *config.User, transport string) srtp.Policy {
	if u.SRTP == "auto" && private(transport) {
		return srtp.Optional
	}
	return securities[u.SRTP]
}

// answerSecurity is the policy for a call that comes in. Users whose policy is
// auto, and trusted sources, have what they ask for.
func answerSecurity(cfg *config.Config, o sip.Origin, t *config.Trunk) srtp.Policy {
	if t != nil {
		return trunkSecurity(t)
	}
	if u, ok := cfg.User(o.Name); ok && o.Kind == sip.FromUser && u.SRTP != "auto" {
		return securities[u.SRTP]
	}
	return srtp.Optional
}

// addressSecurity is the policy for a call to a SIP address.
func addressSecurity(a sip.Address) srtp.Policy {
	if transport, _ := a.Param("transport"); strings.EqualFold(a.Scheme, "sips") || private(strings.ToLower(transport)) {
		return srtp.Optional
	}
	return srtp.Off
}

// trunkTransport is the transport that a trunk's address asks for, "" when it
// is left to DNS or to us.
func trunkTransport(t *config.Trunk) string {
	host := t.Address
	if t.Proxy != "" {
		host = t.Proxy
	}
	for p := range strings.SplitSeq(host, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(p), "="); strings.EqualFold(name, "transport") {
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return ""
}

const (
	keysInClear = "its keys travel in the clear: whoever reads the signalling can hear the calls"
	keysHint    = "put ;transport=tls behind the address"
)

// security finds encryption whose keys everybody can read.
func (c *checking) security() {
	for i := range c.cfg.Trunks {
		if t := &c.cfg.Trunks[i]; t.SRTP != "off" && !private(trunkTransport(t)) {
			c.add(Finding{Level: LevelWarning, Area: areaConfig, Message: "trunks." + t.Name + ": srtp is " + t.SRTP + ", but not over TLS; " + keysInClear, Hint: keysHint})
		}
	}
	if slices.ContainsFunc(c.cfg.SIP.Listen, func(l config.Listener) bool { return private(l.Transport) }) {
		return
	}
	for _, u := range c.cfg.SIP.Users {
		if u.SRTP == "required" {
			c.add(Finding{Level: LevelWarning, Area: areaConfig, Message: "sip.users." + u.Name + ": srtp is required, but nothing listens with TLS; " + keysInClear, Hint: "add tls://0.0.0.0:5061 to sip.listen, and sip.tls"})
		}
	}
}

// securityStep is what `trunk check` says of a trunk's encryption; ok is false
// where there is nothing to say.
func securityStep(t *config.Trunk, transport string) (s TrunkCheckStep, ok bool) {
	if t == nil || t.SRTP == "off" {
		return s, false
	}
	s = TrunkCheckStep{What: "srtp", Target: strings.Join(srtp.SuiteNames(), ", "), OK: true, Words: t.SRTP + ", over " + transport}
	if !private(transport) {
		s.Words = t.SRTP + ", but over " + transport + ": " + keysInClear
	}
	return s, true
}
