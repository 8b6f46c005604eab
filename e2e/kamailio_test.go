package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// kamailio is a registrar and proxy with digest in front of a carrier: what
// many providers run.
type kamailio struct {
	cmd  *exec.Cmd
	addr netip.AddrPort
	over chan struct{}
}

// kamailioConfig asks loopstart to log in, stands in the way of each dialog
// (Record-Route), sends its calls to the carrier, and the carrier's calls to
// who is registered.
const kamailioConfig = `
debug=1
log_stderror=yes
children=2
auto_aliases=no
listen=udp:%[1]s
tcp_children=1
disable_tcp=yes
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/:/usr/lib/kamailio/modules/"
loadmodule "kex.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("auth", "nonce_count", 1)
modparam("auth", "qop", "auth")
modparam("rr", "append_fromtag", 1)

request_route {
	if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
	if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
	if (has_totag()) {
		if (loose_route()) { t_relay(); exit; }
		if (uri != myself) { t_relay(); exit; }
		sl_send_reply("404", "Not here");
		exit;
	}
	if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
	if (is_method("REGISTER")) {
		if (!pv_www_authenticate("kam", "s3cret", "0")) { www_challenge("kam", "1"); exit; }
		if (!save("location")) { sl_reply_error(); }
		exit;
	}
	if (!is_method("INVITE|MESSAGE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
	record_route();
	if ($si == "%[2]s") {
		if (!lookup("location")) { sl_send_reply("404", "Not Found"); exit; }
		t_relay();
		exit;
	}
	if (!pv_proxy_authenticate("kam", "s3cret", "0")) { proxy_challenge("kam", "1"); exit; }
	consume_credentials();
	$du = "sip:%[3]s";
	t_relay();
}
`

// startKamailio runs it on ip, in front of the carrier.
func startKamailio(t testing.TB, ip string, carrier netip.AddrPort) *kamailio {
	t.Helper()
	path := need(t, "kamailio")
	dir := t.TempDir()
	k := &kamailio{addr: freePort(t, ip), over: make(chan struct{})}
	file := filepath.Join(dir, "kamailio.cfg")
	text := fmt.Sprintf(kamailioConfig, k.addr, carrier.Addr(), carrier)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &logBuffer{}
	k.cmd = exec.Command(path, "-DD", "-E", "-f", file, "-Y", dir, "-w", dir, "-P", filepath.Join(dir, "pid"), "-m", "32", "-M", "8")
	k.cmd.Stdout, k.cmd.Stderr = log, log
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = k.cmd.Wait(); close(k.over) }()
	t.Cleanup(func() {
		k.stop()
		if t.Failed() {
			t.Logf("kamailio %s:\n%s", k.addr, tail(log.String(), 40))
		}
	})
	return k
}

// stop ends it with its children, which hold the socket.
func (k *kamailio) stop() {
	_ = syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL)
	<-k.over
}

// TestKamailioInFront: we register with two Kamailio instances, call through
// them and are called; a dialog goes by its Record-Route; when the first dies,
// calls go by the second.
func TestKamailioInFront(t *testing.T) {
	t.Parallel()
	carrier := trunk(t, "127.0.0.86")
	one, two := startKamailio(t, "127.0.0.87", carrier.Addr), startKamailio(t, "127.0.0.88", carrier.Addr)
	line := func(name string, k *kamailio) string {
		return fmt.Sprintf("  %s: {address: \"%s\", username: \"79261234567\", password: \"s3cret\", register: {expires: 60s}, options: off, from: [\"+74951234567\"], destinations: [\"+7\"], did: [to]}\n", name, k.addr)
	}
	scripts := files{"in.ts": `export default async (call) => { await call.answer(); await call.play("tone:600/600ms"); call.result = call.to.user; }`}
	for name, text := range outboundScripts {
		scripts[name] = text
	}
	p := serve(t, scripts, conf{sip: `trust: [127.0.0.1/32]`, rest: "trunks:\n" + line("one", one) + line("two", two) + "routes:\n  - {trunk: \"*\", script: in}\n"})
	states := func() string {
		var out struct {
			Trunks []struct{ Name, State string }
		}
		p.api("GET", "/v1/trunks", nil, &out)
		text := ""
		for _, one := range out.Trunks {
			text += one.Name + " " + one.State + " "
		}
		return text
	}
	eventually(t, "both registrations stand", 20*time.Second, func() bool { return states() == "one registered two registered " })

	id := p.place(map[string]any{"script": "tell", "to": "+79160000001"})
	c := carrier.Next(t, 5*time.Second)
	if n := len(c.Invite.All("via")); n != 2 {
		t.Errorf("%d Via: it did not come through the proxy", n)
	}
	c.Ring()
	c.PickUp()
	c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
	c.Media.Press("1")
	bye := c.Request("BYE", 10*time.Second)
	if n := len(bye.All("via")); n != 2 {
		t.Errorf("%d Via: the BYE did not follow the Record-Route", n)
	}
	if o := p.done(id); o.Outcome != "delivered" || o.Trunk != "one" {
		t.Errorf("%+v", o)
	}

	in := carrier.Call("sip:79261234567@"+two.addr.String(), two.addr)
	in.Talk(5 * time.Second)
	in.Media.WaitTone(600, 300*time.Millisecond, 0, 5*time.Second)
	in.Ended(10 * time.Second)

	one.stop()
	began := time.Now()
	id = p.place(map[string]any{"script": "tell", "to": "+79160000001"})
	c = carrier.Next(t, 15*time.Second)
	t.Logf("the second one has the call after %s", time.Since(began).Round(time.Millisecond))
	c.PickUp()
	c.Media.WaitTone(500, 300*time.Millisecond, 0, 5*time.Second)
	c.Media.Press("1")
	if o := p.done(id); o.Outcome != "delivered" || o.Trunk != "two" {
		t.Errorf("%+v", o)
	}
}
