package pcap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2026, 11, 22, 10, 0, 0, 123456000, time.UTC)

const text = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"

func packets() []Packet {
	ap := netip.MustParseAddrPort
	return []Packet{
		{at, ap("192.0.2.1:5060"), ap("198.51.100.2:5080"), []byte(text)},
		{at.Add(time.Second), ap("[2001:db8::1]:5060"), ap("[2001:db8::2]:5060"), []byte(text + "x")},
		{at, netip.AddrPort{}, ap("192.0.2.1:5060"), []byte("nowhere")},
		{at, ap("192.0.2.1:5060"), ap("[2001:db8::2]:5060"), make([]byte, MaxPayload+10)},
	}
}

// The file is read back by hand: lengths, addresses and sums have to be right.
func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, packets()); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	if binary.LittleEndian.Uint32(data) != 0xa1b2c3d4 || binary.LittleEndian.Uint32(data[20:]) != linkRaw {
		t.Fatalf("% x", data[:24])
	}
	data = data[24:]
	var seen []string
	for len(data) > 0 {
		if usec := binary.LittleEndian.Uint32(data[4:]); usec != 123456 {
			t.Errorf("%d µs", usec)
		}
		n, whole := binary.LittleEndian.Uint32(data[8:]), binary.LittleEndian.Uint32(data[12:])
		ip := data[16 : 16+n]
		data = data[16+n:]
		var src, dst netip.Addr
		rest := ip[40:]
		if ip[0]>>4 == 4 {
			src, dst, rest = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20])), ip[20:]
			if checksum(ip[:20], 0) != 0 || int(binary.BigEndian.Uint16(ip[2:])) != len(ip) {
				t.Error("the IPv4 header is wrong")
			}
		} else {
			src, dst = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40]))
		}
		if checksum(rest, checksumOf(src.AsSlice(), checksumOf(dst.AsSlice(), uint32(17+len(rest))))) != 0 {
			t.Errorf("%s: the UDP checksum is wrong", src)
		}
		cut := ""
		if whole != n {
			cut = " cut"
		}
		seen = append(seen, src.String()+" "+dst.String()+cut)
	}
	want := "192.0.2.1 198.51.100.2|2001:db8::1 2001:db8::2|::ffff:192.0.2.1 2001:db8::2 cut"
	if got := strings.Join(seen, "|"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Where tshark is installed it has to agree.
func TestWiresharkReadsIt(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	file := filepath.Join(t.TempDir(), "a.pcap")
	var b bytes.Buffer
	if err := Write(&b, packets()[:2]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tshark, "-r", file, "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-e", "sip.Method", "-e", "udp.checksum.status").CombinedOutput()
	if err != nil || strings.Count(string(out), "OPTIONS\t1") != 2 {
		t.Fatalf("%v\n%s", err, out)
	}
}
