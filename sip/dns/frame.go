package dns

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// frame reads one message from a connection (RFC 1035 §4.2.2).
func frame(conn net.Conn) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(size[:]))
	if n > MaxAnswer {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	out := make([]byte, n)
	_, err := io.ReadFull(conn, out)
	return out, err
}
