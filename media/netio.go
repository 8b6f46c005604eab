package media

import "net/netip"

// socketID names an open socket: a descriptor, or an index of a Fabric.
type socketID int32

// netIO is how a shard reads and writes datagrams. Nothing in it waits or
// allocates. A shard calls it from its own thread only.
type netIO interface {
	// recv reads one datagram. stamp is when it arrived, in nanoseconds of
	// wall time, 0 when that is unknown. ok is false when none is waiting.
	recv(sock socketID, buf []byte) (n int, from netip.AddrPort, stamp int64, ok bool)
	// send writes head and body as one datagram.
	send(sock socketID, to *destination, head, body []byte) bool
	// connect makes the socket take datagrams from one address only; an
	// invalid address takes that back.
	connect(sock socketID, to *destination) bool
	close(sock socketID)
}

// destination is an address in the form that the kernel takes.
type destination struct {
	addr      netip.AddrPort
	raw       [28]byte // sockaddr_in or sockaddr_in6
	size      uint32
	connected bool
}

func (d *destination) set(addr netip.AddrPort) {
	*d = destination{addr: addr}
	d.size = putSockaddr(&d.raw, addr)
}
