package sip

import (
	"bytes"
	"fmt"
	"net"
	"testing"
)

// BenchmarkSetUp is one whole inbound call over loopback UDP: INVITE, 200, ACK,
// BYE, 200, the caller's half included.
func BenchmarkSetUp(b *testing.B) {
	e, err := Open(Config{Listen: []Listener{listen("udp", "127.0.0.1:0")}, Trust: loopback}, Deps{Incoming: func(d *Dialog) {
		_ = d.Accept([]byte(sdp("answer")))
		for range d.Events() {
			continue
		}
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(e.LocalAddr("udp")))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 4096)
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		write := func(method string, seq int, to, body string) {
			fmt.Fprintf(conn, "%s sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%d\r\nFrom: <sip:a@h>;tag=a\r\nTo: <sip:b@h>%s\r\n"+
				"Call-ID: c%d\r\nCSeq: %d %s\r\nContact: <sip:a@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
				method, conn.LocalAddr(), method, n, to, n, seq, method, conn.LocalAddr(), len(body), body)
		}
		read := func(cseq string) string {
			for {
				k, err := conn.Read(buf)
				if err != nil {
					b.Fatal(err)
				}
				if bytes.Contains(buf[:k], []byte("\r\nCSeq: "+cseq+"\r\n")) && bytes.HasPrefix(buf, []byte("SIP/2.0 200")) {
					return string(buf[:k])
				}
			}
		}
		write("INVITE", 1, "", sdp("offer"))
		tag := ";tag=" + readPacket([]byte(read("1 INVITE"))).tag("To")
		write("ACK", 1, tag, "")
		write("BYE", 2, tag, "")
		read("2 BYE")
	}
}
