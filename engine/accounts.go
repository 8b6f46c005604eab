package engine

import (
	"strings"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/phone"
	"github.com/loopstart/loopstart/sip"
)

// A trunk with several accounts is several trunks of package sip: each account
// registers and logs in by itself, under the name TRUNK/USERNAME.

const accountMark = "/"

// sipTrunks is a trunk as package sip serves it.
func (e *Engine) sipTrunks(t config.Trunk) []sip.Trunk {
	base := e.sipTrunk(t)
	out := []sip.Trunk{base}
	if len(t.Accounts) > 0 {
		out[0].Register = base.Register && t.Username != ""
	}
	for _, a := range t.Accounts {
		account := base
		account.Name = t.Name + accountMark + a.Username
		account.Username, account.AuthUser, account.Password = a.Username, a.Username, a.Password.Reveal()
		account.Options = 0 // the trunk's own pings tell
		out = append(out, account)
	}
	return out
}

// trunkOf is the configured trunk of a name of package sip, and the account.
func trunkOf(cfg *config.Config, name string) (t *config.Trunk, a *config.Account) {
	base, user, _ := strings.Cut(name, accountMark)
	t, ok := cfg.Trunk(base)
	if !ok {
		return nil, nil
	}
	for i := range t.Accounts {
		if t.Accounts[i].Username == user {
			return t, &t.Accounts[i]
		}
	}
	return t, nil
}

// accountFor is the name of package sip under which a trunk presents a number:
// the account that the number belongs to, else the trunk's own, else its first
// account.
func accountFor(cfg *config.Config, t *config.Trunk, number string) (name, user string) {
	for _, a := range t.Accounts {
		if a.Number != "" && number != "" && phone.Normalize(a.Number, cfg.Project.Country) == number {
			return t.Name + accountMark + a.Username, a.Username
		}
	}
	if t.Username == "" && len(t.Accounts) > 0 {
		return t.Name + accountMark + t.Accounts[0].Username, t.Accounts[0].Username
	}
	return t.Name, t.Username
}

// dialledAccount is the number of the account whose registered Contact was
// called; the user part of such a call is the account's name and no number.
func dialledAccount(a *config.Account, to sip.Address) sip.Address {
	if a != nil && a.Number != "" && to.User == a.Username {
		to.User = a.Number
	}
	return to
}
