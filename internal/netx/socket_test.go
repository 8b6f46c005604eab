package netx

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/internal/fault"
)

// echo is a WebSocket server that sends back what it gets; "bye" makes it
// close, "big" makes it send more than a message may hold.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/elsewhere":
		http.Redirect(w, r, "/", http.StatusFound)
		return
	case "/forbidden":
		http.Error(w, "no", http.StatusForbidden)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"audio"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(2 * MaxSocketMessage)
	for {
		kind, data, err := c.Read(r.Context())
		if err != nil {
			return
		}
		switch string(data) {
		case "bye":
			_ = c.Close(4001, "done")
			return
		case "big":
			data = make([]byte, MaxSocketMessage+1)
		case "who":
			data = []byte(r.Header.Get("Authorization") + " " + r.Header.Get("User-Agent") + " " + c.Subprotocol())
		}
		if c.Write(r.Context(), kind, data) != nil {
			return
		}
	}
}

func TestSocket(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	s := NewSockets(Options{Rules: Rules{Hosts: []string{host}}, Agent: "loopstart"})
	open := func() Socket {
		c, err := s.Open(t.Context(), SocketRequest{URL: "ws://" + host, Header: http.Header{"Authorization": {"Bearer x"}}, Protocols: []string{"audio"}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open()
	exchange := func(c Socket, text bool, say string) (bool, string, error) {
		if err := c.Write(t.Context(), text, []byte(say)); err != nil {
			t.Fatal(err)
		}
		kind, data, err := c.Read(t.Context())
		return kind, string(data), err
	}
	if text, got, err := exchange(c, true, "hello"); !text || got != "hello" || err != nil {
		t.Fatal(text, got, err)
	}
	if text, got, err := exchange(c, false, "\x01\x02"); text || got != "\x01\x02" || err != nil {
		t.Fatal(text, got, err)
	}
	if _, got, _ := exchange(c, true, "who"); got != "Bearer x loopstart audio" {
		t.Fatalf("%q", got)
	}
	_, _, err := exchange(c, true, "bye")
	if closed, ok := errors.AsType[*SocketClosed](err); !ok || closed.Status != 4001 || closed.Reason != "done" {
		t.Fatalf("%v", err)
	}
	c.Close(SocketNormal, "")
	c = open()
	if _, _, err := exchange(c, true, "big"); err == nil {
		t.Fatal("a message beyond the limit is taken")
	}
	c.Close(SocketNormal, "")
}

func TestSocketRules(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	named := NewSockets(Options{Rules: Rules{Hosts: []string{host}}})
	for name, c := range map[string]struct {
		s    *Sockets
		url  string
		code fault.Code
	}{
		"a private address that is not named": {NewSockets(Options{}), "ws://" + host, fault.Denied},
		"a host that is not named":            {named, "ws://192.0.2.1:9", fault.Denied},
		"no WebSocket address":                {named, "http://" + host, fault.Invalid},
		"no address":                          {named, "ws://", fault.Invalid},
		"a redirect":                          {named, "ws://" + host + "/elsewhere", fault.Denied},
		"an answer that is no WebSocket":      {named, "ws://" + host + "/forbidden", fault.Network},
		"TLS to a server without":             {named, "wss://" + host, fault.Network},
		"nobody there":                        {NewSockets(Options{Rules: Rules{Hosts: []string{"127.0.0.1"}}}), "ws://127.0.0.1:1", fault.Network},
	} {
		conn, err := c.s.Open(t.Context(), SocketRequest{URL: c.url})
		if conn != nil || fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "fetch") {
			t.Errorf("%s: %v: it is no fetch", name, err)
		}
	}
	if err := (Rules{}).CheckSocket("wss://10.0.0.1/x"); fault.CodeOf(err) != fault.Denied {
		t.Error(err)
	}
	if err := (Rules{}).CheckSocket("wss://agent.example.com/x"); err != nil {
		t.Error(err)
	}
}

func TestSocketTrustsTheConfiguredAuthorities(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(echo)) // would choose HTTP/2 if it were offered
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	if _, err := NewSockets(Options{Rules: Rules{Hosts: []string{host}}}).Open(t.Context(), SocketRequest{URL: "wss://" + host}); fault.CodeOf(err) != fault.Network {
		t.Fatalf("%v: a stranger's certificate is trusted", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	s := NewSockets(Options{Rules: Rules{Hosts: []string{host}}, TLS: TLS{Roots: roots}})
	c, err := s.Open(context.Background(), SocketRequest{URL: "wss://" + host})
	if err != nil {
		t.Fatal(err)
	}
	c.Close(SocketNormal, "")
}
