package sip

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	gosip "github.com/emiago/sipgo/sip"

	"github.com/loopstart/loopstart/internal/clock"
)

// rawCase is a message, most of them after RFC 4475, and what raw validation
// makes of it: -1 passes, 0 drops, else the status.
type rawCase struct {
	name, text string
	want       int
}

// lines joins with CRLF and ends the headers.
func lines(l ...string) string { return strings.Join(l, "\r\n") + "\r\n\r\n" }

const (
	viaLine  = "Via: SIP/2.0/UDP h.example.com;branch=z9hG4bKx"
	fromLine = "From: <sip:a@example.com>;tag=1"
	toLine   = "To: <sip:b@example.com>"
	idLine   = "Call-ID: id@h"
	seqLine  = "CSeq: 1 OPTIONS"
)

func opt(extra ...string) string {
	return lines(append([]string{"OPTIONS sip:b@example.com SIP/2.0", viaLine, fromLine, toLine, idLine, seqLine}, extra...)...)
}

// without replaces a line of the plain request.
func with(old, new string) string { return strings.Replace(opt(), old, new, 1) }

func rawCases() []rawCase { return append(passingCases(), refusedCases()...) }

func passingCases() []rawCase {
	return []rawCase{
		{"plain", opt(), -1},
		{"LF only", strings.ReplaceAll(opt(), "\r\n", "\n"), -1},
		{"leading CRLF", "\r\n\r\n" + opt(), -1},
		{"compact", "OPTIONS sip:b@h SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKx\r\nf:<sip:a@b>;tag=1\r\nt:sip:b@h\r\ni:x\r\nCSeq:1 OPTIONS\r\nl:0\r\n\r\n", -1},
		{"tortuous", lines("OPTIONS sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0",
			"TO :", " sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n",
			"from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>", "  ;", "  tag = 98asjd8", "MaX-fOrWaRdS: 0068",
			"Call-ID: wsinv.ndaksdj@192.0.2.1", "Content-Length   : 0", "cseq: 0009", "  OPTIONS",
			"Via  : SIP  /   2.0", " /UDP", "    192.0.2.2;branch=390skdjuw", "s :", "NewFangledHeader:   newfangled value", " continued newfangled value",
			"v:  SIP  / 2.0  / TCP     spindle.example.com   ;", "  branch  =   z9hG4bK9ikj8  ,", " SIP  /    2.0   / UDP  192.168.255.111   ; branch=", " z9hG4bK30239",
			"m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =", "      newvalue ;", "  secondparam ; q = 0.33"), -1},
		{"no LWS before <", with(fromLine, "From: caller<sip:a@example.com>;tag=1"), -1},
		{"semicolon in user", with("sip:b@example.com SIP", "sip:user;par=u%40example.net@example.com SIP"), -1},
		{"escaped nulls", with("sip:b@example.com SIP", "sip:null-%00-null@example.com SIP"), -1},
		{"unknown transports", with(viaLine, viaLine+"\r\nVia: SIP/2.0/UNKNOWN a;branch=z9hG4bKu\r\nVia: SIP/2.0/SCTP b:5\r\nVia: SIP/2.0/TLS [2001:db8::1]:5061"), -1},
		{"octets behind the body", opt("Content-Length: 2") + "abcd", -1},
		{"zero Max-Forwards", opt("Max-Forwards: 0"), -1},
		{"tel", with("OPTIONS sip:b@example.com", "OPTIONS tel:+79161234567"), -1},
		{"other scheme in To", with(toLine, "To: isbn:2983792873"), -1},
		{"star Contact", opt("Contact: *"), -1},
		{"several Contacts", opt(`Contact: "a, b" <sip:a@b>, <sip:c@d>;q=0.5`), -1},
		{"empty header", opt("X:"), -1},
		{"response", "SIP/2.0 200 " + strings.TrimPrefix(opt(), "OPTIONS sip:b@example.com SIP/2.0"), -1},
	}
}

// refusedCases are answered or dropped.
func refusedCases() []rawCase {
	many := make([]string, MaxHeaders)
	for i := range many {
		many[i] = "X: y"
	}
	return []rawCase{
		{"unknown version", with("SIP/2.0\r\n", "SIP/7.0\r\n"), 505},
		{"unknown version in Via too", strings.ReplaceAll(opt(), "SIP/2.0", "SIP/7.0"), 505}, // RFC 4475 §3.1.2.16
		{"unknown scheme", with("OPTIONS sip:b@example.com", "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent"), 416},
		{"known but atypical scheme", with("OPTIONS sip:b@example.com", "OPTIONS soap.beep://192.0.2.103:3002"), 416},
		{"unknown method", strings.ReplaceAll(opt(), "OPTIONS", "!interesting-Method0123456789_*+`.%indeed'~"), 405},
		{"lower-case method", strings.ReplaceAll(opt(), "OPTIONS", "invite"), 405},
		{"method mismatch", with(seqLine, "CSeq: 1 INVITE"), 400},
		{"spaces in the request line", with("OPTIONS sip:", "OPTIONS  sip:"), 400},
		{"space in the URI", with("sip:b@example.com SIP", "sip:b@example.com; lr SIP"), 400},
		{"space after the version", with("SIP/2.0\r\n", "SIP/2.0 \r\n"), 400},
		{"URI in brackets", with("OPTIONS sip:b@example.com", "OPTIONS <sip:b@example.com>"), 400},
		{"headers in the URI", with("sip:b@example.com SIP", "sip:b@example.com?Route=%3Csip:e%3E SIP"), 400},
		{"long URI", with("sip:b@example.com SIP", "sip:"+strings.Repeat("a", MaxAddress)+"@b SIP"), 414},
		{"no From", with(fromLine+"\r\n", ""), 400},
		{"no To", with(toLine+"\r\n", ""), 400},
		{"no Call-ID", with(idLine+"\r\n", ""), 400},
		{"no CSeq", with(seqLine+"\r\n", ""), 400},
		{"two CSeqs", opt("CSeq: 2 OPTIONS"), 400},
		{"two Froms in two forms", opt("f: <sip:x@y>;tag=2"), 400},
		{"two lengths", opt("Content-Length: 0", "l: 0"), 400},
		{"huge CSeq", with(seqLine, "CSeq: 36893488147419103232 OPTIONS"), 400},
		{"negative CSeq", with(seqLine, "CSeq: -1 OPTIONS"), 400},
		{"huge Max-Forwards", opt("Max-Forwards: 300"), 400},
		{"negative length", opt("Content-Length: -999"), 400},
		{"length beyond the message", opt("Content-Length: 9999"), 400},
		{"length beyond reason", opt("Content-Length: 99999999"), 513},
		{"unterminated quote", with(toLine, `To: "Mr. J. User <sip:j.user@example.com>`), 400},
		{"URI with ? and no brackets", opt("Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"), 400},
		{"spaces within the URI", with(toLine, `To: "Watson, Thomas" < sip:t.watson@example.org >;a b`), 400},
		{"no URI", with(toLine, "To: <>"), 400},
		{"no colon", opt("garbage"), 400},
		{"bad header name", opt("X Y: z"), 400},
		{"lone CR", opt("X: a\rb"), 400},
		{"NUL", opt("X: a\x00b"), 400},
		{"no end of headers", strings.TrimSuffix(opt(), "\r\n"), 400},
		{"too many fields", opt(many...), 400},
		{"long field", opt("X: " + strings.Repeat("y", MaxHeaderLine)), 400},

		// Without a Via there is nowhere to answer to.
		{"no Via", with(viaLine+"\r\n", ""), 0},
		{"malformed Via", with(viaLine, "Via: SIP/2.0"), 0},
		{"Via port", with(viaLine, "Via: SIP/2.0/UDP h:999999;branch=z9hG4bKx"), 0},
		{"no SIP", "GET / HTTP/1.1\r\n\r\n", 0},
		{"noise", "\x80\x01\x02\r\n", 0},
		{"malformed ACK", strings.ReplaceAll(with(idLine+"\r\n", ""), "OPTIONS", "ACK"), 0},
		{"response with an overlarge code", "SIP/2.0 4294967301 better" + strings.TrimPrefix(opt(), "OPTIONS sip:b@example.com SIP/2.0"), 0},
		{"malformed response", "SIP/2.0 200 OK\r\n" + viaLine + "\r\n\r\n", 0},
	}
}

func inspectEndpoint() *Endpoint {
	e := &Endpoint{limiter: newLimiter(), bans: newBans()}
	e.dialogs.init()
	e.cfg.Store(&Config{Trust: loopback})
	e.clk = clock.System()
	return e
}

var testSource = netip.MustParseAddrPort("127.0.0.1:40000")

func TestRawValidation(t *testing.T) {
	e := inspectEndpoint()
	for _, tt := range rawCases() {
		t.Run(tt.name, func(t *testing.T) {
			var m rawMessage
			var out bytes.Buffer
			pass, answer := e.inspect(&m, []byte(tt.text), testSource, false, &out)
			got := 0
			switch {
			case pass:
				got = -1
				if _, err := gosip.ParseMessage(out.Bytes()); err != nil {
					t.Errorf("the parser refuses what passed: %v\n%s", err, out.String())
				}
			case answer:
				got = readPacket(out.Bytes()).code()
			}
			if got != tt.want {
				t.Fatalf("%d, want %d\n%s", got, tt.want, out.String())
			}
			if tt.name == "length beyond reason" {
				return
			}
			if w := readPacket(out.Bytes()); answer && (w.tag("To") == "" && w.get("To") != "" || !strings.Contains(w.get("Via"), "received=127.0.0.1")) {
				t.Fatalf("answer\n%s", out.String())
			}
		})
	}
}

func TestCanonicalForm(t *testing.T) {
	e := inspectEndpoint()
	var m rawMessage
	var out bytes.Buffer
	for _, tt := range rawCases() {
		if tt.name != "tortuous" {
			continue
		}
		if pass, _ := e.inspect(&m, []byte(tt.text), testSource, false, &out); !pass {
			t.Fatal("refused")
		}
	}
	w := readPacket(out.Bytes())
	for name, want := range map[string]string{
		"To": "<sip:vivekg@chair-dnrc.example.com>;tag=1918181833n", "CSeq": "9 OPTIONS", "Max-Forwards": "68",
		"From": `"J Rosenberg \\\"" <sip:jdrosen@example.com>;tag=98asjd8`,
		"m":    `"Quoted string \"\"" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33`,
	} {
		for _, f := range w.fields {
			if n, v, _ := strings.Cut(f, ": "); strings.EqualFold(n, name) && v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
	}
	vias := w.all("Via")
	if len(vias) != 3 || vias[0] != "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw;received=127.0.0.1" ||
		vias[1] != "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8" {
		t.Errorf("%q", vias)
	}
}

// The peer's own received and rport are not believed.
func TestStampOverwritesTheWayBack(t *testing.T) {
	e := inspectEndpoint()
	var m rawMessage
	var out bytes.Buffer
	text := with(viaLine, "Via: SIP/2.0/UDP h.example.com:5099;received=192.0.2.66;rport=1;branch=z9hG4bKx")
	if pass, _ := e.inspect(&m, []byte(text), testSource, false, &out); !pass {
		t.Fatal("refused")
	}
	if v := readPacket(out.Bytes()).get("Via"); v != "SIP/2.0/UDP h.example.com:5099;branch=z9hG4bKx;received=127.0.0.1;rport=40000" {
		t.Fatal(v)
	}
	if p := m.answerPort(testSource); p != 40000 {
		t.Fatal(p)
	}
	m.via[0] = "SIP/2.0/UDP h:5099;branch=z9hG4bKx"
	if p := m.answerPort(testSource); p != 5099 {
		t.Fatal(p)
	}
}

// Over the wire: the answers come back, and what has no Via port goes to 5060.
func TestRefusalsOverUDP(t *testing.T) {
	r := newRig(t, nil)
	p := r.peer()
	for _, tt := range rawCases() {
		if tt.want <= 0 {
			continue
		}
		text := strings.Replace(tt.text, "branch=z9hG4bKx", "rport;branch=z9hG4bKx", 1)
		if len(text) > 60000 {
			continue
		}
		p.raw(text)
		w := p.next(fmt.Sprintf("answer to %s", tt.name), func(packet) bool { return true })
		if w.code() != tt.want {
			t.Errorf("%s: %s", tt.name, w.start)
		}
	}
	if s := r.Stats(); s.Answered == 0 {
		t.Fatalf("%+v", s)
	}
}

func FuzzInspect(f *testing.F) {
	for _, tt := range rawCases() {
		if len(tt.text) < 4000 {
			f.Add([]byte(tt.text), false)
			f.Add([]byte(tt.text), true)
		}
	}
	for _, m := range append(rfc4475(), rfc5118()...) {
		f.Add([]byte(m.text), false)
		f.Add([]byte(m.text), true)
	}
	e := inspectEndpoint()
	f.Fuzz(func(t *testing.T, data []byte, stream bool) {
		var m rawMessage
		var out bytes.Buffer
		pass, answer := e.inspect(&m, data, testSource, stream, &out)
		switch {
		case pass && answer:
			t.Fatal("both")
		case pass:
			msg, err := gosip.ParseMessage(out.Bytes())
			if err != nil {
				return // answered 400 by the reader
			}
			if msg.Via() == nil || msg.From() == nil || msg.To() == nil || msg.CSeq() == nil || msg.CallID() == nil {
				t.Fatalf("a header is missing:\n%q", out.String())
			}
			_ = readMessage(msg).line()
			if req, ok := msg.(*gosip.Request); ok {
				_ = newResponse(req, 200, "OK").String()
			}
		case answer:
			if !bytes.HasPrefix(out.Bytes(), []byte("SIP/2.0 ")) || !bytes.HasSuffix(out.Bytes(), []byte("Content-Length: 0\r\n\r\n")) ||
				bytes.Count(out.Bytes(), []byte("\r\n\r\n")) != 1 {
				t.Fatalf("answer\n%q", out.String())
			}
		}
	})
}

func FuzzMessageSize(f *testing.F) {
	f.Add([]byte(opt("Content-Length: 2") + "ab"))
	f.Add([]byte("\r\n\r\n"))
	for _, m := range append(rfc4475(), rfc5118()...) {
		f.Add([]byte(m.text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := messageSize(data)
		if err == nil && n < 0 || n > len(data)+MaxMessage+4 {
			t.Fatalf("%d of %d, %v", n, len(data), err)
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	e := inspectEndpoint()
	text := []byte(opt("Contact: <sip:a@192.0.2.1:5060>", "User-Agent: x", "Content-Length: 0"))
	var m rawMessage
	var out bytes.Buffer
	b.ReportAllocs()
	for b.Loop() {
		if pass, _ := e.inspect(&m, text, testSource, false, &out); !pass {
			b.Fatal("refused")
		}
	}
}
