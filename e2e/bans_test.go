package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// A scanner's ban outlives kill -9.
func TestBansSurviveAKill(t *testing.T) {
	ip := outsideAddress(t)
	p := serve(t, files{"steady.ts": crashScripts["steady.ts"]}, conf{ip: ip, sip: `trust: [127.0.0.1/32]`})
	c, err := net.Dial("tcp", p.sip.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = fmt.Fprintf(c, "OPTIONS sip:100@%[1]s SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK1\r\nFrom: <sip:100@%[1]s>;tag=1\r\nTo: <sip:100@%[1]s>\r\nCall-ID: scan\r\n"+
		"CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nUser-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n", ip)
	eventually(t, "the ban on disk", testLimit, func() bool { // the audit log is written after it
		var log struct{ Entries []struct{ Path string } }
		p.api("GET", "/v1/audit", nil, &log)
		return len(log.Entries) > 0 && strings.HasSuffix(log.Entries[0].Path, ip)
	})
	type ban struct {
		Source string
		Until  time.Time
		Proven bool
	}
	bans := func() ban {
		t.Helper()
		var got struct{ Bans []ban }
		if code := p.api("GET", "/v1/bans", nil, &got); code != 200 || len(got.Bans) != 1 {
			t.Fatalf("%d %+v", code, got)
		}
		return got.Bans[0]
	}
	before := bans()
	p.kill(t)
	if after := bans(); after != before || after.Source != ip || !after.Proven {
		t.Errorf("%+v, and it was %+v", after, before)
	}
	if code := p.api("DELETE", "/v1/bans/"+ip, nil, nil); code/100 != 2 {
		t.Errorf("lift: %d", code)
	}
}
