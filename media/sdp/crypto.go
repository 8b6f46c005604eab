package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/srtp"
)

// a=crypto, RFC 4568 §9.2:
//
//	a=crypto:<tag> <suite> inline:<key and salt>[|<lifetime>][|<MKI>:<length>] [<parameters>]
const (
	maxCryptoLines = 16  // of one m= line; more are not looked at
	maxCryptoTag   = 9   // digits
	maxMKI         = 128 // bytes
	maxLifetime    = 48  // as a power of two: what AES-CM allows (RFC 3711 §9.2)
)

// ErrUnsecured comes with ErrNotAcceptable when encryption is required and the
// other side does without, or gives keys that cannot be used.
var ErrUnsecured = errors.New("refusing downgrade")

// cryptoLine is one usable a=crypto line.
type cryptoLine struct {
	tag  int
	name string // of the suite, as written
	key  srtp.Key
}

// parseCrypto reads the value of an a=crypto line. The error says in a few
// words, and without the key, why the line cannot be used.
func parseCrypto(value string) (*cryptoLine, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return nil, errors.New("a=crypto is short")
	}
	c := &cryptoLine{name: f[1]}
	var err error
	if c.tag, err = strconv.Atoi(f[0]); err != nil || !digits(f[0]) || len(f[0]) > maxCryptoTag {
		return nil, errors.New("the tag of a=crypto is no number")
	}
	if c.key.Suite = srtp.SuiteByName(c.name); c.key.Suite == nil {
		return nil, fmt.Errorf("the suite %s is not known", fault.Printable(c.name))
	}
	if err := c.keyParams(f[2]); err != nil {
		return nil, err
	}
	for _, p := range f[3:] {
		if !harmless(p) {
			return nil, fmt.Errorf("the session parameter %s is not supported", fault.Printable(p))
		}
	}
	return c, nil
}

// harmless reports whether a session parameter (RFC 4568 §6.3) changes nothing
// for us: the hint about the replay window, the default key derivation, and
// what the peer itself declares dispensable. Others, above all the ones that
// take encryption or authentication away, make the line unusable.
func harmless(p string) bool {
	name, value, _ := strings.Cut(p, "=")
	switch {
	case strings.HasPrefix(p, "-"):
		return true
	case strings.EqualFold(name, "WSH"):
		n, err := strconv.Atoi(value)
		return err == nil && n >= 0
	case strings.EqualFold(name, "KDR"):
		return value == "0"
	}
	return false
}

// keyParams reads "inline:<base64>[|lifetime][|MKI:length]".
func (c *cryptoLine) keyParams(text string) error {
	if strings.Contains(text, ";") {
		return errors.New("several keys in one a=crypto are not supported")
	}
	method, info, _ := strings.Cut(text, ":")
	if !strings.EqualFold(method, "inline") {
		return fmt.Errorf("the key method %s is not supported", fault.Printable(method))
	}
	parts := strings.Split(info, "|")
	material, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(parts[0], "="))
	if err != nil {
		return errors.New("the key is no base64")
	}
	if want := c.key.Suite.KeyBytes + c.key.Suite.SaltBytes; len(material) != want {
		return fmt.Errorf("the key has %d bytes, %s takes %d", len(material), c.key.Suite.Name, want)
	}
	c.key.Material = material
	rest := parts[1:]
	if len(rest) > 0 && !strings.Contains(rest[0], ":") {
		if !lifetime(rest[0]) {
			return errors.New("the lifetime of the key makes no sense")
		}
		rest = rest[1:]
	}
	switch len(rest) {
	case 0:
		return nil
	case 1:
		return c.readMKI(rest[0])
	}
	return errors.New("something follows the key")
}

// lifetime checks "2^31" or a number of packets. That many are never sent in a
// call, so that nothing follows from it.
func lifetime(s string) bool {
	if power, ok := strings.CutPrefix(s, "2^"); ok {
		n, err := strconv.Atoi(power)
		return err == nil && digits(power) && n <= maxLifetime
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return err == nil && digits(s) && n > 0 && n <= 1<<maxLifetime
}

// readMKI takes "<value>:<bytes>" (RFC 4568 §6.1): a big-endian number.
func (c *cryptoLine) readMKI(s string) error {
	value, size, _ := strings.Cut(s, ":")
	n, err := strconv.Atoi(size)
	if err != nil || !digits(size) || n < 1 || n > maxMKI || !decimal(value) {
		return errors.New("the MKI makes no sense")
	}
	v, ok := new(big.Int).SetString(value, 10)
	if !ok || v.BitLen() > 8*n {
		return errors.New("the MKI is longer than it says")
	}
	c.key.MKI = v.FillBytes(make([]byte, n))
	return nil
}

// decimal is digits for numbers of any length up to an MKI's.
func decimal(s string) bool {
	const most = 309 // digits of 2^1024
	return s != "" && len(s) <= most && strings.Trim(s, "0123456789") == ""
}

// usableCrypto is the first line of m that can be used; err says why there is
// none.
func (m *mediaBlock) usableCrypto(fits func(*cryptoLine) bool) (*cryptoLine, error) {
	err := errors.New("no a=crypto")
	for _, value := range m.crypto {
		c, cause := parseCrypto(value)
		switch {
		case cause != nil:
			err = cause
		case !fits(c):
			err = fmt.Errorf("a=crypto:%d %s was not offered", c.tag, c.key.Suite.Name)
		default:
			return c, nil
		}
	}
	return nil, err
}

// secured finds the keys of their line m: those of an offer in their order,
// those of an answer for a suite that l has offered. Our keys go by the suite,
// so that an answer with another tag than the offer's, which some peers write,
// leaves no doubt.
func (l Local) secured(m *mediaBlock) (*cryptoLine, error) {
	return m.usableCrypto(func(c *cryptoLine) bool {
		return !l.reading || slices.ContainsFunc(l.cryptoOffer(), func(o cryptoLine) bool { return o.key.Suite == c.key.Suite })
	})
}

// cryptoOffer are the lines of our offer: those of a first one, or the one that
// has been agreed on. A stream that has become plain stays so.
func (l Local) cryptoOffer() []cryptoLine {
	switch {
	case l.SRTP == srtp.Off || l.Keys == nil || l.plainSince && l.SRTP == srtp.Optional:
		return nil
	case l.agreedCrypto != nil:
		return []cryptoLine{*l.agreedCrypto}
	}
	list := make([]cryptoLine, len(srtp.Offered()))
	for i, s := range srtp.Offered() {
		list[i] = cryptoLine{tag: i + 1, name: s.Name, key: srtp.Key{Suite: s}}
	}
	return list
}

// writeCrypto writes lines with our own keys.
func (l Local) writeCrypto(b *strings.Builder, lines []cryptoLine) {
	for _, c := range lines {
		fmt.Fprintf(b, "a=crypto:%d %s inline:%s\r\n", c.tag, c.name, base64.StdEncoding.EncodeToString(l.Keys.Of(c.key.Suite).Material))
	}
}

// offerProto is the transport of a first offer: RFC 8643 puts keys beside plain
// RTP, which those who know none leave aside.
func (l Local) offerProto() string {
	if l.SRTP == srtp.Required {
		return "RTP/SAVP"
	}
	return "RTP/AVP"
}

// securedRTP accepts the profiles of RFC 3711 and RFC 5124. DTLS has others.
func securedRTP(proto string) bool {
	return strings.EqualFold(proto, "RTP/SAVP") || strings.EqualFold(proto, "RTP/SAVPF")
}

// takes judges the transport of their line m: nil, or why it will not do.
func (l Local) takes(m *mediaBlock) error {
	plain, secured := plainRTP(m.proto), securedRTP(m.proto)
	switch {
	case !plain && !secured:
		return fmt.Errorf("the transport %s is not supported", fault.Printable(m.proto))
	case l.SRTP == srtp.Off && plain:
		return nil
	case l.SRTP == srtp.Off:
		return fmt.Errorf("the transport %s is not supported", fault.Printable(m.proto))
	case l.SRTP == srtp.Optional && plain && (len(m.crypto) == 0 || !l.reading):
		return nil // without usable keys it stays plain
	}
	_, err := l.secured(m)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: SRTP is %s: %w", ErrUnsecured, map[bool]string{true: "required", false: "agreed on"}[l.SRTP == srtp.Required], err)
}

// unsecured is the error of a description without the keys that it needs.
func unsecured(cause error) *fault.Error {
	both := fmt.Errorf("%w: %w", ErrNotAcceptable, cause)
	return fault.New(fault.Media, "media: sdp: %w", both).
		WithHint("the other side must offer SRTP with keys in the session description (a=crypto); srtp: optional takes calls without")
}

// secure adds the keys of their line m to what is agreed.
func (l Local) secure(r *Remote, m *mediaBlock) {
	if l.SRTP == srtp.Off {
		return
	}
	if c, err := l.secured(m); err == nil {
		r.crypto, r.Suite = c, c.key.Suite.Name
	}
}
