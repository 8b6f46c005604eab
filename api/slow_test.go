package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// brief is the patience of these tests with their clients.
const brief = 100 * time.Millisecond

func impatient(t *testing.T, h *house) (*httptest.Server, *server) {
	s := newServer(h.options())
	s.readTime, s.writeTime = brief, brief
	return serve(t, s.handler()), s
}

// TestSlowBody: a body that does not come is answered in time, and nothing is
// begun for it.
func TestSlowBody(t *testing.T) {
	h := newHouse()
	h.hook = func(context.Context, string, HookRequest) (HookAnswer, error) {
		t.Error("the hook began before the body was there")
		return HookAnswer{Status: 200}, nil
	}
	srv, _ := impatient(t, h)
	for _, path := range []string{"/v1/calls", "/v1/hooks/order"} {
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer full-secret\r\nContent-Length: 10\r\n\r\n{", path)
		_ = c.SetReadDeadline(time.Now().Add(waitLimit))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
	}
	if len(h.placed) > 0 {
		t.Error("an order was placed")
	}
}

// TestSlowHook: the patience is for the body, not for the script.
func TestSlowHook(t *testing.T) {
	h := newHouse()
	h.hook = func(ctx context.Context, _ string, _ HookRequest) (HookAnswer, error) {
		select {
		case <-time.After(3 * brief):
		case <-ctx.Done():
			return HookAnswer{}, fault.New(fault.Internal, "the client was given up")
		}
		return HookAnswer{Status: 200, Body: []byte("late")}, nil
	}
	srv, _ := impatient(t, h)
	resp, err := http.Post(srv.URL+"/v1/hooks/order", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || string(body) != "late" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

// TestDeafListener: a client that takes no events is cut off, and its place is
// given back.
func TestDeafListener(t *testing.T) {
	h := newHouse()
	srv, _ := impatient(t, h)
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer full-secret\r\n\r\n")
	big := FeedItem{ID: 1, Type: "call.ended", Body: []byte(`"` + strings.Repeat("x", 1<<20) + `"`)}
	end := time.After(waitLimit)
	for {
		select {
		case h.feed <- big:
		case <-h.stopped:
			return
		case <-end:
			t.Fatal("the deaf listener still holds its place")
		}
	}
}

// wide is a recording that no socket buffer holds.
type wide struct{ at int64 }

const wideSize = 64 << 20

func (w *wide) Read(p []byte) (int, error) {
	if w.at >= wideSize {
		return 0, io.EOF
	}
	n := min(int64(len(p)), wideSize-w.at)
	w.at += n
	return int(n), nil
}

func (w *wide) Seek(to int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		w.at = to
	case io.SeekCurrent:
		w.at += to
	default:
		w.at = wideSize + to
	}
	return w.at, nil
}

func (*wide) Close() error { return nil }

type wideHouse struct {
	*house
	closed chan struct{}
}

type closing struct {
	*wide
	closed chan struct{}
}

func (c closing) Close() error {
	close(c.closed)
	return nil
}

func (h wideHouse) Recording(id string) (Recording, error) {
	return Recording{closing{&wide{}, h.closed}, id + ".wav", "audio/wav", time.Unix(1, 0)}, nil
}

// TestDownload: one that goes on may take longer than the patience, one that
// stands still is ended.
func TestDownload(t *testing.T) {
	start := func() (net.Conn, chan struct{}) {
		h := newHouse()
		o := h.options()
		closed := make(chan struct{})
		o.Recordings = wideHouse{h, closed}
		s := newServer(o)
		s.writeTime = brief
		srv := serve(t, s.handler())
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprint(c, "GET /v1/calls/one/recording HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer full-secret\r\n\r\n")
		return c, closed
	}
	_, closed := start()
	within(t, closed, "the standing download to end")

	c, closed := start()
	buf := make([]byte, wideSize/8)
	total := 0
	for {
		n, err := io.ReadFull(c, buf)
		total += n
		if err != nil {
			break
		}
		<-time.After(brief / 4) // eight rests: more than the patience in all
	}
	within(t, closed, "the download to end")
	if total < wideSize {
		t.Errorf("a download that went on was cut after %d bytes", total)
	}
}

// TestConns fills a listener to the last place.
func TestConns(t *testing.T) {
	ln, far := pipes()
	var conns Conns
	bounded := conns.Wrap(ln)
	var mu sync.Mutex
	var held []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := bounded.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			held = append(held, c)
			mu.Unlock()
		}
	}()
	for range MaxConns {
		far()
	}
	one := far()
	_ = one.SetReadDeadline(time.Now().Add(waitLimit))
	if _, err := one.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("one too many is not closed: %v", err)
	}
	if conns.Open() != MaxConns || conns.Refused.Load() != 1 {
		t.Fatalf("open %d, refused %d", conns.Open(), conns.Refused.Load())
	}
	mu.Lock()
	held[0].Close()
	held[0].Close() // gives back one place, not two
	mu.Unlock()
	far()
	far()
	ln.Close()
	<-done
	if conns.Open() != MaxConns || conns.Refused.Load() != 2 {
		t.Fatalf("after one left: open %d, refused %d", conns.Open(), conns.Refused.Load())
	}
}

// pipes is a listener without sockets; far opens a connection to it.
func pipes() (net.Listener, func() net.Conn) {
	p := &pipeListener{in: make(chan net.Conn), closed: make(chan struct{})}
	return p, func() net.Conn {
		near, far := net.Pipe()
		p.in <- near
		return far
	}
}

type pipeListener struct {
	in     chan net.Conn
	closed chan struct{}
}

func (p *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-p.in:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipeListener) Close() error {
	close(p.closed)
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{} }
