package srtp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/media/mediatest"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// derive is RFC 3711 §4.3.1 (and RFC 6188 §3) with a key derivation rate of
// zero, written a second time: from the standard library alone.
func derive(t *testing.T, key, salt []byte, label byte, size int) []byte {
	t.Helper()
	iv := make([]byte, 16)
	copy(iv, salt)
	iv[7] ^= label
	block, err := aes.NewCipher(key)
	mediatest.Must(t, err)
	out := make([]byte, size)
	cipher.NewCTR(block, iv).XORKeyStream(out, out)
	return out
}

// TestSRTPKeyDerivation holds the reference of the tests below against the
// vectors of RFC 3711 §B.3 and RFC 6188 §7.2.
func TestSRTPKeyDerivation(t *testing.T) {
	for name, v := range map[string][5]string{
		"RFC 3711 B.3": {"E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
			"C61E7A93744F39EE10734AFE3FF7A087", "30CBBC08863D8C85D49DB34A9AE1", "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
		"RFC 6188 7.2": {"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6", "3b04803de51ee7c96423ab5b78d2",
			"5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4", "fa31791685ca444a9e07c6c64e93", "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
	} {
		key, salt := unhex(t, v[0]), unhex(t, v[1])
		for i, label := range []byte{0, 2, 1} {
			want := unhex(t, v[2+i])
			if got := derive(t, key, salt, label, len(want)); !bytes.Equal(got, want) {
				t.Errorf("%s, label %d: %x", name, label, got)
			}
		}
	}
}

// gcmSeal is RFC 7714 §8 and §9 under session keys.
func gcmSeal(t *testing.T, key, salt, packet []byte, roc uint32) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	mediatest.Must(t, err)
	gcm, err := cipher.NewGCM(block)
	mediatest.Must(t, err)
	iv := make([]byte, 12)
	copy(iv[2:6], packet[8:12])
	binary.BigEndian.PutUint32(iv[6:], roc)
	copy(iv[10:], packet[2:4])
	for i := range iv {
		iv[i] ^= salt[i]
	}
	return gcm.Seal(bytes.Clone(packet[:headerBytes]), iv, packet[headerBytes:], packet[:headerBytes])
}

// TestSRTPReferenceGCM holds gcmSeal against RFC 7714 §16.1.1 and §16.2.1.
func TestSRTPReferenceGCM(t *testing.T) {
	plain := unhex(t, "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573")
	salt := unhex(t, "517569642070726f2071756f")
	for key, want := range map[string]string{
		"000102030405060708090a0b0c0d0e0f":                                 "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f": "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
	} {
		if got := gcmSeal(t, unhex(t, key), salt, plain, 0); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%x", got)
		}
	}
}

// reference encrypts a packet as the RFCs say, from the master key on.
func reference(t *testing.T, s *Suite, material, packet []byte, roc uint32) []byte {
	t.Helper()
	master, salt := material[:s.KeyBytes], material[s.KeyBytes:]
	key, own := derive(t, master, salt, 0, s.KeyBytes), derive(t, master, salt, 2, s.SaltBytes)
	if strings.HasPrefix(s.Name, "AEAD") {
		return gcmSeal(t, key, own, packet, roc)
	}
	iv := make([]byte, 16)
	copy(iv, own)
	var index [10]byte
	copy(index[:4], packet[8:12])
	binary.BigEndian.PutUint32(index[4:], roc)
	copy(index[8:], packet[2:4])
	for i, b := range index {
		iv[4+i] ^= b
	}
	block, err := aes.NewCipher(key)
	mediatest.Must(t, err)
	out := bytes.Clone(packet)
	cipher.NewCTR(block, iv).XORKeyStream(out[headerBytes:], packet[headerBytes:])
	mac := hmac.New(sha1.New, derive(t, master, salt, 1, sha1.Size))
	mac.Write(out)
	mac.Write(binary.BigEndian.AppendUint32(nil, roc))
	size := 10
	if strings.HasSuffix(s.Name, "_32") {
		size = 4
	}
	return append(out, mac.Sum(nil)[:size]...)
}

// keysOf makes a deterministic key of a suite.
func keysOf(s *Suite, seed byte) *Key {
	c := &Key{Suite: s, Material: make([]byte, s.KeyBytes+s.SaltBytes)}
	for i := range c.Material {
		c.Material[i] = seed + byte(i*3)
	}
	return c
}

func packetOf(ssrc uint32, seq uint16, payload []byte) (h [headerBytes]byte, whole []byte) {
	putHeader(&h, seq, ssrc)
	return h, append(h[:], payload...)
}

// TestSRTPKnownPacket is the packet that implementations have compared since
// the first of them, under the master key of RFC 3711 §B.3.
func TestSRTPKnownPacket(t *testing.T) {
	s := SuiteByName("AES_CM_128_HMAC_SHA1_80")
	material := unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6")
	plain := unhex(t, "800f1234 decafbad cafebabe abababab abababab abababab abababab")
	want := unhex(t, "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb")
	x, err := NewOutgoing(s, material)
	mediatest.Must(t, err)
	if got := x.RTP(new(Scratch), (*[headerBytes]byte)(plain), plain[headerBytes:]); !bytes.Equal(got, want) {
		t.Errorf("%x", got)
	}
	if got := reference(t, s, material, plain, 0); !bytes.Equal(got, want) {
		t.Errorf("reference: %x", got)
	}
}

// TestSRTPAgainstReference sends 140,000 packets of every suite past two wraps
// of the sequence number: each 997th is compared, all come back.
func TestSRTPAgainstReference(t *testing.T) {
	for _, s := range suites {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			key := keysOf(s, 7)
			x, err := NewOutgoing(s, key.Material)
			mediatest.Must(t, err)
			o, err := NewIncoming(key, false)
			mediatest.Must(t, err)
			sc := new(Scratch)
			payload := bytes.Repeat([]byte{0x5a}, 20)
			for i := range 140_000 {
				if i%997 != 0 && i%65536 > 300 && i%65536 < 65236 && i%7 != 0 {
					continue // holes, so that the test is short
				}
				h, whole := packetOf(77, uint16(i+60_000), payload)
				sealed := bytes.Clone(x.RTP(sc, &h, payload))
				if i%997 == 0 {
					if want := reference(t, s, key.Material, whole, uint32((i+60_000)>>16)); !bytes.Equal(sealed, want) {
						t.Fatalf("packet %d: %x, not %x", i, sealed, want)
					}
				}
				got, how := o.RTP(sc, sealed, 0)
				if how != Opened || !bytes.Equal(got, whole) {
					t.Fatalf("packet %d: %d %x", i, how, got)
				}
				if _, how := o.RTP(sc, sealed, 0); how != Repeated {
					t.Fatalf("packet %d is taken twice: %d", i, how)
				}
			}
		})
	}
}

func TestSRTPReorderAcrossWrap(t *testing.T) {
	s := suites[0]
	key := keysOf(s, 9)
	x, _ := NewOutgoing(s, key.Material)
	o, _ := NewIncoming(key, false)
	sc := new(Scratch)
	var sealed [][]byte
	for i := range 40 {
		h, _ := packetOf(5, uint16(65_516+i), []byte{byte(i)})
		sealed = append(sealed, bytes.Clone(x.RTP(sc, &h, []byte{byte(i)})))
	}
	order := []int{0, 1, 2, 18, 19, 20, 21, 22, 17, 16, 3, 25, 24, 23, 39, 30, 4}
	for _, i := range order {
		if got, how := o.RTP(sc, sealed[i], 0); how != Opened || got[headerBytes] != byte(i) {
			t.Fatalf("packet %d: %d", i, how)
		}
	}
	// Beyond the window a packet is a replay.
	for i := range replayWindow + 10 {
		h, _ := packetOf(5, uint16(65_556+i), []byte{1})
		if _, how := o.RTP(sc, bytes.Clone(x.RTP(sc, &h, []byte{1})), 0); how != Opened {
			t.Fatalf("packet %d: %d", i, how)
		}
	}
	if _, how := o.RTP(sc, sealed[5], 0); how != Repeated {
		t.Fatalf("a packet from before the window: %d", how)
	}
}

func TestSRTPBadPackets(t *testing.T) {
	for _, s := range suites {
		key := keysOf(s, 1)
		x, _ := NewOutgoing(s, key.Material)
		o, _ := NewIncoming(key, false)
		sc := new(Scratch)
		h, whole := packetOf(3, 100, bytesOf(1))
		good := bytes.Clone(x.RTP(sc, &h, bytesOf(1)))
		for n := range good {
			if _, how := o.RTP(sc, good[:n], 0); how == Opened {
				t.Fatalf("%s: %d bytes of %d are taken", s.Name, n, len(good))
			}
			bad := bytes.Clone(good)
			bad[n] ^= 1
			if _, how := o.RTP(sc, bad, 0); how == Opened {
				t.Fatalf("%s: a changed byte %d is taken", s.Name, n)
			}
		}
		other, _ := NewOutgoing(s, keysOf(s, 2).Material)
		if _, how := o.RTP(sc, bytes.Clone(other.RTP(sc, &h, bytesOf(1))), 0); how != NotOpened {
			t.Errorf("%s: another key: %d", s.Name, how)
		}
		if _, how := o.RTP(sc, whole, 0); how != NotOpened {
			t.Errorf("%s: plain RTP: %d", s.Name, how)
		}
		if got, how := o.RTP(sc, good, 0); how != Opened || !bytes.Equal(got, whole) {
			t.Errorf("%s: the good one after them: %d", s.Name, how)
		}
	}
}

// A peer that invents sources is bounded, and the one that talks stays heard.
func TestMaxSources(t *testing.T) {
	s := suites[0]
	key := keysOf(s, 1)
	x, _ := NewOutgoing(s, key.Material)
	o, _ := NewIncoming(key, false)
	sc := new(Scratch)
	taken := 0
	for i := range 3 * maxSources {
		h, _ := packetOf(uint32(i), 1, []byte{1})
		if _, how := o.RTP(sc, bytes.Clone(x.RTP(sc, &h, []byte{1})), 0); how == Opened {
			taken++
		}
	}
	h, _ := packetOf(0, 2, []byte{1})
	if _, how := o.RTP(sc, bytes.Clone(x.RTP(sc, &h, []byte{1})), 0); taken != maxSources || how != Opened {
		t.Fatalf("%d taken, the first one then %d", taken, how)
	}
}

// TestSRTPNewKey changes the key of a stream whose sequence numbers have begun
// anew: peers that count on, peers that do not, and packets that are late.
func TestSRTPNewKey(t *testing.T) {
	for _, countOn := range []bool{true, false} {
		s := SuiteByName("AES_CM_128_HMAC_SHA1_80")
		old, fresh := keysOf(s, 1), keysOf(s, 2)
		x, _ := NewOutgoing(s, old.Material)
		o, _ := NewIncoming(old, false)
		sc := new(Scratch)
		send := func(x *Outgoing, o *Incoming, seq int, at time.Duration) Outcome {
			h, _ := packetOf(8, uint16(seq), []byte{1})
			_, how := o.RTP(sc, bytes.Clone(x.RTP(sc, &h, []byte{1})), at)
			return how
		}
		for i := 65_000; i < 66_000; i++ {
			if send(x, o, i, 0) != Opened {
				t.Fatal(i)
			}
		}
		y, _ := NewOutgoing(s, fresh.Material)
		if countOn {
			y.ctx.SetROC(8, 1)
		}
		next, _ := NewIncoming(fresh, true)
		next.Follow(o, 8, time.Minute)
		for i := 66_002; i < 66_100; i++ {
			if how := send(y, next, i, time.Minute); how != Opened {
				t.Fatalf("count on %v: packet %d: %d", countOn, i, how)
			}
		}
		if how := send(x, next, 66_001, time.Minute+keyOverlap/2); how != Opened {
			t.Errorf("a late packet of the old key: %d", how)
		}
		if how := send(x, next, 66_000, time.Minute+2*keyOverlap); how != NotOpened {
			t.Errorf("the old key long afterwards: %d", how)
		}
	}
}

func TestSRTCPRoundTrip(t *testing.T) {
	for _, s := range suites {
		key := keysOf(s, 4)
		x, _ := NewOutgoing(s, key.Material)
		o, _ := NewIncoming(key, false)
		sc := new(Scratch)
		report := unhex(t, "80c90001 00000008 81ca0002 00000008 01000000")
		sealed := bytes.Clone(x.RTCP(sc, report))
		if bytes.Contains(sealed, report[8:]) {
			t.Errorf("%s: the report is readable", s.Name)
		}
		if got := o.RTCP(sc, sealed, 0); !bytes.Equal(got, report) {
			t.Errorf("%s: %x", s.Name, got)
		}
		for n := range sealed {
			bad := bytes.Clone(sealed)
			bad[n] ^= 0x10
			if got := o.RTCP(sc, bad, 0); got != nil {
				t.Errorf("%s: byte %d changed: %x", s.Name, n, got)
			}
		}
		if o.RTCP(sc, sealed, 0) != nil {
			t.Errorf("%s: a replay is taken", s.Name)
		}
		if o.RTCP(sc, report, 0) != nil {
			t.Errorf("%s: a plain report is taken", s.Name)
		}
	}
}

// With an MKI in each of their packets, as their a=crypto said (RFC 3711 §3.1).
func TestSRTPMKI(t *testing.T) {
	for _, s := range suites {
		c := keysOf(s, 6)
		_, whole := packetOf(3, 9, bytesOf(2))
		sealed := reference(t, s, c.Material, whole, 0)
		tag := map[bool]int{true: 4, false: 10}[strings.HasSuffix(s.Name, "_32")]
		if strings.HasPrefix(s.Name, "AEAD") {
			tag = 0 // RFC 7714 §7.2: the MKI comes last
		}
		c.MKI = []byte{0, 0, 1, 2}
		at := len(sealed) - tag
		with := append(append(bytes.Clone(sealed[:at]), c.MKI...), sealed[at:]...)
		o, err := NewIncoming(c, false)
		mediatest.Must(t, err)
		if got, how := o.RTP(new(Scratch), with, 0); how != Opened || !bytes.Equal(got, whole) {
			t.Errorf("%s: %d %x", s.Name, how, got)
		}
		if _, how := o.RTP(new(Scratch), sealed, 0); how == Opened {
			t.Errorf("%s: a packet without the MKI is taken", s.Name)
		}
	}
}

func TestSRTPNoAllocation(t *testing.T) {
	if testing.Short() {
		t.Skip("the race detector, which runs the short tests, allocates in hash and cipher")
	}
	for _, s := range suites {
		key := keysOf(s, 1)
		x, _ := NewOutgoing(s, key.Material)
		o, _ := NewIncoming(key, false)
		sc, payload := new(Scratch), bytesOf(1)
		seq := uint16(0)
		var h [headerBytes]byte
		packet := func() {
			seq++
			putHeader(&h, seq, 4)
			out := x.RTP(sc, &h, payload)
			if _, how := o.RTP(sc, out, 0); how != Opened {
				t.Fatal(how)
			}
		}
		packet()
		if n := testing.AllocsPerRun(500, packet); n != 0 {
			t.Errorf("%s: %.1f allocations a packet", s.Name, n)
		}
		// The library wraps an error for a bad packet of GCM; only the peer's own
		// address gets so far.
		bad := make([]byte, 182)
		copy(bad, h[:])
		if n := testing.AllocsPerRun(500, func() { o.RTP(sc, bad, 0); binary.BigEndian.PutUint16(bad[2:], binary.BigEndian.Uint16(bad[2:])+1) }); n > 4 {
			t.Errorf("%s: %.1f allocations a bad packet", s.Name, n)
		}
	}
}

// BenchmarkSRTP is one packet encrypted and decrypted, by suite.
func BenchmarkSRTP(b *testing.B) {
	for _, s := range suites {
		key := keysOf(s, 1)
		payload := bytesOf(1)
		b.Run(s.Name+"/seal", func(b *testing.B) {
			x, _ := NewOutgoing(s, key.Material)
			sc := new(Scratch)
			var h [headerBytes]byte
			b.ReportAllocs()
			for i := range b.N {
				putHeader(&h, uint16(i), 4)
				x.RTP(sc, &h, payload)
			}
		})
		b.Run(s.Name+"/open", func(b *testing.B) {
			x, _ := NewOutgoing(s, key.Material)
			o, _ := NewIncoming(key, false)
			sc := new(Scratch)
			var sealed [256][]byte
			b.ReportAllocs()
			for i := range b.N {
				if i%len(sealed) == 0 {
					b.StopTimer()
					for k := range sealed {
						h, _ := packetOf(4, uint16(i+k), nil)
						sealed[k] = bytes.Clone(x.RTP(sc, &h, payload))
					}
					b.StartTimer()
				}
				if _, how := o.RTP(sc, sealed[i%len(sealed)], 0); how != Opened {
					b.Fatal(how)
				}
			}
		})
	}
}

// bytesOf is a payload that is not silence.
func bytesOf(n int) []byte {
	b := make([]byte, 160)
	for i := range b {
		b[i] = byte(n*31+i*7) | 1
	}
	return b
}

func putHeader(h *[headerBytes]byte, seq uint16, ssrc uint32) {
	h[0], h[1] = 2<<6, 8
	binary.BigEndian.PutUint16(h[2:], seq)
	binary.BigEndian.PutUint32(h[4:], uint32(seq)*160)
	binary.BigEndian.PutUint32(h[8:], ssrc)
}
