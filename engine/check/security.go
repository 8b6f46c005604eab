package check

import (
	"slices"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/engine"
)

// security finds encryption whose keys everybody can read.
func (c *checking) security() {
	for i := range c.cfg.Trunks {
		if t := &c.cfg.Trunks[i]; t.SRTP != "off" && !config.Private(t.Transport()) {
			c.add(Finding{Level: LevelWarning, Area: areaConfig, Message: "trunks." + t.Name + ": srtp is " + t.SRTP + ", but not over TLS; " + engine.KeysInClear, Hint: "put ;transport=tls behind the address"})
		}
	}
	if slices.ContainsFunc(c.cfg.SIP.Listen, func(l config.Listener) bool { return config.Private(l.Transport) }) {
		return
	}
	for _, u := range c.cfg.SIP.Users {
		if u.SRTP == "required" {
			c.add(Finding{Level: LevelWarning, Area: areaConfig, Message: "sip.users." + u.Name + ": srtp is required, but nothing listens with TLS; " + engine.KeysInClear, Hint: "add tls://0.0.0.0:5061 to sip.listen, and sip.tls"})
		}
	}
}
