package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
)

// How a flooder sends: it must leave the processor to whom it floods.
const (
	floodTick  = 2 * time.Millisecond
	floodBatch = 64                 // messages of one system call
	floodStamp = "################" // in a template: the number of the message
)

// flooder sends messages that nobody has asked for, from many addresses of
// 127.0.0.0/8 by one socket: to the server they are so many sources. It reads no
// answer.
type flooder struct {
	t         testing.TB
	conn      *ipv4.PacketConn
	templates [][]byte
	from      [][]byte // control messages that name the source
	batch     []ipv4.Message
	sent      atomic.Int64
	n         uint64
}

func newFlooder(t testing.TB, to netip.AddrPort, kinds []string, sources int) *flooder {
	t.Helper()
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadBuffer(4096)
	f := &flooder{t: t, conn: ipv4.NewPacketConn(c), n: rand.Uint64()}
	for _, kind := range kinds {
		f.templates = append(f.templates, []byte(floodMessage(kind, to)))
	}
	for i := range sources {
		f.from = append(f.from, (&ipv4.ControlMessage{Src: net.IPv4(127, 3, byte(i>>8), byte(i))}).Marshal())
	}
	addr := net.UDPAddrFromAddrPort(to)
	for range floodBatch {
		f.batch = append(f.batch, ipv4.Message{Buffers: [][]byte{make([]byte, 0, 1024)}, Addr: addr})
	}
	return f
}

// floodMessage is the template of one kind: what a dialog has not, nobody waits
// for, or is no SIP at all.
func floodMessage(kind string, to netip.AddrPort) string {
	start, toTag := fmt.Sprintf("%s sip:u%s@%s SIP/2.0", kind, floodStamp[:4], to), ""
	switch kind {
	case "garbage":
		return strings.Repeat("\x00\xff"+floodStamp+"\r\n:; <", 12)
	case "response":
		start, toTag, kind = "SIP/2.0 200 OK", ";tag=t"+floodStamp, "INVITE"
	case "ACK", "BYE":
		toTag = ";tag=t" + floodStamp
	}
	return start + "\r\nVia: SIP/2.0/UDP flood.invalid:5060;rport;branch=z9hG4bK" + floodStamp + "\r\nMax-Forwards: 70\r\n" +
		"From: <sip:caller@flood.invalid>;tag=f" + floodStamp + "\r\nTo: <sip:u" + floodStamp[:4] + "@" + to.String() + ">" + toTag + "\r\n" +
		"Call-ID: " + floodStamp + "@flood\r\nCSeq: 1 " + kind + "\r\nContact: <sip:caller@127.0.0.1:9>\r\nContent-Length: 0\r\n\r\n"
}

// run sends at floodRate, kinds and sources in turn, as far as the machine can.
func (f *flooder) run(ctx context.Context) {
	began := time.Now()
	for sent := 0; every(ctx, floodTick); {
		for due := int(time.Since(began).Seconds() * floodRate); sent < due; {
			batch := f.batch[:min(due-sent, len(f.batch))]
			for i := range batch {
				f.fill(&batch[i])
			}
			n, err := f.conn.WriteBatch(batch, 0)
			if err != nil || n == 0 { // an ICMP error of what came before
				n = 1
			} else {
				f.sent.Add(int64(n))
			}
			sent += n
		}
	}
}

// fill makes the next message.
func (f *flooder) fill(m *ipv4.Message) {
	f.n++
	m.OOB = f.from[f.n%uint64(len(f.from))]
	b := append(m.Buffers[0][:0], f.templates[rand.IntN(len(f.templates))]...)
	stamp := fmt.Appendf(nil, "%016x", f.n)
	for at := 0; ; {
		i := bytes.IndexByte(b[at:], floodStamp[0])
		if i < 0 {
			break
		}
		at += i
		for k := len(stamp); at < len(b) && b[at] == floodStamp[0]; at++ {
			k-- // the last digits change most
			b[at] = stamp[k]
		}
	}
	m.Buffers[0] = b
}
