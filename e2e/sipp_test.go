package e2e

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// sippRun is one run of SIPp.
type sippRun struct {
	cmd  *exec.Cmd
	dir  string
	log  *logBuffer
	over chan struct{}
	addr netip.AddrPort
}

// Where Debian keeps SIPp's captures of keys.
const pcaps = "/usr/share/sip-tester/"

// key plays the capture of one key; it goes through a raw socket.
func key(name string) string {
	return `<nop><action><exec play_pcap_audio="` + pcaps + `dtmf_2833_` + name + `.pcap"/></action></nop><pause milliseconds="400"/>`
}

// needRaw skips a test that plays captures where raw sockets are forbidden.
func needRaw(t testing.TB) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_UDP)
	if err != nil {
		unable(t, "SIPp plays captures through raw sockets, which need root")
	}
	syscall.Close(fd)
	if _, err := os.Stat(pcaps + "dtmf_2833_1.pcap"); err != nil {
		lacking(t, "SIPp's captures are not installed")
	}
}

// sipp runs a scenario; args name the peer and how often. It does not wait.
func sipp(t testing.TB, ip, scenario string, args ...string) *sippRun {
	t.Helper()
	return sippAt(t, freePort(t, ip), scenario, args...)
}

// sippAt runs it at an address.
func sippAt(t testing.TB, addr netip.AddrPort, scenario string, args ...string) *sippRun {
	t.Helper()
	ip := addr.Addr().String()
	path := need(t, "sipp")
	dir := t.TempDir()
	file := filepath.Join(dir, "scenario.xml")
	text := `<?xml version="1.0" encoding="UTF-8" ?><!DOCTYPE scenario SYSTEM "sipp.dtd"><scenario name="e2e">` + scenario + `</scenario>`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &sippRun{dir: dir, log: &logBuffer{}, over: make(chan struct{}), addr: addr}
	all := []string{"-sf", file, "-i", ip, "-p", fmt.Sprint(r.addr.Port()), "-mi", ip, "-mp", fmt.Sprint(sippMedia(ip)), "-nostdin", "-timeout", "25s", "-timeout_error", "-trace_err",
		"-error_file", filepath.Join(dir, "errors"), "-nd"}
	r.cmd = exec.Command(path, append(all, args...)...)
	r.cmd.Dir, r.cmd.Stdout, r.cmd.Stderr = dir, r.log, r.log
	r.cmd.Env = append(os.Environ(), "TERM=dumb")
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = r.cmd.Wait(); close(r.over) }()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.over
	})
	return r
}

// sippMedia is a port for SIPp's audio, with some above it. There are many more
// SIPps than engines, whose ranges are left to them.
func sippMedia(ip string) (port int) {
	rangeLock.Lock()
	defer rangeLock.Unlock()
	for range 200 {
		if sippNext += 10; sippNext > 11900 {
			sippNext = 9000
		}
		if c, err := net.ListenPacket("udp", net.JoinHostPort(ip, fmt.Sprint(sippNext))); err == nil {
			c.Close()
			break
		}
	}
	return sippNext
}

var sippNext = 9000 + os.Getpid()%290*10

// passes waits for SIPp's end, which must be without a failed call.
func (r *sippRun) passes(t testing.TB) {
	t.Helper()
	if !phone.Within(testLimit).Await(r.over) {
		t.Fatal("SIPp does not end")
	}
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		errors, _ := os.ReadFile(filepath.Join(r.dir, "errors"))
		t.Errorf("SIPp: status %d\n%s", code, tail(string(errors), 60))
	}
}

// Parts of scenarios.

const sdpBody = `Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
DIRECTION
`

func withSDP(direction string) string {
	return strings.Replace(sdpBody, "DIRECTION", "a="+direction, 1)
}

func sendInvite(cseq int, to, direction string) string {
	return `<send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:CALLER@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@[remote_ip]>` + to + `
Call-ID: [call_id]
CSeq: ` + fmt.Sprint(cseq) + ` INVITE
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
` + withSDP(direction) + `]]></send>`
}

func inDialog(method string, cseq int, retrans string) string {
	return `<send` + retrans + `><![CDATA[
` + method + ` sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:CALLER@[local_ip]:[local_port]>;tag=[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: ` + fmt.Sprint(cseq) + ` ` + method + `
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
Content-Length: 0
]]></send>`
}

func answer(status string, sdp string) string {
	if sdp == "" {
		sdp = "Content-Length: 0\n"
	}
	return `<send><![CDATA[
SIP/2.0 ` + status + `
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>
` + sdp + `]]></send>`
}

func recv(code int, optional bool) string {
	return fmt.Sprintf(`<recv response="%d" optional="%v" timeout="8000"/>`, code, optional)
}

func recvRequest(method string) string { return `<recv request="` + method + `" timeout="9000"/>` }

const okBye = `<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0
]]></send>`

const toTag = "[peer_tag_param]"

func TestSIPpCallsUs(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	hook := newBackend(t)
	p := serve(t, inboundScripts(hook), conf{rest: "limits: {script_grace: 1s, cps: 1000}\n"})
	cases := []struct {
		name, script, scenario string
		raw                    bool
		check                  func(*testing.T, record)
	}{
		{"prompt, keys, HTTP and BYE", "ask",
			sendInvite(1, "", "sendrecv") + recv(100, true) + recv(200, false) + inDialog("ACK", 1, "") +
				`<pause milliseconds="300"/>` + key("4") + key("2") + key("pound") + recvRequest("BYE") + okBye, true,
			func(t *testing.T, r record) {
				if !strings.Contains(string(r.Result), `"digits":"42","reason":"finish","status":200`) || r.Outcome != "served" {
					t.Errorf("%s %s", r.Outcome, r.Result)
				}
			}},
		{"early media", "early",
			sendInvite(1, "", "sendrecv") + recv(100, true) + recv(180, false) + recv(183, false) + recv(200, false) + inDialog("ACK", 1, "") + recvRequest("BYE") + okBye, false,
			func(t *testing.T, r record) {
				if r.RingMs < 600 || r.TalkMs < 350 {
					t.Errorf("ring %d ms, talk %d ms", r.RingMs, r.TalkMs)
				}
			}},
		{"CANCEL", "ring",
			sendInvite(1, "", "sendrecv") + recv(100, true) + recv(180, false) +
				strings.Replace(strings.Replace(inDialog("CANCEL", 1, ""), "[last_To:]", "To: <sip:[service]@[remote_ip]>", 1), "branch=[branch]", "branch=[branch-3]", 1) +
				recv(200, false) + recv(487, false) + strings.Replace(inDialog("ACK", 1, ""), "branch=[branch]", "branch=[branch-6]", 1), false,
			func(t *testing.T, r record) {
				if r.Code != 487 || r.EndedBy != "caller" {
					t.Errorf("%d by %s", r.Code, r.EndedBy)
				}
			}},
		{"busy", "busy",
			sendInvite(1, "", "sendrecv") + recv(100, true) + recv(486, false) + inDialog("ACK", 1, ""), false,
			func(t *testing.T, r record) {
				if r.Code != 486 {
					t.Errorf("%d", r.Code)
				}
			}},
		{"hold, resume and BYE", "wait",
			sendInvite(1, "", "sendrecv") + recv(100, true) + recv(200, false) + inDialog("ACK", 1, "") + `<pause milliseconds="200"/>` +
				sendInvite(2, toTag, "sendonly") + recv(100, true) + `<recv response="200" timeout="8000"><action><ereg regexp="a=recvonly" search_in="msg" check_it="true" assign_to="1"/></action></recv>` +
				inDialog("ACK", 2, "") + `<pause milliseconds="200"/>` +
				sendInvite(3, toTag, "sendrecv") + recv(100, true) + `<recv response="200" timeout="8000"><action><ereg regexp="a=sendrecv" search_in="msg" check_it="true" assign_to="2"/></action></recv>` +
				inDialog("ACK", 3, "") + inDialog("BYE", 4, ` retrans="500"`) + recv(200, false) + `<Reference variables="1,2"/>`, false,
			func(t *testing.T, r record) {
				if r.EndedBy != "caller" || r.Outcome != "served" {
					t.Errorf("%s by %s", r.Outcome, r.EndedBy)
				}
			}},
	}
	for i, one := range cases {
		for j, transport := range []string{"u1", "t1"} {
			t.Run(one.name+" over "+map[string]string{"u1": "UDP", "t1": "TCP"}[transport], func(t *testing.T) {
				t.Parallel()
				p := p.in(t)
				if one.raw {
					needRaw(t)
				}
				from := fmt.Sprintf("+790000021%d%d", i, j)
				r := sipp(t, "127.0.0.1", strings.ReplaceAll(one.scenario, "CALLER", from), p.sip.String(), "-s", one.script, "-m", "1", "-t", transport)
				r.passes(t)
				one.check(t, p.ended(from))
			})
		}
	}
	t.Run("a hundred short calls", func(t *testing.T) {
		t.Parallel()
		p := p.in(t)
		scenario := sendInvite(1, "", "sendrecv") + recv(100, true) + recv(200, false) + inDialog("ACK", 1, "") + recvRequest("BYE") + okBye
		r := sipp(t, "127.0.0.1", strings.ReplaceAll(scenario, "CALLER", "+79000002999"), p.sip.String(), "-s", "bye", "-m", "100", "-r", "50", "-t", "u1")
		r.passes(t)
		eventually(t, "100 records", 5*time.Second, func() bool { return len(p.list("from=%2B79000002999&outcome=served&limit=1000")) == 100 })
	})
}

// TestSIPpIsTheTrunk orders calls that SIPp answers, refuses or lets ring.
func TestSIPpIsTheTrunk(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	cases := []struct{ name, scenario, outcome string }{
		{"answered", recvRequest("INVITE") + answer("180 Ringing", "") + answer("200 OK", withSDP("sendrecv")) + recvRequest("ACK") + recvRequest("BYE") + okBye, "delivered"},
		{"early", recvRequest("INVITE") + answer("183 Session Progress", withSDP("sendrecv")) + `<pause milliseconds="300"/>` + answer("200 OK", withSDP("sendrecv")) +
			recvRequest("ACK") + recvRequest("BYE") + okBye, "delivered"},
		{"busy", recvRequest("INVITE") + answer("486 Busy Here", "") + recvRequest("ACK"), "busy"},
		{"rejected", recvRequest("INVITE") + answer("603 Decline", "") + recvRequest("ACK"), "rejected"},
		{"ringing", recvRequest("INVITE") + answer("180 Ringing", "") + recvRequest("CANCEL") + okBye +
			strings.Replace(answer("487 Request Terminated", ""), "[last_CSeq:]", "CSeq: [last_cseq_number] INVITE", 1) + recvRequest("ACK"), "no_answer"},
	}
	runs := map[string]*sippRun{}
	lines := "trunks:\n"
	for _, one := range cases {
		runs[one.name] = sipp(t, "127.0.0.1", one.scenario, "-m", "1", "-t", "u1")
		lines += fmt.Sprintf("  %s: {address: \"%s\", options: off, from: [\"+74951234567\"], destinations: [\"+7\"]}\n", one.name, runs[one.name].addr)
	}
	p := serve(t, files{"say.ts": `export default async (call) => { await call.play("tone:500/400ms"); }`}, conf{rest: lines})
	ids := map[string]string{}
	for _, one := range cases {
		ids[one.name] = p.place(map[string]any{"script": "say", "to": "+79160000001", "trunk": one.name, "timeout": "1s"})
	}
	for _, one := range cases {
		runs[one.name].passes(t)
		if o := p.done(ids[one.name]); o.Outcome != one.outcome {
			t.Errorf("%s: %s %d %s", one.name, o.Outcome, o.Code, o.Cause)
		}
	}
}

// TestSIPpRegisters proves a user with SIPp's own digest.
func TestSIPpRegisters(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	p := serve(t, nil, conf{sip: usersConf})
	register := func(cseq int, auth string) string {
		return `<send retrans="500"><![CDATA[
REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:103@[remote_ip]>;tag=[call_number]
To: <sip:103@[remote_ip]>
Call-ID: [call_id]
CSeq: ` + fmt.Sprint(cseq) + ` REGISTER
Contact: <sip:103@[local_ip]:[local_port];transport=[transport]>
` + auth + `Max-Forwards: 70
Expires: 120
Content-Length: 0
]]></send>`
	}
	for _, one := range []struct {
		password string
		code     int
	}{{"pass-103", 200}, {"wrong", 403}} {
		scenario := register(1, "") + `<recv response="401" auth="true" timeout="5000"/>` + register(2, "[authentication username=103 password="+one.password+"]\n") + recv(one.code, false)
		sipp(t, "127.0.0.1", scenario, p.sip.String(), "-s", "103", "-m", "1", "-t", "u1").passes(t)
	}
	if !strings.Contains(p.log.String(), `"user":"103"`) {
		t.Error("nobody is registered")
	}
}
