package sip

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/internal/fault"
)

// The client's side of SIP over WebSocket (RFC 7118 §4): a trunk that is reached
// by one. Its calls to us come down the same connection.

// badUpgrade is the error of a server that does not open a WebSocket for SIP.
type badUpgrade struct {
	status int // of its HTTP answer; 101: it opened one for something else
	cause  error
}

func (b *badUpgrade) Error() string {
	if b.status == http.StatusSwitchingProtocols {
		return "it opens a WebSocket, but not for SIP"
	}
	return fmt.Sprintf("it answers HTTP %d %s to a WebSocket", b.status, http.StatusText(b.status))
}

// Unwrap gives what the WebSocket library said.
func (b *badUpgrade) Unwrap() error { return b.cause }

// openWS makes a WebSocket of a connection that was opened, and secured for wss.
// It closes the connection when that fails.
func (h *tcpHub) openWS(ctx context.Context, c net.Conn, to hop) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, upgradeWindow/time.Duration(max(h.e.hurry, 1)))
	defer cancel()
	client := &http.Client{
		Transport: &http.Transport{
			MaxResponseHeaderBytes: maxUpgrade, DisableKeepAlives: true,
			DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil },
		},
		// Credentials are for this server alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	// TLS is below already, so the address says ws for both.
	ws, res, err := websocket.Dial(ctx, "ws://"+webHost(to)+to.path, &websocket.DialOptions{
		HTTPClient: client, HTTPHeader: http.Header{"User-Agent": {h.e.agent()}},
		Subprotocols: []string{wsProtocol}, CompressionMode: websocket.CompressionDisabled,
	})
	switch {
	case err != nil && res != nil:
		err = &badUpgrade{res.StatusCode, err}
	case err == nil && ws.Subprotocol() != wsProtocol:
		err = &badUpgrade{http.StatusSwitchingProtocols, errNoSubprotocol}
	}
	if err == nil {
		ws.SetReadLimit(wsReadLimit)
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		h.e.count.handshakes.Add(1)
		_ = c.Close()
		return nil, fault.New(fault.Network, "sip: WebSocket to %s://%s%s: %w", to.transport, to.addr, to.path, err)
	}
	return &wsConn{Conn: c, ws: ws}, nil
}

// webHost is the Host of the HTTP request: no port where it is the usual one.
func webHost(to hop) string {
	host := to.name
	if host == "" {
		host = to.addr.Addr().String()
	}
	if to.addr.Port() == defaultPort(to.transport) {
		return hostText(host)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(to.addr.Port())))
}
