package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/loopstart/loopstart/config"
)

// certificateWarning is how long before its end a certificate is complained
// about.
const certificateWarning = 14 * 24 * time.Hour

// certificate reads the one of SIP over TLS, and asks whether peers will believe
// it.
func (d *doctor) certificate(context.Context) {
	const name = "sip.tls"
	files := d.cfg.SIP.TLS
	if files.Cert == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(inProject(d.cfg, files.Cert), inProject(d.cfg, files.Key))
	if err != nil {
		d.fail(name, "cert is the PEM chain that begins with our certificate, key its private key", "%s", err)
		d.coded("CERTIFICATE_BROKEN")
		return
	}
	left := pair.Leaf.NotAfter.Sub(d.Clock.Now())
	switch end := pair.Leaf.NotAfter.Format(time.DateOnly); {
	case pair.Leaf.NotBefore.After(d.Clock.Now()):
		d.fail(name, "check this machine's clock, or wait: phones and trunks refuse it", "the certificate is valid from %s only", pair.Leaf.NotBefore.Format(time.DateTime))
		d.coded("CERTIFICATE_EARLY")
	case left <= 0:
		d.fail(name, "renew it: phones and trunks refuse it", "the certificate ended on %s", end)
		d.coded("CERTIFICATE_EXPIRED")
	case left < certificateWarning:
		d.warn(name, "renew it; the new file is taken without a restart", "the certificate ends on %s", end)
		d.coded("CERTIFICATE_ENDS")
	default:
		d.ok(name, "the certificate is valid until %s", end)
	}
	d.certificateNames(pair.Leaf)
}

// certificateNames compares the names in our certificate with those by which the
// configuration has peers call us (RFC 5922 §7.1).
func (d *doctor) certificateNames(leaf *x509.Certificate) {
	const name = "sip.tls names"
	in := strings.Join(namesIn(leaf), ", ")
	if in == "" {
		d.fail(name, "make one with the name that phones and trunks use", "the certificate names no host (subjectAltName)")
		d.coded("CERTIFICATE_NAME")
		return
	}
	asked := d.secureNames()
	for _, host := range asked {
		if leaf.VerifyHostname(host) != nil {
			d.fail(name, "make a certificate for "+host+", or advertise and use a name that is in it", "the certificate is for %s and not for %s: peers refuse it", in, host)
			d.coded("CERTIFICATE_NAME")
			return
		}
	}
	if len(asked) == 0 {
		d.ok(name, "the certificate is for %s: phones and trunks must use such a name", in)
		return
	}
	d.ok(name, "the certificate is for %s", in)
}

func namesIn(leaf *x509.Certificate) []string {
	out := slices.Clone(leaf.DNSNames)
	for _, ip := range leaf.IPAddresses {
		out = append(out, ip.String())
	}
	return out
}

// secureNames are the host names that peers over TLS know us by: what is
// advertised where that is a name, and a realm that looks like one.
func (d *doctor) secureNames() (out []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	own := false
	for _, l := range d.cfg.SIP.Listen {
		if config.Private(l.Transport) && l.Advertise.IsValid() {
			own = true
			add(l.Advertise.Name)
		}
	}
	for _, a := range d.cfg.SIP.Advertise {
		if !own {
			add(a.Name)
		}
	}
	if realm := d.cfg.SIP.Realm; strings.Contains(realm, ".") && !strings.ContainsAny(realm, " @/") {
		if _, err := netip.ParseAddr(realm); err != nil {
			add(realm)
		}
	}
	return out
}
