package engine

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/loopstart/loopstart/call"
)

// A stored ladder comes back as it was; a timeline without one is as before;
// what is damaged is an error and not an empty ladder.
func TestLadderIsStoredWithTheTimeline(t *testing.T) {
	text := "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n" + strings.Repeat("v=0\r\n", 100)
	packed := packLadder(Ladder{Messages: []SIPMessage{{Leg: "a", Direction: "in", Transport: "udp", Line: "SIP/2.0 200 OK", Text: text}}, Dropped: 2})
	if len(packed) > len(text)/2 {
		t.Errorf("%d bytes for %d", len(packed), len(text))
	}
	entries, got := cutLadder([]call.Entry{{Kind: "state"}, {Kind: ladderKind, Detail: packed}})
	if len(entries) != 1 || got != packed {
		t.Fatalf("%+v", entries)
	}
	l, err := unpackLadder(got)
	if err != nil || len(l.Messages) != 1 || l.Messages[0].Text != text || l.Messages[0].Line != "SIP/2.0 200 OK" || l.Dropped != 2 {
		t.Fatalf("%v %+v", err, l)
	}
	if entries, got := cutLadder([]call.Entry{{Kind: "state"}}); len(entries) != 1 || got != "" {
		t.Fatal("a timeline without a ladder lost something")
	}
	for _, bad := range []string{"%", "AAAA", base64.StdEncoding.EncodeToString(bomb())} {
		if l, err := unpackLadder(bad); err == nil {
			t.Errorf("%.20s: %+v", bad, len(l.Messages))
		}
	}
}

// bomb unpacks to far more than a ladder may have.
func bomb() []byte { return s2.Encode(nil, bytes.Repeat([]byte(" "), 4*maxLadder)) }

// BenchmarkLadder is what keeping the SIP messages of a call costs.
func BenchmarkLadder(b *testing.B) {
	text := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK%d\r\nFrom: <sip:a@example.com>;tag=%d\r\nTo: <sip:b@example.com>;tag=b\r\n" +
		"Call-ID: 7f3a@192.0.2.1\r\nCSeq: 1 INVITE\r\nContact: <sip:b@192.0.2.2:5060>\r\nContent-Length: 0\r\n\r\n"
	var l Ladder
	for i := range 6 {
		l.Messages = append(l.Messages, SIPMessage{Leg: "a", Direction: "in", Transport: "udp", Text: fmt.Sprintf(text, i, 7*i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		if packLadder(l) == "" {
			b.Fatal("nothing")
		}
	}
}
