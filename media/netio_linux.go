package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sockets without the Go runtime's poller: opened, read and written by system
// calls that never wait. RawSyscall keeps the processor while the kernel copies
// a packet (about 3 µs), which is cheaper than giving it up and asking back.

// kernelSockets opens UDP sockets of the machine.
type kernelSockets struct{}

// expedited is the DiffServ code point EF (RFC 3246) as a TOS byte.
const expedited = 0xB8

func (kernelSockets) open(local netip.AddrPort) (socketID, error) {
	family := unix.AF_INET
	if local.Addr().Is6() && !local.Addr().Is4In6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	// Marking and stamps are improvements, not needs: a kernel that refuses
	// them still carries the call.
	if family == unix.AF_INET6 {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, expedited)
	} else {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, expedited)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	if err := unix.Bind(fd, sockaddr(local)); err != nil {
		_ = unix.Close(fd)
		if errors.Is(err, unix.EADDRINUSE) {
			return -1, errPortTaken
		}
		return -1, fmt.Errorf("bind: %w", err)
	}
	return socketID(fd), nil
}

func (kernelSockets) newIO() netIO { return newKernelIO() }

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if addr := a.Addr().Unmap(); addr.Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: addr.As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// putSockaddr writes a in the kernel's layout and returns its length.
func putSockaddr(raw *[28]byte, a netip.AddrPort) uint32 {
	if !a.IsValid() {
		return 0
	}
	addr := a.Addr().Unmap()
	binary.BigEndian.PutUint16(raw[2:], a.Port())
	if addr.Is4() {
		binary.NativeEndian.PutUint16(raw[:], unix.AF_INET)
		four := addr.As4()
		copy(raw[4:], four[:])
		return unix.SizeofSockaddrInet4
	}
	binary.NativeEndian.PutUint16(raw[:], unix.AF_INET6)
	sixteen := addr.As16()
	copy(raw[8:], sixteen[:])
	return unix.SizeofSockaddrInet6
}

func getSockaddr(raw *[28]byte) netip.AddrPort {
	port := binary.BigEndian.Uint16(raw[2:])
	switch binary.NativeEndian.Uint16(raw[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(raw[4:8])), port)
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(raw[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// kernelIO holds the structures of one thread's system calls, so that none is
// built per packet.
type kernelIO struct {
	out     unix.Msghdr
	outVec  [2]unix.Iovec
	in      unix.Msghdr
	inVec   unix.Iovec
	from    [28]byte
	control [64]byte
	packet  [plainPacket]byte
}

// plainPacket is the longest packet that is put together before it is sent: a
// copy of that much is cheaper than a message of two parts, which the kernel
// fetches, checks and walks.
const plainPacket = 512

func newKernelIO() *kernelIO {
	k := &kernelIO{}
	k.out.Iov = &k.outVec[0]
	k.in.Iov = &k.inVec
	k.in.Iovlen = 1
	k.in.Name = &k.from[0]
	k.in.Control = &k.control[0]
	return k
}

func (k *kernelIO) recv(sock socketID, buf []byte) (int, netip.AddrPort, int64, bool) {
	k.inVec.Base = &buf[0]
	k.inVec.SetLen(len(buf))
	// A connected socket reports the error of an earlier send here once.
	for range 2 {
		k.in.Namelen = uint32(len(k.from))
		k.in.SetControllen(len(k.control))
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(sock), uintptr(unsafe.Pointer(&k.in)), unix.MSG_DONTWAIT)
		if errno == 0 {
			return int(n), getSockaddr(&k.from), k.stamp(), true
		}
		if errno != unix.ECONNREFUSED && errno != unix.EINTR {
			break
		}
	}
	return 0, netip.AddrPort{}, 0, false
}

// stamp reads SCM_TIMESTAMPNS, the only control message that was asked for.
func (k *kernelIO) stamp() int64 {
	const size = unix.SizeofCmsghdr + int(unsafe.Sizeof(unix.Timespec{}))
	if int(k.in.Controllen) < size {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&k.control[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return 0
	}
	sec := binary.NativeEndian.Uint64(k.control[unix.SizeofCmsghdr:])
	nsec := binary.NativeEndian.Uint64(k.control[unix.SizeofCmsghdr+8:])
	return int64(sec)*1e9 + int64(nsec)
}

func (k *kernelIO) send(sock socketID, to *destination, head, body []byte) bool {
	// The error of an earlier packet (ICMP port unreachable) takes the place
	// of this send: try once more.
	for range 2 {
		errno := k.sendOnce(sock, to, head, body)
		if errno == 0 {
			return true
		}
		if errno != unix.ECONNREFUSED && errno != unix.EINTR {
			return false
		}
	}
	return false
}

func (k *kernelIO) sendOnce(sock socketID, to *destination, head, body []byte) (errno unix.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if n := len(head) + len(body); n <= plainPacket {
		copy(k.packet[copy(k.packet[:], head):], body)
		if to.connected {
			_, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(sock), uintptr(unsafe.Pointer(&k.packet)), uintptr(n), flags, 0, 0)
			return errno
		}
		_, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(sock), uintptr(unsafe.Pointer(&k.packet)), uintptr(n), flags,
			uintptr(unsafe.Pointer(&to.raw)), uintptr(to.size))
		return errno
	}
	k.outVec[0].Base = &head[0]
	k.outVec[0].SetLen(len(head))
	k.out.Iovlen = 1
	if len(body) > 0 {
		k.outVec[1].Base = &body[0]
		k.outVec[1].SetLen(len(body))
		k.out.Iovlen = 2
	}
	k.out.Name, k.out.Namelen = nil, 0
	if !to.connected {
		k.out.Name, k.out.Namelen = &to.raw[0], to.size
	}
	_, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(sock), uintptr(unsafe.Pointer(&k.out)), flags)
	return errno
}

func (k *kernelIO) connect(sock socketID, to *destination) bool {
	raw, size := to.raw, to.size
	if size == 0 {
		binary.NativeEndian.PutUint16(raw[:], unix.AF_UNSPEC)
		size = unix.SizeofSockaddrInet4
	}
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(sock), uintptr(unsafe.Pointer(&raw)), uintptr(size))
	runtime.KeepAlive(&raw)
	return errno == 0
}

func (k *kernelIO) close(sock socketID) { _ = unix.Close(int(sock)) }
