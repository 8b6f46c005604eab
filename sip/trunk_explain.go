package sip

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/fault"
	"github.com/loopstart/loopstart/sip/digest"
	names "github.com/loopstart/loopstart/sip/dns"
)

// explainError says what it means that a message of a check brought no answer,
// and what to look at.
func explainError(err error) (words, hint string) {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var certificate x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var upgrade *badUpgrade
	var dns *net.DNSError
	var missing *names.Missing
	switch {
	case errors.As(err, &missing):
		return "the name " + missing.Name + " is not in DNS, or has no address there", "check the spelling of `address` and `proxy`"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name " + dns.Name + " is not in DNS", "check the spelling of `address` and `proxy`"
	case errors.As(err, &dns):
		return "DNS does not answer for " + dns.Name, "check /etc/resolv.conf, or name the trunk by its IP address"
	case errors.As(err, &authority):
		return "its certificate is by an authority that nobody here knows", "add the authority's PEM file to sip.tls.ca"
	case errors.As(err, &name):
		return explainName(name)
	case errors.As(err, &certificate) && certificate.Reason == x509.Expired:
		return "its certificate is out of date, or this machine's clock is wrong", "`loopstart doctor` tells about the clock; the provider has to renew the certificate"
	case errors.As(err, &certificate):
		return "its certificate is not valid: " + certificate.Error(), "the provider has to mend it"
	case errors.As(err, &record):
		return "what answers there does not speak TLS", "check the port (TLS is on 5061 mostly) and `;transport=` of `address`"
	case errors.As(err, &upgrade):
		return upgrade.Error(), hintForUpgrade(upgrade.status)
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there: the connection was refused", "check port and `;transport=` of `address` and `proxy`"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no way to that network", "check the address and this machine's routes (`ip route get`)"
	case errors.Is(err, errAbsent):
		return "our listener on that way waits: its address is not on this machine now", "`loopstart doctor` tells which; it is taken up as soon as an interface has the address"
	case errors.Is(err, errNoListener):
		return "we have no listener of that transport and address family", "add one to sip.listen"
	case timedOut(err) && strings.Contains(err.Error(), "TLS"):
		return "a connection came about, but nobody there answers the TLS handshake", "perhaps that port is for plain TCP: check it (TLS is on 5061 mostly) and `;transport=` of `address`"
	case timedOut(err):
		return "no answer in time", "perhaps nobody listens there, or: a firewall, a wrong address or transport, or a provider that does not answer addresses it has not allowed"
	}
	return explainCut(err)
}

// explain is explainError, with a look at what closes a plain connection.
func (t *trunk) explain(ctx context.Context, err error, h hop) (words, hint string) {
	if h.transport == "tcp" && wasCut(err) && speaksTLS(ctx, h.addr) {
		return "the connection was closed: that port speaks TLS, and we speak plain TCP to it", "add `;transport=tls` to `address` (or `proxy`)"
	}
	return explainError(err)
}

// speaksTLS tells whether a server begins TLS. Nothing is said to it, so that
// whose certificate it shows does not matter.
func speaksTLS(ctx context.Context, addr netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	c, err := d.DialContext(ctx, "tcp", addr.String())
	if err == nil {
		_ = c.Close()
		return true
	}
	_, refused := errors.AsType[tls.AlertError](err)
	return refused
}

// explainName is the words for a certificate of another name than we call.
func explainName(err x509.HostnameError) (words, hint string) {
	has := strings.Join(err.Certificate.DNSNames, ", ")
	for _, a := range err.Certificate.IPAddresses {
		has += ", " + a.String()
	}
	has = strings.TrimPrefix(has, ", ")
	if has == "" {
		has = "no name at all"
	}
	words = "its certificate is for another name: for " + clip(has, 200) + ", and we call " + err.Host
	if net.ParseIP(err.Host) != nil {
		return words, "write the provider's host name into `address` in place of the IP address; if that leads elsewhere, put the IP address into `proxy`"
	}
	return words, "`address` (or `proxy`) must be the name in the certificate"
}

// explainCut is the words for a connection that came about and broke, and for all
// that nobody has thought of.
func explainCut(err error) (words, hint string) {
	cut := wasCut(err)
	switch {
	case cut && strings.Contains(err.Error(), "TLS"):
		return "the connection was closed while encryption was to begin", "check that this port is for TLS; some providers close it to addresses that they have not allowed"
	case cut:
		return "the connection was closed before an answer came", "check port and `;transport=` (perhaps it is a port for TLS); some providers close the connection to addresses that they have not allowed"
	}
	if hint = fault.HintOf(err); hint == "" {
		hint = "check `address`, `proxy` and this machine's network"
	}
	return inWords(err), hint
}

// wasCut tells an error of a connection that came about and broke.
func wasCut(err error) bool {
	for _, how := range [...]error{errEnded, io.EOF, syscall.ECONNRESET, syscall.EPIPE, net.ErrClosed, gosip.ErrTransactionTransport} {
		if errors.Is(err, how) {
			return true
		}
	}
	return false
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, gosip.ErrTransactionTimeout) || errors.As(err, &timeout) && timeout.Timeout()
}

// hintForUpgrade says what to look at when no WebSocket came about.
func hintForUpgrade(status int) string {
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return "`;path=` of `address` (or `proxy`) must be where the server takes SIP, often /ws"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the server forbids it: ask whether our address is allowed"
	case http.StatusSwitchingProtocols:
		return "the server must know the subprotocol sip (RFC 7118); check port and `;path=`"
	}
	return "check port, `;transport=` and `;path=` of `address` and `proxy`"
}

// explainProof says why a challenge could not be answered.
func explainProof(err error) (words, hint string) {
	switch {
	case errors.Is(err, digest.ErrRejected):
		return "our credentials were rejected", "check `password`, and `auth_user` where it differs from `username`"
	case errors.Is(err, digest.ErrRealm):
		return inWords(err), "the trunk asks for credentials of somebody else"
	case errors.Is(err, digest.ErrUnsupported):
		return "it wants a kind of digest that we do not have", "MD5, SHA-256 and SHA-512-256 are supported"
	}
	return inWords(err), "set `password`"
}

// hintFor says what to look at after an answer that is no success.
func hintFor(code int) string {
	switch code {
	case 400, 416, 420:
		return "some registrars refuse a REGISTER without Contact: see whether `loopstart trunk ls` says registered"
	case 401, 407:
		return "check `password`, and `auth_user` where it differs from `username`"
	case 403:
		return "check `password` and `auth_user`; ask the provider whether the account is blocked and our address allowed"
	case 404:
		return "check `username` and `domain`"
	case 405, 501:
		return "set `register: false` if the provider knows you by your address; else ask for its registrar's name"
	case 410, 604:
		return "ask the provider: the account is not there any more"
	case 481, 482, 483:
		return "the provider's servers do not agree with each other: tell them, or name another `proxy`"
	case 486, 600, 603:
		return "odd for a registration: `address` may be a phone or a PBX's extension and no registrar; set `register: false` if so"
	case 408, 504:
		return "the provider's proxy does not reach its server: tell them, or name another `proxy`"
	case 423:
		return "the interval is raised to what it asks for; `register: {expires: …}` sets it"
	case 480:
		return "the provider has this account switched off for now"
	case 488, 606:
		return "it does not like codecs or encryption: see `codecs` and `srtp`"
	}
	switch code / 100 {
	case 3:
		return "put the address it names into `proxy`"
	case 5:
		return "the provider is in trouble or limits us: it is tried again; Retry-After is kept to"
	case 4, 6:
		return "ask the provider what " + strconv.Itoa(code) + " means for this account"
	}
	return ""
}

// told is what an answer says beside its code: where to go, how long to wait.
func told(res *gosip.Response) string {
	switch h := headersOf(res); {
	case res.StatusCode/100 == 3:
		var to []string
		for _, a := range Contacts(h) {
			to = append(to, a.URI())
		}
		if len(to) > 0 {
			return ": to " + clip(strings.Join(to, ", "), 200)
		}
	case res.StatusCode == 423 && secondsOf(res, "Min-Expires") > 0:
		return ": " + secondsOf(res, "Min-Expires").String() + " at least"
	case res.StatusCode >= 400 && secondsOf(res, "Retry-After") > 0:
		return "; it asks us to wait " + secondsOf(res, "Retry-After").String()
	}
	return ""
}

// explainSeen says what it means that a trunk sees us at one address and our calls
// name another. advertised tells that there is a sip.advertise for it.
func explainSeen(seen, named netip.Addr, advertised bool) (words, hint string) {
	switch {
	case seen == named:
		return "it sees us at " + seen.String() + ", which our calls name, too", ""
	case advertised:
		return "it sees us at " + seen.String() + ", and sip.advertise has our calls name " + named.String(),
			"if callers are not heard, advertise the address that it sees"
	}
	return "it sees us at " + seen.String() + ", and our calls name " + named.String() + ": a NAT is between",
		"set `sip: {advertise: " + seen.String() + "}` and forward UDP media.ports; without that there may be no sound"
}
