package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/config"
	"github.com/loopstart/loopstart/internal/clock"
)

var certNow = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// certify writes a certificate for names and addresses with its key.
func certify(t *testing.T, from, to time.Time, names ...string) config.SIPTLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pbx.example.ru"}, NotBefore: from, NotAfter: to}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out := config.SIPTLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{out.Cert: {Type: "CERTIFICATE", Bytes: der}, out.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestDoctorReadsTheCertificate: its time, and its names against those by which
// peers call us.
func TestDoctorReadsTheCertificate(t *testing.T) {
	day := 24 * time.Hour
	good := func(names ...string) config.SIPTLS {
		return certify(t, certNow.Add(-day), certNow.Add(90*day), names...)
	}
	one, other := good("pbx.example.ru"), good("pbx.example.ru")
	secure := func(advertise config.Advertised) config.Listener {
		return config.Listener{Transport: "tls", Addr: netip.MustParseAddrPort("0.0.0.0:5061"), Advertise: advertise}
	}
	named := func(name string) config.Advertised { return config.Advertised{Name: name} }
	for name, c := range map[string]struct {
		sip        config.SIP
		time, name Health // of sip.tls and sip.tls names; "" is no line
		code, says string
	}{
		"none":                     {},
		"fine":                     {config.SIP{TLS: good("pbx.example.ru"), Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthOK, "", "2027-02-19"},
		"any of several names":     {config.SIP{TLS: good("a.example.ru", "pbx.example.ru"), Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthOK, "", "a.example.ru, pbx.example.ru"},
		"a wildcard":               {config.SIP{TLS: good("*.example.ru"), Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthOK, "", "*.example.ru"},
		"for another name":         {config.SIP{TLS: good("old.example.ru"), Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthFail, "CERTIFICATE_NAME", "for old.example.ru and not for pbx.example.ru"},
		"the name in CN only":      {config.SIP{TLS: good(), Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthFail, "CERTIFICATE_NAME", "names no host"},
		"nobody says which name":   {config.SIP{TLS: good("pbx.example.ru")}, HealthOK, HealthOK, "", "must use such a name"},
		"an address is advertised": {config.SIP{TLS: good("pbx.example.ru"), Advertise: []config.Advertised{{Addr: netip.MustParseAddr("203.0.113.5")}}}, HealthOK, HealthOK, "", "must use such a name"},
		"the realm is a name":      {config.SIP{TLS: good("old.example.ru"), Realm: "pbx.example.ru"}, HealthOK, HealthFail, "CERTIFICATE_NAME", "not for pbx.example.ru"},
		"the listener's own name":  {config.SIP{TLS: good("tls.example.ru"), Listen: []config.Listener{secure(named("tls.example.ru"))}, Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthOK, "", "tls.example.ru"},
		"not the listener's own":   {config.SIP{TLS: good("pbx.example.ru"), Listen: []config.Listener{secure(named("tls.example.ru"))}, Advertise: []config.Advertised{named("pbx.example.ru")}}, HealthOK, HealthFail, "CERTIFICATE_NAME", "not for tls.example.ru"},
		"over":                     {config.SIP{TLS: certify(t, certNow.Add(-9*day), certNow.Add(-day), "a")}, HealthFail, HealthOK, "CERTIFICATE_EXPIRED", "2026-11-20"},
		"soon over":                {config.SIP{TLS: certify(t, certNow.Add(-9*day), certNow.Add(13*day), "a")}, HealthWarn, HealthOK, "CERTIFICATE_ENDS", "2026-12-04"},
		"not yet":                  {config.SIP{TLS: certify(t, certNow.Add(day), certNow.Add(9*day), "a")}, HealthFail, HealthOK, "CERTIFICATE_EARLY", "2026-11-22"},
		"another key":              {config.SIP{TLS: config.SIPTLS{Cert: one.Cert, Key: other.Key}}, HealthFail, "", "CERTIFICATE_BROKEN", "private key"},
		"no file":                  {config.SIP{TLS: config.SIPTLS{Cert: filepath.Join(t.TempDir(), "none.pem"), Key: one.Key}}, HealthFail, "", "CERTIFICATE_BROKEN", "none.pem"},
	} {
		out := examine(t, func(cfg *config.Config) { cfg.SIP = c.sip }, func(d *doctor) {
			d.Clock = clock.NewVirtual(certNow)
			d.certificate(t.Context())
		})
		states, codes, text := map[string]Health{}, "", ""
		for _, one := range out {
			states[one.Name] = one.State
			codes += one.Code
			text += one.Detail + "\n"
			if (one.State == HealthOK) != (one.Hint == "") {
				t.Errorf("%s: %+v", name, one)
			}
		}
		if states["sip.tls"] != c.time || states["sip.tls names"] != c.name || codes != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %+v", name, out)
		}
	}
}

// TestDoctorKnocks tries SIP ports: one that answers, one that is shut, and one
// somewhere else that says nothing.
func TestDoctorKnocks(t *testing.T) {
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	asked := make(chan string, 8)
	go func() {
		buf := make([]byte, 2000)
		for n, from, err := udp.ReadFrom(buf); err == nil; n, from, err = udp.ReadFrom(buf) {
			asked <- string(buf[:n])
			_, _ = udp.WriteTo([]byte("SIP/2.0 403 Forbidden\r\n\r\n"), from)
		}
	}()
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	shut, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := netip.MustParseAddrPort(shut.Addr().String())
	_ = shut.Close()
	listen := func(transport string, addr net.Addr) config.Listener {
		return config.Listener{Transport: transport, Addr: netip.MustParseAddrPort(addr.String())}
	}
	open := []config.Listener{listen("udp", udp.LocalAddr()), listen("tcp", tcp.Addr()), listen("tls", tcp.Addr())}
	home, away := config.Advertised{Addr: netip.MustParseAddr("127.0.0.1")}, config.Advertised{Addr: netip.MustParseAddr("203.0.113.5")}
	forwarded := config.Advertised{Addr: home.Addr, Port: closed.Port()}
	for name, c := range map[string]struct {
		running bool
		sip     config.SIP
		states  []Health
		code    string
	}{
		"not running":            {false, config.SIP{Listen: open, Advertise: []config.Advertised{home}}, nil, ""},
		"open":                   {true, config.SIP{Listen: open, Advertise: []config.Advertised{home}}, []Health{HealthOK, HealthOK, HealthOK}, ""},
		"shut":                   {true, config.SIP{Listen: []config.Listener{{Transport: "udp", Addr: closed}, {Transport: "tcp", Addr: closed}}, Advertise: []config.Advertised{home}}, []Health{HealthFail, HealthFail}, "PORT_CLOSED"},
		"another port is told":   {true, config.SIP{Listen: []config.Listener{{Transport: "tcp", Addr: open[1].Addr, Advertise: forwarded}}}, []Health{HealthFail}, "PORT_CLOSED"},
		"behind NAT":             {true, config.SIP{Listen: []config.Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("0.0.0.0:5060")}}, Advertise: []config.Advertised{away}}, []Health{HealthWarn}, "PORT_SILENT"},
		"loopback only":          {true, config.SIP{Listen: open}, nil, ""},
		"of another family":      {true, config.SIP{Listen: []config.Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("[::1]:5060")}}, Advertise: []config.Advertised{home}}, nil, ""},
		"the address of another": {true, config.SIP{Listen: []config.Listener{{Transport: "udp", Addr: netip.MustParseAddrPort("10.254.253.252:5060")}}, Advertise: []config.Advertised{home}}, nil, ""},
	} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if c.code == "PORT_SILENT" {
			ctx, cancel = context.WithTimeout(ctx, 100*time.Millisecond)
		}
		out := examine(t, func(cfg *config.Config) { cfg.SIP = c.sip }, func(d *doctor) {
			d.Running = c.running
			d.reach(ctx)
		})
		cancel()
		if len(out) != len(c.states) {
			t.Errorf("%s: %+v", name, out)
			continue
		}
		for i, one := range out {
			if one.State != c.states[i] || one.Code != c.code || (one.State == HealthOK) != (one.Hint == "") {
				t.Errorf("%s: %+v", name, one)
			}
		}
	}
	select {
	case m := <-asked:
		if !strings.HasPrefix(m, "OPTIONS sip:127.0.0.1:") || !strings.Contains(m, "\r\nMax-Forwards: 1\r\n") || !strings.HasSuffix(m, "\r\n\r\n") {
			t.Errorf("asked by %q", m)
		}
	default:
		t.Error("nothing came over UDP")
	}
}

// TestDoctorTriesListeners: a port that is taken, an address that may come, and
// those that cannot.
func TestDoctorTriesListeners(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range [...]struct {
		addr       string
		running    bool
		want       Health
		code, says string
	}{
		{"127.0.0.1:0", false, HealthOK, "", "free"},
		{taken.LocalAddr().String(), false, HealthFail, "PORT_TAKEN", "another program"},
		{taken.LocalAddr().String(), true, HealthOK, "", "running loopstart"},
		{"10.254.253.252:5060", false, HealthWarn, "ADDRESS_MISSING", "waits for it"},
		{"198.51.100.77:5060", false, HealthFail, "ADDRESS_MISSING", "documentation"},
	} {
		out := examine(t, func(*config.Config) {}, func(d *doctor) {
			d.Running = c.running
			d.listener("sip.listen", "udp", netip.MustParseAddrPort(c.addr))
		})
		if one := out[0]; len(out) != 1 || one.State != c.want || one.Code != c.code || !strings.Contains(one.Detail, c.says) || (one.State == HealthOK) != (one.Hint == "") {
			t.Errorf("%+v: %+v", c, out)
		}
	}
}

// TestDoctorJudgesThePortRange: too small for the calls that are allowed.
func TestDoctorJudgesThePortRange(t *testing.T) {
	for calls, small := range map[int]bool{5: false, 6: true} {
		out := examine(t, func(c *config.Config) {
			c.Media.Ports, c.Limits.Calls = config.PortRange{Min: 20000, Max: 20019}, calls
		}, func(d *doctor) { d.ports(t.Context()) })
		if len(out) != 1 || small != strings.Contains(out[0].Detail, "limits.calls 6 may need 12") || small && out[0].State != HealthWarn {
			t.Errorf("%d calls: %+v", calls, out)
		}
	}
}
