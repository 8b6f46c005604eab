package engine

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/call"
)

// A stored ladder comes back as it was; a timeline without one is as before;
// what is damaged is an error and not an empty ladder.
func TestLadderIsStoredWithTheTimeline(t *testing.T) {
	text := "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n" + strings.Repeat("v=0\r\n", 100)
	packed := new(packers).pack(Ladder{Messages: []SIPMessage{{Leg: "a", Direction: "in", Transport: "udp", Line: "SIP/2.0 200 OK", Text: text}}, Dropped: 2})
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
	for _, bad := range []string{"%", "AAAA", base64.StdEncoding.EncodeToString(bomb(t))} {
		if l, err := unpackLadder(bad); err == nil {
			t.Errorf("%.20s: %+v", bad, len(l.Messages))
		}
	}
}

// bomb unpacks to far more than a ladder may have.
func bomb(t *testing.T) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Repeat([]byte(" "), 4*maxLadder))
	_ = w.Close()
	return b.Bytes()
}
