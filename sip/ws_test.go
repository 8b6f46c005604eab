package sip

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// dialWS opens a WebSocket as a page of that origin does.
func dialWS(t *testing.T, url, origin string, trust *tls.Config, protocols ...string) (net.Conn, error) {
	t.Helper()
	o := &websocket.DialOptions{
		Subprotocols: protocols, HTTPHeader: http.Header{},
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true}},
	}
	if origin != "" {
		o.HTTPHeader.Set("Origin", origin)
	}
	c, _, err := websocket.Dial(context.Background(), url, o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return websocket.NetConn(context.Background(), c, websocket.MessageText), nil
}

func wsListener(c *Config, _ *Deps) { c.Listen = append(c.Listen, listen("ws", "127.0.0.1:0")) }

// TestCallOverWebSocket: a page has no address; answers and our own requests
// come down its connection (RFC 7118 §8, RFC 5626).
func TestCallOverWebSocket(t *testing.T) {
	for _, transport := range []string{"ws", "wss"} {
		t.Run(transport, func(t *testing.T) {
			files := issue(t, t.TempDir(), 1)
			r := newRig(t, func(c *Config, _ *Deps) {
				c.TLS, c.Listen = files, append(c.Listen, listen(transport, "127.0.0.1:0"))
			})
			conn, err := dialWS(t, transport+"://"+r.LocalAddr(transport).String(), "", trusting(t, files), "sip")
			if err != nil {
				t.Fatal(err)
			}
			s, c := newStream(t, conn), r.peer().newCall()
			c.transport = strings.ToUpper(transport)
			contact := "Contact: <sip:alice@df7jal23ls0d.invalid;transport=ws>"
			via := strings.NewReplacer("SIP/2.0/"+c.transport+" "+c.p.addr().String(), "SIP/2.0/"+c.transport+" df7jal23ls0d.invalid",
				"Content-Length: ", "X-Length: ") // which a WebSocket does without
			s.raw(via.Replace(c.message("INVITE", 1, "", c.offer, contact)))
			d := r.incoming()
			if d.Origin().Transport != transport {
				t.Fatalf("%+v", d.Origin())
			}
			if err := d.Accept([]byte(sdp("answer"))); err != nil {
				t.Fatal(err)
			}
			ok := s.final("INVITE")
			if ok.code() != 200 || !strings.Contains(ok.get("Contact"), ";transport="+transport) {
				t.Fatalf("%+v", ok)
			}
			c.to = ok.get("To")
			s.raw(via.Replace(c.message("ACK", 1, "", "", contact)))
			expect(t, d, Confirmed)
			d.Hangup()
			bye := s.request("BYE")
			if !strings.HasPrefix(bye.get("Via"), "SIP/2.0/"+c.transport+" ") || !strings.Contains(bye.start, "df7jal23ls0d.invalid") {
				t.Fatalf("%+v", bye)
			}
		})
	}
}

// TestWebSocketIsRefused: a page of another host, one that speaks something
// else, and what is no HTTP.
func TestWebSocketIsRefused(t *testing.T) {
	r := newRig(t, func(c *Config, d *Deps) {
		wsListener(c, d)
		c.Origins = []string{"phone.example.ru"}
	})
	at := r.LocalAddr("ws").String()
	for _, tc := range []struct {
		origin, protocol string
		want             string // of the error; "" is success
	}{
		{"https://phone.example.ru", "sip", ""},
		{"http://" + at, "sip", ""}, // the same host
		{"", "sip", ""},             // no browser
		{"https://evil.example", "sip", "403"},
		{"https://phone.example.ru.evil.example", "sip", "403"},
		{"https://phone.example.ru", "chat", "400"},
		{"https://phone.example.ru", "", "400"},
	} {
		var protocols []string
		if tc.protocol != "" {
			protocols = []string{tc.protocol}
		}
		_, err := dialWS(t, "ws://"+at, tc.origin, nil, protocols...)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("origin %q, protocol %q: %v, want %q", tc.origin, tc.protocol, err, tc.want)
		}
	}
	for _, rubbish := range []string{"OPTIONS sip:a@b SIP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", maxUpgrade) + "\r\n\r\n"} {
		before := r.Stats().Handshakes
		s := dialTCP(t, r.LocalAddr("ws"))
		_, _ = s.conn.Write([]byte(rubbish)) // it may close before it has read all
		if _, err := bufio.NewReader(s.conn).ReadString('\n'); err == nil {
			t.Error("rubbish is answered")
		}
		eventually(t, "it is counted", func() bool { return r.Stats().Handshakes == before+1 })
	}
}

// TestWebSocketMessages: one message is one SIP message; what is too long ends
// the connection, what is malformed gets 400, keep-alives their answer.
func TestWebSocketMessages(t *testing.T) {
	r := newRig(t, wsListener)
	conn, err := dialWS(t, "ws://"+r.LocalAddr("ws").String(), "", nil, "sip")
	if err != nil {
		t.Fatal(err)
	}
	s := newStream(t, conn)
	s.raw("\r\n\r\n")
	pong := make([]byte, 2)
	if n, err := s.in.Read(pong); err != nil || string(pong[:n]) != "\r\n" {
		t.Fatalf("%q %v", pong[:n], err)
	}
	s.raw("no SIP at all") // dropped, the connection stays
	s.raw(strings.Replace(options(r, 1, "Content-Length: 0\r\n\r\n"), "CSeq: ", "CSeq: x", 1))
	if w, err := s.next(); err != nil || w.code() != 400 {
		t.Fatal(w, err)
	}
	s.raw(options(r, 2, "Content-Length: 0\r\n\r\n"))
	if w := s.final("OPTIONS"); w.code() != 200 {
		t.Fatal(w)
	}
	_, _ = s.conn.Write([]byte(options(r, 3, "X: "+strings.Repeat("y", wsReadLimit)+"\r\n\r\n")))
	if _, err := s.next(); err == nil || isTimeout(err) {
		t.Fatal("a message beyond the limit is taken", err)
	}
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
}

// TestWebSocketLimits: connections that say nothing end, and one source has as
// many as over TCP.
func TestWebSocketLimits(t *testing.T) {
	// Silent ones end after 0.5 s, or later where that is too short for so many
	// to come at one time.
	var r *rig
	for _, hurry := range []int{20, 10, 5, 2, 1, 0} {
		full := false
		if r, full = crowdedRig(t, hurry); full {
			break
		}
		if hurry == 0 {
			t.Fatal("so many do not come in at one time")
		}
	}
	url := "ws://" + r.LocalAddr("ws").String()
	conn, err := dialWS(t, url, "", nil, "sip")
	if err == nil {
		if _, err = newStream(t, conn).next(); err == nil || isTimeout(err) {
			t.Fatal("one too many is served", err)
		}
	}
	if s := r.Stats(); s.ConnsRefused != 1 {
		t.Fatalf("%+v", s)
	}
	eventually(t, "the silent ones end", func() bool { return r.Stats().Connections == 0 })
	r.hub.greeting.Store(maxHandshakes)
	if _, err := dialWS(t, url, "", nil, "sip"); err == nil {
		t.Fatal("over the limit of handshakes")
	}
	r.hub.greeting.Store(0)
}

// crowdedRig has as many silent WebSockets as one source may have, if they do
// not end before the last is there.
func crowdedRig(t *testing.T, hurry int) (r *rig, full bool) {
	t.Helper()
	r = newHurriedRig(t, hurry, func(c *Config, d *Deps) {
		wsListener(c, d)
		c.Trust = nil
	})
	begun := time.Now()
	for range MaxConnectionsPerSource {
		if _, err := dialWS(t, "ws://"+r.LocalAddr("ws").String(), "", nil, "sip"); err != nil {
			return r, false
		}
	}
	if hurry > 1 && time.Since(begun) > handshakeTimeout/time.Duration(hurry)/2 {
		return r, false
	}
	eventually(t, "all are in", func() bool { return r.Stats().Connections == MaxConnectionsPerSource })
	return r, true
}

// TestUserOverWebSocket: a registered page is called down its connection, and
// not at all when that is gone.
func TestUserOverWebSocket(t *testing.T) {
	r := newRig(t, func(c *Config, d *Deps) {
		wsListener(c, d)
		c.Users = twoUsers
	})
	conn, err := dialWS(t, "ws://"+r.LocalAddr("ws").String(), "", nil, "sip")
	if err != nil {
		t.Fatal(err)
	}
	p := newPhone(t, r.Endpoint, "101", "secret")
	p.tcp, p.read = conn, bufio.NewReader(conn)
	p.contact = "<sip:x7@q0.invalid;transport=ws>;+sip.instance=\"<urn:uuid:1>\";reg-id=1"
	if m := p.register(60); m.code() != 200 {
		t.Fatal(m.line)
	}
	dial := func() *Dialog {
		d, err := r.Dial(Outgoing{Target: Target{User: "101"}, Body: []byte(sdp("offer"))})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := dial()
	m := p.receive()
	if !strings.HasPrefix(m.line, "INVITE sip:x7@q0.invalid;transport=ws ") || !strings.HasPrefix(m.get("Via"), "SIP/2.0/WS ") {
		t.Fatal(m.line, m.get("Via"))
	}
	p.answer(m, 486, "Busy Here")
	if ev := expect(t, d, Ended); ev.Code != 486 {
		t.Fatalf("%+v", ev)
	}
	_ = conn.Close()
	eventually(t, "it is gone", func() bool { return r.Stats().Connections == 0 })
	eventually(t, "so is the user", func() bool { return len(r.Bindings("101")) == 0 })
}
