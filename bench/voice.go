package bench

import (
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/srtp"
)

// sound is what the callers send in every packet, and how it is described.
type sound struct {
	name    string
	pt      byte
	clock   string // of a=rtpmap
	step    uint32 // timestamp units in 20 ms
	payload []byte
	silence []byte // bytes of which a silent payload consists

	seal *srtp.Sealer // nil: plain RTP
	key  string       // base64, for a=crypto
}

const cryptoSuite = "AES_CM_128_HMAC_SHA1_80"

// sounds are 20 ms of silence in each codec; of Opus it is one frame without
// content (RFC 6716 §3.1: one frame of 20 ms, CELT, mono).
var sounds = []sound{
	{name: "PCMA", pt: 8, clock: "PCMA/8000", step: 160, payload: filled(160, 0xd5), silence: []byte{0xd5, 0x55}},
	{name: "PCMU", pt: 0, clock: "PCMU/8000", step: 160, payload: filled(160, 0xff), silence: []byte{0xff, 0x7f}},
	{name: "G722", pt: 9, clock: "G722/8000", step: 160, payload: filled(160, 0xfa)},
	{name: "opus", pt: 111, clock: "opus/48000/2", step: 960, payload: []byte{0xf8, 0xff, 0xfe}},
}

var plainALaw = sounds[0]

// Codecs are the codecs that callers may send.
func Codecs() (names []string) {
	for _, s := range sounds {
		names = append(names, s.name)
	}
	return names
}

func filled(n int, b byte) []byte { return slices.Repeat([]byte{b}, n) }

// soundOf finds a codec and, for SRTP, gives its callers a key.
func soundOf(codec string, encrypted bool) (sound, error) {
	i := slices.Index(Codecs(), codec)
	if i < 0 {
		return sound{}, fault.New(fault.Invalid, "bench: no codec %q", codec)
	}
	s := sounds[i]
	if !encrypted {
		return s, nil
	}
	// The keys of loopback calls between two processes of one user protect
	// nothing: what they cost is measured.
	material := make([]byte, 30)
	for i := range material {
		material[i] = byte(i)
	}
	var err error
	s.seal, err = srtp.NewSealer(cryptoSuite, material)
	s.key = base64.StdEncoding.EncodeToString(material)
	return s, err
}

// describe is a session description for audio at a port of ours; tag is that of
// our a=crypto line.
func (s *sound) describe(port uint16, tag string) string {
	proto, crypto := "RTP/AVP", ""
	if s.seal != nil {
		proto, crypto = "RTP/SAVP", fmt.Sprintf("a=crypto:%s %s inline:%s\r\n", tag, cryptoSuite, s.key)
	}
	return fmt.Sprintf("v=0\r\no=b 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d %s %d\r\na=rtpmap:%d %s\r\n%s", port, proto, s.pt, s.pt, s.clock, crypto)
}

// silent reports whether a payload is the codec's idle pattern; of encrypted
// and compressed audio nobody can tell.
func (s *sound) silent(payload []byte) bool {
	if s.seal != nil || len(s.silence) == 0 {
		return false
	}
	for _, b := range payload {
		if !slices.Contains(s.silence, b) {
			return false
		}
	}
	return true
}
