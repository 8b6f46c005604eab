package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
)

// scene makes a scenario of a file of sipp/: what differs between transports
// and what every message has is written once, here. LOOPSTART_SIPP_OUT names a
// folder that keeps the finished scenarios, to run them by hand.
type scene struct {
	Caller   string // the number that calls, or that is called
	At       string // host part of SIPp's Contact, with its transport
	Via      string // UDP, TCP or TLS
	Dial     string // the number that the script shall dial
	Other    string // the number that a REFER names
	Replaces string // the dialog that an INVITE or a REFER names
	Answer   string // what it is answered with, of one that is refused
	vars     []string
}

// scenario is the finished text.
func (s *scene) scenario(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("sipp", name+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	parts := template.FuncMap{
		"send": s.send, "again": s.again, "recv": s.recv, "maybe": maybe, "ack": s.ack, "cancel": s.cancel, "want": s.want, "reply": s.reply,
		"invited": s.invited, "tagged": s.tagged, "ask": s.ask, "pause": pause, "sdp": sdp, "sdpAt": sdpAt, "repeat": strings.Repeat,
	}
	page, err := template.New(name).Funcs(parts).Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	s.vars = nil
	var b strings.Builder
	if err := page.Execute(&b, s); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if len(s.vars) > 0 {
		text += `<Reference variables="` + strings.Join(s.vars, ",") + `"/>`
	}
	return text
}

// message is a CDATA section: the headers, of which more replaces those of the
// same name, and at last the body, if there is one.
func message(start string, headers []string, more []string) string {
	body := "Content-Length: 0\n"
	var added []string
	for _, m := range more {
		if strings.Contains(m, "\n\n") {
			body = strings.TrimPrefix(m, "\n")
			continue
		}
		name, _, _ := strings.Cut(m, ":")
		if i := slices.IndexFunc(headers, func(h string) bool { return strings.HasPrefix(h, name+":") }); i >= 0 {
			headers[i] = m
			continue
		}
		added = append(added, m)
	}
	return "<![CDATA[\n" + start + "\n" + strings.Join(append(headers, added...), "\n") + "\n" + body + "\n]]></send>\n"
}

// send is a request of a caller. what is the method and the CSeq, and then
// "first" for one without a To tag, or "in" for one to our Contact.
func (s *scene) send(what string, more ...string) string {
	f := strings.Fields(what)
	method, cseq, branch := f[0], f[1], f[0]
	uri, to, routes := "sip:[service]@[remote_ip]:[remote_port]", "[peer_tag_param]", ""
	retrans := ` retrans="500"`
	switch {
	case method == "CANCEL" || len(f) > 2 && f[2] == "first":
		to = ""
	case len(f) > 2 && f[2] == "in":
		uri, routes = "[next_url]", "[routes]"
	}
	switch {
	case method == "ACK":
		retrans = ""
	case method == "CANCEL":
		branch = "INVITE"
	}
	if len(f) > 2 && f[2] == "refused" { // an ACK in the transaction of its INVITE
		branch = "INVITE"
	}
	headers := []string{
		"Via: SIP/2.0/" + s.Via + " [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-" + cseq + branch,
		"Max-Forwards: 70",
		"From: <sip:" + s.Caller + "@[local_ip]:[local_port]>;tag=[pid]f[call_number]",
		"To: <sip:[service]@[remote_ip]:[remote_port]>" + to,
		"Call-ID: [call_id]", "CSeq: " + cseq + " " + method,
		"Contact: <sip:sipp@" + s.At + ">",
	}
	if routes != "" {
		headers = append(headers, routes)
	}
	var rest []string
	for _, m := range more {
		if after, ok := strings.CutPrefix(m, "URI "); ok {
			uri = after
			continue
		}
		rest = append(rest, m)
	}
	return "<send" + retrans + ">" + message(method+" "+uri+" SIP/2.0", headers, rest)
}

// again is the same request once more, which SIPp does not wait for.
func (s *scene) again(what string, more ...string) string {
	return strings.Replace(s.send(what, more...), ` retrans="500"`, "", 1)
}

// ack of a final answer to the INVITE of that CSeq: "1" of a 200, "1 refused"
// of anything else.
func (s *scene) ack(what string, more ...string) string { return s.send("ACK "+what, more...) }

// cancel of the INVITE of that CSeq.
func (s *scene) cancel(cseq string, more ...string) string { return s.send("CANCEL "+cseq, more...) }

// checks makes one check of each regular expression; "!" means that it must
// not match. Only the first line has a beginning that they know.
func (s *scene) checks(patterns []string) string {
	var b strings.Builder
	for _, p := range patterns {
		s.vars = append(s.vars, fmt.Sprintf("c%d", len(s.vars)))
		check := `check_it="true"`
		if after, ok := strings.CutPrefix(p, "!"); ok {
			p, check = after, `check_it_inverse="true"`
		}
		// A dot of theirs stands for a line's end, too: one of ours does not, "…" does.
		p = strings.NewReplacer(".*", "[[:print:]]*", "…", ".*").Replace(p)
		p = strings.NewReplacer("&", "&amp;", `"`, "&quot;", "<", "&lt;", ">", "&gt;").Replace(p)
		fmt.Fprintf(&b, `<ereg regexp="%s" search_in="msg" %s assign_to="%s"/>`, p, check, s.vars[len(s.vars)-1])
	}
	return b.String()
}

// keep captures the rest of a header line.
func (s *scene) keep(variable, header string) string {
	if !slices.Contains(s.vars, variable) {
		s.vars = append(s.vars, variable)
	}
	return fmt.Sprintf(`<ereg regexp=".*" search_in="hdr" header="%s:" assign_to="%s"/>`, header, variable)
}

func (s *scene) recv(code string, patterns ...string) string {
	auth := ""
	if code == "401" || code == "407" {
		auth = ` auth="true"`
	}
	return `<recv response="` + code + `" rrs="true" timeout="9000"` + auth + `><action>` + s.checks(append(patterns, "SIP/2.0")) + "</action></recv>\n"
}

// maybe takes an answer that may come or not.
func maybe(code string) string { return `<recv response="` + code + `" optional="true"/>` + "\n" }

// want is a request of ours.
func (s *scene) want(method string, patterns ...string) string {
	return `<recv request="` + method + `" rrs="true" timeout="12000"><action>` + s.checks(append(patterns, "SIP/2.0")) + "</action></recv>\n"
}

// reply answers the last request.
func (s *scene) reply(status string, more ...string) string {
	return "<send>" + message("SIP/2.0 "+status, []string{"[last_Via:]", "[last_From:]", "[last_To:]", "[last_Call-ID:]", "[last_CSeq:]", "Contact: <sip:sipp@" + s.At + ">"}, more)
}

// invited waits for our INVITE and keeps its headers.
func (s *scene) invited(patterns ...string) string {
	return `<recv request="INVITE" rrs="true" timeout="15000"><action>` + s.keep("via", "Via") + s.keep("from", "From") + s.keep("to", "To") + s.keep("cseq", "CSeq") +
		s.checks(patterns) + "</action></recv>\n"
}

// tagged answers the INVITE that was kept, with our To tag.
func (s *scene) tagged(status string, more ...string) string {
	tag := ";tag=[pid]t[call_number]"
	if strings.HasPrefix(status, "100") {
		tag = ""
	}
	retrans := ""
	if strings.HasPrefix(status, "2") {
		retrans = ` retrans="500"`
	}
	headers := []string{"Via:[$via]", "From:[$from]", "To:[$to]" + tag, "Call-ID: [call_id]", "CSeq:[$cseq]", "Contact: <sip:sipp@" + s.At + ">"}
	return "<send" + retrans + ">" + message("SIP/2.0 "+status, headers, more)
}

// ask is a request of the callee within the dialog.
func (s *scene) ask(what string, more ...string) string {
	method, cseq, _ := strings.Cut(what, " ")
	retrans := ` retrans="500"`
	if method == "ACK" {
		retrans = ""
	}
	headers := []string{
		"Via: SIP/2.0/" + s.Via + " [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-" + cseq + method,
		"Max-Forwards: 70", "From:[$to];tag=[pid]t[call_number]", "To:[$from]", "Call-ID: [call_id]", "CSeq: " + cseq + " " + method,
		"Contact: <sip:sipp@" + s.At + ">",
	}
	return "<send" + retrans + ">" + message(method+" [next_url] SIP/2.0", headers, more)
}

func pause(ms int) string { return fmt.Sprintf(`<pause milliseconds="%d"/>`+"\n", ms) }

// sdp is a session description with that direction; "zero" is the hold of old
// phones.
func sdp(direction string) string {
	if direction == "zero" {
		return sdpAt("0.0.0.0", "sendrecv", "[media_port]")
	}
	return sdpAt("[media_ip]", direction, "[media_port]")
}

func sdpAt(ip, direction, port string) string {
	v := "[media_ip_type]"
	if ip == "0.0.0.0" {
		v = "4"
	}
	return `Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[media_ip_type] [media_ip]
s=-
c=IN IP` + v + ` ` + ip + `
t=0 0
m=audio ` + port + ` RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=` + direction + "\n"
}
