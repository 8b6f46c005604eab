package srtp

import (
	"bytes"
	"crypto/rand"
	"io"
	"slices"
	"strings"

	"github.com/pion/srtp/v3"
)

// Policy says whether the audio of a session is encrypted (SRTP, RFC 3711)
// with keys from the session descriptions (SDES, RFC 4568).
type Policy uint8

// The policies.
const (
	Off      Policy = iota // RTP/AVP; keys of an offer are ignored
	Optional               // offered beside plain RTP (RFC 8643), taken when it is offered
	Required               // nothing else is offered, taken or sent
)

// Suite is a crypto suite of RFC 4568 §6.2, RFC 6188 §4 or RFC 7714 §14.1.
type Suite struct {
	Name      string
	alias     string // an older name that some peers write
	profile   srtp.ProtectionProfile
	KeyBytes  int // bytes of the master key
	SaltBytes int
}

// Key is a master key of RFC 3711 §3.2.1 as the peer states it.
type Key struct {
	Suite    *Suite
	Material []byte // key and salt
	MKI      []byte // stands before the tag of each of their packets
}

// Equal reports whether both keys open the same packets.
func (k *Key) Equal(other *Key) bool {
	return k.Suite == other.Suite && bytes.Equal(k.Material, other.Material) && bytes.Equal(k.MKI, other.MKI)
}

// suites are all that are understood, the ones that we offer first.
var suites = []*Suite{
	{"AEAD_AES_256_GCM", "", srtp.ProtectionProfileAeadAes256Gcm, 32, 12},
	{"AES_256_CM_HMAC_SHA1_80", "AES_CM_256_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80, 32, 14},
	{"AES_CM_128_HMAC_SHA1_80", "", srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14},
	{"AEAD_AES_128_GCM", "", srtp.ProtectionProfileAeadAes128Gcm, 16, 12},
	{"AES_256_CM_HMAC_SHA1_32", "AES_CM_256_HMAC_SHA1_32", srtp.ProtectionProfileAes256CmHmacSha1_32, 32, 14},
	{"AES_CM_128_HMAC_SHA1_32", "", srtp.ProtectionProfileAes128CmHmacSha1_32, 16, 14},
}

// offeredSuites is how many of them stand in our offers. More would only make
// an INVITE too long for a datagram; the others are taken when they come.
const offeredSuites = 3

// Offered are the suites of our offers.
func Offered() []*Suite { return suites[:offeredSuites] }

// SuiteByName finds a suite by a name of RFC 4568 or an older one; nil: none.
func SuiteByName(name string) *Suite {
	i := slices.IndexFunc(suites, func(s *Suite) bool {
		return strings.EqualFold(s.Name, name) || strings.EqualFold(s.alias, name) && name != ""
	})
	if i < 0 {
		return nil
	}
	return suites[i]
}

// SuiteNames are the crypto suites that are understood.
func SuiteNames() []string {
	names := make([]string, len(suites))
	for i, s := range suites {
		names[i] = s.Name
	}
	return names
}

// Keyring holds the master keys with which one session encrypts what it sends,
// one for each suite, made when they are first needed. It belongs to the host
// half of its session.
type Keyring struct {
	random io.Reader
	keys   map[*Suite]*OwnKey
}

// OwnKey is a master key of ours. Its [Outgoing] lives as long as it does, so
// that no packet index is ever used twice under it (RFC 3711 §9.1).
type OwnKey struct {
	Material []byte // key and salt
	Seal     *Outgoing
}

// NewKeyring makes keys from random; nil is the system's.
func NewKeyring(random io.Reader) *Keyring {
	if random == nil {
		random = rand.Reader
	}
	return &Keyring{random: random, keys: map[*Suite]*OwnKey{}}
}

// Of is the key for a suite.
func (k *Keyring) Of(s *Suite) *OwnKey {
	if key := k.keys[s]; key != nil {
		return key
	}
	key := &OwnKey{Material: make([]byte, s.KeyBytes+s.SaltBytes)}
	if _, err := io.ReadFull(k.random, key.Material); err != nil {
		// No randomness means no key: one that cannot be guessed is not to be
		// had, and crypto/rand itself ends the process in that case.
		panic("media: no random numbers for an SRTP key: " + err.Error())
	}
	k.keys[s] = key
	return key
}

// Keep forgets all keys but that of one suite; nil forgets all. A stream that
// becomes secured again begins with a fresh key.
func (k *Keyring) Keep(s *Suite) {
	for other := range k.keys {
		if other != s {
			delete(k.keys, other)
		}
	}
}
