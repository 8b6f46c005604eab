package main

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/loopstart/loopstart/engine"
)

var bansVerb = verb{
	name: "bans", args: "[ls|lift IP]", summary: "SIP sources that are not heard for a while",
	details: "A source that scans, or fails to log in again and again, is dropped for sip.ban (10m), longer each time.\n" +
		"Trunks, sip.trust, this machine and phones that are registered never are. Asks the running instance.\n\n" +
		"  ls      source, why, until when, and how many of its messages were dropped\n" +
		"  lift    ends the ban of an address",
	run: runBans,
}

func runBans(_ context.Context, m *Main, args []string) error {
	return onNamed("bans", "address", args, m.listBans, action{"lift", m.liftBan})
}

func (m *Main) liftBan(address string) error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	if err := c.delete("/v1/bans/" + url.PathEscape(address)); err != nil {
		return err
	}
	return m.answer(map[string]string{"lifted": address}, func() { m.progress("%s is heard again", address) })
}

func (m *Main) listBans() error {
	c, err := m.client("")
	if err != nil {
		return err
	}
	var out struct{ Bans []engine.BanLine }
	if err := c.get("/v1/bans", &out); err != nil {
		return err
	}
	return m.answer(out.Bans, func() {
		if len(out.Bans) == 0 {
			m.progress("no source is banned")
			return
		}
		t := table{head: []string{"SOURCE", "UNTIL", "DROPPED", "WHY"}}
		for _, b := range out.Bans {
			why := b.Reason
			if !b.Proven {
				why += " (the address may be forged)"
			}
			t.add(b.Source, b.Until.Local().Format(time.DateTime), fmt.Sprint(b.Dropped), clean(why))
		}
		t.print(m)
	})
}
