package netx

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/loopstart/loopstart/internal/fault"
)

// Limits of a client.
const (
	MaxRedirects = 10
	MaxIdle      = 32        // idle keep-alive connections of one client
	MaxHeader    = 256 << 10 // bytes of an answer's header
)

// Options set up a Client.
type Options struct {
	Rules   Rules
	Timeout time.Duration // of one request with its body; 0 means 30 s
	MaxBody int64         // bytes of an answer; 0 means 4 MiB
	Agent   string
	TLS     TLS
}

// Client is an HTTP client that keeps to Rules.
type Client struct {
	opts  Options
	http  *http.Client
	op    string // begins its errors
	http1 bool   // no other protocol is offered in a TLS handshake

	// In tests: names are resolved by resolver, and connect hears of each
	// address that passed the check and may stand in the way.
	resolver *net.Resolver
	connect  func(address string) error
}

// New makes a client with connections of its own, so that what one script may
// reach is never reused by another.
func New(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody <= 0 {
		o.MaxBody = 4 << 20
	}
	c := &Client{opts: o, op: "fetch"}
	c.http = &http.Client{
		Transport: &http.Transport{
			DialContext: c.dial, DialTLSContext: c.dialTLS, MaxIdleConns: MaxIdle, MaxIdleConnsPerHost: MaxIdle / 2, IdleConnTimeout: 60 * time.Second,
			ResponseHeaderTimeout: o.Timeout, MaxResponseHeaderBytes: MaxHeader, ForceAttemptHTTP2: true,
		},
	}
	return c
}

// CloseIdle gives the idle connections back.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// denied is the error of a forbidden address on its way through net/http.
type denied struct{ what string }

func (d *denied) Error() string { return d.what }

// dial connects to an address and checks it after the name is resolved, so
// that no name, redirect or odd spelling leads to a private address.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	named := c.opts.Rules.named(host, port)
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: c.resolver, Control: func(_, target string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(target)
		if err != nil {
			return err
		}
		if !named && !Public(ap.Addr()) {
			return &denied{fmt.Sprintf("%s is the private address %s", host, ap.Addr())}
		}
		if c.connect != nil {
			return c.connect(target)
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// Request is one HTTP request as scripts make it.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte
	Timeout     time.Duration // shorter than the client's; 0 for the client's
	Redirect    string        // follow (default), manual, error
}

// Response is the whole answer.
type Response struct {
	Status     int
	StatusText string
	URL        string // after redirects
	Redirected bool
	Header     http.Header
	Body       []byte
}

// Do carries out a request and reads the whole answer.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	timeout := c.opts.Timeout
	if r.Timeout > 0 && r.Timeout < timeout {
		timeout = r.Timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, strings.NewReader(string(r.Body)))
	if err != nil || (req.URL.Scheme != "http" && req.URL.Scheme != "https") || req.URL.Host == "" {
		return nil, fault.New(fault.Invalid, "fetch: %q is no http or https address", r.URL)
	}
	if len(r.Body) == 0 {
		req.Body, req.ContentLength = nil, 0
	}
	for name, values := range r.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if h := req.Header.Get("Host"); h != "" {
		req.Host = h
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.opts.Agent)
	}
	if !c.opts.Rules.allows(req.URL) {
		return nil, c.refuse(req.URL.Host, "the host is not in permissions.http")
	}
	return c.exchange(req, r.Redirect)
}

func (c *Client) refuse(host, why string) error {
	return fault.New(fault.Denied, "%s: %s: %s", c.op, host, why).
		WithHint("name it in the script's config: permissions: {http: [%q]}", host)
}

func (c *Client) exchange(req *http.Request, redirect string) (*Response, error) {
	client, hops := *c.http, 0
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		switch {
		case redirect == "manual":
			return http.ErrUseLastResponse
		case redirect == "error":
			return fault.New(fault.Network, "fetch: %s redirects", req.URL.Host)
		case len(via) > MaxRedirects:
			return fault.New(fault.Limit, "fetch: more than %d redirects", MaxRedirects)
		case !c.opts.Rules.allows(next.URL):
			return &denied{"redirects to " + next.URL.Host + ", which is not in permissions.http"}
		}
		hops = len(via)
		return nil
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, c.explain(req, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, c.opts.MaxBody+1))
	if err != nil {
		return nil, c.explain(req, err)
	}
	if int64(len(body)) > c.opts.MaxBody {
		return nil, fault.New(fault.Limit, "fetch: the answer of %s is longer than fetch_body, %d bytes", req.URL.Host, c.opts.MaxBody)
	}
	_, text, _ := strings.Cut(res.Status, " ")
	return &Response{Status: res.StatusCode, StatusText: text, URL: res.Request.URL.String(), Redirected: hops > 0, Header: res.Header, Body: body}, nil
}

// explain turns an error of net/http into one for people.
func (c *Client) explain(req *http.Request, err error) error {
	if d, ok := errors.AsType[*denied](err); ok {
		return c.refuse(req.URL.Host, d.what)
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Network, "%s: %s did not answer in time", c.op, req.URL.Host)
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner
	}
	return fault.New(fault.Network, "%s: %s: %w", c.op, req.URL.Host, err)
}
