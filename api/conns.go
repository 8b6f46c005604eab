package api

import (
	"net"
	"sync"
	"sync/atomic"
)

// MaxConns is how many connections all HTTP listeners hold together.
const MaxConns = 1024

// Conns bounds the connections of the listeners it wraps: one too many is
// closed at once, so that a flood costs neither memory nor the others' places.
// The zero value has room for MaxConns.
type Conns struct {
	open    atomic.Int64
	Refused atomic.Int64 // closed because there was no room
}

// Open is how many connections there are.
func (c *Conns) Open() int64 { return c.open.Load() }

// Wrap returns ln with the bound.
func (c *Conns) Wrap(ln net.Listener) net.Listener { return &bounded{ln, c} }

type bounded struct {
	net.Listener
	conns *Conns
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.conns.open.Add(1) <= MaxConns {
			return &counted{Conn: conn, conns: b.conns}, nil
		}
		b.conns.open.Add(-1)
		b.conns.Refused.Add(1)
		_ = conn.Close()
	}
}

// counted gives its place back once.
type counted struct {
	net.Conn
	conns *Conns
	once  sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.conns.open.Add(-1) })
	return c.Conn.Close()
}
