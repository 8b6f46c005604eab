package e2e

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// trunkScripts are what the orders of the scenarios uas-* run.
var trunkScripts = files{
	"say.ts": `export default async (call) => { await call.play("silence:300ms"); }`,
	"stay.ts": `
export default async function (call) {
  const seen = { held: [], keys: "", texts: [] };
  const keep = () => { call.result = seen; };
  call.on("hold", e => { seen.held.push(e.held); keep(); });
  call.on("digit", e => { seen.keys += e.digit; keep(); });
  call.on("message", e => { seen.texts.push(e.text); keep(); });
  await call.play("tone:500", { loop: true });
}`,
	"hold.ts": `
export default async function (call) {
  await call.play("silence:200ms");
  await call.hold();
  call.result = "held";
  if (call.data.stay) await new Promise(r => setTimeout(r, 20000));
}`,
	"keys.ts": `export default async (call) => { await call.play("silence:200ms"); await call.sendDigits("42"); await call.play("silence:200ms"); }`,
	"texts.ts": `
export default async function (call) {
  const text = await call.sendMessage("order 7");
  const info = await call.sendInfo("application/json", { order: 7 });
  call.result = [text.status, info.status];
}`,
	"send.ts": `export default async (call) => { call.result = await call.transfer("+79160000002", { timeout: "8s" }); }`,
}

// trunkCell is a scenario that we call: a trunk of its own.
type trunkCell struct {
	cell
	addr  netip.AddrPort // SIPp's
	relay *relay         // before it, with TLS
}

// trunk is the name of its trunk.
func (c trunkCell) trunk() string { return strings.ReplaceAll(c.name, "-", "") + c.to + string(c.way) }

// address is what its trunk has.
func (c trunkCell) address() string {
	switch c.way {
	case overTCP, overTCP6:
		return c.addr.String() + ";transport=tcp"
	case overTLS:
		return c.relay.Addr().String() + ";transport=tls"
	}
	return c.addr.String()
}

// place gives each cell an address, and returns the trunks' configuration.
func (m *matrix) place(cells []cell, more map[string]string) (out []trunkCell, lines string) {
	lines = "trunks:\n"
	for _, c := range cells {
		one := trunkCell{cell: c}
		ip := "127.0.0.1"
		if c.way == overUDP6 || c.way == overTCP6 {
			ip = "::1"
		}
		one.addr = freePort(m.t, ip)
		if c.way == overTLS {
			one.relay = fromTLS(m.t, m.certs, one.addr.String())
		}
		extra := more[c.name]
		if !strings.Contains(extra, "from:") {
			extra += `, from: ["+74951234567"]`
		}
		lines += fmt.Sprintf("  %s: {address: \"%s\", options: off, destinations: [\"+7\"], max_cps: 100%s}\n", one.trunk(), one.address(), extra)
		out = append(out, one)
	}
	return out, lines
}

// listens reports whether a process listens at the port.
func listens(port uint16) bool {
	for _, table := range []string{"udp", "udp6", "tcp", "tcp6"} {
		text, _ := os.ReadFile("/proc/net/" + table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", port)) && (table[0] == 'u' || f[3] == "0A") {
				return true
			}
		}
	}
	return false
}

// trunkRuns starts SIPp as a trunk, and waits until it listens.
func (m *matrix) trunkRuns(t testing.TB, c trunkCell) *sippRun {
	s := scene{Caller: c.from, Via: c.way.via(), At: "[local_ip]:[local_port];transport=[transport]"}
	transport := "t1"
	switch c.way {
	case overTLS:
		s.At = c.relay.Addr().String() + ";transport=tls"
	case overUDP, overUDP6:
		transport = "u1"
	}
	text := s.scenario(t, c.name)
	keepScenario(t, c.cell, text)
	r := sippAt(t, c.addr, text, append([]string{"-m", "1", "-t", transport}, c.args...)...)
	eventually(t, "SIPp to listen", testLimit, func() bool { return listens(c.addr.Port()) })
	return r
}

// called runs SIPp as the trunk of one order.
func (m *matrix) called(t testing.TB, c trunkCell) {
	r := m.trunkRuns(t, c)
	p := m.p.in(t)
	body := map[string]any{"script": c.to, "to": c.from, "trunk": c.trunk(), "timeout": "10s"}
	for k, v := range c.order {
		body[k] = v
	}
	id := p.place(body)
	r.passes(t)
	m.recorded(t, c.cell, p.done(id).record)
}

func plain(cells []trunkCell) (out []cell) {
	for _, c := range cells {
		out = append(out, c.cell)
	}
	return out
}

// trunkWays are those of what we send: nobody cuts it.
var trunkWays = []way{overUDP, overTLS, overTCP6, overTCP, overUDP6}

// TestSIPpMatrixTrunks calls SIPp as a trunk in every mood that providers have.
func TestSIPpMatrixTrunks(t *testing.T) {
	t.Parallel()
	need(t, "sipp")
	short := map[string]any{"timeout": "1s"}
	byCallee, byScript := "200 answered_short callee", "200 delivered script"
	table := []matrixCase{
		{name: "uas-answers", to: "say", record: byScript},
		{name: "uas-hangs-up", to: "stay", record: byCallee},
		{name: "uas-bye-turned", to: "stay", record: byCallee},
		{name: "uas-early-media", to: "say", record: byScript},
		{name: "uas-many-provisionals", to: "say", record: byScript},
		{name: "uas-sdp-only-in-183", to: "say", record: byScript},
		{name: "uas-no-sdp-at-all", to: "say", record: "-"},
		{name: "uas-100rel", to: "say", record: byScript},
		{name: "uas-digest-old", to: "say", record: byScript},
		{name: "uas-digest-md5", to: "say", record: byScript},
		{name: "uas-digest-sha256", to: "say", record: byScript},
		{name: "uas-digest-sha512", to: "say", record: byScript},
		{name: "uas-digest-two-challenges", to: "say", record: byScript},
		{name: "uas-digest-stale", to: "say", record: byScript},
		{name: "uas-digest-wrong-password", to: "say", record: "-"},
		{name: "uas-digest-everywhere", to: "hold", record: byScript, result: "held"},
		{name: "uas-digest-one-nonce", to: "hold", record: byScript, result: "held"},
		{name: "uas-404", to: "say", record: "404 bad_number callee"},
		{name: "uas-480", to: "say", record: "480 no_answer callee"},
		{name: "uas-486", to: "say", record: "486 busy callee"},
		{name: "uas-488", to: "say", record: "-"},
		{name: "uas-500", to: "say", record: "500 trunk_failed callee"},
		{name: "uas-503", to: "say", record: "503 trunk_failed callee"},
		{name: "uas-603", to: "say", record: "603 rejected callee"},
		{name: "uas-604", to: "say", record: "604 bad_number callee"},
		{name: "uas-302", to: "say", record: "302 rejected callee"},
		{name: "uas-302-followed", to: "say", only: []way{overUDP, overUDP6}, args: []string{"-m", "2"}, record: "486 busy callee"},
		{name: "uas-422", to: "say", record: byScript},
		{name: "uas-timer-refreshed-by-callee", to: "stay", record: byCallee},
		{name: "uas-cancelled-while-ringing", to: "say", order: short, record: "-"},
		{name: "uas-cancelled-after-100", to: "say", order: short, record: "-"},
		{name: "uas-cancel-crosses-200", to: "say", order: short, record: "-"},
		{name: "uas-fork-two-answers", to: "say", record: byScript},
		{name: "uas-bye-race", to: "say", record: "-"},
		{name: "uas-double-bye", to: "stay", record: byCallee},
		{name: "uas-glare", to: "hold", order: map[string]any{"data": map[string]any{"stay": "1"}}, record: byCallee, result: "held"},
		{name: "uas-holds-sendonly", to: "stay", record: byCallee, result: `"held":\[true,false\]`},
		{name: "uas-holds-inactive", to: "stay", record: byCallee, result: `"held":\[true,false\]`},
		{name: "uas-holds-zero", to: "stay", record: byCallee, result: `"held":\[true,false\]`},
		{name: "uas-moves-media", to: "say", record: byScript},
		{name: "uas-asks-for-an-offer", to: "stay", record: byCallee},
		{name: "uas-in-dialog-requests", to: "stay", record: "200 delivered callee", result: `"keys":"9","texts":\["hello`},
		{name: "uas-keys-as-info", to: "keys", record: byScript},
		{name: "uas-texts", to: "texts", record: byScript, result: `\["delivered","rejected"\]`},
		{name: "uas-transferred", to: "send", record: "-", result: `"code":200,"status":"completed"`},
		{name: "uas-record-route", to: "say", record: byScript},
		{name: "uas-strict-router", to: "say", record: byScript},
		{name: "uas-sdp-bare", to: "say", record: byScript},
		{name: "uas-sdp-ptime-30", to: "say", record: byScript},
		{name: "uas-sdp-no-common-codec", to: "say", record: "-"},
		{name: "uas-compact-multipart", to: "say", record: byScript},
		{name: "uas-identity-pai", to: "say", record: "486 busy callee"},
		{name: "uas-identity-hidden", to: "say", order: map[string]any{"hide": true}, record: "486 busy callee"},
		{name: "uas-digits", to: "say", record: "486 busy callee"},
	}
	login := `, username: "login", password: "s3cret"`
	more := map[string]string{
		"uas-302-followed": ", redirect: follow", "uas-422": ", session_timer: 100s", "uas-keys-as-info": ", dtmf: info",
		"uas-identity-pai": ", present: pai" + login, "uas-digits": ", format: national",
	}
	for _, name := range []string{"old", "md5", "sha256", "sha512", "two-challenges", "stale", "wrong-password", "everywhere", "one-nonce"} {
		more["uas-digest-"+name] = login
	}
	for i := range table {
		if table[i].only == nil {
			table[i].only = trunkWays
		}
	}
	for part := range slices.Chunk(table, matrixTrunks) {
		trunkMatrix(t, part, more)
	}
}

// matrixTrunks is how many scenarios one engine meets: each has a trunk per
// way, and an engine serves 256.
const matrixTrunks = 48

// trunkMatrix is one engine with a trunk for each run.
func trunkMatrix(t *testing.T, table []matrixCase, more map[string]string) {
	m := newMatrix(t, trunkScripts, conf{rest: "TRUNKS\nlimits: {script_grace: 1s, cps: 1000}\n"})
	cells, lines := m.place(m.cells(table, "+7900004"), more)
	m.edit("TRUNKS\n", lines)
	m.p.start()
	at := map[string]trunkCell{}
	for _, c := range cells {
		at[c.from] = c
	}
	m.each(t, plain(cells), func(t testing.TB, c cell) { m.called(t, at[c.from]) })

	m.p.empty(t)
}
