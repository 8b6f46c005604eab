package engine

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

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

// What is written by hand is read as encoding/json would have written it.
func TestPackedLadderIsJSON(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 30, 0, 120e6, time.UTC)
	here, there := netip.MustParseAddrPort("192.0.2.1:5060"), netip.MustParseAddrPort("[2001:db8::1%eth0]:5061")
	for _, text := range []string{"", "INVITE sip:a@b SIP/2.0\r\n\r\n", "\x00\x01\x1f\x7f\t\"\\<>&'/", "Привет \u2028 \U0001f600", "\xff\xfe cut \xd0", `\u0041 \n`} {
		want := Ladder{Call: text, Dropped: 3, Messages: []SIPMessage{
			{At: at, Leg: "a", Direction: "in", Transport: "udp", From: here, To: there, Text: text},
			{Leg: text, Direction: "out", Transport: text},
		}}
		raw, err := json.Marshal(want)
		if err == nil {
			err = json.Unmarshal(raw, &want) // as it comes back, with U+FFFD for bytes that are not UTF-8
		}
		for i := range want.Messages {
			want.Messages[i].Line, _, _ = strings.Cut(want.Messages[i].Text, "\r\n")
		}
		got, failed := unpackLadder(packLadder(want))
		if err != nil || failed != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v\n%+v\n%+v", text, err, failed, got, want)
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
