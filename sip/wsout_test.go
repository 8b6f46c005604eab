package sip

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// wsTrunk is the trunk of a rig at the listener of another one.
func wsTrunk(far *rig, transport string) Trunk {
	host := strings.Replace(far.LocalAddr(transport).String(), "127.0.0.1", "localhost", 1)
	return Trunk{Name: "far", Address: host + ";transport=" + transport, Username: "101", Password: "secret", Domain: "far.test", Register: true}
}

// TestTrunkOverWebSocket: one of ours registers at another over WebSocket, is
// called down its own connection, calls over it, and opens it again.
func TestTrunkOverWebSocket(t *testing.T) {
	for _, transport := range []string{"ws", "wss"} {
		t.Run(transport, func(t *testing.T) {
			files := issue(t, t.TempDir(), 1)
			far := newRig(t, func(c *Config, _ *Deps) {
				c.TLS, c.Users, c.Listen = files, twoUsers, append(c.Listen, listen(transport, "127.0.0.1:0"))
			})
			near := newRig(t, func(c *Config, _ *Deps) {
				c.TLS.CA, c.Register, c.Trust, c.Listen = []string{files.Cert}, true, nil, c.Listen[:1]
				c.Trunks = []Trunk{wsTrunk(far, transport)}
			})
			bound := func() []Binding { return far.Bindings("101") }
			eventually(t, "it is registered", func() bool { return len(bound()) == 1 && near.Trunks()[0].Registered })
			b := bound()[0]
			if b.Transport != transport || !strings.Contains(b.Contact, ";transport=ws;"+contactMark+"=") || len(b.Instance) != len("<urn:uuid:>")+36 {
				t.Fatalf("%+v", b)
			}
			talk(t, far, near, Target{User: "101"}, Origin{Kind: FromTrunk, Name: "far", Transport: transport})
			talk(t, near, far, Target{Trunk: "far", Number: "5551"}, Origin{Kind: FromUser, Name: "101", Transport: transport})

			for _, c := range []*tcpConn{far.hub.lookup(b.Source.String()), near.hub.lookup(far.LocalAddr(transport).String())} {
				below := c.Conn.(*wsConn).Conn
				if transport == "wss" {
					below = below.(*tls.Conn).NetConn()
				}
				silenceIsNoticed(t, below.(*net.TCPConn))
			}

			lost := near.hub.lookup(b.Source.String())
			if lost != nil {
				t.Fatal("the key is the far end's address")
			}
			_ = far.hub.lookup(b.Source.String()).Close()
			eventually(t, "it is back", func() bool {
				list := bound()
				return len(list) == 1 && list[0].Source != b.Source && list[0].Instance == b.Instance
			})
			talk(t, far, near, Target{User: "101"}, Origin{Kind: FromTrunk, Name: "far", Transport: transport})
			if s := near.Stats(); s.Connections != 1 {
				t.Fatalf("%d connections", s.Connections)
			}
		})
	}
}

// talk is a call between two of ours, which the called side ends.
func talk(t *testing.T, from, to *rig, target Target, want Origin) {
	t.Helper()
	d, err := from.Dial(Outgoing{Target: target, Body: []byte(sdp("offer"))})
	if err != nil {
		t.Fatal(err)
	}
	in := to.incoming()
	got := in.Origin()
	got.Source = want.Source
	if got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if err := in.Accept([]byte(sdp("answer"))); err != nil {
		t.Fatal(err)
	}
	expect(t, d, Answered)
	expect(t, in, Confirmed)
	in.Hangup()
	expect(t, d, Ended)
	expect(t, in, Ended)
}

// webSIP is a server of others that takes SIP at /sip only: it answers every
// OPTIONS and counts pings.
type webSIP struct {
	*httptest.Server
	pings atomic.Int32
	host  atomic.Pointer[string]
}

func newWebSIP(t *testing.T) *webSIP {
	s := &webSIP{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := &websocket.AcceptOptions{Subprotocols: []string{"sip"}, OnPingReceived: func(context.Context, []byte) bool {
			s.pings.Add(1)
			return true
		}}
		switch r.URL.Path {
		case "/sip":
		case "/chat":
			o.Subprotocols = []string{"chat"}
		case "/elsewhere":
			http.Redirect(w, r, "/sip", http.StatusFound)
			return
		default:
			http.NotFound(w, r)
			return
		}
		s.host.Store(&r.Host)
		c, err := websocket.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			_, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			p := readPacket(data)
			answer := []string{"SIP/2.0 200 OK", "Via: " + p.get("Via"), "From: " + p.get("From"), "To: " + p.get("To") + ";tag=x", "Call-ID: " + p.get("Call-ID"), "CSeq: " + p.get("CSeq"), "Content-Length: 0", "", ""}
			if c.Write(r.Context(), websocket.MessageText, []byte(strings.Join(answer, "\r\n"))) != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Server.Close)
	return s
}

// TestWebSocketTrunkOfOthers: the path is the trunk's, the connection is kept
// alive by pings, and what is wrong is said.
func TestWebSocketTrunkOfOthers(t *testing.T) {
	s := newWebSIP(t)
	host := strings.TrimPrefix(s.URL, "http://")
	for name, want := range map[string]struct{ address, words, hint string }{
		"root":      {host + ";transport=ws", "HTTP 404", "path"},
		"chat":      {host + ";transport=ws;path=/chat", "not for SIP", "RFC 7118"},
		"elsewhere": {host + ";transport=ws;path=/elsewhere", "HTTP 302", "path"},
		"nobody":    {"127.0.0.1:9;transport=wss", "refused", "port"},
		"right":     {host + ";transport=ws;path=/sip", "the trunk answers", ""},
	} {
		r := newHurriedRig(t, 10, func(c *Config, _ *Deps) { c.Trunks = []Trunk{{Name: name, Address: want.address}} })
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		report, err := r.CheckTrunk(ctx, name)
		if err != nil {
			t.Fatal(name, err)
		}
		last := report.Steps[len(report.Steps)-1]
		if last.OK != (name == "right") || !strings.Contains(last.Words, want.words) || !strings.Contains(last.Hint, want.hint) {
			t.Errorf("%s: %+v", name, last)
		}
		if name == "right" {
			eventually(t, "it is pinged", func() bool { return s.pings.Load() > 1 })
		}
	}
	if *s.host.Load() != host {
		t.Errorf("asked for %s at %s", *s.host.Load(), host)
	}
	if err := checkTrunks([]Trunk{{Name: "bad", Address: host + ";transport=ws;path=no"}}); err == nil {
		t.Error("a path without / is taken")
	}
}

// TestComeback: a connection that keeps ending is opened later and later.
func TestComeback(t *testing.T) {
	var c comeback
	last := time.Duration(-1)
	for range 12 {
		wait := c.after(0, 0)
		if wait < last || wait > longComeback {
			t.Fatalf("%s after %s", wait, last)
		}
		last = wait
	}
	if last != longComeback {
		t.Fatalf("%s at last", last)
	}
	if wait := c.after(steadyFlow, 0.5); wait != firstComeback/2 {
		t.Fatalf("%s after a steady one", wait)
	}
}
