package sdp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/media/codec"
	"github.com/loopstart/loopstart/media/mediatest"
	"github.com/loopstart/loopstart/media/srtp"
)

func keyText(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

// TestParseCrypto is the grammar of RFC 4568 §9.2 with what peers make of it.
func TestParseCrypto(t *testing.T) {
	k30, k46, k28, k44 := keyText(30), keyText(46), keyText(28), keyText(44)
	const cm = "1 AES_CM_128_HMAC_SHA1_80 inline:"
	for _, c := range []struct{ value, want string }{
		{cm + k30, "1 AES_CM_128_HMAC_SHA1_80"},
		{"999999999 AES_CM_128_HMAC_SHA1_32 inline:" + k30, "999999999 AES_CM_128_HMAC_SHA1_32"},
		{"2  aes_cm_128_hmac_sha1_80\tINLINE:" + k30, "2 AES_CM_128_HMAC_SHA1_80"},
		{"3 AES_256_CM_HMAC_SHA1_80 inline:" + k46, "3 AES_256_CM_HMAC_SHA1_80"},
		{"3 AES_256_CM_HMAC_SHA1_32 inline:" + strings.TrimRight(k46, "="), "3 AES_256_CM_HMAC_SHA1_32"},
		{"3 AES_CM_256_HMAC_SHA1_80 inline:" + k46, "3 AES_256_CM_HMAC_SHA1_80"},
		{"4 AEAD_AES_128_GCM inline:" + k28, "4 AEAD_AES_128_GCM"},
		{"5 AEAD_AES_256_GCM inline:" + k44, "5 AEAD_AES_256_GCM"},
		{cm + k30 + "|2^20", "1 AES_CM_128_HMAC_SHA1_80"},
		{cm + k30 + "|1048576", "1 AES_CM_128_HMAC_SHA1_80"},
		{cm + k30 + "|2^31|1:4", "1 AES_CM_128_HMAC_SHA1_80 mki 00000001"},
		{cm + k30 + "|66051:3", "1 AES_CM_128_HMAC_SHA1_80 mki 010203"},
		{cm + k30 + "|1:128", "1 AES_CM_128_HMAC_SHA1_80 mki " + strings.Repeat("00", 127) + "01"},
		{cm + k30 + " WSH=128", "1 AES_CM_128_HMAC_SHA1_80"},
		{cm + k30 + " KDR=0 -unknown=7", "1 AES_CM_128_HMAC_SHA1_80"},

		{"", "a=crypto is short"},
		{"1 AES_CM_128_HMAC_SHA1_80", "a=crypto is short"},
		{"x AES_CM_128_HMAC_SHA1_80 inline:" + k30, "the tag of a=crypto is no number"},
		{"-1 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "the tag of a=crypto is no number"},
		{"1234567890 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "the tag of a=crypto is no number"},
		{"1 F8_128_HMAC_SHA1_80 inline:" + k30, "the suite F8_128_HMAC_SHA1_80 is not known"},
		{"1 NULL_HMAC_SHA1_80 inline:" + k30, "the suite NULL_HMAC_SHA1_80 is not known"},
		{"1 AES_CM_128_HMAC_SHA1_80 prompt:" + k30, "the key method prompt is not supported"},
		{"1 AES_CM_128_HMAC_SHA1_80 " + k30, "the key method " + k30 + " is not supported"},
		{cm + "!" + k30[1:], "the key is no base64"},
		{cm + k28, "the key has 28 bytes, AES_CM_128_HMAC_SHA1_80 takes 30"},
		{cm + k46, "the key has 46 bytes, AES_CM_128_HMAC_SHA1_80 takes 30"},
		{cm, "the key has 0 bytes, AES_CM_128_HMAC_SHA1_80 takes 30"},
		{cm + k30 + ";inline:" + k30, "several keys in one a=crypto are not supported"},
		{cm + k30 + "|2^49", "the lifetime of the key makes no sense"},
		{cm + k30 + "|0", "the lifetime of the key makes no sense"},
		{cm + k30 + "|", "the lifetime of the key makes no sense"},
		{cm + k30 + "|2^20|1", "the MKI makes no sense"},
		{cm + k30 + "|2^20|256:1", "the MKI is longer than it says"},
		{cm + k30 + "|1:0", "the MKI makes no sense"},
		{cm + k30 + "|1:129", "the MKI makes no sense"},
		{cm + k30 + "|-1:4", "the MKI makes no sense"},
		{cm + k30 + "|2^20|1:4|x", "something follows the key"},
		{cm + k30 + " UNENCRYPTED_SRTP", "the session parameter UNENCRYPTED_SRTP is not supported"},
		{cm + k30 + " UNENCRYPTED_SRTCP", "the session parameter UNENCRYPTED_SRTCP is not supported"},
		{cm + k30 + " UNAUTHENTICATED_SRTP", "the session parameter UNAUTHENTICATED_SRTP is not supported"},
		{cm + k30 + " KDR=1", "the session parameter KDR=1 is not supported"},
		{cm + k30 + " FEC_ORDER=FEC_SRTP", "the session parameter FEC_ORDER=FEC_SRTP is not supported"},
		{cm + k30 + " whatever", "the session parameter whatever is not supported"},
	} {
		got := ""
		p, err := parseCrypto(c.value)
		switch {
		case err != nil:
			got = err.Error()
		default:
			got = fmt.Sprintf("%d %s", p.tag, p.key.Suite.Name)
			if p.key.MKI != nil {
				got += fmt.Sprintf(" mki %x", p.key.MKI)
			}
		}
		if got != c.want {
			t.Errorf("%q: %q, not %q", c.value, got, c.want)
		}
	}
}

func FuzzCrypto(f *testing.F) {
	f.Add("1 AES_CM_128_HMAC_SHA1_80 inline:" + keyText(30) + "|2^20|1:4 WSH=64")
	f.Add("1 AEAD_AES_256_GCM inline:" + keyText(44))
	f.Fuzz(func(t *testing.T, value string) {
		c, err := parseCrypto(value)
		if err != nil {
			if fields := strings.Fields(value); len(fields) > 2 {
				way, key, _ := strings.Cut(fields[2], ":")
				public := "" // what may be told, and may happen to have the key's text
				for i, f := range fields {
					if i != 2 {
						public += fault.Printable(f) + " "
					}
				}
				if len(key) > 12 && strings.EqualFold(way, "inline") && strings.Contains(err.Error(), key) && !strings.Contains(public, key) {
					t.Fatalf("the key stands in %q", err)
				}
			}
			return
		}
		if len(c.key.Material) != c.key.Suite.KeyBytes+c.key.Suite.SaltBytes || c.tag < 0 || len(c.key.MKI) > maxMKI {
			t.Fatalf("%+v", c)
		}
		if _, err := srtp.NewIncoming(&c.key, true); err != nil {
			t.Fatal(err)
		}
	})
}

func side(policy srtp.Policy, last byte) Local {
	return Local{Addr: netip.AddrFrom4([4]byte{192, 0, 2, last}), Port: 4000 + uint16(last)*2, Codecs: []*codec.Codec{codec.PCMA}, SRTP: policy, Keys: srtp.NewKeyring(nil)}
}

// TestSecurityPolicies is every policy that offers against every one that
// answers: the suite, or why there is no call.
func TestSecurityPolicies(t *testing.T) {
	const best, refused = "AEAD_AES_256_GCM", "refused"
	want := map[[2]srtp.Policy]string{
		{srtp.Off, srtp.Off}: "", {srtp.Off, srtp.Optional}: "", {srtp.Off, srtp.Required}: refused,
		{srtp.Optional, srtp.Off}: "", {srtp.Optional, srtp.Optional}: best, {srtp.Optional, srtp.Required}: best,
		{srtp.Required, srtp.Off}: refused, {srtp.Required, srtp.Optional}: best, {srtp.Required, srtp.Required}: best,
	}
	for pair, suite := range want {
		a, b := side(pair[0], 1), side(pair[1], 2)
		got := func() string {
			answer, atB, err := BuildAnswer(b, BuildOffer(a))
			if err != nil {
				if !errors.Is(err, ErrNotAcceptable) || errors.Is(err, ErrUnsecured) != (pair[1] == srtp.Required) {
					t.Errorf("%v: %v", pair, err)
				}
				return refused
			}
			atA, err := ReadAnswer(a, answer)
			mediatest.Must(t, err)
			if atA.Suite != atB.Suite || string(atA.crypto.keyBytes()) != string(ownBytes(b.Keys, atB.crypto)) || string(atB.crypto.keyBytes()) != string(ownBytes(a.Keys, atA.crypto)) {
				t.Errorf("%v: %q and %q with other keys", pair, atA.Suite, atB.Suite)
			}
			return atA.Suite
		}()
		if got != suite {
			t.Errorf("%v: %q, not %q", pair, got, suite)
		}
	}
}

func (c *cryptoLine) keyBytes() []byte {
	if c == nil {
		return nil
	}
	return c.key.Material
}

func ownBytes(k *srtp.Keyring, c *cryptoLine) []byte {
	if c == nil {
		return nil
	}
	return k.Of(c.key.Suite).Material
}

// TestCryptoAnswers: the first suite of an offer that we know, the tag and the
// transport as they came, our own key.
func TestCryptoAnswers(t *testing.T) {
	body := func(proto string, lines ...string) []byte {
		text := "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 " + proto + " 8\r\n"
		for _, l := range lines {
			text += "a=crypto:" + l + "\r\n"
		}
		return []byte(text)
	}
	k30, k46 := keyText(30), keyText(46)
	cm, cm32, cm256 := "1 AES_CM_128_HMAC_SHA1_80 inline:"+k30, "2 AES_CM_128_HMAC_SHA1_32 inline:"+k30, "3 AES_CM_256_HMAC_SHA1_80 inline:"+k46
	for _, c := range []struct {
		policy srtp.Policy
		offer  []byte
		want   string // "transport tag suite" of the answer, or words of the error
	}{
		{srtp.Required, body("RTP/SAVP", cm, cm256), "RTP/SAVP 1 AES_CM_128_HMAC_SHA1_80"},
		{srtp.Required, body("RTP/SAVP", cm32, cm), "RTP/SAVP 2 AES_CM_128_HMAC_SHA1_32"},
		{srtp.Required, body("RTP/SAVPF", cm256), "RTP/SAVPF 3 AES_CM_256_HMAC_SHA1_80"},
		{srtp.Required, body("RTP/SAVP", "7 NEW_SUITE inline:x", cm), "RTP/SAVP 1 AES_CM_128_HMAC_SHA1_80"},
		{srtp.Required, body("RTP/AVP", cm), "RTP/AVP 1 AES_CM_128_HMAC_SHA1_80"},
		{srtp.Optional, body("RTP/AVP", cm), "RTP/AVP 1 AES_CM_128_HMAC_SHA1_80"},
		{srtp.Optional, body("RTP/AVP"), "RTP/AVP"},
		{srtp.Optional, body("RTP/AVP", "7 NEW_SUITE inline:x"), "RTP/AVP"},
		{srtp.Off, body("RTP/AVP", cm), "RTP/AVP"},
		{srtp.Off, body("RTP/SAVP", cm), "the transport RTP/SAVP is not supported"},
		{srtp.Optional, body("RTP/SAVP"), "refusing downgrade: SRTP is agreed on: no a=crypto"},
		{srtp.Required, body("RTP/SAVP"), "refusing downgrade: SRTP is required: no a=crypto"},
		{srtp.Required, body("RTP/AVP"), "refusing downgrade: SRTP is required: no a=crypto"},
		{srtp.Required, body("RTP/SAVP", cm+" UNENCRYPTED_SRTP"), "SRTP is required: the session parameter UNENCRYPTED_SRTP is not supported"},
		{srtp.Required, body("UDP/TLS/RTP/SAVP", cm), "the transport UDP/TLS/RTP/SAVP is not supported"},
		// Two lines, the plain one first: the encrypted one is taken.
		{srtp.Optional, append(body("RTP/AVP"), []byte("m=audio 4002 RTP/SAVP 8\r\na=crypto:"+cm+"\r\n")...), "RTP/SAVP 1 AES_CM_128_HMAC_SHA1_80"},
		{srtp.Off, append(body("RTP/SAVP", cm), []byte("m=audio 4002 RTP/AVP 8\r\n")...), "RTP/AVP"},
	} {
		l := side(c.policy, 1)
		answer, r, err := BuildAnswer(l, c.offer)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q: %v, not %s", c.offer, err, c.want)
			}
			continue
		}
		d, err := parseSDP(answer)
		mediatest.Must(t, err)
		got := ""
		for _, m := range d.media {
			if m.port == 0 {
				continue
			}
			got = m.proto
			for _, line := range m.crypto {
				f := strings.Fields(line)
				got += " " + f[0] + " " + f[1]
				if f[2] == "inline:"+k30 || f[2] == "inline:"+k46 {
					t.Errorf("%q: our key is theirs", c.offer)
				}
			}
			if len(m.crypto) == 0 != (r.Suite == "") {
				t.Errorf("%q: suite %q", c.offer, r.Suite)
			}
		}
		if got != c.want {
			t.Errorf("%q: %q, not %q", c.offer, got, c.want)
		}
	}
}

// TestCryptoReplies: what an answer may say to our offer.
func TestCryptoReplies(t *testing.T) {
	k30, k44 := keyText(30), keyText(44)
	for _, c := range []struct {
		policy              srtp.Policy
		proto, crypto, want string
	}{
		{srtp.Required, "RTP/SAVP", "3 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "AES_CM_128_HMAC_SHA1_80"},
		{srtp.Required, "RTP/AVP", "3 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "AES_CM_128_HMAC_SHA1_80"},
		{srtp.Required, "RTP/SAVP", "1 AEAD_AES_256_GCM inline:" + k44, "AEAD_AES_256_GCM"},
		{srtp.Required, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "AES_CM_128_HMAC_SHA1_80"},
		{srtp.Required, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_32 inline:" + k30, "a=crypto:1 AES_CM_128_HMAC_SHA1_32 was not offered"},
		{srtp.Required, "RTP/SAVP", "", "refusing downgrade"},
		{srtp.Required, "RTP/AVP", "", "refusing downgrade"},
		{srtp.Optional, "RTP/AVP", "", ""},
		{srtp.Optional, "RTP/AVP", "3 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "AES_CM_128_HMAC_SHA1_80"},
		{srtp.Optional, "RTP/AVP", "9 AES_CM_128_HMAC_SHA1_32 inline:" + k30, "was not offered"},
		{srtp.Optional, "RTP/SAVP", "", "refusing downgrade"},
		{srtp.Off, "RTP/SAVP", "1 AES_CM_128_HMAC_SHA1_80 inline:" + k30, "the transport RTP/SAVP is not supported"},
	} {
		text := "v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 " + c.proto + " 8\r\n"
		if c.crypto != "" {
			text += "a=crypto:" + c.crypto + "\r\n"
		}
		l := side(c.policy, 1)
		BuildOffer(l)
		r, err := ReadAnswer(l, []byte(text))
		switch {
		case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%d %s %s: %v", c.policy, c.proto, c.crypto, err)
		case err == nil && r.Suite != c.want:
			t.Errorf("%d %s %s: %q", c.policy, c.proto, c.crypto, r.Suite)
		}
	}
}
