package sip

import (
	"fmt"
	"strings"
	"testing"
)

// The trace of a dialog holds each message as the peer saw it, in both
// directions, with the addresses it went between.
func TestTraceOfADialog(t *testing.T) {
	r := newRig(t, nil)
	p, _, d := r.established("X-Test: wire", "Authorization: Digest username=\"u\", response=\"0123456789abcdef\"")
	d.Hangup()
	bye := p.request("BYE")
	p.answer(bye, 200, "OK", "", "")
	expect(t, d, Ended)
	<-d.done
	list, dropped := d.Wire().Messages()
	var got []string
	for _, m := range list {
		line, _, _ := strings.Cut(string(m.Text), "\r\n")
		dir := "<"
		if m.Sent {
			dir = ">"
		}
		word := strings.Fields(line)[0]
		if word == "SIP/2.0" {
			word = strings.Fields(line)[1]
		}
		if word == "100" {
			continue // the transaction layer may send one
		}
		got = append(got, dir+word)
		if m.Transport != "udp" || m.Remote != p.addr() || m.Local != r.LocalAddr("udp") || m.At.IsZero() {
			t.Errorf("%s: %+v", line, m)
		}
	}
	if g := strings.Join(got, " "); g != "<INVITE >200 <ACK >BYE <200" && g != "<INVITE >180 >200 <ACK >BYE <200" || dropped != 0 {
		t.Errorf("%s, %d dropped", g, dropped)
	}
	invite := string(list[0].Text)
	if !strings.Contains(invite, "X-Test: wire") || strings.Contains(invite, "0123456789abcdef") || strings.Contains(strings.Split(invite, "\r\nTo:")[1][:60], ";tag=") {
		t.Errorf("%s", invite)
	}
	if len(r.taps.list) != 0 {
		t.Errorf("%d taps are left", len(r.taps.list))
	}
}

func TestTraceIsBounded(t *testing.T) {
	var tr Trace
	for range 100 {
		tr.add(WireMessage{Text: make([]byte, 1000)})
	}
	list, dropped := tr.Messages()
	if len(list) != MaxTrace/1000 || dropped != 100-len(list) {
		t.Fatalf("%d kept, %d dropped", len(list), dropped)
	}
}

func TestTracesCanBeOff(t *testing.T) {
	r := newRig(t, func(c *Config, _ *Deps) { c.NoTrace = true })
	_, _, d := r.established()
	if list, _ := d.Wire().Messages(); d.Wire() != nil || list != nil {
		t.Fatal("a trace is kept")
	}
}

func TestMaskWire(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"BYE sip:a SIP/2.0\r\nTo: b\r\n\r\n", "BYE sip:a SIP/2.0\r\nTo: b\r\n\r\n"},
		{"Authorization: Digest username=\"u\", Response=\"abc\", nc=1, cnonce=\"q\"\r\n", "Authorization: Digest username=\"u\", Response=\"***\", nc=1, cnonce=\"***\"\r\n"},
		{"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:KEYKEY|2^20|1:4\r\na=crypto:2 X inline:OTHER\r\n",
			"v=0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***|2^20|1:4\r\na=crypto:2 X inline:***\r\n"},
		{"Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay\r\n\r\nSignal=***\r\nDuration=160\r\n"},
		{"Content-Type: application/dtmf\r\n\r\n5", "Content-Type: application/dtmf\r\n\r\n***"},
		{"X-Loopstart-Data: eyJ9\r\nTo: a\r\n", "X-Loopstart-Data:***\r\nTo: a\r\n"},
		{"a\r\nk=clear:secret\r\n", "a\r\nk=***\r\n"},
		{"a inline:cut", "a inline:***"},
	} {
		if got := string(maskWire([]byte(tt.in))); got != tt.want {
			t.Errorf("%q became %q", tt.in, got)
		}
	}
}

func BenchmarkMaskWire(b *testing.B) {
	text := []byte("INVITE sip:a@b SIP/2.0\r\n" + strings.Repeat(fmt.Sprintf("X-%030d: %040d\r\n", 1, 2), 10) + "\r\n")
	b.ReportAllocs()
	for b.Loop() {
		maskWire(text)
	}
}
