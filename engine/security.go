package engine

import (
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/media/srtp"
	"github.com/loopstart/loopstart/sip"
)

// securities are the words of the configuration.
var securities = map[string]srtp.Policy{"optional": srtp.Optional, "required": srtp.Required}

// trunkSecurity is a trunk's policy.
func trunkSecurity(t *config.Trunk) srtp.Policy { return securities[t.SRTP] }

// offerSecurity is the policy for a call to a user's phone. Of itself it is
// offered only where nobody between can read the keys.
func offerSecurity(u *config.User, transport string) srtp.Policy {
	if u.SRTP == "auto" && config.Private(transport) {
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
	if transport, _ := a.Param("transport"); strings.EqualFold(a.Scheme, "sips") || config.Private(strings.ToLower(transport)) {
		return srtp.Optional
	}
	return srtp.Off
}

// KeysInClear says what SRTP is worth whose keys travel in the clear.
const KeysInClear = "its keys travel in the clear: whoever reads the signalling can hear the calls"

// securityStep is what `trunk check` says of a trunk's encryption; ok is false
// where there is nothing to say.
func securityStep(t *config.Trunk, transport string) (s TrunkCheckStep, ok bool) {
	if t == nil || t.SRTP == "off" {
		return s, false
	}
	s = TrunkCheckStep{What: "srtp", Target: strings.Join(srtp.SuiteNames(), ", "), OK: true, Words: t.SRTP + ", over " + transport}
	if !config.Private(transport) {
		s.Words = t.SRTP + ", but over " + transport + ": " + KeysInClear
	}
	return s, true
}
