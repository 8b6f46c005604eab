// Package pcap writes captures that Wireshark and tcpdump open. Packets are made
// up around payloads: an IP and a UDP header with the addresses given, with right
// checksums. What went over TCP or TLS is shown as UDP too, one datagram a
// message, because the payload is what people look for.
//
// # Limits
//
// A payload longer than [MaxPayload] is cut; the header tells its real length.
package pcap

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// MaxPayload is the most that one datagram carries over IPv4.
const MaxPayload = 65535 - 20 - 8

// Packet is a datagram of the capture.
type Packet struct {
	At       time.Time
	From, To netip.AddrPort
	Payload  []byte
}

// linkRaw is LINKTYPE_RAW: packets begin with their IP header, of any version.
const linkRaw = 101

// Write writes a whole capture in the classic format with microseconds. Packets
// without a valid address are passed over.
func Write(w io.Writer, packets []Packet) error {
	head := make([]byte, 24)
	binary.LittleEndian.PutUint32(head, 0xa1b2c3d4)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], 262144) // snaplen
	binary.LittleEndian.PutUint32(head[20:], linkRaw)
	if _, err := w.Write(head); err != nil {
		return err
	}
	for _, p := range packets {
		if !p.From.IsValid() || !p.To.IsValid() {
			continue
		}
		if _, err := w.Write(record(p)); err != nil {
			return err
		}
	}
	return nil
}

// record is a packet with the header of its record.
func record(p Packet) []byte {
	data := p.Payload[:min(len(p.Payload), MaxPayload)]
	ip := datagram(p.From, p.To, data)
	out := make([]byte, 16, 16+len(ip))
	binary.LittleEndian.PutUint32(out, uint32(p.At.Unix()))
	binary.LittleEndian.PutUint32(out[4:], uint32(p.At.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(out[8:], uint32(len(ip)))
	binary.LittleEndian.PutUint32(out[12:], uint32(len(ip)+len(p.Payload)-len(data)))
	return append(out, ip...)
}

func datagram(from, to netip.AddrPort, data []byte) []byte {
	a, b := from.Addr().Unmap(), to.Addr().Unmap()
	udp := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint16(udp, from.Port())
	binary.BigEndian.PutUint16(udp[2:], to.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(data)))
	udp = append(udp, data...)
	if !a.Is4() || !b.Is4() {
		a, b = netip.AddrFrom16(a.As16()), netip.AddrFrom16(b.As16())
	}
	sum := checksum(udp, checksumOf(a.AsSlice(), checksumOf(b.AsSlice(), uint32(17+len(udp)))))
	if sum == 0 {
		sum = 0xffff
	}
	binary.BigEndian.PutUint16(udp[6:], sum)
	if a.Is4() {
		return append(header4(a, b, len(udp)), udp...)
	}
	return append(header6(a, b, len(udp)), udp...)
}

func header4(a, b netip.Addr, length int) []byte {
	h := make([]byte, 20)
	h[0], h[6], h[8], h[9] = 0x45, 0x40, 64, 17 // version 4, don't fragment, TTL, UDP
	binary.BigEndian.PutUint16(h[2:], uint16(20+length))
	copy(h[12:], a.AsSlice())
	copy(h[16:], b.AsSlice())
	binary.BigEndian.PutUint16(h[10:], checksum(h, 0))
	return h
}

func header6(a, b netip.Addr, length int) []byte {
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, 17, 64 // version 6, UDP, hop limit
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	copy(h[8:], a.AsSlice())
	copy(h[24:], b.AsSlice())
	return h
}

// checksum is the Internet checksum (RFC 1071) of data over a sum that began
// elsewhere.
func checksum(data []byte, sum uint32) uint16 {
	sum = checksumOf(data, sum)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

func checksumOf(data []byte, sum uint32) uint32 {
	for i := 0; i+1 < len(data); i += 2 {
		if sum += uint32(data[i])<<8 | uint32(data[i+1]); sum > 0x7fffffff {
			sum = sum>>16 + sum&0xffff
		}
	}
	if len(data)%2 == 1 {
		sum += uint32(data[len(data)-1]) << 8
	}
	return sum
}
