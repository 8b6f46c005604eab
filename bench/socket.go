package bench

import (
	"encoding/binary"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batch is how many packets one system call takes at most.
const batch = 64

// mmsghdr is struct mmsghdr of Linux.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

// socket is a UDP socket on 127.0.0.1 that is read and written in batches.
type socket struct {
	fd   int
	addr netip.AddrPort

	out, in   [batch]mmsghdr
	outIov    [batch]unix.Iovec
	inIov     [batch]unix.Iovec
	outName   [batch]unix.RawSockaddrInet4
	inName    [batch]unix.RawSockaddrInet4
	inBuf     [batch][4096]byte
	inControl [batch][64]byte
}

// received is one datagram; Data is valid until the next receive.
type received struct {
	At   int64 // unix ns, by the kernel
	Port uint16
	Data []byte
}

// openSocket binds a port of 127.0.0.1; 0 is any.
func openSocket(port uint16) (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	s := &socket{fd: fd}
	for _, o := range [][2]int{{unix.SO_RCVBUF, 4 << 20}, {unix.SO_SNDBUF, 4 << 20}, {unix.SO_TIMESTAMPNS, 1}} {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, o[0], o[1]); err != nil {
			return nil, err
		}
	}
	// A reader looks up now and then, so that it can be told to end.
	tv := unix.NsecToTimeval(int64(100 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(port), Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return nil, err
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return nil, err
	}
	at := name.(*unix.SockaddrInet4)
	s.addr = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	for i := range batch {
		s.in[i].hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.inName[i])), Iov: &s.inIov[i], Iovlen: 1}
		s.inIov[i] = unix.Iovec{Base: &s.inBuf[i][0], Len: uint64(len(s.inBuf[i]))}
		s.out[i].hdr = unix.Msghdr{Name: (*byte)(unsafe.Pointer(&s.outName[i])), Namelen: unix.SizeofSockaddrInet4, Iov: &s.outIov[i], Iovlen: 1}
		s.outName[i] = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: [4]byte{127, 0, 0, 1}}
	}
	return s, nil
}

func (s *socket) close() { unix.Close(s.fd) }

// put makes data for a port of 127.0.0.1 the i-th packet of the next send.
func (s *socket) put(i int, port uint16, data []byte) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.outName[i].Port))[:], port)
	s.outIov[i] = unix.Iovec{Base: &data[0], Len: uint64(len(data))}
}

// send sends the first n packets.
func (s *socket) send(n int) {
	for done := 0; done < n; {
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[done])), uintptr(n-done), 0, 0, 0)
		if errno != 0 || k == 0 {
			done++ // nobody listens there any more
			continue
		}
		done += int(k)
	}
}

// receive waits for packets and hands each to take.
func (s *socket) receive(take func(received)) {
	for i := range batch {
		s.in[i].hdr.Namelen = unix.SizeofSockaddrInet4
		s.in[i].hdr.Control, s.in[i].hdr.Controllen = &s.inControl[i][0], uint64(len(s.inControl[i]))
	}
	n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])), batch, unix.MSG_WAITFORONE, 0, 0)
	if errno != 0 {
		return
	}
	for i := range int(n) {
		c := s.inControl[i][:]
		var at int64
		if h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0])); h.Level == unix.SOL_SOCKET && h.Type == unix.SCM_TIMESTAMPNS {
			ts := (*unix.Timespec)(unsafe.Pointer(&c[unix.CmsgLen(0)]))
			at = ts.Nano()
		}
		port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.inName[i].Port))[:])
		take(received{at, port, s.inBuf[i][:s.in[i].n]})
	}
}
