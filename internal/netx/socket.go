package netx

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a WebSocket.
const (
	MaxSocketMessage = 1 << 20 // bytes of one message, each way
	socketHandshake  = 10 * time.Second
	socketWrite      = 5 * time.Second // a peer that takes a message no sooner is lost
)

// Socket is a WebSocket (RFC 6455) as clients of the house use it. One
// goroutine reads and one writes.
type Socket interface {
	// Read waits for a message. Under a virtual clock it counts as work in
	// flight until the next Read or Close.
	Read(ctx context.Context) (text bool, data []byte, err error)
	Write(ctx context.Context, text bool, data []byte) error
	// Close says goodbye with a status of RFC 6455 §7.4 and gives everything
	// back.
	Close(status int, reason string)
}

// The statuses of [Socket.Close] that the house uses.
const (
	SocketNormal = 1000
	SocketAway   = 1001
)

// SocketClosed is the error of Read after the peer has said goodbye.
type SocketClosed struct {
	Status int
	Reason string
}

func (e *SocketClosed) Error() string {
	text := "closed by the server, status " + itoa(e.Status)
	if e.Reason != "" {
		text += " " + e.Reason
	}
	return text
}

func itoa(n int) string {
	digits := ""
	for ; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits
}

// SocketRequest is the opening of a WebSocket.
type SocketRequest struct {
	URL       string // ws or wss
	Header    http.Header
	Protocols []string
}

// HTTPAddress is a ws or wss address as the http or https one that rules and
// handshakes speak of; ok is false for anything else.
func HTTPAddress(address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", false
	}
	scheme := map[string]string{"ws": "http", "wss": "https"}[strings.ToLower(u.Scheme)]
	if scheme == "" {
		return "", false
	}
	u.Scheme = scheme
	return u.String(), true
}

// CheckSocket is Check for a ws or wss address.
func (r Rules) CheckSocket(address string) error {
	target, ok := HTTPAddress(address)
	if !ok {
		return fault.New(fault.Invalid, "websocket: %q is no ws or wss address", address)
	}
	return r.Check(target)
}

// Sockets opens WebSockets within rules: hosts, private addresses and
// certificates are judged as for fetch. A redirect is an error.
type Sockets struct{ client *Client }

// NewSockets makes a Sockets; Timeout and MaxBody of the options do not count.
func NewSockets(o Options) *Sockets {
	c := New(o)
	c.op, c.http1 = "websocket", true
	t := c.http.Transport.(*http.Transport)
	t.ForceAttemptHTTP2 = false
	t.DisableKeepAlives = true
	c.http.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		return &denied{"redirects to " + next.URL.Host}
	}
	return &Sockets{c}
}

// Open opens a WebSocket. Errors are as those of Do.
func (s *Sockets) Open(ctx context.Context, r SocketRequest) (Socket, error) {
	target, ok := HTTPAddress(r.URL)
	if !ok {
		return nil, fault.New(fault.Invalid, "websocket: %q is no ws or wss address", r.URL)
	}
	ctx, cancel := context.WithTimeout(ctx, socketHandshake)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, fault.New(fault.Invalid, "websocket: %q is no ws or wss address", r.URL)
	}
	if !s.client.opts.Rules.allows(req.URL) {
		return nil, s.client.refuse(req.URL.Host, "the host is not in permissions.http")
	}
	header := r.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if header.Get("User-Agent") == "" && s.client.opts.Agent != "" {
		header.Set("User-Agent", s.client.opts.Agent)
	}
	conn, res, err := websocket.Dial(ctx, r.URL, &websocket.DialOptions{
		HTTPClient: s.client.http, HTTPHeader: header, Subprotocols: r.Protocols, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		if res != nil && res.StatusCode != http.StatusSwitchingProtocols {
			return nil, fault.New(fault.Network, "websocket: %s answered %s", req.URL.Host, res.Status)
		}
		return nil, s.client.explain(req, err)
	}
	conn.SetReadLimit(MaxSocketMessage)
	return socket{conn}, nil
}

// socket is a Socket of the library.
type socket struct{ conn *websocket.Conn }

// Read implements Socket.
func (s socket) Read(ctx context.Context) (bool, []byte, error) {
	kind, data, err := s.conn.Read(ctx)
	if err != nil {
		if c, ok := errors.AsType[websocket.CloseError](err); ok {
			return false, nil, &SocketClosed{int(c.Code), c.Reason}
		}
		if errors.Is(err, io.EOF) {
			err = errors.New("the connection broke")
		}
		return false, nil, err
	}
	return kind == websocket.MessageText, data, nil
}

// Write implements Socket.
func (s socket) Write(ctx context.Context, text bool, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, socketWrite)
	defer cancel()
	kind := websocket.MessageBinary
	if text {
		kind = websocket.MessageText
	}
	return s.conn.Write(ctx, kind, data)
}

// Close implements Socket. The goodbye of a peer that does not answer is not
// waited for by the caller.
func (s socket) Close(status int, reason string) {
	go func() { _ = s.conn.Close(websocket.StatusCode(status), reason) }() // bounded by the library: 5 s
}
