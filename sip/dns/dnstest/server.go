// Package dnstest is a name server on loopback for tests: UDP and TCP on one
// port, records as the test sets them, and answers as wrong as it wants.
//
// # Concurrency
//
// A [Server] may be used from any goroutine; Close ends all of its own.
package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// TypeNAPTR is the record type that package dnsmessage has no name for.
const TypeNAPTR dnsmessage.Type = 35

// binds is how often a port is looked for that is free for UDP and TCP.
const binds = 20

// Server answers questions.
type Server struct {
	Addr netip.AddrPort

	conn *net.UDPConn
	l    net.Listener
	work sync.WaitGroup

	mu      sync.Mutex
	records map[string][]dnsmessage.Resource // by lower-case name with its last dot
	asked   map[string]int
	tcp     int
	absent  time.Duration
	wrong   Wrong
	closed  bool
	streams map[net.Conn]bool
}

// Wrong makes of a right answer what is sent: nothing, another, several. It is
// called for each packet; tcp tells how it goes.
type Wrong func(question, answer *dnsmessage.Message, tcp bool) []*dnsmessage.Message

// Open starts a server without records: it knows no name.
func Open() (*Server, error) {
	s := &Server{records: map[string][]dnsmessage.Resource{}, asked: map[string]int{}, streams: map[net.Conn]bool{}}
	var err error
	for range binds {
		if s.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
			return nil, err
		}
		s.Addr = s.conn.LocalAddr().(*net.UDPAddr).AddrPort()
		if s.l, err = net.Listen("tcp4", s.Addr.String()); err == nil {
			break
		}
		s.conn.Close()
	}
	if err != nil {
		return nil, err
	}
	s.work.Go(s.packets)
	s.work.Go(s.accept)
	return s, nil
}

// Close ends the server.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.streams {
		c.Close()
	}
	s.mu.Unlock()
	s.conn.Close()
	s.l.Close()
	s.work.Wait()
}

// Servers is a list for dns.Options.
func (s *Server) Servers() []netip.AddrPort { return []netip.AddrPort{s.Addr} }

// Set replaces all records of a name. Without any the name is known, but has
// nothing.
func (s *Server) Set(name string, records ...dnsmessage.Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[key(name)] = records
}

// Forget makes a name unknown.
func (s *Server) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, key(name))
}

// Absent sets how long missing records are to be believed, by an SOA.
func (s *Server) Absent(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.absent = d
}

// Answer sets what goes wrong; nil: nothing.
func (s *Server) Answer(w Wrong) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = w
}

// Asked counts the questions for a name, of all types.
func (s *Server) Asked(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[key(name)]
}

// TCP counts the questions that came by TCP.
func (s *Server) TCP() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tcp
}

func key(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func (s *Server) packets() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		for _, out := range s.reply(buf[:n], false) {
			_, _ = s.conn.WriteToUDPAddrPort(out, from)
		}
	}
}

func (s *Server) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.streams[c] = true
		if s.closed {
			c.Close()
		}
		s.mu.Unlock()
		s.work.Go(func() { s.stream(c) })
	}
}

// stream answers one question of a connection.
func (s *Server) stream(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.streams, c)
		s.mu.Unlock()
	}()
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return
	}
	buf := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(c, buf); err != nil {
		return
	}
	for _, out := range s.reply(buf, true) {
		_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
	}
}

func (s *Server) reply(raw []byte, tcp bool) (out [][]byte) {
	var m dnsmessage.Message
	if m.Unpack(raw) != nil || len(m.Questions) != 1 {
		return nil
	}
	answer, wrong := s.answer(&m, tcp)
	list := []*dnsmessage.Message{answer}
	if wrong != nil {
		list = wrong(&m, answer, tcp)
	}
	for _, a := range list {
		if b, err := a.Pack(); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// answer is the right one.
func (s *Server) answer(m *dnsmessage.Message, tcp bool) (*dnsmessage.Message, Wrong) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	s.asked[key(q.Name.String())]++
	if tcp {
		s.tcp++
	}
	out := &dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	name := q.Name
	list, known := s.records[key(name.String())]
	if !known {
		out.RCode = dnsmessage.RCodeNameError
	}
	for _, r := range list {
		if r.Header.Type == q.Type || r.Header.Type == dnsmessage.TypeCNAME {
			r.Header.Name = name
			out.Answers = append(out.Answers, r)
		}
	}
	if len(out.Answers) == 0 && s.absent > 0 {
		out.Authorities = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeSOA, Class: dnsmessage.ClassINET, TTL: 86400},
			Body:   &dnsmessage.SOAResource{NS: name, MBox: name, MinTTL: uint32(s.absent / time.Second)},
		}}
	}
	return out, s.wrong
}
