package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/loopstart/loopstart/e2e/internal/phone"
)

// The lossy network: two namespaces with one of ours each, and a third between
// them that forwards their packets and drops every twentieth of RTP at random.
//
//	near 10.77.0.1 — 10.77.0.2 router 10.77.1.1 — 10.77.1.2 far
const (
	lossPercent = 5
	lossyEnv    = "LOOPSTART_E2E_FAR" // the far namespace, set inside the near one
	nearAddr    = "10.77.0.1"
	farAddr     = "10.77.1.2"
)

var lossyScripts = files{
	"dial.ts": `
export const config = { record: { stereo: true } };
export default async function (call) {
  await call.play("tone:500/2s");
  await call.sendDigits("0123456789*#");
  call.result = (await call.gather({ digits: 12, timeout: "10s", interDigitTimeout: "4s" })).digits;
}`,
	"ivr.ts": `
export const config = { record: { stereo: true } };
export default async function (call) {
  await call.answer();
  call.result = (await call.gather({ digits: 12, timeout: "15s", interDigitTimeout: "4s" })).digits;
  await call.play("tone:800/2s");
  await call.sendDigits("987654321#*0");
  await call.play("silence:500ms");
}`,
	"find.ts": `
export const config = { record: { stereo: true } };
export default async function (call) {
  await call.answer();
  call.result = await call.connect("102", { timeout: "8s" });
}`,
}

// TestLossyNetwork lets one of ours call another over a network that loses
// packets: every key arrives once, the audio is whole, and the loss is told.
func TestLossyNetwork(t *testing.T) {
	t.Parallel()
	if far := os.Getenv(lossyEnv); far != "" {
		talkOverLoss(t, far)
		return
	}
	near, far := lossyNetwork(t)
	again(t, near, lossyEnv, far)
}

// lossyNetwork makes the three namespaces, or skips where that is not allowed.
func lossyNetwork(t *testing.T) (near, far string) {
	t.Helper()
	ns := namespaces(t, "near", "router", "far")
	need(t, "nft")
	near, router, far := ns[0], ns[1], ns[2]
	ip(t, "link add near0 netns "+near+" type veth peer name near1 netns "+router)
	ip(t, "link add far0 netns "+far+" type veth peer name far1 netns "+router)
	address(t, near, "near0", nearAddr)
	address(t, router, "near1", "10.77.0.2")
	address(t, router, "far1", "10.77.1.1")
	address(t, far, "far0", farAddr)
	ip(t, "-n "+near+" route add default via 10.77.0.2")
	ip(t, "-n "+far+" route add default via 10.77.1.1")
	if out, err := exec.Command("ip", "netns", "exec", router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward").CombinedOutput(); err != nil {
		unable(t, fmt.Sprintf("no forwarding: %v %s", err, out))
	}
	nft := "netns exec " + router + " nft add "
	ip(t, nft+"table ip loss")
	ip(t, nft+"chain ip loss forward { type filter hook forward priority 0 ; }")
	ip(t, nft+fmt.Sprintf("rule ip loss forward udp dport 10000-29399 numgen random mod 100 < %d drop", lossPercent))
	return near, far
}

// talkOverLoss runs inside the near namespace.
func talkOverLoss(t *testing.T, far string) {
	// This package's ports for SIP and HTTP lie above those of RTP: they lose nothing.
	b := &project{t: t, dir: t.TempDir(), netns: far, ports: "20000-20299",
		sip: netip.MustParseAddrPort(farAddr + ":30060"), http: netip.MustParseAddrPort(farAddr + ":30080")}
	b.config(conf{sip: usersConf, rest: "routes:\n  - {to: \"+7*\", script: ivr}\n  - {to: \"+8*\", script: find}\ntrunks:\n  near: {address: \"" + nearAddr + "\", options: off}\n"})
	a := setup(t, lossyScripts, conf{ip: nearAddr, rest: fmt.Sprintf("trunks:\n  far: {address: \"%s\", options: off, from: [\"+74951234567\"], destinations: [\"+7\"]}\n", b.sip)})
	for name, text := range lossyScripts {
		b.save(name, text)
	}
	b.start()
	a.start()
	const calls = 4
	var orders [calls]string
	for i := range orders {
		orders[i] = a.place(map[string]any{"script": "dial", "to": fmt.Sprintf("+7916000000%d", i)})
	}
	lost, heard := 0.0, 0
	for i, id := range orders {
		o := a.done(id)
		if string(o.Result) != `"987654321#*0"` {
			t.Errorf("call %d: keys %s came back", i, o.Result)
		}
		checkTone(t, a.fetchRecording(o.ID), 800)
		lost, heard = lost+o.Quality.Loss, heard+1
	}
	var rows []record
	eventually(t, "the records of the far side", testLimit, func() bool {
		rows = b.list("outcome=served")
		return len(rows) == calls
	})
	for i, r := range rows {
		if string(r.Result) != `"0123456789*#"` {
			t.Errorf("call %d: keys %s arrived", i, r.Result)
		}
		checkTone(t, b.fetchRecording(r.ID), 500)
		lost, heard = lost+r.Quality.Loss, heard+1
	}
	if share := lost / float64(heard); share < 0.02 || share > 0.09 {
		t.Errorf("told of %.1f %% lost, the network loses %d %%", 100*share, lossPercent)
	}
	t.Run("baresip", func(t *testing.T) { talkToBaresip(t, b) })
}

// talkToBaresip has a phone of others register over the lossy network, and talk
// to a caller who is there too: each is heard in the other's channel.
func talkToBaresip(t *testing.T, p *project) {
	p = p.in(t)
	b := startBaresip(t, nearAddr, fmt.Sprintf("<sip:102@%s>;auth_pass=pass-102;answermode=auto;audio_codecs=pcma;ptime=20", p.sip), 800)
	eventually(t, "baresip's registration", 10*time.Second, func() bool { return strings.Contains(p.log.String(), `"user":"102"`) })
	const from = "+79000000310"
	c := phone.New(t, from, nearAddr).Call(p.uri("+88001234567"), p.sip)
	c.Talk(5 * time.Second)
	c.Media.Play(phone.Tone(500))
	eventually(t, "baresip's tone", 10*time.Second, func() bool { return phone.ToneTime(phone.PCM(c.Media.Packets()), 800) > 3*time.Second })
	c.Hangup()
	r := p.ended(from)
	if !strings.Contains(string(r.Result), `"answeredBy":"102"`) {
		t.Fatalf("%s\n%s", r.Result, b.log)
	}
	channels := p.fetchRecording(r.ID)
	if d := phone.ToneTime(channels[0], 500); d < 2500*time.Millisecond {
		t.Errorf("the caller is heard for %s", d)
	}
	if d := phone.ToneTime(channels[1], 800); d < 2500*time.Millisecond {
		t.Errorf("baresip is heard for %s", d)
	}
}

// checkTone asserts that two seconds of tone stand in the left channel, no more
// than the frames after a loss damaged.
func checkTone(t *testing.T, channels [][]int16, hz float64) {
	t.Helper()
	if len(channels) != 2 {
		t.Fatalf("%d channels", len(channels))
	}
	if d := phone.ToneTime(channels[0], hz); d < 1700*time.Millisecond || d > 2100*time.Millisecond {
		t.Errorf("%s of the tone of %.0f Hz were recorded, 2 s were played", d, hz)
	}
}
