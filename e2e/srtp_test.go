package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// certify writes a certificate of 127.0.0.1, which is its own authority.
func (p *project) certify() {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	c := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "e2e"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(720 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, &c, &c, &key.PublicKey, key)
	if err != nil {
		p.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write("sip.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	p.write("sip.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// withTLS lets the project listen with TLS, too; ca are files of others that it
// believes.
func (p *project) withTLS(ca ...string) (tls netip.AddrPort) {
	p.t.Helper()
	p.certify()
	tls = freePort(p.t, "127.0.0.1")
	path := filepath.Join(p.dir, "loopstart.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	listen := fmt.Sprintf("sip: {tls: {cert: sip.pem, key: sip.key, ca: [%s]}, listen: [\"tls://%s\", ", strings.Join(ca, ", "), tls)
	p.write("loopstart.yaml", strings.Replace(string(text), "sip: {listen: [", listen, 1))
	return tls
}

var securedScripts = files{
	"in.ts": `
export default async (call) => {
  await call.answer();
  const r = await call.gather({ prompt: { play: "tone:500/600ms" }, digits: 2, timeout: "5s" });
  call.result = { digits: r.digits };
}`,
	"out.ts": `
export default async (call) => {
  await call.play("tone:700/300ms");
  await call.sendDigits("47");
  await new Promise((r) => setTimeout(r, 1500));
}`,
}

// TestSRTPBetweenTwoEngines calls from one process to another and back, over
// TLS, with srtp: required on both sides: keys and tones arrive, the records
// name the suite, and nobody finds a master key in a timeline or a log.
func TestSRTPBetweenTwoEngines(t *testing.T) {
	t.Parallel()
	a, b := setup(t, securedScripts, conf{}), setup(t, securedScripts, conf{})
	atA, atB := a.withTLS(filepath.Join(b.dir, "sip.pem")), b.withTLS(filepath.Join(a.dir, "sip.pem"))
	caller := map[*project]string{a: "+74951234567", b: "+74957654321"} // whose call a record is
	for _, x := range []struct {
		p     *project
		other netip.AddrPort
	}{{a, atB}, {b, atA}} {
		text, err := os.ReadFile(filepath.Join(x.p.dir, "loopstart.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		x.p.write("loopstart.yaml", string(text)+fmt.Sprintf("trunks:\n  other: {address: \"%s;transport=tls\", options: off, srtp: required, from: [%q], destinations: [\"+7\"]}\nroutes:\n  - {trunk: other, script: in}\n", x.other, caller[x.p]))
	}
	a.start()
	b.start()
	for _, way := range [][2]*project{{a, b}, {b, a}} {
		from, to := way[0], way[1]
		id := from.place(map[string]any{"script": "out", "to": "+79161112233", "timeout": "10s"})
		out := from.done(id)
		in := to.ended(caller[from])
		if string(in.Result) != `{"digits":"47"}` || in.SRTP != "AEAD_AES_256_GCM" || out.SRTP != in.SRTP {
			t.Errorf("in %+v\nout %+v", in, out)
		}
		for _, p := range way {
			call := in.ID
			if p == from {
				call = out.Attempts[0].ID
			}
			whole := fmt.Sprint(p.timeline(call), p.log)
			if !strings.Contains(whole, "encrypted with SRTP, AEAD_AES_256_GCM") {
				t.Errorf("the timeline does not tell: %s", whole)
			}
			if i := strings.Index(whole, "inline:"); i >= 0 && !strings.HasPrefix(whole[i:], "inline:•••") {
				t.Errorf("a key is readable: %s", whole)
			}
		}
	}
}

// TestSRTPDowngrade: required means that plain calls are refused in both
// directions, with words that say why, and that not one plain packet leaves.
func TestSRTPDowngrade(t *testing.T) {
	t.Parallel()
	op := trunk(t, "127.0.0.1")
	p := serve(t, securedScripts, conf{sip: "trust: []", rest: "trunks:\n" + trunkLine("op", op, ", srtp: required") + "routes:\n  - {trunk: op, script: in}\n"})

	// An INVITE without keys.
	c := op.Call(p.uri("+74951234567"), p.sip)
	if m := c.Answer(488, "INVITE", 5*time.Second); !strings.Contains(m.Get("Warning"), "SRTP is required") {
		t.Errorf("Warning: %s", m.Get("Warning"))
	}

	// An answer without keys.
	id := p.place(map[string]any{"script": "out", "to": "+79161112233", "timeout": "10s"})
	in := op.Next(t, 5*time.Second)
	if offer := in.Invite.Body; !strings.Contains(offer, "RTP/SAVP") || strings.Count(offer, "a=crypto:") < 2 {
		t.Errorf("offer %s", offer)
	}
	in.PickUp()
	in.Ended(5 * time.Second)
	r := p.done(id)
	if r.Cause != "refusing downgrade" || r.Outcome != "failed" || r.SRTP != "" {
		t.Errorf("%+v", r)
	}
	if n := len(in.Media.Packets()); n != 0 {
		t.Errorf("%d packets were sent in the clear", n)
	}
}

// TestBaresipSRTP: a phone over TLS that insists on encryption hears a prompt,
// presses keys, and is called back.
func TestBaresipSRTP(t *testing.T) {
	p := setup(t, files{"in.ts": securedScripts["in.ts"], "find.ts": `
export default async (call) => {
  await call.answer();
  call.result = await call.connect("102", { timeout: "8s" });
}`}, conf{sip: usersConf, rest: "routes:\n  - {user: \"102\", to: in, script: in}\n"})
	tls := p.withTLS()
	p.start()
	console := freePort(t, "127.0.0.1")
	b := startBaresip(t, "127.0.0.1", fmt.Sprintf("<sip:102@%s;transport=tls>;auth_pass=pass-102;answermode=auto;audio_codecs=pcma;ptime=20;mediaenc=srtp-mand", tls), 800,
		"module srtp.so", "module cons.so", "cons_listen "+console.String(), "sip_cafile "+filepath.Join(p.dir, "sip.pem"))
	eventually(t, "baresip's registration", 10*time.Second, func() bool { return strings.Contains(p.log.String(), `"user":"102"`) })

	press := func(keys string) {
		conn, err := net.Dial("udp", console.String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, keys)
	}
	press("/dial in\n")
	eventually(t, "the call", 10*time.Second, func() bool { return strings.Contains(b.log.String(), "Call established") })
	press("4")
	press("7")
	r := p.ended("102")
	if string(r.Result) != `{"digits":"47"}` || r.SRTP == "" {
		t.Errorf("%+v\n%s", r, b.log)
	}

	c := phone.New(t, "+79000000311", "127.0.0.1").Call(p.uri("find"), p.sip)
	c.Talk(5 * time.Second)
	c.Media.Play(phone.Tone(500))
	c.Media.WaitTone(800, time.Second, 0, 10*time.Second)
	c.Hangup()
	if r := p.ended("+79000000311"); !strings.Contains(string(r.Result), `"answeredBy":"102"`) {
		t.Errorf("%s\n%s", r.Result, b.log)
	}
}
