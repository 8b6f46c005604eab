package sip

import (
	"fmt"
	"strings"
	"testing"
)

// do gives inputs one after the other and returns what the last one led to.
func (s *script) do(lines ...string) string {
	var out []string
	for _, line := range lines {
		s.c.out, out = nil, nil
		s.input(strings.Fields(line))
		for _, f := range s.c.out {
			out = append(out, show(f))
		}
	}
	return strings.Join(out, "\n")
}

// conversation is a dialog in its talk, of a caller.
func conversation(t *testing.T) *script {
	s := &script{t: t, last: map[string]uint64{}}
	s.c = &core{}
	s.do("uas offer", "! accept answer", "> ack 1")
	return s
}

// TestCoreLimits takes a dialog to each limit and one further: has is what is
// still done at the limit, and not beyond.
func TestCoreLimits(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limit  int
		before []string // from a talk, or from nothing when it begins with a leg
		each   func(i int) []string
		has    string
		beyond string
	}{
		{"a re-INVITE met by the peer's", maxGlare, []string{"! reoffer ours"}, func(int) []string {
			return []string{"< 491 INVITE", "* timer glare"}
		}, "send INVITE", ""},
		{"requests of the call", maxQueued + 1, nil, func(int) []string { return []string{"! info 1"} }, "", "event sent 503"},
		{"a longer interval of the session", maxSessionLift, []string{"uac offer", "* routed 1"}, func(i int) []string {
			return []string{fmt.Sprintf("< 422 INVITE b Min-SE:%d", 2000+i)}
		}, "send INVITE", "event ended 422"},
		{"a request that was read and does not come", maxWait, []string{"* read 7", "> INFO 8 Content-Type:application/dtmf"}, func(int) []string {
			return []string{"* timer gap"}
		}, "timer gap 50ms", "respond #2 200"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := conversation(t)
			s.do(tc.before...)
			for i := range tc.limit {
				if got := s.do(tc.each(i)...); !strings.Contains(got, tc.has) || tc.beyond != "" && strings.Contains(got, tc.beyond) {
					t.Fatalf("%d of %d: %s", i+1, tc.limit, got)
				}
			}
			if got := s.do(tc.each(tc.limit)...); tc.has != "" && strings.Contains(got, tc.has) || !strings.Contains(got, tc.beyond) {
				t.Fatalf("beyond %d: %s", tc.limit, got)
			}
		})
	}
}

// TestParkedReinviteIsBounded: one that overtook the ACK waits for it while the
// ACK has been read, and not for ever.
func TestParkedReinviteIsBounded(t *testing.T) {
	s := &script{t: t, last: map[string]uint64{}}
	s.c = &core{}
	s.do("uas offer", "! accept answer")
	s.seen.note(1, true)
	s.do("> INVITE 2 theirs")
	for i := range maxWait {
		if got := s.do("* timer parked"); got != "timer parked 50ms" {
			t.Fatalf("%d: %s", i, got)
		}
	}
	if got := s.do("* timer parked"); got != "respond #2 491 Request Pending" {
		t.Fatal(got)
	}
}

// TestUnsentProvisionals: behind one that waits for its PRACK stand maxUnsent.
func TestUnsentProvisionals(t *testing.T) {
	s := &script{t: t, last: map[string]uint64{}}
	s.c = &core{}
	s.do("uas offer Require:100rel")
	for range maxUnsent + 3 {
		s.do("! provisional 180")
	}
	sent := 1
	for seq := 1; s.c.rel.open && seq < 100; seq++ {
		if strings.Contains(s.do(fmt.Sprintf("> PRACK %d RAck:%d_1_INVITE", seq+1, seq)), "180 Ringing") {
			sent++
		}
	}
	if sent != 1+maxUnsent {
		t.Fatalf("%d were sent", sent)
	}
}

// TestPartsLimit: the description is looked for in so many parts.
func TestPartsLimit(t *testing.T) {
	for parts, want := range map[int]string{maxParts: "v=0", maxParts + 1: ""} {
		var b strings.Builder
		for range parts - 1 {
			b.WriteString("--x\r\nContent-Type: application/isup\r\n\r\nx\r\n")
		}
		b.WriteString("--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--\r\n")
		m := &message{headers: Headers{{"Content-Type", "multipart/mixed;boundary=x"}}, body: []byte(b.String())}
		if m.openParts(); (string(m.body) == "v=0") != (want != "") {
			t.Errorf("in the last of %d parts: %.40q", parts, m.body)
		}
	}
}

// TestCSeqLimit: RFC 3261 §8.1.1.5.
func TestCSeqLimit(t *testing.T) {
	for seq, refused := range map[int]bool{maxCSeq: false, maxCSeq + 1: true} {
		var m rawMessage
		bad := m.parseRaw([]byte(with(seqLine, fmt.Sprintf("CSeq: %d OPTIONS", seq))), false)
		if (bad != nil) != refused {
			t.Errorf("%d: %+v", seq, bad)
		}
	}
}
