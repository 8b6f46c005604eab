package srtp

import (
	"github.com/pion/rtp"

	"github.com/loopstart/loopstart/internal/fault"
)

// Sealer encrypts RTP packets that belong to no session, for load generators.
// It may be used from one goroutine at a time.
type Sealer struct {
	seal   *Outgoing
	header rtp.Header
}

// NewSealer takes the name of a crypto suite ([SuiteNames]) and the bytes of its
// key and salt.
func NewSealer(name string, material []byte) (*Sealer, error) {
	s := SuiteByName(name)
	if s == nil || len(material) != s.KeyBytes+s.SaltBytes {
		return nil, fault.New(fault.Invalid, "media: a key of %d bytes for the suite %q", len(material), name)
	}
	x, err := NewOutgoing(s, material)
	if err != nil {
		return nil, fault.New(fault.Media, "media: srtp key: %w", err)
	}
	return &Sealer{seal: x}, nil
}

// Seal encrypts a whole packet into dst, which has room for [SealRoom] bytes
// more; nil when it is no RTP packet.
func (s *Sealer) Seal(dst, packet []byte) []byte {
	out, err := s.seal.ctx.EncryptRTP(dst[:0], packet, &s.header)
	if err != nil {
		return nil
	}
	return out
}

// SealRoom is what encryption adds to a packet at most.
const SealRoom = sealRoom
