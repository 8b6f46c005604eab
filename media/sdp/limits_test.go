package sdp

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/media/codec"
)

func TestPayloadTypeLimit(t *testing.T) {
	for pt, ok := range map[int]bool{maxPT: true, maxPT + 1: false} {
		if _, got := parsePT(fmt.Sprint(pt)); got != ok {
			t.Errorf("%d: %t", pt, got)
		}
	}
}

// TestCryptoLinesLimit: keys of a line so far down are looked at, no further.
func TestCryptoLinesLimit(t *testing.T) {
	good := "a=crypto:9 AES_CM_128_HMAC_SHA1_80 inline:" + base64.StdEncoding.EncodeToString(make([]byte, 30)) + "\r\n"
	for before, kept := range map[int]bool{maxCryptoLines - 1: true, maxCryptoLines: false} {
		d, err := parseSDP([]byte("v=0\r\nm=audio 5004 RTP/SAVP 8\r\n" + strings.Repeat("a=crypto:1 UNKNOWN inline:x\r\n", before) + good))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(d.media[0].crypto, " "), "AES_CM"); got != kept {
			t.Errorf("behind %d others: %t", before, got)
		}
	}
}

// TestNameLimit: RFC 1035 §2.3.4.
func TestNameLimit(t *testing.T) {
	for n, ok := range map[int]bool{maxName: true, maxName + 1: false} {
		name := strings.Repeat("a.", n/2) + strings.Repeat("b", n%2)
		if n%2 == 0 {
			name = name[:n-1] + "b"
		}
		if got := hostName(name) != ""; got != ok {
			t.Errorf("%d characters: %t", len(name), got)
		}
	}
}

func TestPacketTimeRules(t *testing.T) {
	for _, tc := range []struct {
		codec             *codec.Codec
		ptime, most, want int
	}{
		{codec.PCMA, 0, 0, 20}, {codec.PCMA, 30, 0, 30}, {codec.PCMA, 5, 0, 10}, {codec.PCMA, 1000, 0, 60}, {codec.PCMA, 25, 0, 20}, {codec.PCMA, 0, 10, 10},
		{codec.PCMA, 60, 40, 40}, {codec.PCMA, 20, 150, 20}, {codec.PCMA, 40, 35, 30}, {codec.G722, 40, 0, 40}, {codec.Opus, 10, 0, 20}, {codec.Opus, 30, 0, 20},
		{codec.Opus, 50, 0, 40}, {codec.Opus, 60, 0, 60}, {codec.Opus, 120, 120, 60}, {codec.Opus, 0, 40, 20},
	} {
		if got := packetTime(tc.codec, tc.ptime, tc.most); got != tc.want {
			t.Errorf("%s ptime %d maxptime %d: %d, want %d", tc.codec.Name, tc.ptime, tc.most, got, tc.want)
		}
	}
}

// TestPacketTimeLimit: nobody makes us send longer packets.
func TestPacketTimeLimit(t *testing.T) {
	if got := packetTime(codec.PCMU, 1000, 0); got != MaxPtimeMs {
		t.Errorf("we send %d ms", got)
	}
}
